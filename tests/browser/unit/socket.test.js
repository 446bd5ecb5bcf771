import assert from "node:assert/strict";
import { test } from "node:test";

import { ServerClock } from "../../../static/js/lib/clock.js";
import { pillFace } from "../../../static/js/components/connection.js";
import { Link } from "../../../static/js/socket.js";
import { Store } from "../../../static/js/store.js";

/** A world in which time passes only when it is told to. */
function world() {
  const made = { now: 0, sockets: [], timers: [], polls: [], left: [], pollAnswer: null };
  class FakeSocket {
    readyState = 0;
    sent = [];
    constructor(url) {
      this.url = url;
      made.sockets.push(this);
    }
    open() {
      this.readyState = 1;
      this.onopen?.({});
    }
    hear(frame) {
      this.onmessage?.({ data: JSON.stringify(frame) });
    }
    end(code) {
      this.readyState = 3;
      this.onclose?.({ code });
    }
    send(text) {
      this.sent.push(JSON.parse(text));
    }
    close() {
      this.readyState = 3;
    }
  }
  const parts = {
    WebSocket: FakeSocket,
    fetch: async (url) => {
      made.polls.push(url);
      if (!made.pollAnswer) throw new Error("no network");
      return made.pollAnswer;
    },
    setTimeout: (run, ms) => {
      const timer = { run, at: made.now + ms };
      made.timers.push(timer);
      return timer;
    },
    clearTimeout: (timer) => (made.timers = made.timers.filter((one) => one !== timer)),
    random: () => 1,
    leave: (url) => made.left.push(url),
    address: "https://ringside.example",
  };
  made.pass = async (ms) => {
    const until = made.now + ms;
    for (;;) {
      const due = made.timers.filter((timer) => timer.at <= until).sort((a, b) => a.at - b.at)[0];
      if (!due) break;
      made.timers = made.timers.filter((timer) => timer !== due);
      made.now = due.at;
      due.run();
      await new Promise((resolve) => setImmediate(resolve));
    }
    made.now = until;
  };
  const store = new Store(() => {});
  const link = new Link({ store, clock: new ServerClock(() => made.now), rooms: ["overview", "alerts"], world: parts });
  return { made, store, link };
}
const frame = { type: "initial", room: "alerts", cursor: "a:7", timestamp: "2026-11-20T12:00:00.000Z", open: [], alerts: [] };

test("it subscribes with the cursors that the store has reached", () => {
  const { made, store, link } = world();
  store.apply(frame);
  link.start();
  made.sockets[0].open();
  assert.equal(made.sockets[0].url, "wss://ringside.example/ws");
  assert.deepEqual(made.sockets[0].sent.slice(0, 2), [
    { action: "subscribe", room: "overview" },
    { action: "subscribe", room: "alerts", cursor: "a:7" },
  ]);
  made.sockets[0].hear(frame);
  assert.equal(link.state, "live");
});

test("waits double up to thirty seconds", async () => {
  const { made, link } = world();
  link.start();
  const waits = [];
  for (let n = 0; n < 7; n += 1) {
    const from = made.now;
    made.sockets.at(-1).end(1006);
    waits.push(link.retryAt - from);
    await made.pass(waits.at(-1));
  }
  assert.deepEqual(waits, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("an advised delay counts more than the own one", () => {
  const { made, link } = world();
  link.start();
  made.sockets[0].open();
  made.sockets[0].hear(frame);
  made.sockets[0].hear({ type: "bye", retryMs: 2500, timestamp: frame.timestamp });
  made.sockets[0].end(4503);
  assert.equal(link.retryAt, 2500);
});

test("without sockets it polls, and goes back when one speaks", async () => {
  const { made, link } = world();
  made.pollAnswer = { ok: true, status: 200, json: async () => ({ frames: [frame], cursor: "" }) };
  link.start();
  made.sockets[0].end(1006);
  await made.pass(1000);
  made.sockets[1].end(1006);
  await made.pass(0);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(link.state, "polling");
  assert.equal(decodeURIComponent(made.polls[0]), "/poll?wait=0&rooms=overview,alerts");
  await made.pass(2000);
  assert.equal(decodeURIComponent(made.polls[1]), "/poll?wait=0&rooms=overview,alerts@a:7");
  made.sockets.at(-1).open();
  made.sockets.at(-1).hear(frame);
  assert.equal(link.state, "live");
  const polls = made.polls.length;
  await made.pass(8000);
  assert.equal(made.polls.length, polls);
});

test("a socket that says nothing for fifteen seconds is dead", async () => {
  const { made, link } = world();
  link.start();
  made.sockets[0].open();
  made.sockets[0].hear(frame);
  await made.pass(15_000);
  assert.equal(link.state, "connecting");
});

test("an ended login leads to the sign-in", async () => {
  const { made, link } = world();
  made.pollAnswer = { ok: false, status: 401, json: async () => ({}) };
  link.start();
  made.sockets[0].end(4401);
  await new Promise((resolve) => setImmediate(resolve));
  assert.deepEqual([link.state, made.left.length], ["refused", 1]);
});

test("the pill says what is true", () => {
  const facts = { state: "live", ageMs: 400, paused: false, held: 0, pausedForMs: 0, tries: 1, retryInMs: 0 };
  const says = (more) => {
    const { word, via, age } = pillFace({ ...facts, ...more });
    return `${word} ${via} ${age}`;
  };
  assert.equal(says({}), "LIVE WebSocket 0.4s");
  assert.equal(says({ state: "polling", ageMs: 1800 }), "POLLING every 2s 1.8s");
  assert.equal(says({ state: "connecting", tries: 2, retryInMs: 2600, ageMs: 5000 }), "CONNECTING… try 2, 3s 5.0s");
  assert.equal(says({ state: "connecting", ageMs: 48_000 }), "OFFLINE last data 48s ago");
  assert.equal(says({ paused: true, held: 184, pausedForMs: 72_000 }), "PAUSED 184 updates held 1m 12s");
  assert.equal(pillFace({ ...facts, ageMs: 3100 }).late, true);
});
