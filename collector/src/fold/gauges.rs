//! Gauges that sources report about a campaign, each a register of its own.

use ringside_model::{AgentCounts, Gauges};
use serde::{Deserialize, Serialize};

use super::lww::{self, Lww, Merged};

/// The reported gauges of one campaign.
/// A source may report any of them at any time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ReportedGauges {
    pub(super) queue_depth: Option<Lww<i64>>,
    pub(super) target_rate: Option<Lww<f64>>,
    pub(super) max_lines: Option<Lww<i64>>,
    pub(super) list_total: Option<Lww<i64>>,
    pub(super) list_attempted: Option<Lww<i64>>,
    pub(super) agents: Option<Lww<[i64; 6]>>,
}

impl ReportedGauges {
    /// Merges a report; returns one outcome per gauge in it.
    pub(super) fn merge(&mut self, at: i64, gauges: &Gauges) -> Vec<Merged> {
        let agents = gauges.agents.map(|AgentCounts { ready, ringing, incall, wrap, paused, offline }| {
            [ready, ringing, incall, wrap, paused, offline]
        });
        [
            gauges.queue_depth.map(|value| lww::merge(&mut self.queue_depth, at, value)),
            gauges.target_rate.map(|value| lww::merge(&mut self.target_rate, at, value)),
            gauges.max_lines.map(|value| lww::merge(&mut self.max_lines, at, value)),
            gauges.list_total.map(|value| lww::merge(&mut self.list_total, at, value)),
            gauges.list_attempted.map(|value| lww::merge(&mut self.list_attempted, at, value)),
            agents.map(|value| lww::merge(&mut self.agents, at, value)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
