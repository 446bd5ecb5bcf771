//! Generic metrics as JSON.

use std::collections::BTreeMap;

use ringside_model::{MetricStats, Trend};
use serde::{Deserialize, Serialize};

/// A metric over its rolling window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricJson {
    /// Its name.
    pub name: Box<str>,
    /// The labels that distinguish it from others of its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// Its unit; empty for plain counts.
    pub unit: Box<str>,
    /// The newest value.
    pub value: f64,
    /// The time of the newest value.
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
    /// The change as a share; null if unknown.
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

/// The body of a `metrics_update` frame of the metrics room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsBody {
    /// All metrics of the tenant, or those that the client asked for.
    pub metrics: Vec<MetricJson>,
}

/// The further members of an `initial` frame of the metrics room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct MetricsSnapshot {
    /// The newest points of each metric.
    pub series: Vec<MetricPointJson>,
}

/// A metric's newest points, oldest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricPointJson {
    /// Its name.
    pub name: Box<str>,
    /// The labels that distinguish it from others of its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<Box<str>, Box<str>>,
    /// `[milliseconds since the epoch, value]`.
    pub points: Vec<(i64, f64)>,
}
