/**
 * Pinned campaigns in the sidebar, with their live active calls.
 *
 * @import { Store } from "../store.js"
 */
import { byId, setHidden, setHtml } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { count } from "../lib/format.js";
import { onPins, pinned } from "./pins.js";
import { statusParts } from "./status.js";

/** @type {Record<string, string>} */
const TONE = { "st-running": "good", "st-paused": "warn", "st-draining": "info", "st-critical": "crit" };

/** @param {Store} store */
export function registerSidebar(store) {
  const show = () => {
    const rows = pinned()
      .map((id) => store.campaigns.get(id))
      .filter((campaign) => campaign !== undefined)
      .map((campaign) => {
        const [kind, sign, word] = statusParts(campaign.status);
        return html`<a href="/campaigns/${campaign.campaignId}" title="${campaign.name}, ${word.toLowerCase()}">${icon(sign, `i-sm ${TONE[kind] ?? ""}`)}<span class="nm">${campaign.name}</span><span class="v">${count(campaign.activeCalls)}</span></a>`;
      });
    setHidden(byId("pinned"), rows.length === 0);
    setHtml(byId("pinned"), html`<p class="nav-h">Pinned campaigns</p>${rows}`);
  };
  store.subscribe(["campaigns"], show);
  onPins(show);
  show();
}
