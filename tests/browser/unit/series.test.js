import assert from "node:assert/strict";
import { test } from "node:test";

import { addSecond, columns, emptySeries, staleEnd } from "../../../static/js/series.js";

const point = (t, more = {}) => ({ t, active: 1, queue: null, attempts: 2, answered: 1, abandoned5m: 1, human5m: 50, ...more });

test("a gap is null and named, zero is zero", () => {
  const series = emptySeries();
  for (const t of [100, 101, 102, 110, 111]) addSecond(series, point(t, { active: 0 }));
  const drawn = columns(series, "1m", 112);
  assert.deepEqual(drawn.gaps, [[103, 111]]);
  assert.deepEqual(drawn.lanes.active, [0, 0, 0, null, 0, 0]);
  assert.deepEqual(drawn.lanes.abandon.filter((v) => v !== null), [2, 2, 2, 2, 2]);
});

test("two steps without data are no gap yet", () => {
  const series = emptySeries();
  for (const t of [100, 102]) addSecond(series, point(t));
  assert.deepEqual(columns(series, "1m", 104).gaps, []);
});

test("a minute is made of its seconds, once, when it is over", () => {
  const series = emptySeries();
  for (let t = 120; t < 181; t += 1) addSecond(series, point(t, { active: t }));
  assert.deepEqual(series.minutes.map(({ t, attempts, active }) => [t, attempts, active]), [[120, 120, 179]]);
  addSecond(series, point(181));
  assert.equal(series.minutes.length, 1);
});

test("a minute that was not seen whole is not made up", () => {
  const series = emptySeries();
  for (let t = 150; t < 190; t += 1) addSecond(series, point(t));
  assert.deepEqual(series.minutes, []);
});

test("the same second again replaces the first", () => {
  const series = emptySeries();
  addSecond(series, point(100, { active: 1 }));
  addSecond(series, point(100, { active: 7 }));
  addSecond(series, point(99));
  assert.deepEqual(series.seconds.map(({ t, active }) => [t, active]), [[99, 1], [100, 7]]);
});

test("the end is stale after ten seconds and not before", () => {
  const series = emptySeries();
  addSecond(series, point(100));
  assert.equal(staleEnd(columns(series, "1m", 105), 105), null);
  assert.deepEqual(staleEnd(columns(series, "1m", 120), 120), [101, 120]);
});
