//! The metrics of a campaign as JSON.

use ringside_model::{
    AbandonRates, ActiveCalls, AgentCounts, CampaignId, CampaignMetrics, Durations, Oddities, SeriesPoint, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::counters::{RatioJson, SpanJson};
use super::event::AgentsJson;
use super::series::{SeriesJson, SeriesPointJson};
use super::status::{status_from_text, status_text};

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

/// Abandon rates, named after their definitions.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AbandonJson {
    /// The last 5 minutes, out of calls answered by a person.
    pub live: RatioJson,
    /// The last hour, likewise.
    pub hour: RatioJson,
    /// US method: the current 30-day period.
    pub us30: RatioJson,
    /// How many more abandoned calls the limit of 3 % allows in the period.
    pub us30_headroom: i64,
    /// VICIdial's drop rate: since midnight.
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

impl From<Durations> for DurationsJson {
    fn from(durations: Durations) -> Self {
        let Durations { talk_p50_ms, talk_p95_ms, post_dial_p50_ms, post_dial_p95_ms, ring_p50_ms, wait_p95_ms } =
            durations;
        Self { talk_p50_ms, talk_p95_ms, post_dial_p50_ms, post_dial_p95_ms, ring_p50_ms, wait_p95_ms }
    }
}

impl From<DurationsJson> for Durations {
    fn from(json: DurationsJson) -> Self {
        let DurationsJson { talk_p50_ms, talk_p95_ms, post_dial_p50_ms, post_dial_p95_ms, ring_p50_ms, wait_p95_ms } =
            json;
        Self { talk_p50_ms, talk_p95_ms, post_dial_p50_ms, post_dial_p95_ms, ring_p50_ms, wait_p95_ms }
    }
}

impl From<Oddities> for OdditiesJson {
    fn from(oddities: Oddities) -> Self {
        let Oddities { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated } =
            oddities;
        Self { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated }
    }
}

impl From<OdditiesJson> for Oddities {
    fn from(json: OdditiesJson) -> Self {
        let OdditiesJson { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated } =
            json;
        Self { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated }
    }
}

/// Everything the pages show of one campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignJson {
    /// Its id.
    pub campaign_id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its status.
    pub status: Box<str>,
    /// The reason for the status.
    pub status_reason: Option<Box<str>>,
    /// Since when it has this status.
    pub status_since: Option<Box<str>>,
    /// The time of its first event.
    pub started_at: Option<Box<str>>,
    /// The time of its newest event.
    pub last_event_at: Option<Box<str>>,
    /// The time these numbers are complete up to.
    pub as_of: Box<str>,
    /// Calls up now.
    pub active_calls: i64,
    /// Calls up now, by phase.
    pub active: ActiveJson,
    /// Leads waiting; null if unknown.
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
    /// Persons waiting for an agent.
    pub waiting_for_agent: i64,
    /// How long the longest of them has waited.
    pub oldest_wait_ms: Option<i64>,
    /// Leads attempted, out of the leads in the list.
    pub list: RatioJson,
    /// The agents by state; null if the source doesn't report them.
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
    /// Strange events, by kind.
    pub oddities: OdditiesJson,
}

pub(super) fn time_text(at: Option<Timestamp>) -> Option<Box<str>> {
    at.map(|at| at.to_string().into())
}

fn read_moment(text: Option<&str>) -> Option<Timestamp> {
    text.and_then(Timestamp::parse_rfc3339)
}

impl From<&CampaignMetrics> for CampaignJson {
    fn from(m: &CampaignMetrics) -> Self {
        Self {
            campaign_id: m.campaign.as_str().into(),
            name: m.name.clone(),
            status: status_text(m.status).into(),
            status_reason: m.status_reason.clone(),
            status_since: time_text(m.status_since),
            started_at: time_text(m.started_at),
            last_event_at: time_text(m.last_event_at),
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
            durations: m.durations.into(),
            point: m.point.as_ref().map(SeriesPointJson::from),
            oddities: m.oddities.into(),
        }
    }
}

impl CampaignJson {
    /// Converts to the domain type; `None` if an id or a time is invalid.
    pub fn to_model(&self) -> Option<CampaignMetrics> {
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
            durations: self.durations.into(),
            point: self.point.as_ref().map(SeriesPoint::from),
            oddities: self.oddities.into(),
        })
    }
}

/// The body of a `metrics_update` frame of a campaign's room.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CampaignBody {
    /// The campaign's metrics.
    pub campaign: CampaignJson,
}

/// The further members of an `initial` frame of a campaign's room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CampaignSnapshot {
    /// Its charts.
    pub series: SeriesJson,
}

#[cfg(test)]
mod tests {
    use ringside_model::{CampaignStatus, Counter, Counters, Ratio};

    use super::*;

    #[test]
    fn campaign_metrics_round_trip() {
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
    fn an_unknown_value_is_null_and_not_zero() {
        let m = CampaignMetrics::empty(CampaignId::parse("alpha").unwrap(), Timestamp::from_millis(0));
        let json = serde_json::to_value(CampaignJson::from(&m)).unwrap();
        assert!(json["queueDepth"].is_null() && json["ratios"]["answerRate"]["value"].is_null());
        assert_eq!(json["ratios"]["answerRate"]["denominator"], 0);
        assert_eq!(json["counters"]["attempts"], 0);
    }
}
