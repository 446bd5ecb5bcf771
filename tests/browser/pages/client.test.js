import assert from "node:assert/strict";
import { test } from "node:test";

import { RingsideClient } from "../../../static/js/ringside-client.js";
import { eventually, openPage } from "../support/browser.js";
import { openHouse } from "../support/house.js";
import { PASSWORD } from "../support/ringside.js";

let ringside, browser;
openHouse((house) => ({ ringside, browser } = house));

async function logIn() {
  const answer = await fetch(`${ringside.url}/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ username: "admin", password: PASSWORD }),
  });
  return (await answer.json()).token;
}

/** What a list of `[type, cursor, conflated, count]` lacks or has twice. */
function faults(frames) {
  const found = [];
  let place = null;
  let skipped = 0;
  for (const [type, cursor, conflated, count] of frames) {
    if (type === "skipped") skipped += count;
    if (type === "reset") place = null;
    if (!cursor) continue;
    const [epoch, offset] = [cursor.split(":")[0], Number(cursor.split(":")[1])];
    const fits = place?.epoch === epoch && [place.offset, place.offset + 1 + skipped + conflated].includes(offset);
    if (type === "initial" ? place : !fits) found.push(`${type} ${cursor} after ${JSON.stringify(place)}`);
    place = { epoch, offset };
    skipped = 0;
  }
  return found;
}

test("in a page that is not ours, a client goes on over a kill of the server without a gap", async () => {
  // Nothing is on it but the same origin and its login.
  const page = await openPage(browser, ringside, { path: "/healthz" });
  await page.evaluate(async () => {
    const { RingsideClient } = await import("/static/js/ringside-client.js");
    const client = new RingsideClient();
    Object.assign(window, { client, states: [], errors: [], frames: { "campaign:demo-solar-spring": [], overview: [] } });
    client.onState = (state) => window.states.at(-1) !== state && window.states.push(state);
    client.onError = (error) => window.errors.push(error.code);
    for (const [room, frames] of Object.entries(window.frames)) {
      client.subscribe(room, ({ type, cursor, conflated = 0, count = 0 }) => frames.push([type, cursor, conflated, count]));
    }
    client.connect();
  });
  const heard = (room) => page.evaluate((room) => window.frames[room], room);
  const moves = async (room) => {
    const { length } = await heard(room);
    await page.waitForFunction(([room, length]) => window.frames[room].length > length + 3, [room, length], { timeout: 60_000 });
  };
  const rooms = ["campaign:demo-solar-spring", "overview"];
  for (const room of rooms) await moves(room);
  const place = await page.evaluate(() => window.client.cursor("campaign:demo-solar-spring"));
  await ringside.kill();
  await page.waitForFunction(() => window.client.state === "offline", null, { timeout: 60_000 });
  await ringside.run();
  await page.waitForFunction(() => window.client.state === "live", null, { timeout: 60_000 });
  for (const room of rooms) await moves(room);

  const frames = await heard("campaign:demo-solar-spring");
  assert.deepEqual(faults(frames), []);
  assert.deepEqual(frames.map(([type]) => type).filter((type) => type === "initial" || type === "reset"), ["initial"], "it went on from its cursor");
  assert.notEqual(frames.at(-1)[1], place);
  assert.ok((await heard("overview")).filter(([type]) => type === "initial").length >= 2, "a room without a cursor begins anew");
  // A busy machine may say that a room could not be read in time; it is tried again by itself.
  assert.deepEqual((await page.evaluate(() => window.errors)).filter((code) => code !== "unavailable"), []);
  const command = await page.evaluate(() => window.client.command("campaign.pause", "demo-solar-spring").catch((error) => `${error.code}: ${error.message}`));
  assert.match(command, /^unknown_action: ./, "a server that takes no commands says so");
  await page.context().close();
});

test("in Node a client with a token polls where there is no WebSocket, and hears what happens", async () => {
  const client = new RingsideClient({ url: ringside.url, getToken: logIn, WebSocket: null });
  const frames = [];
  client.subscribe("calls:node", ({ type, cursor, conflated = 0, count = 0, calls }) => frames.push([type, cursor, conflated, count, calls]));
  client.connect();
  await eventually("the room's initial", () => frames.length > 0);
  assert.equal(client.state, "polling");
  for (const callId of ["c1", "c2", "c3"]) {
    const seen = frames.length;
    await ringside.ingest({ id: `${callId}-d`, type: "call.dialing", at: new Date().toISOString(), campaign: "node", callId });
    await eventually(`${callId} is told`, () => frames.length > seen);
  }
  assert.deepEqual(faults(frames), []);
  assert.deepEqual(frames.flatMap(([, , , , calls]) => calls.map((call) => call.callId)), ["c1", "c2", "c3"]);
  client.close();
  assert.equal(client.state, "closed");
});

test("in Node with WebSockets a client with a token is live", async () => {
  const client = new RingsideClient({ url: ringside.url, getToken: logIn });
  const frames = [];
  client.subscribe("campaign:demo-solar-spring", ({ type, cursor, conflated = 0, count = 0 }) => frames.push([type, cursor, conflated, count]));
  client.connect();
  await eventually("five frames", () => frames.length >= 5);
  assert.equal(client.state, "live");
  assert.deepEqual(faults(frames), []);
  client.close();
});

test("a room that this login may not watch, and a login that is none, are told", async () => {
  const token = await logIn();
  for (const parts of [{ WebSocket: null, token: "rubbish" }, { WebSocket: null }]) {
    const client = new RingsideClient({ url: ringside.url, ...parts });
    let told = 0;
    client.onUnauthorized = () => (told += 1);
    client.subscribe("alerts", () => {});
    client.connect();
    await eventually("the refusal", () => told > 0);
    assert.deepEqual([client.state, told], ["closed", 1]);
  }
  const client = new RingsideClient({ url: ringside.url, token, WebSocket: null });
  const errors = [];
  const heard = [];
  client.onError = ({ code, room }) => errors.push([code, room]);
  client.subscribe("no-such-room", () => {});
  client.subscribe("alerts", (frame) => heard.push(frame.type));
  client.connect();
  await eventually("the other room goes on", () => heard.length > 0);
  assert.deepEqual(errors.map(([, room]) => room), ["no-such-room"]);
  client.close();
});
