/**
 * One row of the campaign table: made once, then changed cell by cell.
 *
 * @import { Campaign, Ratio } from "../ringside-client.js"
 */
import { drawnValues, drawSparkline } from "../charts/sparkline.js";
import { moment, toSeconds } from "../lib/clock.js";
import { setAttribute, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { full, percent, rate } from "../lib/format.js";
import { abandonSeverity, isFew } from "./figures.js";
import { isPinned } from "./pins.js";
import { isAwake, statusContent, statusParts } from "./status.js";

/** @param {string} id @param {string} name */
export function makeRow(id, name) {
  const row = document.createElement("tr");
  row.setAttribute("role", "row");
  row.dataset.campaign = id;
  row.innerHTML = String(
    html`<td role="cell" class="td-name"><span class="cname"><button class="pin" type="button" aria-pressed="false" aria-label="Pin ${name}">${icon("star")}</button><a href="/campaigns/${id}">${name}</a><small>${id}</small></span></td><td role="cell" class="td-status"><span class="status"></span></td><td role="cell" class="num" data-l="Active" data-cell="active"></td><td role="cell" class="num" data-l="Queue" data-cell="queue"></td><td role="cell" class="num td-rate" data-l="Dialing"><span class="rate"><span class="v"><b data-cell="rate"></b><span class="tgt" data-cell="target"></span></span><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="track" width="100" height="8" /><rect class="fillc c-rate" data-cell="bar" width="0" height="8" /><rect class="tick" data-cell="tick" x="-4" width="2" height="8" /></svg></span></td><td role="cell" class="num" data-l="Answer" data-cell="answer"></td><td role="cell" class="num" data-l="Conversion" data-cell="conversion"></td><td role="cell" class="num" data-l="Abandon, 5m" data-cell="abandon"></td><td role="cell" class="td-trend" data-cell="spark"><span class="t3">–</span></td>`,
  );
  return row;
}

/** @param {Ratio} ratio */
const fewMark = (ratio) => isFew(ratio) && html`<sup class="few" title="few calls">few</sup>`;

/** @param {Ratio} ratio */
const partsOf = (ratio) => `${full(ratio.numerator)} of ${full(ratio.denominator)}`;

/** @param {Ratio} ratio */
function abandonCell(ratio) {
  const text = percent(ratio.value);
  const severity = abandonSeverity(ratio);
  if (severity === "crit") {
    return html`<span class="cell-crit">${icon("octagon")}${text}<span class="vh"> above limit</span></span>`;
  }
  if (severity === "warn") {
    return html`<span class="cell-warn">${icon("triangle")}${text}<span class="vh"> near limit</span></span>`;
  }
  return html`${text}${fewMark(ratio)}`;
}

/**
 * @param {HTMLElement} row
 * @param {Campaign} campaign
 * @param {{ scale: number, minutes: (number|null)[] }} more The dialing bars' common scale, and calls up by minute.
 */
export function showRow(row, campaign, { scale, minutes }) {
  const cell = (/** @type {string} */ name) => row.querySelector(`[data-cell=${name}]`);
  const awake = isAwake(campaign.status);
  row.classList.toggle("dim", !awake);
  const link = row.querySelector("a");
  setText(link, campaign.name);
  const last = moment(campaign.lastEventAt);
  setAttribute(link, "title", Number.isNaN(last) ? "no event yet" : `last event at ${toSeconds(last)}`);
  const pin = row.querySelector(".pin");
  setAttribute(pin, "aria-pressed", String(isPinned(campaign.campaignId)));
  const pill = row.querySelector(".status");
  setAttribute(pill, "class", `status ${statusParts(campaign.status)[0]}`);
  setHtml(pill, statusContent(campaign.status));
  setText(cell("active"), full(campaign.activeCalls));
  setText(cell("queue"), full(campaign.queueDepth));
  setText(cell("rate"), rate(campaign.dialingRate).replace("/s", ""));
  setText(cell("target"), campaign.targetRate === null ? "" : ` / ${rate(campaign.targetRate).replace("/s", "")}`);
  const width = (/** @type {number} */ value) => ((value / scale) * 100).toFixed(1);
  setAttribute(cell("bar"), "width", width(campaign.dialingRate));
  setAttribute(cell("tick"), "x", campaign.targetRate === null ? "-4" : width(campaign.targetRate));
  const { answerRate, conversionRate } = campaign.hour.ratios;
  const { live } = campaign.abandon;
  setHtml(cell("answer"), html`${percent(answerRate.value)}${fewMark(answerRate)}`);
  setAttribute(cell("answer"), "title", partsOf(answerRate));
  setHtml(cell("conversion"), html`${percent(conversionRate.value)}${fewMark(conversionRate)}`);
  setAttribute(cell("conversion"), "title", partsOf(conversionRate));
  setHtml(cell("abandon"), abandonCell(live));
  setAttribute(cell("abandon"), "title", partsOf(live));
  const place = cell("spark");
  if (minutes.length > 0) {
    const before = drawnValues(place);
    const values = [...before.slice(minutes.length - 60), ...minutes].slice(-60);
    if (place && !place.querySelector("svg")) place.textContent = "";
    drawSparkline(place, before.length > minutes.length ? values : minutes, awake ? "c-active" : "c-neutral");
    if (place && !place.querySelector("svg")) setText(place, "–");
  }
}
