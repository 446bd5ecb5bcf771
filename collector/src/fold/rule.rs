//! Alert rules: a target, its limits, and how long a breach must last.

use ringside_model::{Comparison, Severity};

/// A rule over all series that match its target.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in the configuration, part of every alert fingerprint.
    pub id: Box<str>,
    /// A sentence with placeholders: `{subject}`, `{value}`, `{limit}`, `{n}`.
    pub title: Box<str>,
    /// The series to evaluate.
    pub target: RuleTarget,
    /// Which side of the limit is a breach.
    pub comparison: Comparison,
    /// Limit of a warning.
    pub warning: Option<f64>,
    /// Limit of a critical alert.
    pub critical: Option<f64>,
    /// How long a breach must last before the alert fires.
    pub for_ms: i64,
    /// How far inside the limit the value must return before the alert can resolve.
    pub clear_margin: f64,
    /// How long the value must stay inside before the alert resolves.
    pub keep_firing_ms: i64,
    /// Calls or samples needed for a verdict.
    pub min_samples: i64,
}

/// The target of a rule.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleTarget {
    /// A ratio of every campaign, in percent.
    CampaignRatio(WatchedRatio),
    /// Every metric of a name, with any labels.
    Metric {
        /// The metric's name.
        name: Box<str>,
        /// The statistic of its window.
        statistic: Statistic,
    },
}

/// A campaign ratio that rules can watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchedRatio {
    /// Abandoned ÷ people, over the last 5 minutes.
    AbandonLive,
    /// Abandoned ÷ people, over the last hour.
    AbandonHour,
    /// Answer rate over the last hour.
    AnswerHour,
    /// Failure rate over the last hour.
    FailedHour,
    /// Service level over the last hour.
    ServiceLevelHour,
}

impl WatchedRatio {
    /// Returns the metric name in alerts.
    pub fn name(self) -> &'static str {
        match self {
            Self::AbandonLive | Self::AbandonHour => "abandonRate",
            Self::AnswerHour => "answerRate",
            Self::FailedHour => "failedRate",
            Self::ServiceLevelHour => "serviceLevel",
        }
    }
}

/// A statistic of a metric's rolling window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    /// The newest value.
    Last,
    /// The mean over the rolling window.
    Average,
    /// The greatest in the rolling window.
    Max,
}

impl Rule {
    /// Returns the severity of a value; none within the limits.
    pub(super) fn severity(&self, value: f64) -> Option<Severity> {
        let breaks = |limit: Option<f64>| limit.is_some_and(|limit| self.breaks(value, limit));
        if breaks(self.critical) { Some(Severity::Critical) } else { breaks(self.warning).then_some(Severity::Warning) }
    }

    /// Returns the limit of a severity.
    pub(super) fn limit(&self, severity: Severity) -> f64 {
        let critical = if severity == Severity::Critical { self.critical } else { None };
        critical.or(self.warning).or(self.critical).unwrap_or(0.0)
    }

    /// Whether a value is inside the mildest limit by the margin.
    pub(super) fn is_clear(&self, value: f64) -> bool {
        let limit = self.warning.or(self.critical).unwrap_or(0.0);
        match self.comparison {
            Comparison::Above => value <= limit - self.clear_margin,
            Comparison::Below => value >= limit + self.clear_margin,
        }
    }

    fn breaks(&self, value: f64, limit: f64) -> bool {
        match self.comparison {
            Comparison::Above => value > limit,
            Comparison::Below => value < limit,
        }
    }

    /// Returns the rules of an installation that configures none.
    pub fn defaults() -> Vec<Self> {
        let metric = |id: &str, name: &str, title: &str, statistic| Self {
            id: id.into(),
            title: title.into(),
            target: RuleTarget::Metric { name: name.into(), statistic },
            comparison: Comparison::Above,
            warning: None,
            critical: None,
            for_ms: 5_000,
            clear_margin: 0.0,
            keep_firing_ms: 15_000,
            min_samples: 1,
        };
        vec![
            Self {
                critical: Some(90.0),
                clear_margin: 5.0,
                ..metric("cpu-usage", "cpu_usage", "CPU of {subject} is at {value}, above {limit}", Statistic::Last)
            },
            Self {
                warning: Some(85.0),
                clear_margin: 2.0,
                ..metric(
                    "memory-usage",
                    "memory_usage",
                    "Memory of {subject} is at {value}, above {limit}",
                    Statistic::Last,
                )
            },
            Self {
                warning: Some(80.0),
                clear_margin: 5.0,
                ..metric(
                    "latency",
                    "latency",
                    "Latency of {subject} averages {value}, above {limit}",
                    Statistic::Average,
                )
            },
            Self {
                id: "abandon-rate".into(),
                title: "{subject} abandons {value} of the people it reaches ({n} in 5 minutes), above {limit}".into(),
                target: RuleTarget::CampaignRatio(WatchedRatio::AbandonLive),
                comparison: Comparison::Above,
                warning: Some(2.5),
                critical: Some(3.0),
                for_ms: 10_000,
                clear_margin: 0.5,
                keep_firing_ms: 60_000,
                min_samples: 30,
            },
        ]
    }
}
