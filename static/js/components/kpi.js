/**
 * KPI cells: keeps those of the page current.
 *
 *     <a class="kpi" data-kpi="active">…</a>
 *
 * @import { Store } from "../store.js"
 */
import { drawSparkline } from "../charts/sparkline.js";
import { setAttribute, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { count, UNKNOWN } from "../lib/format.js";
import { emptySeries } from "../series.js";
import { figuresOf } from "./figures.js";
import { trendChip } from "./trend.js";

const FLASH_MS = 400;
const FLASH_AT_MOST_EVERY_MS = 1000;

/** @type {WeakMap<Element, number>} */
const flashedAt = new WeakMap();

/** Marks a cell whose number has changed, at most once a second. @param {Element} cell */
function flash(cell) {
  const now = performance.now();
  if (now - (flashedAt.get(cell) ?? -Infinity) < FLASH_AT_MOST_EVERY_MS) return;
  flashedAt.set(cell, now);
  cell.classList.add("changed");
  setTimeout(() => cell.classList.remove("changed"), FLASH_MS);
}

/** @param {Element} cell @param {import("./figures.js").Figure} figure */
function show(cell, figure) {
  const label = cell.querySelector(".kpi-l > span")?.textContent ?? "";
  const sign = figure.severity === "is-crit" ? "octagon" : figure.severity === "is-warn" ? "triangle" : "";
  setAttribute(cell, "title", figure.title);
  cell.classList.toggle("is-crit", figure.severity === "is-crit");
  cell.classList.toggle("is-warn", figure.severity === "is-warn");
  setHtml(cell.querySelector(".kpi-l"), html`${sign && icon(sign)}<span>${label}</span>`);
  const value = cell.querySelector(".kpi-v");
  if (value && value.querySelector("[data-part=value]")?.textContent !== figure.value) flash(value);
  setHtml(
    value,
    html`<span data-part="value">${figure.value}</span>${figure.value === UNKNOWN && html`<span class="vh">no data</span>`}<small data-part="unit">${figure.unit}</small>`,
  );
  setHtml(
    cell.querySelector(".kpi-f"),
    html`${trendChip(figure.trend)}${figure.few && html`<span class="few" title="Fewer than 30 calls: the share says little">few calls</span>`}<span class="ctx">${figure.context}</span>`,
  );
  if (figure.spark) drawSparkline(cell.querySelector(".kpi-s"), figure.spark, figure.color);
}

/**
 * @param {Store} store
 * @param {string} campaignId Empty for the sum over all.
 */
export function registerKpis(store, campaignId) {
  const cells = [...document.querySelectorAll("[data-kpi]")];
  store.subscribe(["campaigns"], () => {
    const of = campaignId ? store.campaigns.get(campaignId) : store.aggregate;
    if (!of) return;
    const figures = figuresOf(of, store.series.get(campaignId) ?? emptySeries());
    for (const cell of cells) {
      const id = cell.getAttribute("data-kpi") ?? "";
      if (id === "campaigns") showCampaigns(cell, store);
      else show(cell, figures[id]);
    }
    for (const lane of document.querySelectorAll(".lane")) {
      const figure = figures[lane.getAttribute("data-lane") ?? ""];
      const now = lane.querySelector(".now");
      if (figure) setText(now, `${figure.value}${figure.unit}`);
    }
  });
}

/** @param {Element} cell @param {Store} store */
function showCampaigns(cell, store) {
  const { aggregate, campaigns } = store;
  if (!aggregate) return;
  const having = (/** @type {string} */ status) => [...campaigns.values()].filter((c) => c.status === status).length;
  setText(cell.querySelector("[data-part=value]"), count(aggregate.activeCampaigns));
  setText(cell.querySelector("[data-part=unit]"), `of ${count(aggregate.campaigns)}`);
  setText(cell.querySelector(".ctx"), `${having("running")} running, ${having("draining")} draining`);
}
