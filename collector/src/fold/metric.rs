//! Generic metrics: a rolling window of samples per series, and its statistics.

use std::collections::{BTreeMap, VecDeque};

use ringside_model::{MetricKey, MetricStats, Timestamp, Trend};
use serde::{Deserialize, Serialize};

use super::alert::{Reading, Watch};
use super::lww::Merged;
use super::rule::Statistic;

/// A relative change below this is no trend.
const FLAT: f64 = 0.005;
/// A series whose newest sample is older gives rules no reading.
const STALE_MS: i64 = 60_000;

/// One sample. Two with the same time and id are duplicates.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) at: i64,
    /// The fingerprint of source and event id.
    pub(super) id: u64,
    pub(super) value: f64,
}

/// The rolling window of one metric.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Series {
    pub(super) unit: Box<str>,
    /// Ordered by time, then id.
    samples: VecDeque<Sample>,
    /// By rule id.
    pub(super) watches: BTreeMap<Box<str>, Watch>,
}

impl Series {
    /// Merges a sample into the window; drops the oldest one if it is full.
    pub(super) fn merge(&mut self, sample: Sample, unit: &str, window: usize) -> Merged {
        let order = |sample: &Sample| (sample.at, sample.id);
        let place = match self.samples.binary_search_by_key(&order(&sample), order) {
            Ok(_) => return Merged::Duplicate,
            Err(0) if self.samples.len() >= window.max(1) => return Merged::Outdated,
            Err(place) => place,
        };
        if place == self.samples.len() && *self.unit != *unit {
            self.unit = unit.into();
        }
        self.samples.insert(place, sample);
        if self.samples.len() > window.max(1) {
            self.samples.pop_front();
        }
        Merged::Changed
    }

    pub(super) fn newest(&self) -> Option<Sample> {
        self.samples.back().copied()
    }

    pub(super) fn points(&self) -> Vec<(Timestamp, f64)> {
        self.samples.iter().map(|sample| (Timestamp::from_millis(sample.at), sample.value)).collect()
    }

    /// Returns a statistic for a rule; none if the series is stale.
    pub(super) fn reading(&self, statistic: Statistic, now: i64) -> Option<Reading> {
        let newest = self.newest().filter(|newest| now - newest.at < STALE_MS)?;
        let values = self.samples.iter().map(|sample| sample.value);
        let value = match statistic {
            Statistic::Last => newest.value,
            Statistic::Average => values.sum::<f64>() / self.samples.len() as f64,
            Statistic::Max => values.fold(f64::MIN, f64::max),
        };
        Some(Reading { value, n: self.samples.len() as i64 })
    }

    /// Returns all statistics; none without a sample.
    pub(super) fn stats(&self, key: &MetricKey) -> Option<MetricStats> {
        let newest = self.newest()?;
        let values: Vec<f64> = self.samples.iter().map(|sample| sample.value).collect();
        let mut sorted = values.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let (trend, change) = trend_of(&values);
        Some(MetricStats {
            key: key.clone(),
            unit: self.unit.clone(),
            value: newest.value,
            at: Timestamp::from_millis(newest.at),
            count: values.len() as u32,
            avg: mean(&values),
            min: sorted[0],
            max: sorted[sorted.len() - 1],
            p50: nearest_rank(&sorted, 50),
            p95: nearest_rank(&sorted, 95),
            trend,
            change,
        })
    }
}

/// Returns the smallest value that at least `percent` of the values don't exceed.
fn nearest_rank(sorted: &[f64], percent: usize) -> f64 {
    sorted[(sorted.len() * percent).div_ceil(100).max(1) - 1]
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Compares the newer half of the values with the older half.
fn trend_of(values: &[f64]) -> (Trend, Option<f64>) {
    if values.len() < 2 {
        return (Trend::Unknown, None);
    }
    let (older, newer) = values.split_at(values.len() / 2);
    let (older, newer) = (mean(older), mean(newer));
    let change = (older != 0.0).then(|| (newer - older) / older.abs());
    let direction = change.unwrap_or(newer - older);
    let flat = change.map_or(newer == older, |change| change.abs() < FLAT);
    let trend = match direction {
        _ if flat => Trend::Flat,
        direction if direction > 0.0 => Trend::Up,
        _ => Trend::Down,
    };
    (trend, change)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64], window: usize) -> Series {
        let mut series = Series::default();
        for (index, value) in values.iter().enumerate() {
            let sample = Sample { at: index as i64 * 1_000, id: index as u64, value: *value };
            assert_eq!(series.merge(sample, "ms", window), Merged::Changed);
        }
        series
    }

    fn stats(values: &[f64]) -> MetricStats {
        let key = MetricKey { name: "latency".into(), labels: BTreeMap::new() };
        series(values, 60).stats(&key).unwrap()
    }

    #[test]
    fn percentiles_are_values_that_occurred() {
        let values: Vec<f64> = (1..=20).rev().map(f64::from).collect();
        let stats = stats(&values);
        assert_eq!((stats.p50, stats.p95, stats.min, stats.max, stats.avg), (10.0, 19.0, 1.0, 20.0, 10.5));
        assert_eq!((stats.value, stats.count), (1.0, 20));
    }

    #[test]
    fn a_trend_is_a_change_of_half_a_percent_between_halves() {
        for (values, trend, change) in [
            (vec![5.0], Trend::Unknown, None),
            (vec![100.0, 100.4], Trend::Flat, Some(0.004)),
            (vec![100.0, 100.0, 150.0, 150.0], Trend::Up, Some(0.5)),
            (vec![-100.0, -150.0], Trend::Down, Some(-0.5)),
            (vec![0.0, 3.0], Trend::Up, None),
            (vec![0.0, 0.0], Trend::Flat, None),
        ] {
            let stats = stats(&values);
            assert_eq!(stats.trend, trend, "{values:?}");
            assert!(match (stats.change, change) {
                (Some(got), Some(expected)) => (got - expected).abs() < 1e-9,
                (got, expected) => got == expected,
            });
        }
    }

    #[test]
    fn the_window_keeps_the_newest_samples_without_duplicates() {
        let mut series = series(&[1.0, 2.0, 3.0, 4.0], 3);
        assert_eq!(series.points().iter().map(|(_, value)| *value).collect::<Vec<_>>(), [2.0, 3.0, 4.0]);
        assert_eq!(series.merge(Sample { at: 2_000, id: 2, value: 3.0 }, "ms", 3), Merged::Duplicate);
        assert_eq!(series.merge(Sample { at: 0, id: 0, value: 1.0 }, "ms", 3), Merged::Outdated);
        assert_eq!(series.merge(Sample { at: 2_500, id: 9, value: 7.0 }, "ms", 3), Merged::Changed);
        assert_eq!(series.points().iter().map(|(_, value)| *value).collect::<Vec<_>>(), [3.0, 7.0, 4.0]);
    }
}
