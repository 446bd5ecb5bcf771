//! The overview: sums over campaigns, and which campaigns there are.

use ringside_model::Aggregate;
use serde::{Deserialize, Serialize};

use super::campaign::{ActiveJson, CampaignJson, CampaignSnapshot};
use super::counters::{RatioJson, SpanJson};
use super::series::SeriesPointJson;

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
            as_of: super::campaign::moment(sum.as_of),
            last_event_at: super::campaign::moment(sum.last_event_at),
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
