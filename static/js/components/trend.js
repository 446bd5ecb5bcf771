/** Trend chips: direction by arrow, worse by a fill, words for those who hear the page. As `gateway/src/pages/chip.rs`. */
import { html, icon } from "../lib/html.js";
import { percent, UNKNOWN } from "../lib/format.js";

/** @typedef {"neutral"|"good"|"bad"} Rise What a rise means. */
/** @typedef {{ kind: string, icon: string, text: string, spoken: string }} Trend */

/** A share of fewer than these says little, and is marked. */
export const FEW = 30;

/** @type {Trend} */
export const NO_TREND = { kind: "", icon: "", text: UNKNOWN, spoken: "no earlier data" };

/** @param {number} change @param {string} text @param {Rise} rise @returns {Trend} */
function moved(change, text, rise) {
  const up = change > 0;
  const arrow = up ? "up" : "down";
  if (rise === "neutral") return { kind: "", icon: arrow, text, spoken: up ? "higher" : "lower" };
  const better = (rise === "good") === up;
  return { kind: better ? "is-good" : "is-bad", icon: arrow, text, spoken: better ? "better" : "worse" };
}

/** @param {string} text @returns {Trend} */
const flat = (text) => ({ kind: "", icon: "flat", text, spoken: "" });

/**
 * Counts and plain values change in percent.
 * @param {number|null|undefined} now
 * @param {number|null|undefined} before
 * @param {Rise} rise
 */
export function trendOfValues(now, before, rise) {
  if (now === null || now === undefined || before === null || before === undefined) return NO_TREND;
  if (before === 0) return now === 0 ? flat("no change") : moved(1, "new", rise);
  const change = (now - before) / Math.abs(before);
  const size = Math.abs(change) * 100;
  if (size < 0.5) return flat("no change");
  return moved(change, size > 999 ? ">999%" : percent(Math.abs(change)), rise);
}

/**
 * Rates change in percentage points.
 * @param {import("../ringside-client.js").Ratio} now
 * @param {import("../ringside-client.js").Ratio} before
 * @param {Rise} rise
 */
export function trendOfRatios(now, before, rise) {
  // A few calls are no yardstick.
  if (now.value === null || before.value === null || before.denominator < FEW) return NO_TREND;
  const points = (now.value - before.value) * 100;
  if (Math.abs(points) < 0.05) return flat("0.0\u202fpp");
  return moved(points, `${(Math.round(Math.abs(points) * 10) / 10).toFixed(1)}\u202fpp`, rise);
}

/** @param {Trend} trend */
export function trendChip(trend) {
  if (!trend.text) return html``;
  return html`<span class="delta ${trend.kind}">${trend.icon && icon(trend.icon)}<span>${trend.text}</span><span class="vh">${trend.spoken}</span></span>`;
}
