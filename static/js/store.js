/**
 * The browser's one source of truth. Frames go in through `apply`, in the order that the client has seen to; components
 * read the fields and are told, once per animation frame, which topics changed. Nothing else holds data.
 *
 * @import { Frame, Campaign, Aggregate, Series, Metric, Host, Alert, Note, CallChange, StatusChange, MetricSeries } from "./ringside-client.js"
 */
import { moment } from "./lib/clock.js";
import { addSecond, emptySeries } from "./series.js";

const CALLS_KEPT = 2000;
const LIST_KEPT = 50;
const POINTS_KEPT = 60;

/** @typedef {"campaigns"|"series"|"metrics"|"hosts"|"alerts"|"notes"|"calls"|"statuses"|"held"} Topic */

/** Name and labels as one key. @param {{ name: string, labels?: Record<string, string> }} metric */
function metricKey({ name, labels = {} }) {
  const parts = Object.keys(labels).sort();
  return [name, ...parts.map((label) => `${label}=${labels[label]}`)].join(",");
}

export class Store {
  /** @type {Map<string, Campaign>} */
  campaigns = new Map();
  /** @type {Aggregate|null} */
  aggregate = null;
  /** Of the sum under "", of campaigns under their id. @type {Map<string, Series>} */
  series = new Map();
  /** @type {Map<string, Metric>} */
  metrics = new Map();
  /** @type {Map<string, [number, number][]>} */
  metricPoints = new Map();
  /** @type {Host[]} */
  hosts = [];
  /** @type {Map<string, Alert>} */
  open = new Map();
  /** Newest first. @type {Alert[]} */
  alerts = [];
  /** Newest first. @type {Note[]} */
  notes = [];
  /** Oldest first, at most `CALLS_KEPT`. @type {CallChange[]} */
  calls = [];
  /** Calls ever taken in: what a feed holds its place by. */
  callsSeen = 0;
  /** Newest first. @type {StatusChange[]} */
  statuses = [];
  /** When each room's newest data was true, by the server's clock. @type {Map<string, number>} */
  roomAt = new Map();
  /** Frames held back while paused. @type {Frame[]} */
  #held = [];
  heldCount = 0;
  paused = false;
  /** @type {Set<Topic>} */
  #changed = new Set();
  /** @type {{ topics: Set<Topic>|null, tell: (changed: Set<Topic>) => void }[]} */
  #readers = [];
  #scheduled = false;
  /** What is new, for toasts and sounds: not what an `initial` brings. @type {{ alert: ((alert: Alert) => void)[], note: ((note: Note) => void)[] }} */
  #hearers = { alert: [], note: [] };

  /**
   * @param {(run: () => void) => void} [schedule] When to tell readers; once per animation frame in a page.
   * @param {(at: string) => boolean} [isNews] Whether something of then is still worth a toast: a source that catches up
   *   sends hours at once, and none of it has just happened.
   */
  constructor(schedule = (run) => requestAnimationFrame(run), isNews = () => true) {
    this.schedule = schedule;
    this.isNews = isNews;
  }

  /**
   * @param {Topic[]|null} topics Null for any.
   * @param {(changed: Set<Topic>) => void} tell
   */
  subscribe(topics, tell) {
    this.#readers.push({ topics: topics && new Set(topics), tell });
  }

  /**
   * @param {"alert"|"note"} what
   * @param {(value: any) => void} tell
   */
  on(what, tell) {
    this.#hearers[what].push(tell);
  }

  /** When the page's own numbers were true; NaN before there are any. */
  get dataAt() {
    let newest = NaN;
    for (const [room, at] of this.roomAt) {
      if ((room === "overview" || room.startsWith("campaign:")) && !(newest >= at)) newest = at;
    }
    return newest;
  }

  /** Freezes what is shown. Frames go on being taken in, and are counted. */
  pause() {
    this.paused = true;
    this.#touch("held");
  }

  /** Jumps to now. */
  resume() {
    this.paused = false;
    const held = this.#held;
    this.#held = [];
    this.heldCount = 0;
    for (const frame of held) this.#take(frame);
    this.#touch("held");
  }

  /** @param {Frame} frame */
  apply(frame) {
    // What is missing can't be shown: an `initial` follows, or what is newest.
    if (frame.type === "reset" || frame.type === "skipped") return;
    if (!this.paused) {
      this.#take(frame);
      return;
    }
    this.heldCount += 1;
    this.#touch("held");
    // Of state only the newest is ever shown, so a long pause does not fill the memory; seconds of the chart are.
    if (frame.type === "system_health_update" || (frame.type === "metrics_update" && frame.room === "metrics")) {
      const older = this.#held.findIndex((held) => held.type === frame.type && held.room === frame.room);
      if (older >= 0) this.#held.splice(older, 1);
    }
    this.#held.push(frame);
    if (this.#held.length > 20_000) this.#held.shift();
  }

  /** @param {Frame} frame */
  #take(frame) {
    const room = frame.room ?? "";
    const fresh = frame.type === "initial";
    const kind = room.split(":")[0];
    let at = moment(frame.timestamp);
    if (kind === "overview") at = this.#takeOverview(frame, fresh, at);
    else if (kind === "campaign") at = this.#takeCampaign(frame, fresh, room.slice("campaign:".length), at);
    else if (kind === "calls") this.#takeCalls(frame, fresh, room.slice("calls:".length));
    else if (kind === "metrics") this.#takeMetrics(frame, fresh);
    else if (kind === "system") this.#takeSystem(frame);
    else if (kind === "alerts") this.#takeAlerts(frame, fresh);
    else if (kind === "notifications") this.#takeNotes(frame, fresh);
    else return;
    if (!Number.isNaN(at)) this.roomAt.set(room, Math.max(at, this.roomAt.get(room) ?? 0));
  }

  /** @param {Frame} frame @param {boolean} fresh @param {number} at */
  #takeOverview(frame, fresh, at) {
    if (fresh) {
      this.campaigns.clear();
      this.series.set("", /** @type {Series} */ (frame.series) ?? emptySeries());
    }
    let trueAt = moment(frame.aggregate?.asOf);
    for (const campaign of frame.campaigns ?? []) {
      this.#putCampaign(campaign);
      trueAt = Number.isNaN(trueAt) ? moment(campaign.asOf) : Math.max(trueAt, moment(campaign.asOf));
    }
    if (frame.aggregate) this.aggregate = frame.aggregate;
    const sum = this.series.get("") ?? emptySeries();
    this.series.set("", sum);
    addSecond(sum, frame.point);
    this.#touch("campaigns", "series");
    return Number.isNaN(trueAt) ? at : trueAt;
  }

  /** @param {Frame} frame @param {boolean} fresh @param {string} id @param {number} at */
  #takeCampaign(frame, fresh, id, at) {
    if (frame.type === "campaign_status_change") {
      this.statuses.unshift(/** @type {StatusChange} */ (/** @type {unknown} */ (frame)));
      this.statuses.length = Math.min(this.statuses.length, LIST_KEPT);
      this.#touch("statuses");
      return NaN;
    }
    if (fresh) {
      this.series.set(id, /** @type {Series} */ (frame.series) ?? emptySeries());
      this.statuses = [...(frame.statuses ?? [])].reverse();
      this.#touch("statuses");
    }
    if (!frame.campaign) return at;
    this.#putCampaign(frame.campaign);
    this.#touch("campaigns", "series");
    return moment(frame.campaign.asOf);
  }

  /** @param {Campaign} campaign */
  #putCampaign(campaign) {
    this.campaigns.set(campaign.campaignId, campaign);
    const series = this.series.get(campaign.campaignId) ?? emptySeries();
    this.series.set(campaign.campaignId, series);
    addSecond(series, campaign.point);
  }

  /** @param {Frame} frame @param {boolean} fresh @param {string} id */
  #takeCalls(frame, fresh, id) {
    const calls = frame.calls ?? [];
    if (fresh) this.calls = this.calls.filter((call) => call.campaignId !== id);
    this.calls.push(...calls);
    if (fresh) this.calls.sort((a, b) => (a.at < b.at ? -1 : 1));
    if (this.calls.length > CALLS_KEPT) this.calls.splice(0, this.calls.length - CALLS_KEPT);
    this.callsSeen += calls.length;
    this.#touch("calls");
  }

  /** @param {Frame} frame @param {boolean} fresh */
  #takeMetrics(frame, fresh) {
    if (fresh) {
      this.metrics.clear();
      this.metricPoints.clear();
      for (const line of /** @type {MetricSeries[]} */ (frame.series) ?? []) {
        this.metricPoints.set(metricKey(line), [...line.points]);
      }
    }
    for (const metric of frame.metrics ?? []) {
      const key = metricKey(metric);
      this.metrics.set(key, metric);
      const points = this.metricPoints.get(key) ?? [];
      const at = moment(metric.at);
      if (!(points[points.length - 1]?.[0] >= at)) points.push([at, metric.value]);
      if (points.length > POINTS_KEPT) points.shift();
      this.metricPoints.set(key, points);
    }
    this.#touch("metrics");
  }

  /** @param {Frame} frame */
  #takeSystem(frame) {
    this.hosts = frame.hosts ?? this.hosts;
    this.#touch("hosts");
  }

  /** @param {Frame} frame @param {boolean} fresh */
  #takeAlerts(frame, fresh) {
    if (fresh) {
      this.open = new Map((frame.open ?? []).map((alert) => [alert.fingerprint, alert]));
      this.alerts = [...(frame.alerts ?? [])].reverse();
    }
    const { alert } = frame;
    if (alert) {
      if (alert.state === "firing") this.open.set(alert.fingerprint, alert);
      else this.open.delete(alert.fingerprint);
      this.alerts.unshift(alert);
      this.alerts.length = Math.min(this.alerts.length, LIST_KEPT);
      if (this.isNews(alert.at)) for (const tell of this.#hearers.alert) tell(alert);
    }
    this.#touch("alerts");
  }

  /** @param {Frame} frame @param {boolean} fresh */
  #takeNotes(frame, fresh) {
    if (fresh) this.notes = [...(frame.notifications ?? [])].reverse();
    const { notification } = frame;
    if (notification) {
      this.notes.unshift(notification);
      this.notes.length = Math.min(this.notes.length, LIST_KEPT);
      if (this.isNews(notification.at)) for (const tell of this.#hearers.note) tell(notification);
    }
    this.#touch("notes");
  }

  /** @param {...Topic} topics */
  #touch(...topics) {
    for (const topic of topics) this.#changed.add(topic);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.schedule(() => {
      this.#scheduled = false;
      const changed = this.#changed;
      this.#changed = new Set();
      for (const reader of this.#readers) {
        const { topics } = reader;
        if (!topics || [...changed].some((topic) => topics.has(topic))) reader.tell(changed);
      }
    });
  }
}
