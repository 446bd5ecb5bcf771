/** Times of day in the zone of who looks, and the server's clock as seen from here. */

const TO_MINUTES = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const TO_SECONDS = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const LONG = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});
const SHORT = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" });

/** `14 May 2026, 14:32`. @param {number} ms */
export const toShort = (ms) => SHORT.format(ms);

/** `14:32`. @param {number} ms */
export const toMinutes = (ms) => TO_MINUTES.format(ms);

/** `14:32:08`. @param {number} ms */
export const toSeconds = (ms) => TO_SECONDS.format(ms);

/** `Thursday 14 May 2026 at 14:32 BST`. @param {number} ms */
export const toLong = (ms) => LONG.format(ms);

/** `.412`. @param {number} ms */
export const millis = (ms) => `.${String(Math.floor(ms) % 1000).padStart(3, "0")}`;

/** Milliseconds of an RFC 3339 moment; NaN where there is none. @param {string|null|undefined} text */
export const moment = (text) => (text ? Date.parse(text) : NaN);

/**
 * How far the server's clock is ahead of this one. Each round trip gives an estimate that is wrong by at most half of
 * it, so the quickest one seen wins, and slowly loses its worth as clocks drift.
 */
export class ServerClock {
  #offset = 0;
  #trust = Infinity;

  /** @param {() => number} [now] */
  constructor(now = () => Date.now()) {
    this.here = now;
  }

  /**
   * @param {number} sentAt Here, when the question left.
   * @param {number} serverAt There, when it was answered.
   */
  learn(sentAt, serverAt) {
    const roundTrip = this.here() - sentAt;
    this.#trust += 1;
    if (Number.isNaN(serverAt) || roundTrip > this.#trust) return;
    this.#trust = roundTrip;
    this.#offset = serverAt + roundTrip / 2 - this.here();
  }

  /** A first guess from a page or frame that has just come: the truth is this or later. @param {number} serverAt */
  guess(serverAt) {
    if (this.#trust === Infinity && !Number.isNaN(serverAt)) this.#offset = serverAt - this.here();
  }

  get offset() {
    return this.#offset;
  }

  /** Now, there. */
  now() {
    return this.here() + this.#offset;
  }
}
