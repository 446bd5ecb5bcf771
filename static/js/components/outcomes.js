/**
 * The Outcomes panel: donut, bars, three facts. A name filters the feed.
 *
 * @import { Store } from "../store.js"
 */
import { barRow, tilesOf } from "../charts/bars.js";
import { donutArcs } from "../charts/donut.js";
import { byId, setAttribute, setHtml, setText } from "../lib/dom.js";
import { html } from "../lib/html.js";
import { count, duration, full, percent } from "../lib/format.js";

/**
 * @param {Store} store
 * @param {string} campaignId Empty for the sum over all.
 * @param {(outcome: string) => void} onPick
 */
export function registerOutcomes(store, campaignId, onPick) {
  byId("bars").addEventListener("click", (event) => {
    const row = event.target instanceof Element && event.target.closest("button")?.closest("[data-outcome]");
    if (row) onPick(row.getAttribute("data-outcome") ?? "");
  });
  store.subscribe(["campaigns"], () => {
    const span = (campaignId ? store.campaigns.get(campaignId) : store.aggregate)?.hour;
    if (!span) return;
    const { tiles, total } = tilesOf(span.outcomes);
    const arcs = donutArcs(tiles.map((tile) => tile.share));
    setHtml(
      byId("donut-arcs"),
      html`${tiles.map((tile, index) => html`<path class="strokec o-${tile.key}" d="${arcs[index]}"></path>`)}`,
    );
    setText(byId("donut-total"), count(total));
    const parts = tiles.map((tile) => `${tile.name.toLowerCase()} ${percent(tile.share)}`).join(", ");
    setAttribute(
      byId("donut"),
      "aria-label",
      total ? `Outcomes of ${full(total)} ended calls: ${parts}` : "No call has ended in the last hour",
    );
    showBars(tiles);
    const { counters } = span;
    setText(document.querySelector("[data-fact=reached]"), full(counters.human));
    setText(document.querySelector("[data-fact=converted]"), full(counters.converted));
    setText(
      document.querySelector("[data-fact=talk]"),
      duration(counters.bridged > 0 ? counters.talkMs / counters.bridged : null),
    );
  });
}

/**
 * Rows stay in place while their tiles stay, so that a focused name keeps its focus.
 * @param {import("../charts/bars.js").Tile[]} tiles
 */
function showBars(tiles) {
  const list = byId("bars");
  const shown = [...list.querySelectorAll("[data-outcome]")];
  if (shown.map((row) => row.getAttribute("data-outcome")).join() !== tiles.map((tile) => tile.key).join()) {
    setHtml(list, tiles.length ? html`${tiles.map(barRow)}` : html`<li class="none">No call has ended in the last hour.</li>`);
    return;
  }
  tiles.forEach((tile, index) => {
    const row = shown[index];
    setText(row.querySelector(".ct"), count(tile.count));
    setText(row.querySelector(".pct"), percent(tile.share));
    setAttribute(row.querySelector(".fillc"), "width", tile.width);
  });
}
