/**
 * Chart columns: seconds as they come, minutes made of them, gaps as null.
 *
 * A point is drawn at its end, because that is when its numbers were true. A gap is declared after 2.5 steps.
 *
 * @import { Series, SeriesPoint } from "./ringside-client.js"
 */

/** Kept seconds: two minutes, so that a minute can be made of whole ones. */
const SECONDS_KEPT = 130;
const MINUTES_KEPT = 61;
const GAP_STEPS = 2.5;
/** The dialing rate is a mean over this long, as on the KPI. */
const RATE_SECONDS = 10;

/** @typedef {"1m"|"1h"} Range */
/** @typedef {"active"|"queue"|"rate"|"abandon"} LaneKey */
/**
 * @typedef {object} Columns
 * @property {number[]} times Seconds since the epoch.
 * @property {Record<LaneKey, (number|null)[]>} lanes
 * @property {[number, number][]} gaps From and to, where there is no data.
 * @property {number} step Seconds between two points.
 * @property {number} window Seconds shown.
 */

/** @returns {Series} */
export const emptySeries = () => ({ seconds: [], minutes: [] });

/**
 * Adds a second. The same second again replaces the earlier one; an older one is put where it belongs.
 * @param {Series} series
 * @param {SeriesPoint|null|undefined} point
 */
export function addSecond(series, point) {
  if (!point) return;
  const { seconds } = series;
  let at = seconds.length;
  while (at > 0 && seconds[at - 1].t >= point.t) at -= 1;
  const known = seconds[at]?.t === point.t;
  seconds.splice(at, known ? 1 : 0, point);
  if (seconds.length > SECONDS_KEPT) seconds.splice(0, seconds.length - SECONDS_KEPT);
  closeMinutes(series, point.t);
}

/**
 * Makes the minutes that are over and not there yet.
 * @param {Series} series
 * @param {number} now Seconds.
 */
function closeMinutes(series, now) {
  const { seconds, minutes } = series;
  const current = Math.floor(now / 60) * 60;
  const oldestWhole = Math.ceil((seconds[0]?.t ?? now) / 60) * 60;
  const newest = minutes[minutes.length - 1]?.t ?? oldestWhole - 60;
  for (let t = Math.max(newest + 60, oldestWhole); t < current; t += 60) {
    const inside = seconds.filter((point) => point.t >= t && point.t < t + 60);
    const last = inside[inside.length - 1];
    if (!last) continue;
    minutes.push({ ...last, t, attempts: sum(inside, "attempts"), answered: sum(inside, "answered") });
  }
  if (minutes.length > MINUTES_KEPT) minutes.splice(0, minutes.length - MINUTES_KEPT);
}

/**
 * @param {SeriesPoint[]} points
 * @param {"attempts"|"answered"} key
 */
function sum(points, key) {
  let total = /** @type {number|null} */ (null);
  for (const point of points) {
    const value = point[key];
    if (value !== null) total = (total ?? 0) + value;
  }
  return total;
}

/**
 * Mean attempts per second over the seconds up to one.
 * @param {SeriesPoint[]} seconds
 * @param {number} index
 */
function rateAt(seconds, index) {
  let attempts = 0;
  let known = 0;
  const from = seconds[index].t - RATE_SECONDS;
  for (let i = index; i >= 0 && seconds[i].t > from; i -= 1) {
    const value = seconds[i].attempts;
    if (value === null) continue;
    attempts += value;
    known += 1;
  }
  return known > 0 ? attempts / known : null;
}

/** @param {SeriesPoint} point */
function abandonPercent(point) {
  const { abandoned5m, human5m } = point;
  return abandoned5m !== null && human5m ? (abandoned5m / human5m) * 100 : null;
}

/**
 * What the lanes draw.
 * @param {Series} series
 * @param {Range} range
 * @param {number} now Seconds, by the server's clock.
 * @returns {Columns}
 */
export function columns(series, range, now) {
  const step = range === "1m" ? 1 : 60;
  const window = range === "1m" ? 60 : 3600;
  /** @type {Columns} */
  const drawn = { times: [], lanes: { active: [], queue: [], rate: [], abandon: [] }, gaps: [], step, window };
  /** @param {number} time @param {SeriesPoint} point @param {number|null} rate */
  const push = (time, point, rate) => {
    const before = drawn.times[drawn.times.length - 1];
    if (before !== undefined && time <= before) return;
    if (before !== undefined && time - before > GAP_STEPS * step) {
      drawn.gaps.push([before, time]);
      drawn.times.push((before + time) / 2);
      for (const values of Object.values(drawn.lanes)) values.push(null);
    }
    drawn.times.push(time);
    drawn.lanes.active.push(point.active);
    drawn.lanes.queue.push(point.queue);
    drawn.lanes.rate.push(rate);
    drawn.lanes.abandon.push(abandonPercent(point));
  };
  const from = now - window - 2 * step;
  const { seconds, minutes } = series;
  if (range === "1m") {
    seconds.forEach((point, index) => {
      if (point.t + 1 > from) push(point.t + 1, point, rateAt(seconds, index));
    });
    return drawn;
  }
  for (const point of minutes) {
    if (point.t + 60 > from) push(point.t + 60, point, point.attempts === null ? null : point.attempts / 60);
  }
  // The minute that is not over yet shows its newest second, so that the line reaches the present.
  const last = seconds.length - 1;
  if (last >= 0) push(seconds[last].t + 1, seconds[last], rateAt(seconds, last));
  return drawn;
}

/**
 * From where to where the newest data is missing, once that is longer than a gap.
 * @param {Columns} drawn
 * @param {number} now
 * @returns {[number, number]|null}
 */
export function staleEnd(drawn, now) {
  const last = drawn.times[drawn.times.length - 1];
  // The live end comes from seconds in each range.
  return last !== undefined && now - last > 10 ? [last, now] : null;
}
