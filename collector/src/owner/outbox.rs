//! The transactional outbox for derived events, whose target log may be full.
//!
//! Derived events are appended as soon as they are folded. Events that a full log rejects wait here, and the checkpoint
//! stores them with the state that produced them. So the checkpoint need not wait, the worker's own log can be trimmed,
//! and two full logs never wait for each other. Appending an event twice is harmless: its id is a function of its cause.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringside_engine::{Engine, EngineError, Partition};
use ringside_model::Event;
use ringside_wire::Record;
use tokio::time::Instant;
use tracing::{error, warn};

/// Its key in a partition's state.
/// The fold's keys begin with a tenant, never with a slash.
const KEY: &str = "/outbox";
/// Pause before a full log is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Records for other partitions' logs, or for this one's.
#[derive(Debug)]
pub(super) struct Outbox {
    partitions: u16,
    pending: BTreeMap<Partition, Vec<Bytes>>,
    retry_at: Option<Instant>,
    /// Whether the last checkpoint contains any records.
    is_stored: bool,
}

impl Outbox {
    /// Restores the outbox of a checkpoint.
    pub(super) fn restore(partitions: u16, entries: &[(Box<str>, Bytes)]) -> Self {
        let stored = entries.iter().find(|(key, _)| &**key == KEY);
        let mut outbox = Self { partitions, pending: BTreeMap::new(), retry_at: None, is_stored: stored.is_some() };
        // A record is one line of JSON.
        for record in stored.iter().flat_map(|(_, records)| records.split(|byte| *byte == b'\n')) {
            match Record::decode(record) {
                Ok(Record::Event(event)) => outbox.push(event),
                Ok(Record::Tick(_)) => {}
                Err(error) => error!(%error, "stored derived event unreadable; dropped"),
            }
        }
        outbox
    }

    /// Adds a derived event.
    pub(super) fn push(&mut self, event: Event) {
        let partition = Partition::of(&event.tenant, event.campaign(), self.partitions);
        self.pending.entry(partition).or_default().push(Record::Event(event).encode());
    }

    /// Returns when to send again, if any records are pending.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.retry_at.filter(|_| !self.pending.is_empty())
    }

    /// Appends the pending records. Records that a full log rejects stay pending.
    pub(super) async fn send(&mut self, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.pending.is_empty() || self.retry_at.is_some_and(|at| Instant::now() < at) {
            return Ok(());
        }
        self.retry_at = None;
        // One partition at a time: a full one must not make the others' records repeat.
        let partitions: Vec<_> = self.pending.keys().copied().collect();
        for partition in partitions {
            let records = self.pending[&partition].iter().map(|record| (partition, record.clone())).collect();
            match engine.append(records).await {
                Ok(()) => {
                    self.pending.remove(&partition);
                }
                Err(EngineError::LogFull(_)) => {
                    metrics::counter!("ringside_owner_derived_waits_total").increment(1);
                    warn!(partition.id = partition.0, "derived events rejected by a full log; retrying");
                    self.retry_at = Some(Instant::now() + RETRY_AFTER);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Adds the pending records to a checkpoint, or deletes the stored ones.
    pub(super) fn store(&mut self, puts: &mut Vec<(Box<str>, Bytes)>, deletes: &mut Vec<Box<str>>) {
        if self.pending.is_empty() {
            if self.is_stored {
                deletes.push(KEY.into());
            }
            self.is_stored = false;
            return;
        }
        let records: Vec<&[u8]> = self.pending.values().flatten().map(|record| &record[..]).collect();
        puts.push((KEY.into(), records.join(&b'\n').into()));
        self.is_stored = true;
    }
}
