//! Mergeable percentiles: values in logarithmic buckets with signed counts.

use std::collections::BTreeMap;

/// Sub-buckets per doubling. Eight keep the error of a percentile under 5 %.
const STEPS: i32 = 8;

/// Counts of values by logarithmic bucket.
///
/// Merging adds; a correction subtracts the value it replaces.
///
/// The counts are signed, so that a correction may arrive before the value it corrects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<i16, i64>,
}

impl Histogram {
    /// Adds `value` `weight` times; a negative weight removes it.
    ///
    /// Values below one count as zero.
    pub fn record(&mut self, value: i64, weight: i64) {
        self.add_bucket(bucket_of(value), weight);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.add_bucket(*bucket, *count);
        }
    }

    /// Returns the number of values.
    pub fn count(&self) -> i64 {
        self.counts.values().sum()
    }

    /// Returns the quantile `q` (0 to 1), or `None` if there are no values.
    pub fn quantile(&self, q: f64) -> Option<i64> {
        let total: i64 = self.counts.values().filter(|count| **count > 0).sum();
        if total <= 0 {
            return None;
        }
        let rank = ((q.clamp(0.0, 1.0) * total as f64).ceil() as i64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().filter(|(_, count)| **count > 0) {
            seen += count;
            if seen >= rank {
                return Some(middle_of(*bucket));
            }
        }
        None
    }

    /// Returns bucket numbers with their counts, smallest first, for a checkpoint.
    pub fn buckets(&self) -> impl Iterator<Item = (i16, i64)> + '_ {
        self.counts.iter().map(|(bucket, count)| (*bucket, *count))
    }

    /// Adds `weight` to a bucket by its number, as read from a checkpoint.
    pub fn add_bucket(&mut self, bucket: i16, weight: i64) {
        let count = self.counts.entry(bucket).or_insert(0);
        *count += weight;
        if *count == 0 {
            self.counts.remove(&bucket);
        }
    }
}

fn bucket_of(value: i64) -> i16 {
    if value < 1 {
        return 0;
    }
    ((value as f64).log2() * f64::from(STEPS)).floor() as i16 + 1
}

fn middle_of(bucket: i16) -> i64 {
    if bucket == 0 {
        return 0;
    }
    2f64.powf((f64::from(bucket - 1) + 0.5) / f64::from(STEPS)).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_within_five_percent() {
        let mut histogram = Histogram::default();
        for value in 1..=10_000 {
            histogram.record(value, 1);
        }
        for (q, exact) in [(0.5, 5_000.0), (0.95, 9_500.0), (0.99, 9_900.0)] {
            let got = histogram.quantile(q).unwrap() as f64;
            assert!((got - exact).abs() / exact < 0.05, "{q}: {got} for {exact}");
        }
    }

    #[test]
    fn a_correction_may_come_before_its_value() {
        let mut histogram = Histogram::default();
        histogram.record(700, -1);
        assert_eq!(histogram.quantile(0.5), None);
        histogram.record(700, 1);
        assert_eq!(histogram, Histogram::default());
    }

    #[test]
    fn merged_parts_equal_the_whole() {
        let (mut left, mut right, mut whole) = (Histogram::default(), Histogram::default(), Histogram::default());
        for value in 0..1000 {
            if value % 3 == 0 {
                left.record(value, 1)
            } else {
                right.record(value, 1)
            }
            whole.record(value, 1);
        }
        left.merge(&right);
        assert_eq!(left, whole);
    }
}
