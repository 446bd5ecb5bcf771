//! Generic metrics: any named value, over a rolling window of its newest samples.

use std::collections::BTreeMap;

use crate::Timestamp;

/// The identity of a metric: its name and its labels.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MetricKey {
    /// Its name.
    pub name: Box<str>,
    /// The labels that distinguish it from others of its name.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// The direction of a metric: the newer half of its window against the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Trend {
    /// Not enough samples to say.
    #[default]
    Unknown,
    /// Changed by less than half a percent.
    Flat,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// A metric over its rolling window.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricStats {
    /// Its name and labels.
    pub key: MetricKey,
    /// Its unit; empty for plain counts.
    pub unit: Box<str>,
    /// The newest value.
    pub value: f64,
    /// The time of the newest value.
    pub at: Timestamp,
    /// Samples in the window.
    ///
    /// It is at least one: a metric without samples does not exist.
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
    /// Its direction.
    pub trend: Trend,
    /// The change, as a share of the older half's mean; `None` if that is zero.
    pub change: Option<f64>,
}
