//! What raises an alert: a series, a limit, and how patient to be.

use ringside_model::{Comparison, Severity};

/// A rule over all series that fit its target.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Its name in the configuration; part of every fingerprint.
    pub id: Box<str>,
    /// One sentence for people, with `{subject}`, `{value}`, `{limit}` and `{n}` to be filled in.
    pub title: Box<str>,
    /// What it watches.
    pub target: RuleTarget,
    /// Which side is bad.
    pub comparison: Comparison,
    /// From where on it is a warning.
    pub warning: Option<f64>,
    /// From where on it is critical.
    pub critical: Option<f64>,
    /// How long a limit must be broken before the alert fires.
    pub for_ms: i64,
    /// How far back inside the limit the value must be before the alert can resolve.
    pub clear_margin: f64,
    /// How long it must have been inside before the alert resolves.
    pub keep_firing_ms: i64,
    /// With fewer calls or samples than this nothing is concluded.
    pub min_samples: i64,
}

/// What a rule watches.
#[derive(Debug, Clone, PartialEq)]
pub enum RuleTarget {
    /// A share of every campaign, in percent.
    CampaignRatio(WatchedRatio),
    /// Every metric of a name, whatever its labels.
    Metric {
        /// The metric's name.
        name: Box<str>,
        /// What of its window.
        statistic: Statistic,
    },
}

/// Shares of a campaign that rules can watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchedRatio {
    /// Abandoned of people, the last 5 minutes.
    AbandonLive,
    /// Abandoned of people, the last hour.
    AbandonHour,
    /// Answered, the last hour.
    AnswerHour,
    /// Failed, the last hour.
    FailedHour,
    /// Joined in time, the last hour.
    ServiceLevelHour,
}

impl WatchedRatio {
    /// What an alert says that it watched.
    pub fn name(self) -> &'static str {
        match self {
            Self::AbandonLive | Self::AbandonHour => "abandonRate",
            Self::AnswerHour => "answerRate",
            Self::FailedHour => "failedRate",
            Self::ServiceLevelHour => "serviceLevel",
        }
    }
}

/// One number out of a metric's window.
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
    /// How bad a value is; nothing where it is within its limits.
    pub(super) fn severity(&self, value: f64) -> Option<Severity> {
        let breaks = |limit: Option<f64>| limit.is_some_and(|limit| self.breaks(value, limit));
        if breaks(self.critical) { Some(Severity::Critical) } else { breaks(self.warning).then_some(Severity::Warning) }
    }

    /// The limit of a severity.
    pub(super) fn limit(&self, severity: Severity) -> f64 {
        let critical = if severity == Severity::Critical { self.critical } else { None };
        critical.or(self.warning).or(self.critical).unwrap_or(0.0)
    }

    /// True where a value is far enough inside the mildest limit.
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

    /// The rules of an installation that configures none.
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
