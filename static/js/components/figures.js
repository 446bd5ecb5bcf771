/**
 * What KPI cells say of a campaign or of the sum over campaigns: the rules of `gateway/src/pages/kpi.rs`.
 *
 * @import { Campaign, Aggregate, Ratio, Series, SeriesPoint } from "../ringside-client.js"
 * @import { Trend, Rise } from "./trend.js"
 */
import { count, duration, full, percent, rate } from "../lib/format.js";
import { FEW, NO_TREND, trendOfRatios, trendOfValues } from "./trend.js";

const ABANDON_WARNING = 0.025;
const ABANDON_LIMIT = 0.03;

/** @typedef {{ value: string, unit: string, title: string, severity: ""|"is-warn"|"is-crit", trend: Trend,
 *   context: string, few: boolean, color: string, spark: (number|null)[]|null }} Figure */

/** @param {Ratio} ratio @returns {""|"warn"|"crit"} */
export function abandonSeverity({ value, denominator }) {
  if (value === null || denominator < FEW) return "";
  return value > ABANDON_LIMIT ? "crit" : value >= ABANDON_WARNING ? "warn" : "";
}

/** @param {Ratio} ratio */
export const isFew = (ratio) => ratio.value !== null && ratio.denominator < FEW;

/** @param {number|null} part @param {number|null} whole */
const share = (part, whole) => (part !== null && whole ? part / whole : null);

/**
 * @param {Ratio} now
 * @param {Ratio} before
 * @param {Rise} rise
 * @param {string} context
 * @param {string} definition
 * @returns {Figure}
 */
function ratioFigure(now, before, rise, context, definition) {
  return {
    value: percent(now.value).replace("%", ""),
    unit: now.value === null ? "" : "%",
    title: `${full(now.numerator)} of ${full(now.denominator)}: ${definition}`,
    severity: "",
    trend: trendOfRatios(now, before, rise),
    context,
    few: isFew(now),
    color: "c-neutral",
    spark: null,
  };
}

/**
 * @param {Ratio} now
 * @param {Ratio} before
 * @param {SeriesPoint[]} minutes
 * @param {string} definition
 * @returns {Figure}
 */
function abandonFigure(now, before, minutes, definition) {
  const context =
    now.value === null ? "nobody reached yet" : `${Math.round((now.value / ABANDON_LIMIT) * 100)}% of the 3.0% limit`;
  const severity = abandonSeverity(now);
  return {
    ...ratioFigure(now, before, "bad", context, definition),
    severity: severity && `is-${severity}`,
    color: "c-abandon",
    spark: minutes.map((point) => share(point.abandoned5m, point.human5m)),
  };
}

/**
 * All figures of a campaign or a sum.
 * @param {Campaign|Aggregate} of
 * @param {Series} series
 * @returns {Record<string, Figure>}
 */
export function figuresOf(of, { minutes }) {
  const activeCalls = "totalActiveCalls" in of ? of.totalActiveCalls : of.activeCalls;
  const abandonLive = "abandonLive" in of ? of.abandonLive : of.abandon.live;
  const hourAgo = minutes.length >= 60 ? minutes[0] : null;
  const { hour, hourBefore, queueDepth, dialingRate, targetRate, maxLines } = of;
  const [all, last, before] = [of, hour, hourBefore].map((span) => span.counters.attempts);
  // A whole hour only if there were calls before it too.
  const wholeHourBefore = before > 0 && all > last + before;
  const emptyIn = queueDepth !== null && dialingRate >= 0.1 ? duration((queueDepth / dialingRate) * 1000) : null;
  /** @param {Figure["color"]} color @param {Partial<Figure>} figure @returns {Figure} */
  const plain = (color, figure) => ({
    value: "",
    unit: "",
    title: "",
    severity: "",
    trend: NO_TREND,
    context: "",
    few: false,
    color,
    spark: null,
    ...figure,
  });
  return {
    active: plain("c-active", {
      value: count(activeCalls),
      title: `${full(activeCalls)} calls up now: dialing, ringing, answered or joined`,
      trend: trendOfValues(activeCalls, hourAgo?.active, "neutral"),
      context: maxLines
        ? `${Math.round((activeCalls / maxLines) * 100)}% of ${full(maxLines)} lines`
        : `${count(of.active.bridged)} talking, ${count(of.active.ringing)} ringing`,
      spark: minutes.map((point) => point.active),
    }),
    queue: plain("c-queue", {
      value: count(queueDepth),
      title: `${full(queueDepth)} leads wait to be dialed`,
      trend: trendOfValues(queueDepth, hourAgo?.queue, "neutral"),
      context:
        queueDepth === null ? "no source reports it" : emptyIn ? `empty in ${emptyIn}` : "nothing is being dialed",
      spark: minutes.map((point) => point.queue),
    }),
    rate: plain("c-rate", {
      value: rate(dialingRate).replace("/s", ""),
      unit: "/s",
      title: "Attempts per second, over the last 10 s",
      trend:
        hourAgo && hourAgo.attempts !== null ? trendOfValues(dialingRate, hourAgo.attempts / 60, "neutral") : NO_TREND,
      context: targetRate === null ? "no target set" : `target ${rate(targetRate)}`,
      spark: minutes.map((point) => (point.attempts === null ? null : point.attempts / 60)),
    }),
    attempts: plain("c-neutral", {
      value: count(hour.counters.attempts),
      title: `${full(hour.counters.attempts)} dialed in the last hour, ${full(of.counters.attempts)} since the start`,
      trend: wholeHourBefore
        ? trendOfValues(hour.counters.attempts, hourBefore.counters.attempts, "neutral")
        : NO_TREND,
      context: `${count(of.counters.attempts)} since the start`,
      spark: minutes.map((point) => point.attempts),
    }),
    answer: {
      ...ratioFigure(
        hour.ratios.answerRate,
        hourBefore.ratios.answerRate,
        "good",
        `${count(hour.counters.answered)} answered`,
        "answered ÷ (answered + busy + no answer + failed), the last hour",
      ),
      spark: minutes.map((point) => share(point.answered, point.attempts)),
    },
    conversion: ratioFigure(
      hour.ratios.conversionRate,
      hourBefore.ratios.conversionRate,
      "good",
      `${count(hour.counters.converted)} converted`,
      "converted ÷ answered by a person, the last hour",
    ),
    "abandon-hour": abandonFigure(
      hour.ratios.abandonRate,
      hourBefore.ratios.abandonRate,
      minutes,
      "abandoned ÷ answered by a person, the last hour",
    ),
    abandon: abandonFigure(
      abandonLive,
      hour.ratios.abandonRate,
      minutes,
      "abandoned ÷ answered by a person, the last 5 minutes; the change is against the last hour",
    ),
  };
}
