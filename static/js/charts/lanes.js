/**
 * The Activity panel: lanes over one time axis with one crosshair, one tooltip, a keyboard crosshair, a table.
 *
 * @import { Store } from "../store.js"
 * @import { ServerClock } from "../lib/clock.js"
 * @import { Range, Columns } from "../series.js"
 * @import { Limit } from "./ink.js"
 */
import { toMinutes, toSeconds } from "../lib/clock.js";
import { byId, say, setAttribute, setHidden, setHtml, setText } from "../lib/dom.js";
import { html } from "../lib/html.js";
import { columns, emptySeries, staleEnd } from "../series.js";
import { Lane, laneText } from "./lane.js";

/** The axis moves with the clock: this often on the last minute, once a second on the last hour. */
const GLIDE_MS = { "1m": 100, "1h": 1000 };
const SAY_AFTER_MS = 300;

export class Lanes {
  /** @type {Lane[]} */
  #lanes = [];
  /** @type {Columns|null} */
  #drawn = null;
  #tip = document.createElement("div");
  #drawnAt = 0;
  #sayTimer = 0;
  /** The crosshair's place by keyboard. @type {number|null} */
  #index = null;

  /**
   * @param {{ store: Store, clock: ServerClock, series: string, range: () => Range, limits: (lane: string) => Limit[] }} parts
   */
  constructor({ store, clock, series, range, limits }) {
    this.store = store;
    this.clock = clock;
    this.series = series;
    this.range = range;
    this.limits = limits;
    this.root = byId("lanes");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  /** Puts the charts in place, once the font is there: canvas text does not wait for it by itself. */
  async start() {
    await Promise.all(["420 12px Inter", "600 12px Inter"].map((font) => document.fonts.load(font))).catch(() => {});
    const roots = [...this.root.querySelectorAll(".lane")];
    this.#lanes = roots.map(
      (root, index) =>
        new Lane(/** @type {HTMLElement} */ (root), {
          last: index === roots.length - 1,
          sync: "ringside",
          onCursor: (at, left) => index === 0 && this.#point(at, left),
        }),
    );
    for (const lane of this.#lanes) lane.build();
    this.#tip.className = "tip";
    this.#tip.hidden = true;
    this.#lanes[0]?.place.append(this.#tip);
    this.store.subscribe(["series", "held"], () => this.draw());
    new ResizeObserver(() => this.#resize()).observe(this.root);
    this.root.addEventListener("keydown", (event) => this.#key(event));
    this.root.addEventListener("blur", () => this.#leave());
    byId("lanes-table").addEventListener("click", () => this.#toggleTable());
    this.draw();
    requestAnimationFrame(() => this.#glide());
  }

  /** After a change of theme: the canvas keeps no tokens. */
  rebuild() {
    for (const lane of this.#lanes) lane.build();
    this.#lanes[0]?.place.append(this.#tip);
    this.draw();
  }

  draw() {
    if (document.hidden || (this.store.paused && this.#drawn && this.#drawn.window === this.#window())) return;
    const now = this.clock.now() / 1000;
    const range = this.range();
    const drawn = columns(this.store.series.get(this.series) ?? emptySeries(), range, now);
    const stale = staleEnd(drawn, now);
    this.#drawn = drawn;
    this.#drawnAt = performance.now();
    for (const lane of this.#lanes) lane.draw(drawn, now, stale, this.limits(lane.key));
    setText(byId("lanes-resolution"), range === "1m" ? "1s resolution" : "1m resolution");
    setAttribute(this.root, "aria-label", this.#sentence(range));
    if (!byId("lanes-tablewrap").hidden) this.#drawTable();
  }

  #window() {
    return this.range() === "1m" ? 60 : 3600;
  }

  #glide() {
    const every = this.still.matches ? 1000 : GLIDE_MS[this.range()];
    if (!this.store.paused && performance.now() - this.#drawnAt >= every) this.draw();
    requestAnimationFrame(() => this.#glide());
  }

  #resize() {
    for (const lane of this.#lanes) lane.resize();
  }

  /** @param {Range} range */
  #sentence(range) {
    const parts = this.#lanes.map((lane) => {
      const known = /** @type {number[]} */ (this.#drawn?.lanes[lane.key].filter((value) => value !== null) ?? []);
      if (known.length === 0) return `${lane.name}: no data`;
      const [low, high] = [Math.min(...known), Math.max(...known)];
      const now = known[known.length - 1];
      return `${lane.name} ${laneText(lane.key, now)}, between ${laneText(lane.key, low)} and ${laneText(lane.key, high)}`;
    });
    return `Activity over the last ${range === "1m" ? "minute" : "hour"}. ${parts.join(". ")}.`;
  }

  /** @param {number|null} index @param {number} left */
  #point(index, left) {
    const time = index === null ? undefined : this.#drawn?.times[index];
    if (index === null || time === undefined) {
      this.#tip.hidden = true;
      return;
    }
    this.#index = index;
    const rows = this.#lanes.map(
      (lane) =>
        html`<dt><span class="key c-${lane.key}"></span></dt><dt>${lane.name}</dt><dd>${laneText(lane.key, this.#drawn?.lanes[lane.key][index])}</dd>`,
    );
    setHtml(this.#tip, html`<h4>${toSeconds(time * 1000)}</h4><dl>${rows}</dl>`);
    this.#tip.hidden = false;
    const room = this.#lanes[0].place.clientWidth;
    const flip = left + 12 + this.#tip.offsetWidth > room;
    this.#tip.style.left = `${Math.max(0, flip ? left - 12 - this.#tip.offsetWidth : left + 12)}px`;
    this.#tip.style.top = "20px";
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key, shiftKey } = event;
    const times = this.#drawn?.times ?? [];
    if (key === "Escape") {
      this.#leave();
      return;
    }
    if (key !== "ArrowLeft" && key !== "ArrowRight" && key !== "Home" && key !== "End") return;
    event.preventDefault();
    const last = times.length - 1;
    const step = (shiftKey ? 10 : 1) * (key === "ArrowLeft" ? -1 : 1);
    const from = this.#index ?? last;
    const index = key === "Home" ? 0 : key === "End" ? last : Math.min(last, Math.max(0, from + step));
    const plot = this.#lanes[0]?.plot;
    if (!plot || times[index] === undefined) return;
    plot.setCursor({ left: plot.valToPos(times[index], "x"), top: 10 });
    clearTimeout(this.#sayTimer);
    this.#sayTimer = window.setTimeout(() => say("polite", this.#tip.textContent ?? ""), SAY_AFTER_MS);
  }

  #leave() {
    this.#index = null;
    this.#tip.hidden = true;
    for (const lane of this.#lanes) lane.plot?.setCursor({ left: -10, top: -10 });
  }

  #toggleTable() {
    const wrap = byId("lanes-tablewrap");
    const shown = wrap.hidden;
    setHidden(wrap, !shown);
    setHidden(this.root, shown);
    setAttribute(byId("lanes-table"), "aria-pressed", String(shown));
    if (shown) this.#drawTable();
    else this.#resize();
  }

  #drawTable() {
    const { times = [], step = 60 } = this.#drawn ?? {};
    const rows = times.map((time, index) => ({ time, index })).reverse();
    setHtml(
      byId("lanes-tablewrap"),
      html`<table class="table"><thead><tr><th scope="col">Time</th>${this.#lanes.map((lane) => html`<th scope="col" class="num">${lane.name}</th>`)}</tr></thead><tbody>${rows.map(
        ({ time, index }) =>
          html`<tr><td>${step === 1 ? toSeconds(time * 1000) : toMinutes(time * 1000)}</td>${this.#lanes.map((lane) => html`<td class="num">${laneText(lane.key, this.#drawn?.lanes[lane.key][index])}</td>`)}</tr>`,
      )}</tbody></table>`,
    );
  }
}
