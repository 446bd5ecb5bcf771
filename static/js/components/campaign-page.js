/**
 * What only a campaign's page has: its status, its abandon rate by definition, facts, oddities.
 *
 * @import { Store } from "../store.js"
 * @import { Campaign, Ratio } from "../ringside-client.js"
 */
import { moment, toMinutes, toSeconds } from "../lib/clock.js";
import { byId, setAttribute, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { count, duration, full, percent, UNKNOWN } from "../lib/format.js";
import { SEVERITY_ICON } from "./alerts.js";
import { abandonSeverity } from "./figures.js";
import { isPinned, onPins, togglePin } from "./pins.js";
import { statusContent, statusParts } from "./status.js";
import { FEW } from "./trend.js";

/** @param {string} key @param {Ratio} ratio @param {string} parts */
function showDefinition(key, ratio, parts) {
  const severity = abandonSeverity(ratio);
  const [sign, word] = severity === "crit" ? ["octagon", "above limit"] : ["triangle", "near limit"];
  const mark =
    severity && html`<svg class="i i-sm" role="img" aria-label="${word}"><use href="#i-${sign}" /></svg>`;
  const few = ratio.value !== null && ratio.denominator < FEW;
  setHtml(
    document.querySelector(`[data-definition=${key}] dd`),
    html`<b class="${severity}">${mark}${percent(ratio.value)}</b>${few && html` <span class="few">few calls</span>`}<small>${parts}</small>`,
  );
}

/** @param {Campaign} campaign */
function showDefinitions({ abandon }) {
  const of = (/** @type {Ratio} */ ratio) => `${full(ratio.numerator)} of ${full(ratio.denominator)}`;
  showDefinition("live", abandon.live, of(abandon.live));
  showDefinition("hour", abandon.hour, of(abandon.hour));
  showDefinition("us30", abandon.us30, `${of(abandon.us30)}, ${full(abandon.us30Headroom)} more allowed`);
  showDefinition("today", abandon.today, of(abandon.today));
  const uk = { value: abandon.uk24, numerator: 0, denominator: abandon.uk24N };
  showDefinition("uk24", uk, `${full(abandon.uk24N)} reached`);
}

/** @param {Campaign} campaign @param {number} now @returns {Record<string, string>} */
function factsOf(campaign, now) {
  const { list, queueDepth, dialingRate, agents, durations: d, waitingForAgent, oldestWaitMs } = campaign;
  const started = moment(campaign.startedAt);
  const pair = (/** @type {number|null} */ p50, /** @type {number|null} */ p95) =>
    p50 === null && p95 === null ? UNKNOWN : `${duration(p50)} · ${duration(p95)}`;
  return {
    started: Number.isNaN(started) ? UNKNOWN : `${toMinutes(started)}, ${duration(now - started)} ago`,
    list: list.denominator
      ? `${percent(list.value)} dialed, ${count(list.denominator - list.numerator)} left`
      : UNKNOWN,
    finishes:
      queueDepth !== null && dialingRate >= 0.1 ? `in about ${duration((queueDepth / dialingRate) * 1000)}` : UNKNOWN,
    waiting:
      waitingForAgent > 0 && oldestWaitMs !== null
        ? `${full(waitingForAgent)}, longest ${duration(oldestWaitMs)}`
        : full(waitingForAgent),
    agents: agents
      ? `${full(agents.incall)} in call, ${full(agents.ready)} ready, ${full(agents.wrap)} wrap, ${full(agents.paused)} paused`
      : UNKNOWN,
    talk: pair(d.talkP50Ms, d.talkP95Ms),
    postdial: pair(d.postDialP50Ms, d.postDialP95Ms),
    ring: duration(d.ringP50Ms),
    wait: duration(d.waitP95Ms),
  };
}

/** @param {Store} store @param {string} id */
function showSeverity(store, id) {
  const own = [...store.open.values()].filter((alert) => alert.campaignId === id);
  const worst = ["critical", "warning", "info"].find((severity) => own.some((alert) => alert.severity === severity));
  setHtml(
    byId("campaign-severity"),
    worst ? html`<span class="status st-${worst}">${icon(SEVERITY_ICON[worst])}${worst}</span>` : html``,
  );
}

/** @param {Store} store @param {string} id @param {() => number} now */
export function registerCampaignPage(store, id, now) {
  store.subscribe(["campaigns"], () => {
    const campaign = store.campaigns.get(id);
    if (!campaign) return;
    const pill = byId("campaign-status");
    setAttribute(pill, "class", `status ${statusParts(campaign.status)[0]}`);
    setHtml(pill, statusContent(campaign.status));
    showDefinitions(campaign);
    const panel = byId("facts");
    for (const [key, text] of Object.entries(factsOf(campaign, now()))) {
      setText(panel.querySelector(`[data-fact=${key}]`), text);
    }
    for (const [key, value] of Object.entries(campaign.oddities)) {
      setText(document.querySelector(`[data-oddity=${key}]`), full(value));
    }
  });
  store.subscribe(["alerts"], () => showSeverity(store, id));
  store.subscribe(["statuses"], () => {
    if (store.statuses.length === 0) return;
    const rows = store.statuses.slice(0, 8).map((change) => {
      const words = `${statusParts(change.from)[2]} → ${statusParts(change.to)[2]}`;
      return html`<li><time datetime="${change.at}">${toSeconds(moment(change.at))}</time> ${words}${change.reason && `, ${change.reason}`}</li>`;
    });
    setHtml(byId("statuses"), html`${rows}`);
  });
  const pin = byId("campaign-pin");
  const showPin = () => setAttribute(pin, "aria-pressed", String(isPinned(id)));
  pin.addEventListener("click", () => togglePin(id));
  onPins(showPin);
  showPin();
}
