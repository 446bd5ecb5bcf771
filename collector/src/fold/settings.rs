//! What the fold is told once: time zone, limits of the trade, how long things are kept, rules.

use super::Rule;

/// Everything about the fold that an installation may choose. Two folds of one log must have the same.
#[derive(Debug, Clone)]
pub struct FoldSettings {
    /// In which zone a campaign's day begins.
    pub time_zone: jiff::tz::TimeZone,
    /// How long a person may wait for an agent before the call counts as abandoned.
    pub agent_wait_ms: i64,
    /// How long an unanswered call should ring before we give up.
    pub min_ring_ms: i64,
    /// How long a closed call is remembered after its last receipt; older events are refused.
    pub dedupe_horizon_ms: i64,
    /// How many points a chart and a metric's rolling window have.
    pub window_points: usize,
    /// How often metric rules are checked when the rolling window is longer than a minute of samples.
    pub alert_check_ms: i64,
    /// After how much silence an unfinished call is given up on.
    pub call_limits: CallLimits,
    /// How many metric series a tenant may have.
    pub max_series: usize,
    /// What raises alerts.
    pub rules: Vec<Rule>,
}

/// How long a call may stay in a phase without a word before its end counts as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallLimits {
    /// While it is being dialed.
    pub dialing_ms: i64,
    /// While it rings.
    pub ringing_ms: i64,
    /// Once it was answered, joined with an agent or not.
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
