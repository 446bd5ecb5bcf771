/**
 * The connection pill and its panel: what the line is, and how old the data.
 *
 * @import { Store } from "../store.js"
 * @import { Link } from "../socket.js"
 * @import { ServerClock } from "../lib/clock.js"
 */
import { toSeconds } from "../lib/clock.js";
import { byId, say, setHidden, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { age, count, duration, latency, UNKNOWN } from "../lib/number.js";

export const LATE_MS = 3000;
export const STALE_MS = 10_000;
export const OFFLINE_MS = 30_000;

/** @typedef {{ kind: string, word: string, via: string, age: string, late: boolean }} Face */

/** What the pill says. Pure, so that it can be tested without a page.
 * @param {{ state: Link["state"], ageMs: number, paused: boolean, held: number, pausedForMs: number, tries: number, retryInMs: number }} facts
 * @returns {Face}
 */
export function pillFace({ state, ageMs, paused, held, pausedForMs, tries, retryInMs }) {
  if (paused) {
    const via = `${count(held)} update${held === 1 ? "" : "s"} held`;
    return { kind: "paused", word: "PAUSED", via, age: duration(pausedForMs), late: false };
  }
  const late = ageMs > LATE_MS;
  if (state === "refused") return { kind: "offline", word: "OFFLINE", via: "no access", age: age(ageMs), late };
  if (ageMs > OFFLINE_MS) return { kind: "offline", word: "OFFLINE", via: "last data", age: `${age(ageMs)} ago`, late };
  if (state === "live") return { kind: "live", word: "LIVE", via: "WebSocket", age: age(ageMs), late };
  if (state === "polling") return { kind: "polling", word: "POLLING", via: "every 2s", age: age(ageMs), late };
  const wait = retryInMs > 0 ? `, ${Math.ceil(retryInMs / 1000)}s` : "";
  return { kind: "connecting", word: "CONNECTING…", via: `try ${Math.max(1, tries)}${wait}`, age: age(ageMs), late };
}

/** @type {Record<string, unknown>} */
const SIGNS = {
  live: html`<span class="dot" aria-hidden="true"></span>`,
  polling: icon("refresh"),
  connecting: icon("refresh", "spin"),
  paused: icon("b-pause"),
  offline: icon("unplug"),
};

export class Connection {
  #kind = "";
  #pausedAt = 0;

  /** @param {{ store: Store, link: Link, clock: ServerClock }} parts */
  constructor({ store, link, clock }) {
    this.store = store;
    this.link = link;
    this.clock = clock;
    this.pill = byId("conn");
  }

  start() {
    this.link.onState = () => this.show();
    byId("reconnect").addEventListener("click", () => this.link.reconnectNow());
    byId("try-now").addEventListener("click", () => this.link.reconnectNow());
    this.store.subscribe(["held"], () => {
      this.#pausedAt = this.store.paused ? this.#pausedAt || this.clock.here() : 0;
      this.show();
    });
    setInterval(() => this.show(), 1000);
    this.show();
  }

  /** How old what is shown is. */
  get ageMs() {
    const at = this.store.dataAt;
    return Number.isNaN(at) ? NaN : Math.max(0, this.clock.now() - at);
  }

  show() {
    const { link, store } = this;
    const retryInMs = link.retryAt - this.clock.here();
    const face = pillFace({
      state: link.state,
      ageMs: this.ageMs,
      paused: store.paused,
      held: store.heldCount,
      pausedForMs: this.clock.here() - this.#pausedAt,
      tries: link.tries,
      retryInMs,
    });
    this.pill.className = `conn is-${face.kind}`;
    setHtml(
      this.pill,
      html`${SIGNS[face.kind]}<b>${face.word}</b><small class="via">${face.via}</small><small class="age ${face.late && "is-late"}">${face.age}</small>`,
    );
    if (this.#kind && face.kind !== this.#kind) say("polite", SENTENCES[face.kind] ?? face.word);
    this.#kind = face.kind;
    this.#panel(retryInMs);
    this.#offline(face.kind, retryInMs);
  }

  /** @param {number} retryInMs */
  #panel(retryInMs) {
    const { link } = this;
    const say = (/** @type {string} */ key, /** @type {string} */ text) =>
      setText(document.querySelector(`[data-conn=${key}]`), text);
    say("state", retryInMs > 0 && link.state !== "live" ? `${link.state}, next try in ${Math.ceil(retryInMs / 1000)}s` : link.state);
    say("transport", link.state === "live" ? "WebSocket" : link.state === "polling" ? "HTTP, every 2s" : UNKNOWN);
    say("roundtrip", latency(link.roundTripMs));
    say("last", Number.isNaN(this.store.dataAt) ? UNKNOWN : `${toSeconds(this.store.dataAt)}, ${age(this.ageMs)} ago`);
    say("offset", latency(Math.abs(this.clock.offset)));
  }

  /** @param {string} kind @param {number} retryInMs */
  #offline(kind, retryInMs) {
    const banner = byId("offline");
    setHidden(banner, kind !== "offline");
    if (kind !== "offline") return;
    const again = retryInMs > 0 ? `Trying again in ${Math.ceil(retryInMs / 1000)}s.` : "Trying again now.";
    setHtml(banner.querySelector("p"), html`<b>No live data for ${age(this.ageMs)}.</b> Showing the last values. ${again}`);
  }
}

/** @type {Record<string, string>} */
const SENTENCES = {
  live: "Live again.",
  polling: "Live connection blocked. Updating every 2 seconds instead.",
  connecting: "Connection lost. Trying again.",
  paused: "Paused. Updates are held.",
  offline: "Offline. Showing the last values.",
};
