/**
 * Alerts: the banner for the worst open critical, the badge in the header, and the feed of the newest 50.
 *
 * @import { Store } from "../store.js"
 * @import { Alert } from "../ringside-client.js"
 */
import { moment, toSeconds } from "../lib/clock.js";
import { byId, say, setHidden, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { alertValue } from "../lib/format.js";

/** @type {Record<string, string>} */
export const SEVERITY_ICON = { critical: "octagon", warning: "triangle", info: "info" };

/** Dismissed by hand, in this tab. @type {Set<string>} */
const dismissed = new Set();

/** @param {string} word */
const capital = (word) => word.charAt(0).toUpperCase() + word.slice(1);

/** @param {Alert} alert */
const keyOf = (alert) => `${alert.fingerprint}:${alert.transition}`;

/** Where an alert is. @param {Store} store @param {Alert} alert */
export function placeOf(store, { campaignId }) {
  return campaignId ? (store.campaigns.get(campaignId)?.name ?? campaignId) : null;
}

/** @param {Alert} alert */
function bound({ comparison, threshold, unit }) {
  return `${comparison} ${alertValue(threshold, unit)}`;
}

/** @param {Store} store @param {Alert} alert */
function row(store, alert) {
  const place = placeOf(store, alert);
  const metric = alert.metric.replaceAll("_", " ");
  return html`<article class="alert sev-${alert.severity} ${alert.state === "resolved" && "is-quiet"}" data-alert="${keyOf(alert)}"><svg class="i" role="img" aria-label="${alert.severity}"><use href="#i-${SEVERITY_ICON[alert.severity]}" /></svg><div><h3>${alert.title}</h3><p><b>${alert.state === "firing" ? "Firing" : "Resolved"}</b> <time datetime="${alert.at}">${toSeconds(moment(alert.at))}</time> · ${place && `${place}, `}${metric} ${bound(alert)}</p></div><span class="val">${alertValue(alert.value, alert.unit)}</span><button class="btn btn-ghost btn-icon btn-sm" type="button" aria-label="Dismiss ${alert.title}">${icon("x")}</button></article>`;
}

/** @param {Store} store */
function showBanner(store) {
  const critical = [...store.open.values()].filter((alert) => alert.severity === "critical");
  setHidden(byId("critbadge"), critical.length === 0);
  setText(byId("critcount"), String(critical.length));
  const tab = byId("tab-alerts");
  setHidden(tab, store.open.size === 0);
  setText(tab, String(store.open.size));
  const banner = byId("banner");
  setHidden(banner, critical.length === 0);
  const [worst] = critical;
  if (!worst) return;
  const place = placeOf(store, worst);
  const more = critical.length - 1;
  const limit = alertValue(worst.threshold, worst.unit);
  const side = worst.comparison;
  setHtml(
    banner.querySelector("p"),
    html`<b>${worst.title.replace(/\.$/, "")}.</b> ${place ? `${place}, ${side}` : capital(side)} ${limit} since ${toSeconds(moment(worst.since))}.${more > 0 && ` And ${more} more.`}`,
  );
  setHtml(
    banner.querySelector(".banner-acts"),
    worst.campaignId
      ? html`<a class="btn btn-sm" href="/campaigns/${worst.campaignId}">Open campaign</a>`
      : html``,
  );
}

/** @param {Store} store */
function showRows(store) {
  const list = document.getElementById("alert-rows");
  if (!list) return;
  const rows = store.alerts.filter((alert) => !dismissed.has(keyOf(alert)));
  setHtml(list, html`${rows.map((alert) => row(store, alert))}`);
  setText(byId("alert-count"), String(rows.length));
  setHidden(byId("alerts-none"), rows.length > 0);
  setHidden(byId("alerts-clear"), rows.length === 0);
}

/** @param {Store} store */
export function registerAlerts(store) {
  const show = () => {
    showBanner(store);
    showRows(store);
  };
  store.subscribe(["alerts"], show);
  store.on("alert", (/** @type {Alert} */ alert) => {
    if (alert.state !== "firing" || alert.severity !== "critical") return;
    say("assertive", `Critical: ${alert.title.replaceAll("%", "percent")}.`);
  });
  const list = document.getElementById("alert-rows");
  list?.addEventListener("click", (event) => {
    const alert = event.target instanceof Element && event.target.closest("button")?.closest("[data-alert]");
    if (!alert) return;
    dismissed.add(alert.getAttribute("data-alert") ?? "");
    showRows(store);
    list.focus();
  });
  document.getElementById("alerts-clear")?.addEventListener("click", () => {
    for (const alert of store.alerts) dismissed.add(keyOf(alert));
    showRows(store);
    list?.focus();
  });
}
