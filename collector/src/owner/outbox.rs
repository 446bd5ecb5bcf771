//! Derived events on their way into a log, which may be full.
//!
//! They are appended as soon as they are folded. What a full log does not take waits here and goes into the checkpoint
//! with the state that made it: so the checkpoint need not wait, the own log can be trimmed, and no two full logs wait
//! for each other. Appending one twice is harmless: its id is a function of what made it.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use ringside_engine::{Engine, EngineError, Partition};
use ringside_model::Event;
use ringside_wire::Record;
use tokio::time::Instant;
use tracing::{error, warn};

/// Its key in a partition's state. The fold's keys begin with a tenant, never with a slash.
const KEY: &str = "/outbox";
/// A full log is not asked again before.
const REST: Duration = Duration::from_millis(500);

/// Records for other partitions' logs, or this one's.
#[derive(Debug)]
pub(super) struct Outbox {
    partitions: u16,
    waiting: BTreeMap<Partition, Vec<Bytes>>,
    resting_until: Option<Instant>,
    /// True while the last checkpoint has some.
    is_stored: bool,
}

impl Outbox {
    /// With what the checkpoint's outbox had.
    pub(super) fn restore(partitions: u16, entries: &[(Box<str>, Bytes)]) -> Self {
        let stored = entries.iter().find(|(key, _)| &**key == KEY);
        let mut outbox =
            Self { partitions, waiting: BTreeMap::new(), resting_until: None, is_stored: stored.is_some() };
        // A record is one line of JSON.
        for record in stored.iter().flat_map(|(_, records)| records.split(|byte| *byte == b'\n')) {
            match Record::decode(record) {
                Ok(Record::Event(event)) => outbox.push(event),
                Ok(Record::Tick(_)) => {}
                Err(reason) => error!(%reason, "a derived event that waited can't be read; it is left out"),
            }
        }
        outbox
    }

    /// Takes a derived event.
    pub(super) fn push(&mut self, event: Event) {
        let partition = Partition::of(&event.tenant, event.campaign(), self.partitions);
        self.waiting.entry(partition).or_default().push(Record::Event(event).encode());
    }

    /// When to send again, where some wait.
    pub(super) fn next_try(&self) -> Option<Instant> {
        self.resting_until.filter(|_| !self.waiting.is_empty())
    }

    /// Appends what waits, but for what a full log does not take.
    pub(super) async fn send(&mut self, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.waiting.is_empty() || self.resting_until.is_some_and(|until| Instant::now() < until) {
            return Ok(());
        }
        self.resting_until = None;
        // One partition at a time: a full one must not make the others' records come again and again.
        let partitions: Vec<_> = self.waiting.keys().copied().collect();
        for partition in partitions {
            let records = self.waiting[&partition].iter().map(|record| (partition, record.clone())).collect();
            match engine.append(records).await {
                Ok(()) => {
                    self.waiting.remove(&partition);
                }
                Err(EngineError::LogFull(_)) => {
                    metrics::counter!("ringside_owner_derived_waits_total").increment(1);
                    warn!(partition.id = partition.0, "a full log did not take derived events; they wait");
                    self.resting_until = Some(Instant::now() + REST);
                }
                Err(reason) => return Err(reason),
            }
        }
        Ok(())
    }

    /// Adds what waits to a checkpoint, or takes what waited before out of it.
    pub(super) fn store(&mut self, puts: &mut Vec<(Box<str>, Bytes)>, deletes: &mut Vec<Box<str>>) {
        if self.waiting.is_empty() {
            if self.is_stored {
                deletes.push(KEY.into());
            }
            self.is_stored = false;
            return;
        }
        let records: Vec<&[u8]> = self.waiting.values().flatten().map(|record| &record[..]).collect();
        puts.push((KEY.into(), records.join(&b'\n').into()));
        self.is_stored = true;
    }
}
