//! Campaign numbers as JSON.

use serde::{Deserialize, Serialize};

use super::event::AgentsJson;
use crate::model::{
    AbandonRates, ActiveCalls, AgentCounts, Aggregate, CampaignId, CampaignMetrics, CampaignStatus, Counter, Counters,
    Durations, Oddities, Outcome, Ratio, SeriesPoint, StatusChange, Timestamp,
};

/// A status as the protocol spells it.
pub fn status_text(status: CampaignStatus) -> &'static str {
    match status {
        CampaignStatus::Unknown => "unknown",
        CampaignStatus::Draft => "draft",
        CampaignStatus::Running => "running",
        CampaignStatus::Pausing => "pausing",
        CampaignStatus::Paused => "paused",
        CampaignStatus::Draining => "draining",
        CampaignStatus::Completed => "completed",
        CampaignStatus::Stopped => "stopped",
        CampaignStatus::Failed => "failed",
    }
}

/// Reads a status.
pub fn status_from_text(text: &str) -> Option<CampaignStatus> {
    use CampaignStatus::{Completed, Draft, Draining, Failed, Paused, Pausing, Running, Stopped, Unknown};
    [Unknown, Draft, Running, Pausing, Paused, Draining, Completed, Stopped, Failed]
        .into_iter()
        .find(|status| status_text(*status) == text)
}

/// A share with what it was computed from. `value` is a fraction, or null where it can't be computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatioJson {
    /// The fraction: 0.03 is three percent.
    pub value: Option<f64>,
    /// How many of them.
    pub numerator: i64,
    /// Out of how many.
    pub denominator: i64,
}

impl From<Ratio> for RatioJson {
    fn from(ratio: Ratio) -> Self {
        Self { value: ratio.value(), numerator: ratio.numerator, denominator: ratio.denominator }
    }
}

impl From<RatioJson> for Ratio {
    fn from(json: RatioJson) -> Self {
        Self::new(json.numerator, json.denominator)
    }
}

/// What is counted of calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is named after its Counter, which says what it counts")]
pub struct CountersJson {
    pub attempts: i64,
    pub completed: i64,
    pub answered: i64,
    pub busy: i64,
    pub no_answer: i64,
    pub failed: i64,
    pub canceled: i64,
    pub lost: i64,
    pub human: i64,
    pub machine: i64,
    pub unsure: i64,
    pub classified: i64,
    pub bridged: i64,
    pub bridged_in_time: i64,
    pub machine_bridged: i64,
    pub converted: i64,
    pub opt_out: i64,
    pub abandoned: i64,
    pub early_hangup: i64,
    pub min_ring_breach: i64,
    pub talk_ms: i64,
}

/// The disjoint tiles of ended calls; they sum to `completed + lost`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is named after its Outcome, which says what it means")]
pub struct OutcomesJson {
    pub converted: i64,
    pub opt_out: i64,
    pub abandoned: i64,
    pub machine: i64,
    pub answered_other: i64,
    pub busy: i64,
    pub no_answer: i64,
    pub canceled: i64,
    pub failed: i64,
    pub lost: i64,
}

impl From<&Counters> for CountersJson {
    fn from(counters: &Counters) -> Self {
        let c = |counter| counters[counter];
        Self {
            attempts: c(Counter::Attempts),
            completed: c(Counter::Completed),
            answered: c(Counter::Answered),
            busy: c(Counter::Busy),
            no_answer: c(Counter::NoAnswer),
            failed: c(Counter::Failed),
            canceled: c(Counter::Canceled),
            lost: c(Counter::Lost),
            human: c(Counter::Human),
            machine: c(Counter::Machine),
            unsure: c(Counter::Unsure),
            classified: c(Counter::Classified),
            bridged: c(Counter::Bridged),
            bridged_in_time: c(Counter::BridgedInTime),
            machine_bridged: c(Counter::MachineBridged),
            converted: c(Counter::Converted),
            opt_out: c(Counter::OptOut),
            abandoned: c(Counter::Abandoned),
            early_hangup: c(Counter::EarlyHangup),
            min_ring_breach: c(Counter::MinRingBreach),
            talk_ms: c(Counter::TalkMs),
        }
    }
}

impl From<&Counters> for OutcomesJson {
    fn from(counters: &Counters) -> Self {
        Self {
            converted: counters.outcome(Outcome::Converted),
            opt_out: counters.outcome(Outcome::OptOut),
            abandoned: counters.outcome(Outcome::Abandoned),
            machine: counters.outcome(Outcome::Machine),
            answered_other: counters.outcome(Outcome::AnsweredOther),
            busy: counters.outcome(Outcome::Busy),
            no_answer: counters.outcome(Outcome::NoAnswer),
            canceled: counters.outcome(Outcome::Canceled),
            failed: counters.outcome(Outcome::Failed),
            lost: counters.outcome(Outcome::Lost),
        }
    }
}

fn counters_from(counters: &CountersJson, outcomes: &OutcomesJson) -> Counters {
    let mut all = Counters::default();
    all[Counter::Attempts] = counters.attempts;
    all[Counter::Completed] = counters.completed;
    all[Counter::Answered] = counters.answered;
    all[Counter::Busy] = counters.busy;
    all[Counter::NoAnswer] = counters.no_answer;
    all[Counter::Failed] = counters.failed;
    all[Counter::Canceled] = counters.canceled;
    all[Counter::Lost] = counters.lost;
    all[Counter::Human] = counters.human;
    all[Counter::Machine] = counters.machine;
    all[Counter::Unsure] = counters.unsure;
    all[Counter::Classified] = counters.classified;
    all[Counter::Bridged] = counters.bridged;
    all[Counter::BridgedInTime] = counters.bridged_in_time;
    all[Counter::MachineBridged] = counters.machine_bridged;
    all[Counter::Converted] = counters.converted;
    all[Counter::OptOut] = counters.opt_out;
    all[Counter::Abandoned] = counters.abandoned;
    all[Counter::EarlyHangup] = counters.early_hangup;
    all[Counter::MinRingBreach] = counters.min_ring_breach;
    all[Counter::TalkMs] = counters.talk_ms;
    let tiles = [
        (Outcome::Converted, outcomes.converted),
        (Outcome::OptOut, outcomes.opt_out),
        (Outcome::Abandoned, outcomes.abandoned),
        (Outcome::Machine, outcomes.machine),
        (Outcome::AnsweredOther, outcomes.answered_other),
        (Outcome::Busy, outcomes.busy),
        (Outcome::NoAnswer, outcomes.no_answer),
        (Outcome::Canceled, outcomes.canceled),
        (Outcome::Failed, outcomes.failed),
        (Outcome::Lost, outcomes.lost),
    ];
    for (outcome, count) in tiles {
        all[Counter::of_outcome(outcome)] = count;
    }
    all
}

/// The shares of one set of counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RatiosJson {
    /// Answered ÷ (answered + busy + no answer + failed).
    pub answer_rate: RatioJson,
    /// Converted ÷ answered by a person.
    pub conversion_rate: RatioJson,
    /// Abandoned ÷ answered by a person.
    pub abandon_rate: RatioJson,
    /// Opted out ÷ answered by a person.
    pub opt_out_rate: RatioJson,
    /// Failed ÷ (answered + busy + no answer + failed).
    pub failed_rate: RatioJson,
    /// Joined with an agent in time ÷ answered by a person.
    pub service_level: RatioJson,
}

impl From<&Counters> for RatiosJson {
    fn from(counters: &Counters) -> Self {
        Self {
            answer_rate: counters.answer_ratio().into(),
            conversion_rate: counters.conversion_ratio().into(),
            abandon_rate: counters.abandon_ratio().into(),
            opt_out_rate: counters.opt_out_ratio().into(),
            failed_rate: counters.failed_ratio().into(),
            service_level: counters.service_level_ratio().into(),
        }
    }
}

/// Counters of a span of time with their shares and tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanJson {
    /// What was counted.
    pub counters: CountersJson,
    /// Shares of it.
    pub ratios: RatiosJson,
    /// Where ended calls are counted.
    pub outcomes: OutcomesJson,
}

impl From<&Counters> for SpanJson {
    fn from(counters: &Counters) -> Self {
        Self { counters: counters.into(), ratios: counters.into(), outcomes: counters.into() }
    }
}

impl From<&SpanJson> for Counters {
    fn from(span: &SpanJson) -> Self {
        counters_from(&span.counters, &span.outcomes)
    }
}

/// Calls up now, by phase.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the phases of a call")]
pub struct ActiveJson {
    pub dialing: i64,
    pub ringing: i64,
    pub answered: i64,
    pub bridged: i64,
}

impl From<ActiveCalls> for ActiveJson {
    fn from(active: ActiveCalls) -> Self {
        let ActiveCalls { dialing, ringing, answered, bridged } = active;
        Self { dialing, ringing, answered, bridged }
    }
}

impl From<ActiveJson> for ActiveCalls {
    fn from(json: ActiveJson) -> Self {
        let ActiveJson { dialing, ringing, answered, bridged } = json;
        Self { dialing, ringing, answered, bridged }
    }
}

/// Abandon rates, each under the name of its definition.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbandonJson {
    /// The last 5 minutes, of those answered by a person.
    pub live: RatioJson,
    /// The last hour, likewise.
    pub hour: RatioJson,
    /// US method: the current 30-day period.
    pub us30: RatioJson,
    /// How many more the period's 3 % allow.
    pub us30_headroom: i64,
    /// VICIdial's headline: since midnight.
    pub today: RatioJson,
    /// UK estimate over 24 h, as a fraction; null where it can't be estimated.
    pub uk24: Option<f64>,
    /// Persons reached in those 24 h.
    pub uk24_n: i64,
}

impl From<AbandonRates> for AbandonJson {
    fn from(rates: AbandonRates) -> Self {
        Self {
            live: rates.live.into(),
            hour: rates.hour.into(),
            us30: rates.us30.into(),
            us30_headroom: rates.us30_headroom,
            today: rates.today.into(),
            uk24: rates.uk24_ppm.map(|ppm| ppm as f64 / 1e6),
            uk24_n: rates.uk24_n,
        }
    }
}

impl From<AbandonJson> for AbandonRates {
    fn from(json: AbandonJson) -> Self {
        Self {
            live: json.live.into(),
            hour: json.hour.into(),
            us30: json.us30.into(),
            us30_headroom: json.us30_headroom,
            today: json.today.into(),
            uk24_ppm: json.uk24.map(|share| (share * 1e6).round() as i64),
            uk24_n: json.uk24_n,
        }
    }
}

/// Durations in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of Durations")]
pub struct DurationsJson {
    pub talk_p50_ms: Option<i64>,
    pub talk_p95_ms: Option<i64>,
    pub post_dial_p50_ms: Option<i64>,
    pub post_dial_p95_ms: Option<i64>,
    pub ring_p50_ms: Option<i64>,
    pub wait_p95_ms: Option<i64>,
}

/// Strange events, by kind.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of Oddities")]
pub struct OdditiesJson {
    pub duplicates: i64,
    pub reordered: i64,
    pub corrected: i64,
    pub too_old: i64,
    pub from_future: i64,
    pub ends_lost: i64,
    pub ends_found: i64,
    pub outdated: i64,
}

/// One point of a campaign's chart; null is "no data", and the line breaks there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of SeriesPoint")]
pub struct SeriesPointJson {
    /// Start of the second (or minute), in seconds since the epoch.
    pub t: i64,
    pub active: Option<i64>,
    pub queue: Option<i64>,
    pub attempts: Option<i64>,
    pub answered: Option<i64>,
    #[serde(rename = "abandoned5m")]
    pub abandoned_5m: Option<i64>,
    #[serde(rename = "human5m")]
    pub human_5m: Option<i64>,
}

impl From<&SeriesPoint> for SeriesPointJson {
    fn from(point: &SeriesPoint) -> Self {
        Self {
            t: point.at.seconds(),
            active: point.active,
            queue: point.queue,
            attempts: point.attempts,
            answered: point.answered,
            abandoned_5m: point.abandoned_5m,
            human_5m: point.human_5m,
        }
    }
}

impl From<&SeriesPointJson> for SeriesPoint {
    fn from(json: &SeriesPointJson) -> Self {
        Self {
            at: Timestamp::from_millis(json.t * 1000),
            active: json.active,
            queue: json.queue,
            attempts: json.attempts,
            answered: json.answered,
            abandoned_5m: json.abandoned_5m,
            human_5m: json.human_5m,
        }
    }
}

/// A campaign's charts: the newest seconds and the last hour by minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesJson {
    /// One point a second.
    pub seconds: Vec<SeriesPointJson>,
    /// One point a minute.
    pub minutes: Vec<SeriesPointJson>,
}

/// Everything the pages show of one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignJson {
    /// Its id.
    pub campaign_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it does.
    pub status: Box<str>,
    /// Why.
    pub status_reason: Option<Box<str>>,
    /// Since when.
    pub status_since: Option<Box<str>>,
    /// Its first event.
    pub started_at: Option<Box<str>>,
    /// Its newest event.
    pub last_event_at: Option<Box<str>>,
    /// Up to when these numbers are complete.
    pub as_of: Box<str>,
    /// Calls up now.
    pub active_calls: i64,
    /// The same by phase.
    pub active: ActiveJson,
    /// Leads waiting; null where nobody says.
    pub queue_depth: Option<i64>,
    /// Attempts a second, over the last 10 s.
    pub dialing_rate: f64,
    /// Attempts in the last 10 s.
    pub attempts_10s: i64,
    /// Attempts in the last 60 s.
    pub attempts_60s: i64,
    /// Calls per second wanted.
    pub target_rate: Option<f64>,
    /// Lines at most.
    pub max_lines: Option<i64>,
    /// Persons who wait for an agent.
    pub waiting_for_agent: i64,
    /// How long the longest has.
    pub oldest_wait_ms: Option<i64>,
    /// Leads attempted of leads in the list.
    pub list: RatioJson,
    /// What the agents do; null where nobody says.
    pub agents: Option<AgentsJson>,
    /// Since the campaign's start: counters, ratios, outcomes.
    #[serde(flatten)]
    pub totals: SpanJson,
    /// The last 60 minutes.
    pub hour: SpanJson,
    /// The 60 minutes before those.
    pub hour_before: SpanJson,
    /// Abandon rates by definition.
    pub abandon: AbandonJson,
    /// Durations.
    pub durations: DurationsJson,
    /// The newest completed second.
    pub point: Option<SeriesPointJson>,
    /// What was strange.
    pub oddities: OdditiesJson,
}

fn moment(at: Option<Timestamp>) -> Option<Box<str>> {
    at.map(|at| at.to_string().into())
}

fn read_moment(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse_rfc3339)
}

impl From<&CampaignMetrics> for CampaignJson {
    fn from(m: &CampaignMetrics) -> Self {
        let Durations { talk_p50_ms, talk_p95_ms, post_dial_p50_ms, post_dial_p95_ms, ring_p50_ms, wait_p95_ms } =
            m.durations;
        let Oddities { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated } =
            m.oddities;
        Self {
            campaign_id: m.campaign.as_str().into(),
            name: m.name.clone(),
            status: status_text(m.status).into(),
            status_reason: m.status_reason.clone(),
            status_since: moment(m.status_since),
            started_at: moment(m.started_at),
            last_event_at: moment(m.last_event_at),
            as_of: m.as_of.to_string().into(),
            active_calls: m.active.total(),
            active: m.active.into(),
            queue_depth: m.queue_depth,
            dialing_rate: m.attempts_10s as f64 / 10.0,
            attempts_10s: m.attempts_10s,
            attempts_60s: m.attempts_60s,
            target_rate: m.target_rate,
            max_lines: m.max_lines,
            waiting_for_agent: m.waiting_for_agent,
            oldest_wait_ms: m.oldest_wait_ms,
            list: m.list.into(),
            agents: m.agents.map(AgentsJson::from),
            totals: (&m.totals).into(),
            hour: (&m.hour).into(),
            hour_before: (&m.hour_before).into(),
            abandon: m.abandon.into(),
            durations: DurationsJson {
                talk_p50_ms,
                talk_p95_ms,
                post_dial_p50_ms,
                post_dial_p95_ms,
                ring_p50_ms,
                wait_p95_ms,
            },
            point: m.point.as_ref().map(SeriesPointJson::from),
            oddities: OdditiesJson {
                duplicates,
                reordered,
                corrected,
                too_old,
                from_future,
                ends_lost,
                ends_found,
                outdated,
            },
        }
    }
}

impl CampaignJson {
    /// Back to the domain: what a gateway sums and draws. Nothing where the ids or times make no sense.
    pub fn to_model(&self) -> Option<CampaignMetrics> {
        let DurationsJson { talk_p50_ms, talk_p95_ms, post_dial_p50_ms, post_dial_p95_ms, ring_p50_ms, wait_p95_ms } =
            self.durations;
        let OdditiesJson { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated } =
            self.oddities;
        Some(CampaignMetrics {
            campaign: CampaignId::parse(&self.campaign_id).ok()?,
            name: self.name.clone(),
            status: status_from_text(&self.status)?,
            status_reason: self.status_reason.clone(),
            status_since: read_moment(self.status_since.as_deref()),
            started_at: read_moment(self.started_at.as_deref()),
            last_event_at: read_moment(self.last_event_at.as_deref()),
            as_of: Timestamp::parse_rfc3339(&self.as_of)?,
            active: self.active.into(),
            waiting_for_agent: self.waiting_for_agent,
            oldest_wait_ms: self.oldest_wait_ms,
            queue_depth: self.queue_depth,
            target_rate: self.target_rate,
            max_lines: self.max_lines,
            list: self.list.into(),
            agents: self.agents.map(AgentCounts::from),
            attempts_10s: self.attempts_10s,
            attempts_60s: self.attempts_60s,
            totals: (&self.totals).into(),
            hour: (&self.hour).into(),
            hour_before: (&self.hour_before).into(),
            abandon: self.abandon.into(),
            durations: Durations {
                talk_p50_ms,
                talk_p95_ms,
                post_dial_p50_ms,
                post_dial_p95_ms,
                ring_p50_ms,
                wait_p95_ms,
            },
            point: self.point.as_ref().map(SeriesPoint::from),
            oddities: Oddities {
                duplicates,
                reordered,
                corrected,
                too_old,
                from_future,
                ends_lost,
                ends_found,
                outdated,
            },
        })
    }
}

/// The sum over some campaigns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AggregateJson {
    /// How many campaigns.
    pub campaigns: i64,
    /// How many of them are active.
    pub active_campaigns: i64,
    /// Calls up now.
    pub total_active_calls: i64,
    /// The same by phase.
    pub active: ActiveJson,
    /// Leads waiting; null where no campaign says.
    pub queue_depth: Option<i64>,
    /// Attempts a second, over the last 10 s.
    pub dialing_rate: f64,
    /// Attempts in the last 60 s.
    pub attempts_60s: i64,
    /// Calls per second wanted.
    pub target_rate: Option<f64>,
    /// Lines at most.
    pub max_lines: Option<i64>,
    /// Persons who wait for an agent.
    pub waiting_for_agent: i64,
    /// Since each campaign's start.
    #[serde(flatten)]
    pub totals: SpanJson,
    /// The last 60 minutes.
    pub hour: SpanJson,
    /// The 60 minutes before those.
    pub hour_before: SpanJson,
    /// Abandoned of answered by a person, the last 5 minutes.
    pub abandon_live: RatioJson,
    /// The oldest of its parts.
    pub as_of: Option<Box<str>>,
    /// The newest event in it.
    pub last_event_at: Option<Box<str>>,
}

impl From<&Aggregate> for AggregateJson {
    fn from(sum: &Aggregate) -> Self {
        Self {
            campaigns: sum.campaigns,
            active_campaigns: sum.active_campaigns,
            total_active_calls: sum.active.total(),
            active: sum.active.into(),
            queue_depth: sum.queue_depth,
            dialing_rate: sum.attempts_10s as f64 / 10.0,
            attempts_60s: sum.attempts_60s,
            target_rate: sum.target_rate,
            max_lines: sum.max_lines,
            waiting_for_agent: sum.waiting_for_agent,
            totals: (&sum.totals).into(),
            hour: (&sum.hour).into(),
            hour_before: (&sum.hour_before).into(),
            abandon_live: sum.abandon_live.into(),
            as_of: moment(sum.as_of),
            last_event_at: moment(sum.last_event_at),
        }
    }
}

/// `metrics_update` of a campaign's room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignBody {
    /// The campaign's numbers.
    pub campaign: CampaignJson,
}

/// What a newcomer to a campaign's room gets beside its numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CampaignSnapshot {
    /// Its charts.
    pub series: SeriesJson,
}

/// `campaign_status_change`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChangeBody {
    /// Which campaign.
    pub campaign_id: Box<str>,
    /// What it was.
    pub from: Box<str>,
    /// What it is.
    pub to: Box<str>,
    /// Why.
    pub reason: Option<Box<str>>,
    /// When.
    pub at: Box<str>,
}

impl From<&StatusChange> for StatusChangeBody {
    fn from(change: &StatusChange) -> Self {
        Self {
            campaign_id: change.campaign.as_str().into(),
            from: status_text(change.from).into(),
            to: status_text(change.to).into(),
            reason: change.reason.clone(),
            at: change.at.to_string().into(),
        }
    }
}

/// `metrics_update` of the overview: the rows that changed (all in an `initial`) and the sums over all in scope.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverviewBody {
    /// Rows.
    pub campaigns: Vec<CampaignJson>,
    /// Sums.
    pub aggregate: AggregateJson,
    /// The newest completed second of the summed charts.
    pub point: Option<SeriesPointJson>,
}

/// What a newcomer to the overview gets beside the rows: the charts, summed over what is in scope.
pub type OverviewSnapshot = CampaignSnapshot;

/// The directory room's state: which campaigns a tenant has. Between collectors and gateways only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DirectoryBody {
    /// All of them.
    pub campaigns: Vec<DirectoryEntryJson>,
}

/// One campaign of the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectoryEntryJson {
    /// Its id.
    pub id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// What it does.
    pub status: Box<str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_campaigns_numbers_survive_the_wire() {
        let mut m =
            CampaignMetrics::empty(CampaignId::parse("alpha").unwrap(), Timestamp::from_millis(1_763_640_000_000));
        m.status = CampaignStatus::Running;
        m.totals = Counters::from_values(&(1..=Counter::COUNT as i64).collect::<Vec<_>>());
        m.hour[Counter::Human] = 40;
        m.abandon.live = Ratio::new(1, 40);
        m.abandon.uk24_ppm = Some(23_456);
        m.queue_depth = Some(0);
        m.attempts_10s = 161;
        m.agents = Some(AgentCounts { ready: 4, ..AgentCounts::default() });
        m.point = Some(SeriesPoint {
            at: Timestamp::from_millis(1_763_640_000_000),
            active: Some(3),
            queue: None,
            attempts: Some(0),
            answered: None,
            abandoned_5m: None,
            human_5m: Some(9),
        });
        let text = serde_json::to_string(&CampaignJson::from(&m)).unwrap();
        let read: CampaignJson = serde_json::from_str(&text).unwrap();
        assert_eq!(read.to_model(), Some(m));
        assert!(text.contains(r#""dialingRate":16.1"#), "{text}");
    }

    #[test]
    fn what_can_not_be_computed_is_null_and_not_zero() {
        let m = CampaignMetrics::empty(CampaignId::parse("alpha").unwrap(), Timestamp::from_millis(0));
        let json = serde_json::to_value(CampaignJson::from(&m)).unwrap();
        assert!(json["queueDepth"].is_null() && json["ratios"]["answerRate"]["value"].is_null());
        assert_eq!(json["ratios"]["answerRate"]["denominator"], 0);
        assert_eq!(json["counters"]["attempts"], 0);
    }
}
