//! The metrics of a campaign: live counts, totals, ratios with their `n`.

use crate::{CampaignId, Counter, Counters, Oddities, Outcome, Ratio, Timestamp};

/// The status of a campaign, as its source last reported or its calls show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum CampaignStatus {
    /// Not reported yet.
    #[default]
    Unknown,
    /// Not started.
    Draft,
    /// Dialing.
    Running,
    /// Asked to pause, calls still up.
    Pausing,
    /// Not dialing, can be resumed.
    Paused,
    /// Finishing its calls, then it stops.
    Draining,
    /// Its list is done.
    Completed,
    /// Stopped by an operator.
    Stopped,
    /// Stopped by an error.
    Failed,
}

impl CampaignStatus {
    /// Whether it makes or finishes calls. "Active campaigns" counts these.
    pub fn is_active(self) -> bool {
        matches!(self, Self::Running | Self::Pausing | Self::Draining)
    }
}

/// Calls up now, by phase.
///
/// They are sizes of sets, not running sums, so they can't drift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActiveCalls {
    /// Being dialed.
    pub dialing: i64,
    /// Ringing.
    pub ringing: i64,
    /// Answered, not joined with an agent.
    pub answered: i64,
    /// Joined with an agent.
    pub bridged: i64,
}

impl ActiveCalls {
    /// The sum over the phases.
    pub fn total(self) -> i64 {
        self.dialing + self.ringing + self.answered + self.bridged
    }
}

/// A campaign's agents, by state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct AgentCounts {
    /// Waiting for a call.
    pub ready: i64,
    /// Their phone rings.
    pub ringing: i64,
    /// Talking.
    pub incall: i64,
    /// Writing up a call.
    pub wrap: i64,
    /// On a break.
    pub paused: i64,
    /// Logged out.
    pub offline: i64,
}

/// Medians and 95th percentiles, in milliseconds; `None` if no call has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// Talk time, median.
    pub talk_p50_ms: Option<i64>,
    /// Talk time, 95th percentile.
    pub talk_p95_ms: Option<i64>,
    /// Dialing to ringing, median.
    pub post_dial_p50_ms: Option<i64>,
    /// Dialing to ringing, 95th percentile.
    pub post_dial_p95_ms: Option<i64>,
    /// Ringing to answered, median.
    pub ring_p50_ms: Option<i64>,
    /// Answered to bridged (people only), 95th percentile.
    pub wait_p95_ms: Option<i64>,
}

/// The abandon rates by the definitions in use; their values differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AbandonRates {
    /// Abandoned out of answered by a person, the last 5 minutes.
    pub live: Ratio,
    /// The same, the last hour.
    pub hour: Ratio,
    /// US: the same, the current 30-day period since the campaign's start.
    pub us30: Ratio,
    /// Abandoned calls until the limit of 3 % of the period; negative is over it.
    pub us30_headroom: i64,
    /// VICIdial's drop rate: the same, since midnight in the campaign's time zone.
    pub today: Ratio,
    /// UK: the rolling 24 h, corrected by the share of machines among bridged calls.
    ///
    /// In parts per million, because its counts are estimates; `None` if it can't be estimated.
    pub uk24_ppm: Option<i64>,
    /// The denominator of `uk24_ppm`: people reached in those 24 h.
    pub uk24_n: i64,
}

/// Everything the pages show of one campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct CampaignMetrics {
    /// The campaign's id.
    pub campaign: CampaignId,
    /// Its display name.
    pub name: Box<str>,
    /// Its status.
    pub status: CampaignStatus,
    /// The reason for the status, if the source gave one.
    pub status_reason: Option<Box<str>>,
    /// Since when it has this status.
    pub status_since: Option<Timestamp>,
    /// The time of its first event.
    pub started_at: Option<Timestamp>,
    /// The time of the newest event in these numbers; `None` before the first.
    pub last_event_at: Option<Timestamp>,
    /// The time these numbers are complete up to: the newest tick or receipt.
    pub as_of: Timestamp,
    /// Calls up now.
    pub active: ActiveCalls,
    /// Persons who answered and are not joined with an agent yet.
    pub waiting_for_agent: i64,
    /// How long the longest of them has waited.
    pub oldest_wait_ms: Option<i64>,
    /// Leads waiting: the source's gauge or the calls in `queued`; `None` if unknown.
    pub queue_depth: Option<i64>,
    /// Calls per second wanted; `None` if the source doesn't report it.
    pub target_rate: Option<f64>,
    /// Lines at most; `None` if the source doesn't report it.
    pub max_lines: Option<i64>,
    /// Distinct leads attempted, of the leads in the list.
    pub list: Ratio,
    /// Its agents by state; `None` if the source doesn't report them.
    pub agents: Option<AgentCounts>,
    /// Attempts in the last 10 s (the dialing rate is a tenth of it).
    pub attempts_10s: i64,
    /// Attempts in the last 60 s.
    pub attempts_60s: i64,
    /// Since the campaign's start.
    pub totals: Counters,
    /// The last 60 minutes.
    pub hour: Counters,
    /// The 60 minutes before those.
    pub hour_before: Counters,
    /// Abandon rates by definition.
    pub abandon: AbandonRates,
    /// Durations since the campaign's start.
    pub durations: Durations,
    /// Newest completed second, for charts.
    pub point: Option<SeriesPoint>,
    /// Strange events, by kind.
    pub oddities: Oddities,
}

/// A change of a campaign's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusChange {
    /// The campaign.
    pub campaign: CampaignId,
    /// The status before.
    pub from: CampaignStatus,
    /// The status after.
    pub to: CampaignStatus,
    /// The reason, if the source gave one.
    pub reason: Option<Box<str>>,
    /// When it changed.
    pub at: Timestamp,
}

/// One second (or minute) of a campaign's chart.
///
/// `None` means no data: the line breaks there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SeriesPoint {
    /// Its start.
    pub at: Timestamp,
    /// Calls up at its end.
    pub active: Option<i64>,
    /// Queue depth at its end.
    pub queue: Option<i64>,
    /// Attempts within it.
    pub attempts: Option<i64>,
    /// Answered within it.
    pub answered: Option<i64>,
    /// Abandoned, the last 5 minutes up to it.
    pub abandoned_5m: Option<i64>,
    /// Answered by a person, the last 5 minutes up to it.
    pub human_5m: Option<i64>,
}

impl CampaignMetrics {
    /// Returns the metrics of a campaign without events.
    pub fn empty(campaign: CampaignId, as_of: Timestamp) -> Self {
        Self {
            name: campaign.as_str().into(),
            campaign,
            status: CampaignStatus::Unknown,
            status_reason: None,
            status_since: None,
            started_at: None,
            last_event_at: None,
            as_of,
            active: ActiveCalls::default(),
            waiting_for_agent: 0,
            oldest_wait_ms: None,
            queue_depth: None,
            target_rate: None,
            max_lines: None,
            list: Ratio::default(),
            agents: None,
            attempts_10s: 0,
            attempts_60s: 0,
            totals: Counters::default(),
            hour: Counters::default(),
            hour_before: Counters::default(),
            abandon: AbandonRates::default(),
            durations: Durations::default(),
            point: None,
            oddities: Oddities::default(),
        }
    }
}

/// The ratios of a set of counters.
///
/// They are computed on reading, from sums, and never averaged.
impl Counters {
    /// Returns answered calls out of those answered, busy, not answered or failed.
    pub fn answer_ratio(&self) -> Ratio {
        let seized = self[Counter::Answered] + self[Counter::Busy] + self[Counter::NoAnswer] + self[Counter::Failed];
        Ratio::new(self[Counter::Answered], seized)
    }

    /// Returns converted calls out of those answered by a person.
    pub fn conversion_ratio(&self) -> Ratio {
        Ratio::new(self[Counter::Converted], self[Counter::Human])
    }

    /// Returns abandoned calls out of those answered by a person.
    pub fn abandon_ratio(&self) -> Ratio {
        Ratio::new(self[Counter::Abandoned], self[Counter::Human])
    }

    /// Returns opt-outs out of calls answered by a person.
    pub fn opt_out_ratio(&self) -> Ratio {
        Ratio::new(self[Counter::OptOut], self[Counter::Human])
    }

    /// Returns failed calls out of the denominator of the answer ratio.
    pub fn failed_ratio(&self) -> Ratio {
        Ratio::new(self[Counter::Failed], self.answer_ratio().denominator)
    }

    /// Returns calls joined with an agent in time out of those answered by a person.
    pub fn service_level_ratio(&self) -> Ratio {
        Ratio::new(self[Counter::BridgedInTime], self[Counter::Human])
    }

    /// Returns the count of an outcome tile.
    pub fn outcome(&self, outcome: Outcome) -> i64 {
        self[Counter::of_outcome(outcome)]
    }
}

/// The sum of several campaigns.
///
/// Ratios come from the summed counts, never from averaged ratios.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Aggregate {
    /// The number of campaigns.
    pub campaigns: i64,
    /// The number that is running, pausing or draining.
    pub active_campaigns: i64,
    /// Calls up now.
    pub active: ActiveCalls,
    /// Persons waiting for an agent.
    pub waiting_for_agent: i64,
    /// Leads waiting, over the campaigns that report it; `None` if none does.
    pub queue_depth: Option<i64>,
    /// Calls per second wanted, over the campaigns that report it.
    pub target_rate: Option<f64>,
    /// Lines at most, over the campaigns that report it.
    pub max_lines: Option<i64>,
    /// Attempts in the last 10 s.
    pub attempts_10s: i64,
    /// Attempts in the last 60 s.
    pub attempts_60s: i64,
    /// Since each campaign's start.
    pub totals: Counters,
    /// The last 60 minutes.
    pub hour: Counters,
    /// The 60 minutes before those.
    pub hour_before: Counters,
    /// Abandoned out of answered by a person, the last 5 minutes.
    pub abandon_live: Ratio,
    /// The oldest `as_of` of its campaigns: a sum is as stale as its stalest part.
    pub as_of: Option<Timestamp>,
    /// The time of the newest event.
    pub last_event_at: Option<Timestamp>,
}

impl Aggregate {
    /// Sums up campaigns.
    pub fn of<'a>(campaigns: impl IntoIterator<Item = &'a CampaignMetrics>) -> Self {
        let mut sum = Self::default();
        for campaign in campaigns {
            sum.add(campaign);
        }
        sum
    }

    fn add(&mut self, campaign: &CampaignMetrics) {
        self.campaigns += 1;
        self.active_campaigns += i64::from(campaign.status.is_active());
        self.active.dialing += campaign.active.dialing;
        self.active.ringing += campaign.active.ringing;
        self.active.answered += campaign.active.answered;
        self.active.bridged += campaign.active.bridged;
        self.waiting_for_agent += campaign.waiting_for_agent;
        self.queue_depth = add_known(self.queue_depth, campaign.queue_depth);
        self.target_rate = add_known(self.target_rate, campaign.target_rate.filter(|_| campaign.status.is_active()));
        self.max_lines = add_known(self.max_lines, campaign.max_lines.filter(|_| campaign.status.is_active()));
        self.attempts_10s += campaign.attempts_10s;
        self.attempts_60s += campaign.attempts_60s;
        self.totals += &campaign.totals;
        self.hour += &campaign.hour;
        self.hour_before += &campaign.hour_before;
        self.abandon_live.numerator += campaign.abandon.live.numerator;
        self.abandon_live.denominator += campaign.abandon.live.denominator;
        self.as_of = Some(self.as_of.map_or(campaign.as_of, |oldest| oldest.min(campaign.as_of)));
        self.last_event_at = self.last_event_at.max(campaign.last_event_at);
    }
}

/// Adds up what is known: only unknown plus unknown stays unknown.
fn add_known<T: std::ops::Add<Output = T>>(left: Option<T>, right: Option<T>) -> Option<T> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left + right),
        (known, None) | (None, known) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_adds_counts_and_keeps_unknown_values_unknown() {
        let at = Timestamp::from_millis(1_000);
        let mut one = CampaignMetrics::empty(CampaignId::parse("one").unwrap(), at);
        let mut two = CampaignMetrics::empty(CampaignId::parse("two").unwrap(), at.plus_millis(5));
        one.totals[Counter::Human] = 100;
        one.totals[Counter::Abandoned] = 10;
        two.totals[Counter::Human] = 300;
        assert_eq!(Aggregate::of([&one, &two]).queue_depth, None);
        two.queue_depth = Some(7);
        let sum = Aggregate::of([&one, &two]);
        assert_eq!(sum.totals.abandon_ratio().value(), Some(0.025));
        assert_eq!((sum.queue_depth, sum.as_of), (Some(7), Some(at)));
        assert_eq!(Aggregate::of([]).totals.abandon_ratio().value(), None);
    }
}
