//! How far this process is with its partitions, for readiness and metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use parking_lot::Mutex;
use ringside_engine::Partition;
use ringside_model::Timestamp;

/// The progress of this process's workers. Clones share one state.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// Whether the engine answered the last rebalance; none before the first one.
    engine_answered: Option<bool>,
    held: BTreeMap<Partition, PartitionProgress>,
    /// Partitions whose worker failed and was not restarted yet.
    backing_off: usize,
}

#[derive(Debug, Default)]
struct PartitionProgress {
    caught_up: bool,
    /// The timestamp of the newest folded entry.
    folded_at: Option<Timestamp>,
}

impl Progress {
    /// Returns why the process is not ready; none once all partitions caught up.
    pub fn trouble(&self) -> Option<String> {
        let state = self.0.lock();
        let behind = state.held.values().filter(|partition| !partition.caught_up).count();
        match state.engine_answered {
            None => Some("partitions are not assigned yet".to_owned()),
            Some(false) => Some("the engine does not answer the partition assignor".to_owned()),
            Some(true) if behind > 0 => Some(format!("{behind} partitions are replaying their log")),
            Some(true) if state.backing_off > 0 => {
                Some(format!("{} partitions wait to restart from their checkpoint", state.backing_off))
            }
            Some(true) => None,
        }
    }

    /// Returns how many partitions this process holds.
    pub fn held(&self) -> usize {
        self.0.lock().held.len()
    }

    /// Records the outcome of a rebalance, and updates the gauges.
    pub(super) fn rebalanced(&self, engine_answered: bool, backing_off: usize) {
        let now = Timestamp::now();
        let mut state = self.0.lock();
        state.engine_answered = Some(engine_answered);
        state.backing_off = backing_off;
        let lags = state.held.values().filter_map(|partition| partition.folded_at).map(|at| now.since(at).max(0));
        gauge!("ringside_owner_lag_seconds").set(lags.max().unwrap_or(0) as f64 / 1000.0);
        gauge!("ringside_owner_partitions").set(state.held.len() as f64);
    }

    /// Records that a worker started.
    pub(super) fn started(&self, partition: Partition) {
        self.0.lock().held.insert(partition, PartitionProgress::default());
        counter!("ringside_owner_takeovers_total").increment(1);
    }

    /// Records the timestamp of the newest entry that a worker folded.
    pub(super) fn folded(&self, partition: Partition, at: Timestamp) {
        if let Some(partition) = self.0.lock().held.get_mut(&partition) {
            partition.folded_at = Some(at);
        }
    }

    /// Records that a worker has replayed its log.
    /// `silent_ms` is the age of the last tick at that time.
    pub(super) fn caught_up(&self, partition: Partition, silent_ms: Option<i64>) {
        if let Some(partition) = self.0.lock().held.get_mut(&partition) {
            partition.caught_up = true;
        }
        if let Some(silent_ms) = silent_ms {
            histogram!("ringside_owner_takeover_seconds").record(silent_ms as f64 / 1000.0);
        }
    }

    /// Records that a worker stopped.
    pub(super) fn stopped(&self, partition: Partition, reason: &'static str) {
        self.0.lock().held.remove(&partition);
        counter!("ringside_owner_stints_ended_total", "reason" => reason).increment(1);
    }
}

/// Describes the owner's metrics, and exports them from the start.
pub(super) fn describe() {
    describe_gauge!("ringside_owner_partitions", "Partitions that this process owns");
    describe_gauge!("ringside_owner_lag_seconds", "Age of the newest folded entry, of the partition furthest behind");
    describe_counter!("ringside_owner_takeovers_total", "Partitions taken over");
    describe_counter!("ringside_owner_stints_ended_total", "Partitions released or lost, by reason");
    describe_counter!("ringside_owner_derived_waits_total", "Times a full log rejected derived events");
    describe_histogram!(
        "ringside_owner_takeover_seconds",
        "Time without a tick, for a partition taken over, until it had caught up"
    );
    gauge!("ringside_owner_partitions").set(0.0);
    gauge!("ringside_owner_lag_seconds").set(0.0);
    counter!("ringside_owner_takeovers_total").increment(0);
    counter!("ringside_owner_derived_waits_total").increment(0);
    for reason in ["handed_over", "fenced", "lapsed", "diverged", "unavailable", "log_full", "damaged", "panicked"] {
        counter!("ringside_owner_stints_ended_total", "reason" => reason).increment(0);
    }
}
