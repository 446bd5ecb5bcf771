/**
 * Alert sounds: one short tone per kind, made here, off until switched on, and at least five seconds apart.
 *
 * @import { Store } from "../store.js"
 * @import { Alert, Note } from "../ringside-client.js"
 */
import { byId, setAttribute, setHtml } from "../lib/dom.js";
import { icon } from "../lib/html.js";

const KEY = "ringside.sound";
const APART_MS = 5000;
const VOLUME = 0.12;

/** Notes in hertz, each with its length in seconds. @type {Record<string, [number, number][]>} */
const TONES = {
  info: [[660, 0.12]],
  confirmation: [
    [660, 0.09],
    [880, 0.14],
  ],
  warning: [
    [440, 0.14],
    [440, 0.14],
  ],
  critical: [
    [880, 0.12],
    [622, 0.12],
    [880, 0.2],
  ],
};

export class Sounds {
  on = false;
  /** Tones played: what a test can hear. */
  played = 0;
  #lastAt = -Infinity;
  /** @type {AudioContext|null} */
  #audio = null;

  /** @param {Store} store */
  constructor(store) {
    this.store = store;
    this.button = byId("sound");
  }

  start() {
    try {
      this.on = localStorage.getItem(KEY) === "on";
    } catch {
      // Not allowed to remember: off.
    }
    this.button.addEventListener("click", () => this.toggle());
    this.store.on("alert", (/** @type {Alert} */ alert) => {
      this.play(alert.state === "firing" ? alert.severity : "confirmation");
    });
    this.store.on("note", (/** @type {Note} */ note) => {
      this.play(note.status === "confirmed" ? "confirmation" : note.severity);
    });
    this.#show();
  }

  toggle() {
    this.on = !this.on;
    try {
      localStorage.setItem(KEY, this.on ? "on" : "off");
    } catch {
      // Holds until the page is left.
    }
    this.#show();
    if (this.on) this.play("info");
  }

  /** @param {string} kind */
  play(kind) {
    const now = performance.now();
    if (!this.on || now - this.#lastAt < APART_MS) return;
    this.#lastAt = now;
    this.played += 1;
    setAttribute(this.button, "data-played", String(this.played));
    this.#audio ??= new AudioContext();
    const audio = this.#audio;
    // A browser that has seen no click yet keeps the context asleep; the next tone after one is heard.
    void audio.resume().catch(() => {});
    let at = audio.currentTime + 0.01;
    for (const [hertz, seconds] of TONES[kind] ?? TONES.info) {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = hertz;
      volume.gain.setValueAtTime(0, at);
      volume.gain.linearRampToValueAtTime(VOLUME, at + 0.01);
      volume.gain.linearRampToValueAtTime(0, at + seconds);
      tone.connect(volume).connect(audio.destination);
      tone.start(at);
      tone.stop(at + seconds);
      at += seconds + 0.04;
    }
  }

  #show() {
    setAttribute(this.button, "aria-pressed", String(this.on));
    setAttribute(this.button, "aria-label", `Alert sound: ${this.on ? "on" : "off"}`);
    setHtml(this.button, icon(this.on ? "sound" : "mute"));
  }
}
