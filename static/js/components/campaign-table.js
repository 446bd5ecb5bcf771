/**
 * The campaign table: live values in place, sort, filters, cards. It does not re-sort under a pointer or focus.
 *
 * @import { Store } from "../store.js"
 * @import { Campaign } from "../ringside-client.js"
 */
import { byId, say, setAttribute, setHidden, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { makeRow, showRow } from "./campaign-row.js";
import { isPinned, onPins, togglePin } from "./pins.js";
import { isAwake, STATUS_ORDER, statusParts } from "./status.js";

const QUIET_BEFORE_SORT_MS = 2000;
const SAY_AFTER_MS = 500;

/** What each column sorts by. @type {Record<string, (campaign: Campaign) => number|string>} */
const SORT_BY = {
  name: (c) => c.name.toLowerCase(),
  status: (c) => STATUS_ORDER.indexOf(c.status),
  active: (c) => c.activeCalls,
  queue: (c) => c.queueDepth ?? -1,
  rate: (c) => c.dialingRate,
  answer: (c) => c.hour.ratios.answerRate.value ?? -1,
  conversion: (c) => c.hour.ratios.conversionRate.value ?? -1,
  abandon: (c) => c.abandon.live.value ?? -1,
};

export class CampaignTable {
  #column = "active";
  #ascending = false;
  #status = "";
  #text = "";
  #touchedAt = -Infinity;
  #inside = false;
  #sayTimer = 0;
  /** @type {Map<string, HTMLElement>} */
  #rows = new Map();

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.body = byId("campaign-rows");
    this.table = byId("campaign-table");
    this.filter = /** @type {HTMLInputElement} */ (byId("campaign-filter"));
  }

  start() {
    for (const row of this.body.querySelectorAll("tr")) this.#rows.set(row.dataset.campaign ?? "", row);
    this.#listen();
    this.store.subscribe(["campaigns"], () => this.#show());
    onPins(() => this.#show(true));
    if (!this.store.paused) this.#show(true);
  }

  focusFilter() {
    this.filter.focus();
  }

  /** Moves focus over the rows. @param {number} step */
  move(step) {
    const links = [...this.body.querySelectorAll("tr:not([hidden]) a")];
    const at = links.indexOf(/** @type {Element} */ (document.activeElement));
    const next = links[Math.min(links.length - 1, Math.max(0, at + step))];
    if (next instanceof HTMLElement) next.focus();
  }

  /** Pins the row that has focus. */
  pinFocused() {
    const row = document.activeElement?.closest("[data-campaign]");
    if (row instanceof HTMLElement && row.dataset.campaign) togglePin(row.dataset.campaign);
  }

  #listen() {
    const wrap = this.table;
    wrap.addEventListener("pointerenter", () => (this.#inside = true));
    wrap.addEventListener("pointerleave", () => this.#left());
    wrap.addEventListener("focusout", () => this.#left());
    this.table.querySelector("thead")?.addEventListener("click", (event) => {
      const head = event.target instanceof Element && event.target.closest("button")?.closest("th");
      if (head) this.#sortBy(head.dataset.sort ?? "active");
    });
    byId("campaign-sort").addEventListener("change", (event) => {
      this.#column = /** @type {HTMLSelectElement} */ (event.target).value;
      this.#ascending = this.#column === "name";
      this.#show(true);
    });
    byId("status-chips").addEventListener("click", (event) => {
      const chip = event.target instanceof Element && event.target.closest(".chip");
      if (!chip) return;
      this.#status = chip.getAttribute("data-status") ?? "";
      this.#show(true);
      this.#sayShown();
    });
    this.filter.addEventListener("input", () => {
      this.#text = this.filter.value.trim().toLowerCase();
      this.#show(true);
      this.#sayShown();
    });
    byId("filter-clear").addEventListener("click", () => {
      this.filter.value = "";
      this.#text = "";
      this.#status = "";
      this.#show(true);
      this.filter.focus();
    });
    byId("campaign-view").addEventListener("click", (event) => {
      const button = event.target instanceof Element && event.target.closest("button");
      if (!button) return;
      this.table.classList.toggle("as-cards", button.dataset.view === "cards");
      for (const one of byId("campaign-view").querySelectorAll("button")) {
        setAttribute(one, "aria-pressed", String(one === button));
      }
    });
    this.body.addEventListener("click", (event) => {
      const pin = event.target instanceof Element && event.target.closest(".pin");
      const id = pin && pin.closest("tr")?.dataset.campaign;
      if (id) togglePin(id);
    });
  }

  #left() {
    this.#inside = this.table.matches(":hover");
    this.#touchedAt = performance.now();
  }

  /** True while a moving row could be a row clicked by mistake. */
  get #touched() {
    const busy = this.#inside || this.table.contains(document.activeElement);
    return busy || performance.now() - this.#touchedAt < QUIET_BEFORE_SORT_MS;
  }

  /** @param {string} column */
  #sortBy(column) {
    this.#ascending = this.#column === column ? !this.#ascending : column === "name" || column === "status";
    this.#column = column;
    this.#show(true);
  }

  /** @param {boolean} [asked] By hand: then it is sorted at once. */
  #show(asked = false) {
    const campaigns = [...this.store.campaigns.values()];
    const scale = Math.max(0.1, ...campaigns.map((c) => Math.max(c.dialingRate, c.targetRate ?? 0)));
    let made = false;
    for (const campaign of campaigns) {
      let row = this.#rows.get(campaign.campaignId);
      if (!row) {
        row = makeRow(campaign.campaignId, campaign.name);
        this.#rows.set(campaign.campaignId, row);
        this.body.append(row);
        made = true;
      }
      const minutes = this.store.series.get(campaign.campaignId)?.minutes ?? [];
      showRow(row, campaign, { scale, minutes: minutes.map((point) => point.active) });
    }
    for (const [id, row] of this.#rows) {
      if (this.store.campaigns.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    if (asked || made || !this.#touched) this.#sort(campaigns);
    this.#filterRows(campaigns);
    this.#heads();
    this.#chips(campaigns);
  }

  /** @param {Campaign[]} campaigns */
  #sort(campaigns) {
    const by = SORT_BY[this.#column] ?? SORT_BY.active;
    const direction = this.#ascending ? 1 : -1;
    const sorted = campaigns.sort((a, b) => {
      const pins = Number(isPinned(b.campaignId)) - Number(isPinned(a.campaignId));
      if (pins) return pins;
      const [left, right] = [by(a), by(b)];
      if (left === right) return a.name < b.name ? -1 : 1;
      return (left < right ? -1 : 1) * direction;
    });
    const order = sorted.map((campaign) => this.#rows.get(campaign.campaignId));
    const shown = [...this.body.children];
    if (order.length === shown.length && order.every((row, index) => row === shown[index])) return;
    const focused = document.activeElement;
    this.body.append(.../** @type {HTMLElement[]} */ (order));
    if (focused instanceof HTMLElement && focused !== document.activeElement) focused.focus();
  }

  /** @param {Campaign[]} campaigns */
  #filterRows(campaigns) {
    let shown = 0;
    for (const campaign of campaigns) {
      const fits =
        (!this.#status || campaign.status === this.#status) &&
        (!this.#text || `${campaign.name} ${campaign.campaignId}`.toLowerCase().includes(this.#text));
      setHidden(this.#rows.get(campaign.campaignId), !fits);
      if (fits) shown += 1;
    }
    setText(byId("campaign-count"), String(campaigns.length));
    const asleep = campaigns.filter((c) => !isAwake(c.status)).length;
    const hidden = campaigns.length - shown;
    setText(
      byId("campaigns-foot"),
      `${shown} of ${campaigns.length} shown.${hidden ? ` The filter hides ${hidden}.` : asleep ? ` ${asleep} not running.` : ""}`,
    );
    setHidden(byId("campaigns-none"), campaigns.length > 0);
    setHidden(this.table, shown === 0);
    setHidden(byId("campaigns-filtered"), campaigns.length === 0 || shown > 0);
    const what = this.#text ? `matches “${this.filter.value.trim()}”` : `is ${statusParts(this.#status)[2].toLowerCase()}`;
    setText(byId("campaigns-filtered-text"), `No campaign ${what}`);
  }

  #heads() {
    for (const head of this.table.querySelectorAll("th[data-sort]")) {
      const sorted = head.getAttribute("data-sort") === this.#column;
      setAttribute(head, "aria-sort", sorted ? (this.#ascending ? "ascending" : "descending") : null);
    }
    const select = /** @type {HTMLSelectElement} */ (byId("campaign-sort"));
    if (select.value !== this.#column) select.value = this.#column;
  }

  /** @param {Campaign[]} campaigns */
  #chips(campaigns) {
    const counts = STATUS_ORDER.map((key) => [key, campaigns.filter((c) => c.status === key).length]);
    const group = byId("status-chips");
    const wanted = counts.filter(([key, count]) => count || key === this.#status);
    const keys = [...group.querySelectorAll(".chip")].map((chip) => chip.getAttribute("data-status"));
    if (keys.slice(1).join() !== wanted.map(([key]) => key).join()) {
      setHtml(
        group,
        html`<button class="chip" type="button" data-status="">All <span class="n"></span></button>${wanted.map(([key]) => {
          const [kind, sign, word] = statusParts(String(key));
          return html`<button class="chip" type="button" data-status="${key}">${icon(sign, `i-sm ${kind}`)}${word} <span class="n"></span></button>`;
        })}`,
      );
    }
    for (const chip of group.querySelectorAll(".chip")) {
      const key = chip.getAttribute("data-status");
      const count = key ? counts.find(([one]) => one === key)?.[1] : campaigns.length;
      setText(chip.querySelector(".n"), String(count ?? 0));
      setAttribute(chip, "aria-pressed", String(key === this.#status));
    }
  }

  #sayShown() {
    clearTimeout(this.#sayTimer);
    this.#sayTimer = window.setTimeout(() => say("polite", byId("campaigns-foot").textContent ?? ""), SAY_AFTER_MS);
  }
}
