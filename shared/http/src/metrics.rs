//! The recorder behind `/metrics`.

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};

/// Upper bounds of the buckets of everything measured in seconds: from a read of memory to a lost minute.
pub const SECONDS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// The recorder that a process installs.
///
/// Its histograms have buckets, which can be summed over processes; the exporter's default, quantiles, can't.
pub fn recorder() -> PrometheusBuilder {
    let ending = Matcher::Suffix("_seconds".to_owned());
    PrometheusBuilder::new().set_buckets_for_metric(ending, &SECONDS).expect("SECONDS is not empty")
}
