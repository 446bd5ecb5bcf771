//! Generic metrics: any named number, over a rolling window of its newest samples.

use std::collections::BTreeMap;

use super::Timestamp;

/// Which metric: its name and its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricKey {
    /// Its name.
    pub name: Box<str>,
    /// What tells it from others of its name.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// Where a metric is going, comparing the newer half of its window with the older half.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trend {
    /// Not enough samples to say.
    #[default]
    Unknown,
    /// By less than half a percent either way.
    Flat,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// A metric over its rolling window.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricStats {
    /// Which one.
    pub key: MetricKey,
    /// Its unit; empty for plain counts.
    pub unit: Box<str>,
    /// The newest value.
    pub value: f64,
    /// When that was.
    pub at: Timestamp,
    /// Samples in the window. It is at least one: a metric without samples does not exist.
    pub count: u32,
    /// Mean over the window.
    pub avg: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// Where it is going.
    pub trend: Trend,
    /// By how much, as a share of the older half's mean; none where that mean is zero or unknown.
    pub change: Option<f64>,
}
