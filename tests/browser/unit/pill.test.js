import assert from "node:assert/strict";
import { test } from "node:test";

import { pillFace } from "../../../static/js/components/connection.js";

test("the pill says what is true", () => {
  const facts = { state: "live", ageMs: 400, paused: false, held: 0, pausedForMs: 0, tries: 1, retryInMs: 0 };
  const says = (more) => {
    const { word, via, age } = pillFace({ ...facts, ...more });
    return `${word} ${via} ${age}`;
  };
  assert.equal(says({}), "LIVE WebSocket 0.4s");
  assert.equal(says({ state: "polling", ageMs: 1800 }), "POLLING every 2s 1.8s");
  assert.equal(says({ state: "connecting", tries: 2, retryInMs: 2600, ageMs: 5000 }), "CONNECTING… try 2, 3s 5.0s");
  assert.equal(says({ state: "offline", tries: 4 }), "CONNECTING… try 4 0.4s");
  assert.equal(says({ state: "closed" }), "OFFLINE refused 0.4s");
  assert.equal(says({ state: "connecting", ageMs: 48_000 }), "OFFLINE last data 48s ago");
  assert.equal(says({ paused: true, held: 184, pausedForMs: 72_000 }), "PAUSED 184 updates held 1m 12s");
  assert.equal(pillFace({ ...facts, ageMs: 3100 }).late, true);
});
