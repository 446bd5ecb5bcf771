/**
 * Cards for generic metrics: whatever has a name and a number gets one, with no code.
 *
 * @import { Store } from "../store.js"
 * @import { Metric } from "../ringside-client.js"
 */
import { drawSparkline } from "../charts/sparkline.js";
import { byId, setAttribute, setHidden, setHtml } from "../lib/dom.js";
import { html } from "../lib/html.js";
import { count, decimal, metric as metricParts, metricText, percent } from "../lib/format.js";
import { NO_TREND, trendChip } from "./trend.js";

/** `cpu_usage` as `Cpu usage`. @param {string} name */
function words(name) {
  const spaced = name.replace(/[_.]/g, " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** @param {Metric} metric */
function trendOf({ trend, change }) {
  if (trend === "unknown") return NO_TREND;
  const text =
    trend === "flat" ? "steady" : change === null ? trend : Math.abs(change) > 9.99 ? ">999%" : percent(Math.abs(change));
  return { kind: "", icon: trend, text, spoken: "over its window" };
}

/** @param {Metric} metric */
function labelsOf({ labels = {} }) {
  return Object.entries(labels)
    .map(([label, value]) => `${label} ${value}`)
    .join(", ");
}

/** Units that change with the size; others are said once, beside the value. */
const SCALED = new Set(["ms", "bytes", "B", "bytes/s", "B/s", "%"]);

/** @param {number} value @param {string} unit */
const short = (value, unit) => (SCALED.has(unit) ? metricText(value, unit) : decimal(value));

/** @param {string} key */
function makeCard(key) {
  const card = document.createElement("article");
  card.className = "card";
  card.dataset.metric = key;
  card.innerHTML = String(html`<h3></h3><p class="card-v"></p><div class="card-s"></div><dl></dl>`);
  return card;
}

/** @param {Store} store */
export function registerMetricsCards(store) {
  const strip = byId("metric-cards");
  /** @type {Map<string, Element>} */
  const cards = new Map([...strip.querySelectorAll(".card")].map((card) => [card.getAttribute("data-metric") ?? "", card]));
  const all = byId("metrics-all");
  all.addEventListener("click", () => {
    const shown = strip.classList.toggle("with-hosts");
    setAttribute(all, "aria-pressed", String(shown));
  });
  store.subscribe(["metrics"], () => {
    setHidden(byId("metrics"), store.metrics.size === 0);
    for (const key of [...store.metrics.keys()].sort()) {
      const metric = /** @type {Metric} */ (store.metrics.get(key));
      let card = cards.get(key);
      if (!card) {
        card = makeCard(key);
        cards.set(key, card);
        const after = [...strip.children].find((one) => (one.getAttribute("data-metric") ?? "") > key);
        strip.insertBefore(card, after ?? null);
      }
      card.classList.toggle("of-host", metric.labels?.host !== undefined);
      const labels = labelsOf(metric);
      const [value, unit] = metricParts(metric.value, metric.unit);
      setHtml(card.querySelector("h3"), html`${words(metric.name)}${labels && html` <small>${labels}</small>`}`);
      setHtml(
        card.querySelector(".card-v"),
        html`<span data-part="value">${value}</span><small data-part="unit">${unit}</small> ${trendChip(trendOf(metric))}`,
      );
      const figures = [
        ["min", short(metric.min, metric.unit)],
        ["avg", short(metric.avg, metric.unit)],
        ["p95", short(metric.p95, metric.unit)],
        ["max", short(metric.max, metric.unit)],
        ["samples", count(metric.count)],
      ];
      setHtml(
        card.querySelector("dl"),
        html`${figures.map(([name, text]) => html`<div><dt>${name}</dt><dd>${text}</dd></div>`)}`,
      );
      const points = store.metricPoints.get(key) ?? [];
      drawSparkline(
        card.querySelector(".card-s"),
        points.map(([, value]) => value),
        "c-neutral",
      );
    }
    for (const [key, card] of cards) {
      if (store.metrics.has(key)) continue;
      card.remove();
      cards.delete(key);
    }
  });
}
