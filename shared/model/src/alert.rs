//! An alert: a rule that a series has broken, or did.

use super::{CampaignId, Timestamp};

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

/// Which side of a threshold is the bad one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// Bad above the threshold.
    Above,
    /// Bad below the threshold.
    Below,
}

/// Where an alert stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertState {
    /// Broken now.
    Firing,
    /// It was, and is not any more.
    Resolved,
}

/// One rule's verdict on one series.
#[derive(Debug, Clone, PartialEq)]
pub struct Alert {
    /// Which rule and which series: the same for all transitions of one alert.
    pub fingerprint: Box<str>,
    /// Counts its transitions, from 1.
    pub transition: u32,
    /// The rule's name in the configuration.
    pub rule: Box<str>,
    /// How bad it is now.
    pub severity: Severity,
    /// Firing or resolved.
    pub state: AlertState,
    /// One sentence for people.
    pub title: Box<str>,
    /// The campaign it is about, if it is about one.
    pub campaign: Option<CampaignId>,
    /// What is watched, such as `abandonRate` or `cpu_usage`.
    pub metric: Box<str>,
    /// Its unit.
    pub unit: Box<str>,
    /// Which side is bad.
    pub comparison: Comparison,
    /// The limit that was broken.
    pub threshold: f64,
    /// The value at this transition.
    pub value: f64,
    /// What the value was computed from, where that is countable.
    pub n: Option<i64>,
    /// When it began to fire.
    pub since: Timestamp,
    /// When this transition happened.
    pub at: Timestamp,
}
