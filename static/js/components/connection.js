/**
 * The connection pill and its panel: what the line is, and how old the data.
 *
 * @import { Store } from "../store.js"
 * @import { RingsideClient } from "../ringside-client.js"
 * @import { ServerClock } from "../lib/clock.js"
 */
import { toSeconds } from "../lib/clock.js";
import { byId, say, setHidden, setHtml, setText } from "../lib/dom.js";
import { html, icon } from "../lib/html.js";
import { age, count, duration, latency, UNKNOWN } from "../lib/format.js";

const LATE_MS = 3000;
export const STALE_MS = 10_000;
const OFFLINE_MS = 30_000;

/** @typedef {{ kind: string, word: string, via: string, age: string, late: boolean }} Face */

/** What the pill says. Pure, so that it can be tested without a page.
 * @param {{ state: RingsideClient["state"], ageMs: number, paused: boolean, held: number, pausedForMs: number, tries: number, retryInMs: number }} facts
 * @returns {Face}
 */
export function pillFace({ state, ageMs, paused, held, pausedForMs, tries, retryInMs }) {
  if (paused) {
    const via = `${count(held)} update${held === 1 ? "" : "s"} held`;
    return { kind: "paused", word: "PAUSED", via, age: duration(pausedForMs), late: false };
  }
  const late = ageMs > LATE_MS;
  if (state === "closed") return { kind: "offline", word: "OFFLINE", via: "refused", age: age(ageMs), late };
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

  /** @param {{ store: Store, client: RingsideClient, clock: ServerClock }} parts */
  constructor({ store, client, clock }) {
    this.store = store;
    this.client = client;
    this.clock = clock;
    this.pill = byId("conn");
  }

  start() {
    this.client.onState = () => this.show();
    byId("reconnect").addEventListener("click", () => this.client.connect());
    byId("try-now").addEventListener("click", () => this.client.connect());
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
    const { client, store } = this;
    const retryInMs = client.retryAt - this.clock.here();
    const face = pillFace({
      state: client.state,
      ageMs: this.ageMs,
      paused: store.paused,
      held: store.heldCount,
      pausedForMs: this.clock.here() - this.#pausedAt,
      tries: client.tries,
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
    const { client } = this;
    const say = (/** @type {string} */ key, /** @type {string} */ text) =>
      setText(document.querySelector(`[data-conn=${key}]`), text);
    say("state", retryInMs > 0 && client.state !== "live" ? `${client.state}, next try in ${Math.ceil(retryInMs / 1000)}s` : client.state);
    say("transport", client.state === "live" ? "WebSocket" : client.state === "polling" ? "HTTP, every 2s" : UNKNOWN);
    say("roundtrip", latency(client.roundTripMs));
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
