/** Status pills: shape, word, colour. As `gateway/src/pages/row.rs`. */
import { html, icon } from "../lib/html.js";

/** Class, icon and word. @type {Record<string, [string, string, string]>} */
const STATUS = {
  running: ["st-running", "b-run", "Running"],
  pausing: ["st-paused", "b-pause", "Pausing"],
  paused: ["st-paused", "b-pause", "Paused"],
  draining: ["st-draining", "drain", "Draining"],
  completed: ["st-stopped", "check", "Completed"],
  stopped: ["st-stopped", "b-stop", "Stopped"],
  failed: ["st-critical", "octagon", "Failed"],
  draft: ["st-stopped", "note", "Draft"],
  unknown: ["st-stopped", "lost", "Unknown"],
};

export const STATUS_ORDER = Object.keys(STATUS);

/** @param {string} status */
export const statusParts = (status) => STATUS[status] ?? STATUS.unknown;

/** @param {string} status */
export const isAwake = (status) => status === "running" || status === "draining" || status === "pausing";

/** What is inside of a pill. @param {string} status */
export function statusContent(status) {
  const [, sign, word] = statusParts(status);
  return html`${icon(sign)}<span>${word}</span>`;
}
