/**
 * The event feed: a virtual list of the newest 2,000 calls, newest on top. It holds still while somebody reads it.
 *
 * @import { Store } from "../store.js"
 * @import { CallChange } from "../ringside-client.js"
 */
import { millis, moment, toSeconds } from "../lib/clock.js";
import { byId, setAttribute, setHidden, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { count, duration, full, rate, UNKNOWN } from "../lib/format.js";

const ROW_PX = 36;
const PHONE_ROW_PX = 44;
const OVERSCAN = 4;
/** Bursts are drawn together. */
const DRAW_EVERY_MS = 250;
const RATE_OVER_MS = 10_000;

/** Key (icon, colour) and word by outcome, then by phase. @type {Record<string, [string, string]>} */
const WORDS = {
  converted: ["converted", "Converted"],
  opt_out: ["optout", "Opt-out"],
  abandoned: ["abandoned", "Abandoned"],
  machine: ["machine", "Machine"],
  answered_other: ["ended", "Ended"],
  busy: ["busy", "Busy"],
  no_answer: ["noanswer", "No answer"],
  canceled: ["canceled", "Canceled"],
  failed: ["failed", "Failed"],
  lost: ["lost", "Lost"],
  queued: ["queued", "Queued"],
  dialing: ["dialing", "Dialing"],
  ringing: ["ringing", "Ringing"],
  answered: ["answered", "Answered"],
  bridged: ["bridged", "Joined"],
  ended: ["ended", "Ended"],
};
/** @type {Record<string, string>} */
const ICONS = { queued: "clock", bridged: "answered", ended: "checkc" };

/** @param {CallChange} call */
function eventParts(call) {
  const [key, word] = WORDS[call.outcome ?? ""] ?? WORDS[call.phase] ?? WORDS.ended;
  return { key, word: key === "failed" && call.cause ? `Failed ${call.cause}` : word, icon: ICONS[key] ?? key };
}

export class Feed {
  /** What is on the screen, newest first; stays while held. @type {CallChange[]} */
  #rows = [];
  #seenAtHold = 0;
  #outcome = "";
  #drawTimer = 0;
  #hovered = false;
  /** When how many calls had been seen, for the rate. @type {[number, number][]} */
  #pace = [];

  /** @param {Store} store @param {boolean} naming True where rows name the campaign, else the agent. */
  constructor(store, naming) {
    this.store = store;
    this.naming = naming;
    this.view = byId("feed");
    this.list = byId("feed-rows");
    this.pill = byId("feed-new");
    this.phone = matchMedia("(max-width: 720px)");
  }

  start() {
    this.view.addEventListener("pointerenter", () => (this.#hovered = true));
    this.view.addEventListener("pointerleave", () => {
      this.#hovered = false;
      this.#plan();
    });
    this.view.addEventListener("focusout", () => this.#plan());
    this.view.addEventListener("scroll", () => this.#draw(), { passive: true });
    this.view.addEventListener("keydown", (event) => {
      if (event.key === "Home" || event.key === "End") {
        event.preventDefault();
        this.#release();
      }
    });
    this.pill.addEventListener("click", () => this.#release());
    byId("feed-chips").addEventListener("click", (event) => {
      const chip = event.target instanceof Element && event.target.closest(".chip");
      if (chip) this.pick(chip.getAttribute("data-outcome") ?? "");
    });
    this.phone.addEventListener("change", () => this.#draw());
    this.store.subscribe(["calls"], () => this.#plan());
    this.view.classList.add("is-virtual");
    this.#take();
    setInterval(() => this.#showRate(), 1000);
  }

  focus() {
    this.view.focus();
  }

  /** Shows only events of one kind; the same again shows all. @param {string} outcome */
  pick(outcome) {
    this.#outcome = outcome === this.#outcome ? "" : outcome;
    let known = false;
    for (const chip of byId("feed-chips").querySelectorAll(".chip")) {
      const own = chip.getAttribute("data-outcome") === this.#outcome;
      known ||= own;
      setAttribute(chip, "aria-pressed", String(own));
    }
    if (!known) {
      const [key, word] = Object.values(WORDS).find(([one]) => one === this.#outcome) ?? ["", ""];
      const chip = byId("feed-chips").querySelector("[data-extra]") ?? document.createElement("button");
      chip.className = "chip";
      setAttribute(chip, "type", "button");
      setAttribute(chip, "data-extra", "");
      setAttribute(chip, "data-outcome", key);
      setAttribute(chip, "aria-pressed", "true");
      chip.textContent = word;
      byId("feed-chips").append(chip);
    }
    this.view.scrollTop = 0;
    this.#take();
  }

  get #held() {
    return this.#hovered || this.view.matches(":focus-within") || this.view.scrollTop > 4;
  }

  #plan() {
    if (this.#drawTimer) return;
    this.#drawTimer = window.setTimeout(() => {
      this.#drawTimer = 0;
      if (this.#held) this.#showNew();
      else this.#take();
    }, DRAW_EVERY_MS);
  }

  #release() {
    this.view.scrollTop = 0;
    this.#take();
  }

  /** Takes over what the store has now. */
  #take() {
    const wanted = this.#outcome;
    // Rooms come side by side; what happened last stands on top, whichever room said it.
    this.#rows = this.store.calls
      .filter((call) => !wanted || eventParts(call).key === wanted)
      .sort((a, b) => (a.at < b.at ? 1 : a.at > b.at ? -1 : 0));
    this.#seenAtHold = this.store.callsSeen;
    setHidden(this.pill, true);
    this.#draw();
    setText(byId("feed-kept"), `${full(this.#rows.length)} kept`);
    setHidden(document.getElementById("feed-none"), this.store.calls.length > 0);
  }

  #showNew() {
    const fresh = this.store.callsSeen - this.#seenAtHold;
    setHidden(this.pill, fresh === 0);
    setText(this.pill, `${count(fresh)} new event${fresh === 1 ? "" : "s"}`);
  }

  #draw() {
    const height = this.phone.matches ? PHONE_ROW_PX : ROW_PX;
    const first = Math.max(0, Math.floor(this.view.scrollTop / height) - OVERSCAN);
    const shown = Math.ceil(this.view.clientHeight / height);
    const rows = this.#rows.slice(first, first + shown + 2 * OVERSCAN);
    this.list.style.height = `${this.#rows.length * height}px`;
    this.list.style.paddingTop = `${first * height}px`;
    setHtml(this.list, html`${rows.map((call) => this.#row(call))}`);
  }

  /** @param {CallChange} call */
  #row(call) {
    const { key, word, icon: sign } = eventParts(call);
    const at = moment(call.at);
    const place = this.naming
      ? (this.store.campaigns.get(call.campaignId)?.name ?? call.campaignId)
      : call.agent
        ? `Agent ${call.agent}`
        : "";
    return html`<li class="ev-${key}"><time datetime="${call.at}">${toSeconds(at)}<span class="ms">${millis(at)}</span></time><span class="ev">${icon(sign)}${word}</span><span class="ph">${call.to ?? UNKNOWN}</span><span class="cp">${place}</span><span class="du">${duration(call.talkMs ?? call.elapsedMs)}</span></li>`;
  }

  #showRate() {
    const now = performance.now();
    this.#pace.push([now, this.store.callsSeen]);
    while (now - this.#pace[0][0] > RATE_OVER_MS) this.#pace.shift();
    const [since, seen] = this.#pace[0];
    if (now - since < 2000) return;
    setText(byId("feed-rate"), `${rate(((this.store.callsSeen - seen) / (now - since)) * 1000)} events`);
  }
}
