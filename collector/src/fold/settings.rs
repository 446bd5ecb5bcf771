//! The fold's settings: time zone, regulatory limits, retention, alert rules.

use super::Rule;

/// The settings of a fold. Every fold of one log must have the same ones.
#[derive(Debug, Clone)]
pub struct FoldSettings {
    /// Time zone in which a campaign's day begins.
    pub time_zone: jiff::tz::TimeZone,
    /// Longest wait for an agent before the call counts as abandoned.
    pub agent_wait_ms: i64,
    /// Shortest time that an unanswered call should ring before we hang up.
    pub min_ring_ms: i64,
    /// How long a closed call is kept after its last receipt.
    /// Older events are rejected.
    pub dedupe_horizon_ms: i64,
    /// Points per chart, and samples per rolling window of a metric.
    pub window_points: usize,
    /// Interval of metric rules if the rolling window exceeds 60 samples.
    pub alert_check_ms: i64,
    /// Timeouts of calls without events.
    pub call_limits: CallLimits,
    /// Metric series per tenant, at most.
    pub max_series: usize,
    /// Alert rules.
    pub rules: Vec<Rule>,
}

/// Longest time in a phase without an event before a call counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// While it is being dialed.
    pub dialing_ms: i64,
    /// While it rings.
    pub ringing_ms: i64,
    /// Once it was answered, bridged to an agent or not.
    pub answered_ms: i64,
}

impl Default for FoldSettings {
    fn default() -> Self {
        Self {
            time_zone: jiff::tz::TimeZone::UTC,
            agent_wait_ms: 2_000,
            min_ring_ms: 15_000,
            dedupe_horizon_ms: 24 * 3_600_000,
            window_points: 60,
            alert_check_ms: 10_000,
            call_limits: CallLimits { dialing_ms: 120_000, ringing_ms: 180_000, answered_ms: 4 * 3_600_000 },
            max_series: 2_000,
            rules: Rule::defaults(),
        }
    }
}
