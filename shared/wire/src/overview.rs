//! The overview's sums over campaigns, and the directory of campaigns.

use ringside_model::Aggregate;
use serde::{Deserialize, Serialize};

use super::campaign::{ActiveJson, CampaignJson, CampaignSnapshot};
use super::counters::{RatioJson, SpanJson};
use super::series::SeriesPointJson;

/// The sum of several campaigns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AggregateJson {
    /// The number of campaigns.
    pub campaigns: i64,
    /// The number of active ones.
    pub active_campaigns: i64,
    /// Calls up now.
    pub total_active_calls: i64,
    /// Calls up now, by phase.
    pub active: ActiveJson,
    /// Leads waiting; null if no campaign reports it.
    pub queue_depth: Option<i64>,
    /// Attempts a second, over the last 10 s.
    pub dialing_rate: f64,
    /// Attempts in the last 60 s.
    pub attempts_60s: i64,
    /// Calls per second wanted.
    pub target_rate: Option<f64>,
    /// Lines at most.
    pub max_lines: Option<i64>,
    /// Persons waiting for an agent.
    pub waiting_for_agent: i64,
    /// Since each campaign's start.
    #[serde(flatten)]
    pub totals: SpanJson,
    /// The last 60 minutes.
    pub hour: SpanJson,
    /// The 60 minutes before those.
    pub hour_before: SpanJson,
    /// Abandoned out of answered by a person, the last 5 minutes.
    pub abandon_live: RatioJson,
    /// The oldest `asOf` of its campaigns.
    pub as_of: Option<Box<str>>,
    /// The time of the newest event.
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
            as_of: super::campaign::time_text(sum.as_of),
            last_event_at: super::campaign::time_text(sum.last_event_at),
        }
    }
}

/// The body of a `metrics_update` frame of the overview: changed rows, and sums.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverviewBody {
    /// The rows.
    pub campaigns: Vec<CampaignJson>,
    /// The sums.
    pub aggregate: AggregateJson,
    /// The newest completed second of the summed charts.
    pub point: Option<SeriesPointJson>,
}

/// The further members of an `initial` frame of the overview: the summed charts.
pub type OverviewSnapshot = CampaignSnapshot;

/// The state of the directory room: a tenant's campaigns.
///
/// Between collectors and gateways only.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DirectoryBody {
    /// The campaigns.
    pub campaigns: Vec<DirectoryEntryJson>,
}

/// One campaign of the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DirectoryEntryJson {
    /// Its id.
    pub id: Box<str>,
    /// Its name.
    pub name: Box<str>,
    /// Its status.
    pub status: Box<str>,
}
