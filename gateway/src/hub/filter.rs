//! The metrics room, cut to the metrics that a client named.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use ringside_wire::{MetricPointJson, MetricsBody, body_bytes};
use serde::{Deserialize, Serialize};

/// The names of the wanted metrics. Clients that want the same share what is made for them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Filter(Arc<BTreeSet<Box<str>>>);

impl Filter {
    /// Nothing where no names were given, which means all.
    pub(crate) fn of(names: Option<Vec<Box<str>>>) -> Option<Self> {
        names.filter(|names| !names.is_empty()).map(|names| Self(Arc::new(names.into_iter().collect())))
    }
}

/// An `initial` body of the metrics room.
#[derive(Serialize, Deserialize)]
pub(crate) struct MetricsInitial {
    #[serde(flatten)]
    pub(crate) body: MetricsBody,
    #[serde(default)]
    pub(crate) series: Vec<MetricPointJson>,
}

/// The body with the wanted metrics only.
pub(super) fn filter_metrics(body: &Bytes, filter: &Filter) -> Bytes {
    let mut read: MetricsBody = serde_json::from_slice(body).unwrap_or_default();
    read.metrics.retain(|metric| filter.0.contains(&metric.name));
    body_bytes(&read)
}

/// The same for an `initial`, which has points too.
pub(super) fn filter_initial(body: &Bytes, filter: &Filter) -> Bytes {
    let Ok(mut read) = serde_json::from_slice::<MetricsInitial>(body) else { return body.clone() };
    read.body.metrics.retain(|metric| filter.0.contains(&metric.name));
    read.series.retain(|series| filter.0.contains(&series.name));
    body_bytes(&read)
}
