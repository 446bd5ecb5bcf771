//! Reads a campaign: its metrics and the series of its charts.
//!
//! Ratios over some minutes include all facts so far. Rates include completed seconds only, or they would be too low
//! during a second.

use ringside_model::{
    AbandonRates, AgentCounts, CampaignId, CampaignMetrics, Counter, Durations, Ratio, SeriesPoint, Timestamp,
};

use super::FoldSettings;
use super::campaign::{Campaign, POST_DIAL, RING, TALK, WAIT};
use super::levels::{ClosedSeconds, Level};
use super::lww;
use super::rule::WatchedRatio;
use super::window::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_COUNTERS, SECOND_MS, Tally, Tier};

const PERIOD_MS: i64 = 30 * DAY_MS;
const LIVE_MS: i64 = 5 * MINUTE_MS;
const CHART_MINUTES: i64 = 60;

/// The charts of a campaign: latest completed seconds and minutes.
/// The oldest point comes first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CampaignSeries {
    /// One point a second, for the configured window.
    pub seconds: Vec<SeriesPoint>,
    /// One point a minute, for an hour.
    pub minutes: Vec<SeriesPoint>,
}

/// The fold's settings and time, for reading.
#[derive(Debug, Clone, Copy)]
pub(super) struct ReadContext<'a> {
    pub(super) settings: &'a FoldSettings,
    pub(super) closed_seconds: &'a ClosedSeconds,
    /// The time that windows are relative to.
    pub(super) now: i64,
    pub(super) as_of: i64,
}

impl Campaign {
    pub(super) fn metrics(&self, id: &CampaignId, read: ReadContext<'_>) -> CampaignMetrics {
        let second = read.now.div_euclid(SECOND_MS) * SECOND_MS;
        let minute = read.now.div_euclid(MINUTE_MS) * MINUTE_MS;
        let hour_from = minute - 59 * MINUTE_MS;
        let attempts = |span_ms| self.windows.seconds.sum(second - span_ms, second, Counter::Attempts);
        let point = read.closed_seconds.newest().and_then(|newest| self.second_points(newest, 1, read).pop());
        CampaignMetrics {
            name: self.name(id).into(),
            status: self.status(),
            status_reason: self.status.as_ref().and_then(|status| status.value.1.clone()),
            status_since: self
                .status
                .as_ref()
                .map(|status| status.at)
                .or(self.seen_running)
                .map(Timestamp::from_millis),
            started_at: self.started_at.map(Timestamp::from_millis),
            last_event_at: self.last_event_at.map(Timestamp::from_millis),
            active: self.live.active(),
            waiting_for_agent: self.live.waiting(),
            oldest_wait_ms: self.live.oldest_wait().map(|since| (read.as_of - since).max(0)),
            queue_depth: self.queue_depth(),
            target_rate: lww::value(&self.gauges.target_rate),
            max_lines: lww::value(&self.gauges.max_lines),
            list: Ratio::new(
                lww::value(&self.gauges.list_attempted).unwrap_or(0),
                lww::value(&self.gauges.list_total).unwrap_or(0),
            ),
            agents: lww::value(&self.gauges.agents).map(|[ready, ringing, incall, wrap, paused, offline]| {
                AgentCounts { ready, ringing, incall, wrap, paused, offline }
            }),
            attempts_10s: attempts(10 * SECOND_MS),
            attempts_60s: attempts(60 * SECOND_MS),
            totals: self.windows.totals.clone(),
            hour: self.windows.minutes_sum(hour_from, i64::MAX),
            hour_before: self.windows.minutes_sum(hour_from - HOUR_MS, hour_from),
            abandon: self.abandon_rates(read),
            durations: self.durations(),
            point,
            oddities: self.oddities,
            ..CampaignMetrics::empty(id.clone(), Timestamp::from_millis(read.as_of))
        }
    }

    fn abandon_rates(&self, read: ReadContext<'_>) -> AbandonRates {
        const PARTS: [Counter; 2] = [Counter::Abandoned, Counter::Human];
        let ratio = |[abandoned, human]: [i64; 2]| Ratio::new(abandoned, human);
        let minute = read.now.div_euclid(MINUTE_MS) * MINUTE_MS;
        let us30 = ratio(self.windows.since(self.period_start(read.now), PARTS));
        let uk = self
            .windows
            .since(minute - DAY_MS + MINUTE_MS, [Counter::Abandoned, Counter::Bridged, Counter::MachineBridged]);
        let (uk24_ppm, uk24_n) = uk_estimate(uk);
        AbandonRates {
            live: self.ratio(WatchedRatio::AbandonLive, read.now),
            hour: self.ratio(WatchedRatio::AbandonHour, read.now),
            us30,
            us30_headroom: us30.denominator * 3 / 100 - us30.numerator,
            today: ratio(self.windows.since(day_start(read.settings, read.now), PARTS)),
            uk24_ppm,
            uk24_n,
        }
    }

    /// Returns the start of the current 30-day period.
    /// The first period starts with the campaign's first hour.
    fn period_start(&self, now: i64) -> i64 {
        let first = self.started_at.unwrap_or(now).div_euclid(HOUR_MS) * HOUR_MS;
        first + (now - first).div_euclid(PERIOD_MS).max(0) * PERIOD_MS
    }

    /// Returns a ratio for an alert rule.
    pub(super) fn ratio(&self, which: WatchedRatio, now: i64) -> Ratio {
        let hour = || {
            let minute = now.div_euclid(MINUTE_MS) * MINUTE_MS;
            self.windows.minutes_sum(minute - 59 * MINUTE_MS, i64::MAX)
        };
        match which {
            WatchedRatio::AbandonLive => {
                let from = now.div_euclid(SECOND_MS) * SECOND_MS - LIVE_MS;
                let mut ratio = Ratio::default();
                for (_, counts) in self.windows.seconds.range(from, i64::MAX) {
                    ratio.numerator += counts.get(Counter::Abandoned);
                    ratio.denominator += counts.get(Counter::Human);
                }
                ratio
            }
            WatchedRatio::AbandonHour => hour().abandon_ratio(),
            WatchedRatio::AnswerHour => hour().answer_ratio(),
            WatchedRatio::FailedHour => hour().failed_ratio(),
            WatchedRatio::ServiceLevelHour => hour().service_level_ratio(),
        }
    }

    fn durations(&self) -> Durations {
        let at = |which: usize, q| self.durations[which].quantile(q);
        Durations {
            talk_p50_ms: at(TALK, 0.5),
            talk_p95_ms: at(TALK, 0.95),
            post_dial_p50_ms: at(POST_DIAL, 0.5),
            post_dial_p95_ms: at(POST_DIAL, 0.95),
            ring_p50_ms: at(RING, 0.5),
            wait_p95_ms: at(WAIT, 0.95),
        }
    }

    pub(super) fn series(&self, read: ReadContext<'_>) -> CampaignSeries {
        let Some(newest) = read.closed_seconds.newest() else { return CampaignSeries::default() };
        CampaignSeries {
            seconds: self.second_points(newest, read.settings.window_points as i64, read),
            minutes: self.minute_points(newest, read),
        }
    }

    fn second_points(&self, newest: i64, points: i64, read: ReadContext<'_>) -> Vec<SeriesPoint> {
        let level =
            |second| read.closed_seconds.any_in(second, second + 1).then(|| self.levels.at_second(second)).flatten();
        series_points(&self.windows.seconds, newest, points, LIVE_MS / SECOND_MS, level)
    }

    fn minute_points(&self, newest: i64, read: ReadContext<'_>) -> Vec<SeriesPoint> {
        let level = |minute| {
            let closed = read.closed_seconds.any_in(minute * 60, minute * 60 + 60);
            closed.then(|| self.levels.at_minute(minute)).flatten()
        };
        // The newest minute with a closed last second.
        let newest = (newest + 1).div_euclid(60) - 1;
        series_points(&self.windows.minutes, newest, CHART_MINUTES, LIVE_MS / MINUTE_MS, level)
    }
}

/// Returns the latest points of a tier, each with sums over `lookback` buckets.
///
/// A bucket without a level is a gap: no collector was watching, or the campaign was unknown.
fn series_points<T: Tally>(
    tier: &Tier<T>,
    newest: i64,
    points: i64,
    lookback: i64,
    level: impl Fn(i64) -> Option<Level>,
) -> Vec<SeriesPoint> {
    let oldest = newest - points + 1 - lookback;
    let width_ms = tier.width_ms();
    let mut counts = vec![[0i64; 4]; (newest - oldest + 1) as usize];
    for (at, tally) in tier.range(oldest * width_ms, (newest + 1) * width_ms) {
        counts[(at / width_ms - oldest) as usize] = SECOND_COUNTERS.map(|counter| tally.get(counter));
    }
    let (mut human_5m, mut abandoned_5m) = (0, 0);
    let mut row = Vec::with_capacity(points as usize);
    for (place, [attempts, answered, human, abandoned]) in counts.iter().enumerate() {
        human_5m += human;
        abandoned_5m += abandoned;
        let Some(passed) = place.checked_sub(lookback as usize) else { continue };
        human_5m -= counts[passed][2];
        abandoned_5m -= counts[passed][3];
        let index = oldest + place as i64;
        let level = level(index);
        let known = |count: i64| level.map(|_| count);
        row.push(SeriesPoint {
            at: Timestamp::from_millis(index * width_ms),
            active: level.map(|level| level.active),
            queue: level.and_then(|level| level.queue),
            attempts: known(*attempts),
            answered: known(*answered),
            abandoned_5m: known(abandoned_5m),
            human_5m: known(human_5m),
        });
    }
    row
}

/// Computes the UK abandon rate in parts per million, and the people reached.
///
/// The formula assumes that machines are as frequent among dropped calls as among calls that agents took. With
/// `m = machines / taken` it is `d (1 - m) / (people + d (1 - m))`, which is `d / (taken + d)` if agents took any call.
fn uk_estimate([dropped, taken, machines]: [i64; 3]) -> (Option<i64>, i64) {
    let people = taken - machines;
    if taken > 0 && people <= 0 {
        return (None, 0); // Agents took machines only, so no dropped call is estimated to be a person.
    }
    let dropped_people = if taken > 0 { (2 * dropped * people + taken) / (2 * taken) } else { dropped };
    let whole = taken + dropped;
    let ppm = (whole > 0).then(|| (2 * dropped * 1_000_000 + whole) / (2 * whole));
    (ppm, people + dropped_people)
}

/// Returns midnight in the installation's zone.
/// If its clocks skip midnight, that is the day's first moment.
pub(super) fn day_start(settings: &FoldSettings, now: i64) -> i64 {
    let start = jiff::Timestamp::from_millisecond(now)
        .and_then(|moment| moment.to_zoned(settings.time_zone.clone()).start_of_day());
    // A time outside the calendar's range is its own day.
    start.map_or(now, |start| start.timestamp().as_millisecond())
}
