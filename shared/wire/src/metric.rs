//! Generic metrics as JSON.

use std::collections::BTreeMap;

use ringside_model::{MetricStats, Trend};
use serde::{Deserialize, Serialize};

/// A metric over its rolling window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricJson {
    /// Its name.
    pub name: Box<str>,
    /// What tells it from others of its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Its unit; empty for plain counts.
    pub unit: Box<str>,
    /// The newest value.
    pub value: f64,
    /// When that was.
    pub at: Box<str>,
    /// Samples in the window.
    pub count: u32,
    /// Mean.
    pub avg: f64,
    /// Least.
    pub min: f64,
    /// Greatest.
    pub max: f64,
    /// Median.
    pub p50: f64,
    /// 95th percentile.
    pub p95: f64,
    /// `up`, `down`, `flat` or `unknown`.
    pub trend: Box<str>,
    /// By what share; null where it can't be said.
    pub change: Option<f64>,
}

impl From<&MetricStats> for MetricJson {
    fn from(stats: &MetricStats) -> Self {
        Self {
            name: stats.key.name.clone(),
            labels: stats.key.labels.clone(),
            unit: stats.unit.clone(),
            value: stats.value,
            at: stats.at.to_string().into(),
            count: stats.count,
            avg: stats.avg,
            min: stats.min,
            max: stats.max,
            p50: stats.p50,
            p95: stats.p95,
            trend: match stats.trend {
                Trend::Unknown => "unknown",
                Trend::Flat => "flat",
                Trend::Up => "up",
                Trend::Down => "down",
            }
            .into(),
            change: stats.change,
        }
    }
}

/// `metrics_update` of the metrics room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsBody {
    /// All metrics of the tenant, or those a client asked for.
    pub metrics: Vec<MetricJson>,
}

/// What a newcomer to the metrics room gets beside the newest values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsSnapshot {
    /// The newest points of each.
    pub series: Vec<MetricPointJson>,
}

/// A metric's newest points, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPointJson {
    /// Its name.
    pub name: Box<str>,
    /// What tells it from others of its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// `[milliseconds since the epoch, value]`.
    pub points: Vec<(i64, f64)>,
}
