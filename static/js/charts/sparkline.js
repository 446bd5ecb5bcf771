/** Sparklines: the same paths as `gateway/src/pages/sparkline.rs` draws for the first paint. */
import { html } from "../lib/html.js";

const WIDTH = 104;
const HEIGHT = 36;
const EDGE = 3;

/** @typedef {number|null} Value */

/**
 * Paths of values on their own scale; null where fewer than two are known.
 * @param {Value[]} all
 */
function sparkPaths(all) {
  // A young series starts at the left edge: nothing is said of the time before it.
  const values = all.slice(Math.max(0, all.findIndex((value) => value !== null)));
  const known = /** @type {number[]} */ (values.filter((value) => value !== null));
  if (known.length < 2) return null;
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  const step = (WIDTH - 2 * EDGE) / (values.length - 1);
  let line = "";
  let area = "";
  let end = "";
  /** @type {string[]} */
  let run = [];
  const close = (/** @type {number} */ first, /** @type {number} */ last) => {
    if (run.length === 0) return;
    const points = run.join("L");
    line += `M${points}`;
    area += `M${(EDGE + step * first).toFixed(1)} ${HEIGHT}L${points}L${(EDGE + step * last).toFixed(1)} ${HEIGHT}Z`;
    end = `M${run[run.length - 1]}h0.01`;
    run = [];
  };
  let first = 0;
  values.forEach((value, index) => {
    if (value === null) {
      close(first, index - 1);
      first = index + 1;
      return;
    }
    const share = span > 0 ? (value - low) / span : 0.5;
    const y = HEIGHT - EDGE - share * (HEIGHT - 2 * EDGE);
    run.push(`${(EDGE + step * index).toFixed(1)} ${y.toFixed(1)}`);
  });
  close(first, values.length - 1);
  return { line, area, end };
}

/**
 * Puts a sparkline into a place, or changes the one that is there.
 * @param {Element|null} place
 * @param {Value[]} values
 * @param {string} color
 */
export function drawSparkline(place, values, color) {
  if (!place) return;
  const paths = sparkPaths(values);
  if (!paths) return;
  let svg = place.querySelector("svg");
  if (!svg) {
    place.innerHTML = String(
      html`<svg class="spark" viewBox="0 0 104 36" preserveAspectRatio="none" aria-hidden="true"><path class="area" /><path /><path class="end" /></svg>`,
    );
    svg = place.querySelector("svg");
  }
  svg?.setAttribute("class", `spark ${color}`);
  const [area, line, end] = svg?.querySelectorAll("path") ?? [];
  area?.setAttribute("d", paths.area);
  line?.setAttribute("d", paths.line);
  end?.setAttribute("d", paths.end);
}

/** The values that the server drew a sparkline from. @param {Element|null|undefined} place @returns {Value[]} */
export function drawnValues(place) {
  const text = place?.querySelector("svg")?.getAttribute("data-values");
  return text ? text.split(",").map((value) => (value === "" ? null : Number(value))) : [];
}
