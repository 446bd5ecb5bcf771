//! How far this process has come with its partitions: what readiness asks, and some gauges.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use ringside_engine::Partition;
use ringside_model::Timestamp;

/// How far the owners of this process have come. Cloning makes another handle to the same.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<Mutex<Stand>>);

#[derive(Debug, Default)]
struct Stand {
    /// What the last look at the engine came to; none before the first one.
    looked: Option<bool>,
    held: BTreeMap<Partition, Course>,
    /// Partitions whose last stint went wrong and whose next one has not begun.
    resting: usize,
}

#[derive(Debug, Default)]
struct Course {
    caught_up: bool,
    /// The stamp of the newest entry that is folded.
    folded_at: Option<Timestamp>,
}

impl Progress {
    /// What is not well yet, as a sentence; none once each partition that is held has caught up.
    pub fn trouble(&self) -> Option<String> {
        let stand = self.stand();
        let behind = stand.held.values().filter(|course| !course.caught_up).count();
        match stand.looked {
            None => Some("the partitions are not shared out yet".to_owned()),
            Some(false) => Some("the engine does not answer the partitions' owner".to_owned()),
            Some(true) if behind > 0 => Some(format!("{behind} partitions are being replayed")),
            Some(true) if stand.resting > 0 => {
                Some(format!("{} partitions are about to start again from their checkpoint", stand.resting))
            }
            Some(true) => None,
        }
    }

    /// How many partitions are held.
    pub fn held(&self) -> usize {
        self.stand().held.len()
    }

    /// The engine was looked at, or could not be.
    pub(super) fn looked(&self, answered: bool, resting: usize) {
        let now = Timestamp::now();
        let mut stand = self.stand();
        stand.looked = Some(answered);
        stand.resting = resting;
        let lags = stand.held.values().filter_map(|course| course.folded_at).map(|at| now.since(at).max(0));
        gauge!("ringside_owner_lag_seconds").set(lags.max().unwrap_or(0) as f64 / 1000.0);
        gauge!("ringside_owner_partitions").set(stand.held.len() as f64);
    }

    /// A stint began.
    pub(super) fn begin(&self, partition: Partition) {
        self.stand().held.insert(partition, Course::default());
        counter!("ringside_owner_takeovers_total").increment(1);
    }

    /// A stint has folded entries up to one of this time.
    pub(super) fn folded(&self, partition: Partition, at: Timestamp) {
        if let Some(course) = self.stand().held.get_mut(&partition) {
            course.folded_at = Some(at);
        }
    }

    /// A stint has caught up with its log for the first time; `silent_ms` is how old the last tick was by then.
    pub(super) fn caught_up(&self, partition: Partition, silent_ms: Option<i64>) {
        if let Some(course) = self.stand().held.get_mut(&partition) {
            course.caught_up = true;
        }
        if let Some(silent_ms) = silent_ms {
            histogram!("ringside_owner_takeover_seconds").record(silent_ms as f64 / 1000.0);
        }
    }

    /// A stint ended.
    pub(super) fn end(&self, partition: Partition, reason: &'static str) {
        self.stand().held.remove(&partition);
        counter!("ringside_owner_stints_ended_total", "reason" => reason).increment(1);
    }

    fn stand(&self) -> MutexGuard<'_, Stand> {
        self.0.lock().expect("nobody panics while saying how far it is")
    }
}

/// Says what each of the owner's metrics is, and shows them from the start.
pub(super) fn describe() {
    describe_gauge!("ringside_owner_partitions", "Partitions that this process owns");
    describe_gauge!("ringside_owner_lag_seconds", "Age of what is folded, of the partition that is furthest behind");
    describe_counter!("ringside_owner_takeovers_total", "Partitions that were taken");
    describe_counter!("ringside_owner_stints_ended_total", "Partitions that were given up or lost, by reason");
    describe_counter!("ringside_owner_derived_waits_total", "Times that a full log did not take derived events");
    describe_histogram!(
        "ringside_owner_takeover_seconds",
        "How long a partition that was taken had not been ticked, when it had caught up"
    );
    gauge!("ringside_owner_partitions").set(0.0);
    gauge!("ringside_owner_lag_seconds").set(0.0);
    counter!("ringside_owner_takeovers_total").increment(0);
    counter!("ringside_owner_derived_waits_total").increment(0);
    for reason in ["handed_over", "fenced", "lapsed", "diverged", "unavailable", "log_full", "damaged", "panicked"] {
        counter!("ringside_owner_stints_ended_total", "reason" => reason).increment(0);
    }
}
