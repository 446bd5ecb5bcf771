//! Alerts: a rule's verdict on a series.

use crate::{CampaignId, Timestamp};

/// How much something matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Look at it soon.
    Warning,
    /// Act now.
    Critical,
}

/// The side of a threshold that raises the alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Above the threshold.
    Above,
    /// Below the threshold.
    Below,
}

/// The state of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// The rule is broken now.
    Firing,
    /// The rule was broken, and is met again.
    Resolved,
}

/// One rule's verdict on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Identifies the rule and the series; the same for all transitions of one alert.
    pub fingerprint: Box<str>,
    /// Counts its transitions, from 1.
    pub transition: u32,
    /// The rule's name in the configuration.
    pub rule: Box<str>,
    /// The severity at this transition.
    pub severity: Severity,
    /// Firing or resolved.
    pub state: AlertState,
    /// One sentence for people.
    pub title: Box<str>,
    /// The campaign, if the rule watches one.
    pub campaign: Option<CampaignId>,
    /// The metric that is watched, such as `abandonRate` or `cpu_usage`.
    pub metric: Box<str>,
    /// Its unit.
    pub unit: Box<str>,
    /// The side of the threshold that is bad.
    pub comparison: Comparison,
    /// The limit that was broken.
    pub threshold: f64,
    /// The value at this transition.
    pub value: f64,
    /// The number of calls the value was computed from, if it counts calls.
    pub n: Option<i64>,
    /// When it began to fire.
    pub since: Timestamp,
    /// When this transition happened.
    pub at: Timestamp,
}
