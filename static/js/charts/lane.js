/**
 * One lane: a uPlot with its limits, gaps and live end. `lanes.js` stacks them over one time axis.
 *
 * @import { Columns, LaneKey } from "../series.js"
 * @import { Limit, Plot } from "./ink.js"
 * @import { Store } from "../store.js"
 */
import { toMinutes, toSeconds } from "../lib/clock.js";
import { count, full, percent, rate } from "../lib/format.js";
import { hatch, lines, liveEnd, tint, token, translucent, waiting } from "./ink.js";
import { Scale } from "./scale.js";

const AXIS_FONT = "420 12px Inter, system-ui, sans-serif";
const X_AXIS_PX = 28;
const BELOW_PX = 8;

/** What a lane's values read like. @param {LaneKey} key @param {number|null|undefined} value */
export function laneText(key, value) {
  if (key === "rate") return rate(value);
  if (key === "abandon") return percent(value === null || value === undefined ? value : value / 100);
  return count(value === null || value === undefined ? value : Math.round(value));
}

/** @param {LaneKey} key @param {number} value */
function tickText(key, value) {
  if (key === "abandon") return `${Number(value.toFixed(1))}%`;
  if (value >= 1000) return `${Number((value / 1000).toFixed(1))}K`;
  return String(Number(value.toFixed(1)));
}

export class Lane {
  /** @type {Plot} */
  plot = null;
  /** @type {Columns|null} */
  #drawn = null;
  /** @type {Limit[]} */
  #limits = [];
  /** @type {[number, number]|null} */
  #stale = null;
  #now = 0;
  #scale;

  /**
   * @param {HTMLElement} root The `.lane` of the page.
   * @param {{ last: boolean, sync: string, onCursor: (index: number|null, left: number) => void }} options
   */
  constructor(root, { last, sync, onCursor }) {
    this.root = root;
    this.key = /** @type {LaneKey} */ (root.dataset.lane);
    this.name = root.querySelector(".nm")?.textContent ?? "";
    this.place = /** @type {HTMLElement} */ (root.querySelector(".plot"));
    this.last = last;
    this.sync = sync;
    this.onCursor = onCursor;
    this.#scale = new Scale(this.key === "abandon");
  }

  get height() {
    const asked = Number(this.place.dataset.height);
    const lane = innerWidth <= 720 ? Math.round(asked * 0.86) : asked;
    return lane + (this.last ? X_AXIS_PX : BELOW_PX);
  }

  /** Makes the chart in place of the still line; again after the theme has changed. */
  build() {
    this.plot?.destroy();
    this.place.replaceChildren();
    const color = token(`--s-${this.key}`);
    const axis = { stroke: token("--text-3"), font: AXIS_FONT, gap: 8, ticks: { show: false } };
    const grid = { stroke: token("--grid"), width: 1 };
    /** @param {Plot} plot */
    const fill = (plot) => {
      const down = plot.ctx.createLinearGradient(0, plot.bbox.top, 0, plot.bbox.top + plot.bbox.height);
      down.addColorStop(0, translucent(color, 0.2));
      down.addColorStop(1, translucent(color, 0.02));
      return down;
    };
    const uPlot = /** @type {any} */ (globalThis).uPlot;
    this.plot = new uPlot(
      {
        width: this.place.clientWidth,
        height: this.height,
        padding: [8, 14, this.last ? 0 : 8, 0],
        legend: { show: false },
        cursor: {
          y: false,
          points: { size: 8, width: 2, fill: token("--surface"), stroke: color },
          sync: { key: this.sync },
          drag: { x: false, y: false },
        },
        scales: {
          x: { time: true, range: () => [this.#now - (this.#drawn?.window ?? 3600), this.#now] },
          y: { range: () => [0, this.#top()] },
        },
        axes: [
          {
            ...axis,
            show: this.last,
            size: X_AXIS_PX,
            space: 70,
            grid,
            values: (/** @type {Plot} */ _, /** @type {number[]} */ splits) =>
              splits.map((t) => (this.#drawn?.step === 1 ? toSeconds(t * 1000) : toMinutes(t * 1000))),
          },
          {
            ...axis,
            size: 48,
            grid,
            splits: () => [0, this.#top() / 2, this.#top()],
            values: (/** @type {Plot} */ _, /** @type {number[]} */ splits) => splits.map((v) => tickText(this.key, v)),
          },
        ],
        series: [{}, { stroke: color, width: 1.75, points: { show: false }, fill }],
        hooks: {
          drawAxes: [(/** @type {Plot} */ plot) => this.#drawBehind(plot)],
          draw: [(/** @type {Plot} */ plot) => this.#drawAbove(plot, color)],
          setCursor: [
            (/** @type {Plot} */ plot) => {
              const { idx, left } = plot.cursor;
              this.onCursor(left >= 0 ? (idx ?? null) : null, left + plot.over.offsetLeft);
            },
          ],
        },
      },
      [[], []],
      this.place,
    );
  }

  /**
   * Draws what is there now.
   * @param {Columns} drawn
   * @param {number} now
   * @param {[number, number]|null} stale
   * @param {Limit[]} limits
   */
  draw(drawn, now, stale, limits) {
    this.#drawn = drawn;
    this.#now = now;
    this.#stale = stale;
    this.#limits = limits;
    this.plot?.setData([drawn.times, drawn.lanes[this.key]]);
    this.#head(drawn);
  }

  resize() {
    this.plot?.setSize({ width: this.place.clientWidth, height: this.height });
  }

  #top() {
    const values = this.#drawn?.lanes[this.key] ?? [];
    let greatest = 0;
    for (const value of values) if (value !== null && value > greatest) greatest = value;
    for (const limit of this.#limits) {
      const near = limit.kind === "crit" || limit.kind === "target" || greatest > limit.value * 0.6;
      if (near && limit.value > greatest) greatest = limit.value;
    }
    return this.#scale.top(greatest, performance.now());
  }

  /** @param {Plot} plot */
  #drawBehind(plot) {
    for (const [from, to] of this.#drawn?.gaps ?? []) hatch(plot, from, to);
    if (this.#stale) hatch(plot, ...this.#stale);
    tint(plot, this.#limits);
  }

  /** @param {Plot} plot @param {string} color */
  #drawAbove(plot, color) {
    lines(plot, this.#limits);
    if (this.#stale) waiting(plot, ...this.#stale);
    const { times = [], lanes } = this.#drawn ?? {};
    const end = times.length - 1;
    const value = lanes?.[this.key][end];
    if (value !== null && value !== undefined) liveEnd(plot, times[end], value, color, this.#stale !== null);
  }

  /** Mean and greatest of what is shown. @param {Columns} drawn */
  #head(drawn) {
    if (this.key === "abandon") return;
    const known = /** @type {number[]} */ (drawn.lanes[this.key].filter((value) => value !== null));
    const meta = this.root.querySelector(".meta");
    if (!meta) return;
    if (known.length === 0) {
      meta.textContent = "no data yet";
      return;
    }
    const mean = known.reduce((sum, value) => sum + value, 0) / known.length;
    meta.textContent = `avg ${laneText(this.key, mean)} · max ${laneText(this.key, Math.max(...known))}`;
  }
}

/** The lines that a campaign's lanes are held against. @param {Store} store @param {string} id */
export function limitsOf(store, id) {
  return (/** @type {string} */ lane) => {
    const of = id ? store.campaigns.get(id) : store.aggregate;
    /** @type {Limit[]} */
    const limits = [];
    if (lane === "abandon") {
      limits.push({ value: 2.5, kind: "warn", label: "warning 2.5%" }, { value: 3, kind: "crit", label: "limit 3.0%" });
    } else if (lane === "active" && of?.maxLines) {
      limits.push({ value: of.maxLines, kind: "warn", label: `${full(of.maxLines)} lines` });
    } else if (lane === "rate" && of?.targetRate) {
      limits.push({ value: of.targetRate, kind: "target", label: `target ${rate(of.targetRate)}` });
    }
    return limits;
  };
}
