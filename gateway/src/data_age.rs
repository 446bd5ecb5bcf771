//! How old data is when it is written to a client: a histogram that a million writes a second can be counted in.
//!
//! The exporter keeps each value until somebody asks for it. Here a pass adds up its buckets and adds those.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};

use ringside_http::SECONDS;

const BUCKETS: usize = SECONDS.len() + 1;
const TRANSPORTS: [&str; 3] = ["websocket", "sse", "poll"];

/// Of all writes of this process, by transport.
static DATA_AGE: [Histogram; TRANSPORTS.len()] = [const { Histogram::new() }; TRANSPORTS.len()];

struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    sum_ms: AtomicU64,
}

impl Histogram {
    const fn new() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], sum_ms: AtomicU64::new(0) }
    }
}

/// What some writes measured.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    buckets: [u32; BUCKETS],
    sum_ms: u64,
}

impl Ages {
    /// Counts a write whose oldest content was made so many milliseconds ago.
    pub(crate) fn add(&mut self, age_ms: i64) {
        let age_ms = age_ms.max(0) as u64;
        self.buckets[SECONDS.partition_point(|bound| *bound < age_ms as f64 / 1_000.0)] += 1;
        self.sum_ms += age_ms;
    }

    /// Adds them to the process' own.
    pub(crate) fn flush(&mut self, transport: &str) {
        let Some(place) = TRANSPORTS.iter().position(|known| *known == transport) else { return };
        for (all, some) in DATA_AGE[place].buckets.iter().zip(&self.buckets).filter(|(_, some)| **some > 0) {
            all.fetch_add(u64::from(*some), Ordering::Relaxed);
        }
        DATA_AGE[place].sum_ms.fetch_add(self.sum_ms, Ordering::Relaxed);
        *self = Self::default();
    }
}

/// As Prometheus reads it.
pub(crate) fn render() -> String {
    const NAME: &str = "ringside_gateway_data_age_seconds";
    let mut text =
        format!("# HELP {NAME} Age of the oldest content of a write, when it is written\n# TYPE {NAME} histogram\n");
    for (transport, histogram) in TRANSPORTS.iter().zip(&DATA_AGE) {
        let mut count = 0;
        for (n, bucket) in histogram.buckets.iter().enumerate() {
            count += bucket.load(Ordering::Relaxed);
            let bound = SECONDS.get(n).map_or_else(|| "+Inf".to_owned(), f64::to_string);
            let _ = writeln!(text, r#"{NAME}_bucket{{transport="{transport}",le="{bound}"}} {count}"#);
        }
        let sum = histogram.sum_ms.load(Ordering::Relaxed) as f64 / 1_000.0;
        let _ = writeln!(text, r#"{NAME}_sum{{transport="{transport}"}} {sum}"#);
        let _ = writeln!(text, r#"{NAME}_count{{transport="{transport}"}} {count}"#);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_fall_into_their_buckets_and_add_up() {
        let mut ages = Ages::default();
        for age_ms in [-5, 0, 1, 3, 61_000] {
            ages.add(age_ms);
        }
        ages.flush("poll");
        let text = render();
        for line in [
            r#"_bucket{transport="poll",le="0.001"} 3"#,
            r#"_bucket{transport="poll",le="0.005"} 4"#,
            r#"_bucket{transport="poll",le="60"} 4"#,
            r#"_bucket{transport="poll",le="+Inf"} 5"#,
            r#"_sum{transport="poll"} 61.004"#,
            r#"_count{transport="poll"} 5"#,
        ] {
            assert!(text.contains(line), "{line} in {text}");
        }
    }
}
