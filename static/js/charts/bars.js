/** Outcome bars: one row for each tile that is not zero, in the order that is the same everywhere. */
import { html } from "../lib/html.js";
import { count, percent } from "../lib/format.js";

/**
 * Key, name and the member of `outcomes`.
 * @type {[string, string, keyof import("../ringside-client.js").Outcomes][]}
 */
const TILES = [
  ["converted", "Converted", "converted"],
  ["answered", "Answered", "answeredOther"],
  ["optout", "Opt-out", "optOut"],
  ["abandoned", "Abandoned", "abandoned"],
  ["machine", "Machine", "machine"],
  ["busy", "Busy", "busy"],
  ["noanswer", "No answer", "noAnswer"],
  ["canceled", "Canceled", "canceled"],
  ["failed", "Failed", "failed"],
  ["lost", "Lost", "lost"],
];

/** @typedef {{ key: string, name: string, count: number, share: number, width: string }} Tile */

/**
 * The tiles that are not zero.
 * @param {import("../ringside-client.js").Outcomes} outcomes
 * @returns {{ tiles: Tile[], total: number }}
 */
export function tilesOf(outcomes) {
  const shown = TILES.map(([key, name, member]) => ({ key, name, count: outcomes[member] })).filter((t) => t.count > 0);
  const total = shown.reduce((sum, tile) => sum + tile.count, 0);
  const largest = Math.max(1, ...shown.map((tile) => tile.count));
  return {
    total,
    tiles: shown.map((tile) => ({
      ...tile,
      share: tile.count / total,
      width: ((tile.count / largest) * 100).toFixed(1),
    })),
  };
}

/** @param {Tile} tile */
export function barRow(tile) {
  return html`<li class="o-${tile.key}" data-outcome="${tile.key}"><span class="nm"><span class="sw"></span><button type="button" class="linkish">${tile.name}</button></span><svg class="bar" viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8" /><rect class="fillc" width="${tile.width}" height="8" /></svg><span class="ct t3">${count(tile.count)}</span><span class="pct otxt">${percent(tile.share)}</span></li>`;
}
