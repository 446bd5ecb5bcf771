import assert from "node:assert/strict";
import { test } from "node:test";

import { Store } from "../../../static/js/store.js";

const at = "2026-11-20T12:00:00.000Z";
const calls = (cursor, ids, more = {}) => ({
  type: "call_event",
  room: "calls:alpha",
  cursor,
  timestamp: at,
  calls: ids.map((callId) => ({ campaignId: "alpha", callId, at, phase: "dialing" })),
  ...more,
});
const start = (cursor = "a:5") => ({ ...calls(cursor, []), type: "initial" });

test("frames are applied in the order in which they come, and what is missing changes nothing", () => {
  const store = new Store(() => {});
  const missing = ["skipped", "reset"].map((type) => ({ type, room: "calls:alpha", timestamp: at }));
  for (const frame of [start(), calls("a:6", ["c1"]), ...missing, calls("a:9", ["c2"])]) store.apply(frame);
  assert.deepEqual(store.calls.map((call) => call.callId), ["c1", "c2"]);
});

test("a pause holds frames and counts them, resume applies all", () => {
  const store = new Store((run) => queueMicrotask(run));
  store.apply(start());
  store.pause();
  store.apply(calls("a:6", ["c1"]));
  store.apply(calls("a:7", ["c2"]));
  assert.deepEqual([store.calls.length, store.heldCount], [0, 2]);
  store.resume();
  assert.deepEqual([store.calls.length, store.heldCount], [2, 0]);
});

test("readers are told once for many frames", async () => {
  const store = new Store((run) => queueMicrotask(run));
  let told = 0;
  store.subscribe(["calls"], () => (told += 1));
  store.apply(start());
  for (let n = 6; n < 30; n += 1) store.apply(calls(`a:${n}`, [`c${n}`]));
  await Promise.resolve();
  assert.equal(told, 1);
});

test("an initial of alerts rings no bell, a transition does", () => {
  const store = new Store((run) => queueMicrotask(run));
  const rung = [];
  store.on("alert", (alert) => rung.push(alert.state));
  const alert = { fingerprint: "f", transition: 1, severity: "critical", state: "firing", title: "x" };
  store.apply({ type: "initial", room: "alerts", cursor: "a:1", timestamp: at, open: [alert], alerts: [alert] });
  assert.deepEqual([rung, store.open.size], [[], 1]);
  store.apply({ type: "alert", room: "alerts", cursor: "a:2", timestamp: at, alert: { ...alert, state: "resolved" } });
  assert.deepEqual([rung, store.open.size, store.alerts.length], [["resolved"], 0, 2]);
});

test("only the newest two thousand calls are kept", () => {
  const store = new Store((run) => queueMicrotask(run));
  store.apply(start());
  for (let n = 6; n < 31; n += 1) store.apply(calls(`a:${n}`, Array.from({ length: 100 }, (_, i) => `c${n}-${i}`)));
  assert.deepEqual([store.calls.length, store.callsSeen], [2000, 2500]);
});

test("history that is caught up with rings no bell and is listed all the same", () => {
  const rung = [];
  const store = new Store(() => {}, (then) => then > "2026-11-20");
  store.on("note", (note) => rung.push(note.id));
  const note = (id, then) => ({ id, at: then, category: "booking", severity: "info", title: id });
  for (const [n, then] of [[1, "2026-11-19T08:00:00.000Z"], [2, at]]) {
    store.apply({ type: "notification", room: "notifications", cursor: `a:${n}`, timestamp: at, notification: note(`n${n}`, then) });
  }
  assert.deepEqual([rung, store.notes.length], [["n2"], 2]);
});
