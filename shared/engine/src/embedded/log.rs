//! The event log in the embedded store.
//!
//! Each record is stored after the number of bytes that were ever appended to the partition. So the size of the log is
//! one subtraction, and opening counts nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, Readable};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::job::Job;
use super::store::{Store, failed, log_key, partition_key};
use crate::{EngineError, EventLog, LogEntry, Partition, Position};

const TOTAL_BYTES: usize = size_of::<u64>();

/// A trim that would remove fewer entries waits for a later commit.
const WORTH_TRIMMING: u64 = 256;

#[async_trait]
impl EventLog for Embedded {
    fn partitions(&self) -> u16 {
        u16::try_from(self.shared.heads.len()).expect("it was made from a u16")
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        records.iter().try_for_each(|(partition, _)| self.check(*partition))?;
        self.request(|answer| Job::Append { records, answer }).await
    }

    async fn read_log(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<LogEntry>, EngineError> {
        self.check(partition)?;
        // Not beyond the announced head: an entry is in the store a moment before its fsync is done.
        let head = *self.shared.heads[usize::from(partition.0)].borrow();
        let available = usize::try_from(head.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        if available == 0 {
            return Ok(Vec::new());
        }
        self.read(move |store| read(store, partition, after, limit.min(available))).await
    }

    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        self.check(partition)?;
        let mut head = self.shared.heads[usize::from(partition.0)].subscribe();
        // A timeout is a regular result, like a new entry.
        let _ = tokio::time::timeout(patience, head.wait_for(|head| *head > after)).await;
        Ok(())
    }

    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        let used = |p: &Partition| {
            let place = usize::from(p.0);
            self.shared.heads[place].borrow().0 > 0 || self.shared.stateful[place].load(Ordering::Relaxed)
        };
        Ok((0..self.partitions()).map(Partition).filter(used).collect())
    }
}

/// A partition's checkpoint as it is stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct CheckpointRecord {
    /// The log position that the state reflects.
    pub(super) position: u64,
    trimmed: u64,
    trimmed_total: u64,
}

/// The writer's knowledge of a partition's log.
#[derive(Debug)]
pub(super) struct Log {
    partition: Partition,
    head: u64,
    total: u64,
    checkpoint: CheckpointRecord,
}

impl Log {
    /// Reads the end of a partition's log.
    pub(super) fn load(store: &Store, partition: Partition) -> Result<Self, EngineError> {
        let checkpoint: CheckpointRecord = store.read(checkpoint_key(partition))?.unwrap_or_default();
        let kept = log_key(partition, checkpoint.trimmed + 1)..=log_key(partition, u64::MAX);
        let (head, total) = match store.log.range(kept).next_back() {
            None => (checkpoint.trimmed, checkpoint.trimmed_total),
            Some(entry) => {
                let (key, value) = entry.into_inner().map_err(failed)?;
                let position = key.get(2..).and_then(|p| p.try_into().ok()).map(u64::from_be_bytes);
                (position.ok_or_else(|| damaged(partition))?, total(&value).ok_or_else(|| damaged(partition))?)
            }
        };
        if checkpoint.position > head {
            return Err(EngineError::Damaged(format!(
                "the log of partition {} ends at {head}, before its state at {}",
                partition.0, checkpoint.position
            )));
        }
        Ok(Self { partition, head, total, checkpoint })
    }

    /// Returns the newest position.
    pub(super) fn head(&self) -> Position {
        Position(self.head)
    }

    /// Returns the size of the log.
    pub(super) fn size_bytes(&self) -> u64 {
        self.total - self.checkpoint.trimmed_total
    }

    /// Adds a record to the end.
    pub(super) fn append(&mut self, store: &Store, batch: &mut WriteBatch, record: &[u8]) {
        self.head += 1;
        self.total += record.len() as u64;
        let value = [&self.total.to_le_bytes(), record].concat();
        batch.insert(&store.log, log_key(self.partition, self.head), value);
    }

    /// Moves the checkpoint, and may trim the log below it.
    ///
    /// It trims if that is worthwhile or `limit_bytes` are near.
    pub(super) fn commit(
        &mut self,
        store: &Store,
        batch: &mut WriteBatch,
        position: Position,
        limit_bytes: u64,
    ) -> Result<(), EngineError> {
        // Never back: the state already reflects the entries before the checkpoint. Never ahead of the log: later
        // entries below the checkpoint would never be read.
        let position = position.0.clamp(self.checkpoint.position, self.head.max(self.checkpoint.position));
        let checkpoint = &mut self.checkpoint;
        checkpoint.position = position;
        if position - checkpoint.trimmed >= WORTH_TRIMMING || self.total - checkpoint.trimmed_total > limit_bytes / 8 {
            // An entry that is not in the store yet defers the trim to the next commit.
            if let Some(value) = store.log.get(log_key(self.partition, position)).map_err(failed)? {
                for trimmed in checkpoint.trimmed + 1..=position {
                    batch.remove(&store.log, log_key(self.partition, trimmed));
                }
                checkpoint.trimmed_total = total(&value).ok_or_else(|| damaged(self.partition))?;
                checkpoint.trimmed = position;
            }
        }
        store.put(batch, checkpoint_key(self.partition), checkpoint);
        Ok(())
    }
}

/// Returns entries after a position, oldest first.
pub(super) fn read(
    store: &Store,
    partition: Partition,
    after: Position,
    limit: usize,
) -> Result<Vec<LogEntry>, EngineError> {
    let snapshot = store.now();
    // Begins after the trimmed entries: the store steps over removed ones one by one.
    let checkpoint = snapshot.get(&store.state, checkpoint_key(partition)).map_err(failed)?;
    let checkpoint: CheckpointRecord =
        checkpoint.map_or(Ok(CheckpointRecord::default()), |v| super::store::decode(&v))?;
    let Some(first) = after.0.max(checkpoint.trimmed).checked_add(1) else { return Ok(Vec::new()) };
    let mut entries = Vec::new();
    for (position, entry) in
        (first..).zip(snapshot.range(&store.log, log_key(partition, first)..=log_key(partition, u64::MAX)).take(limit))
    {
        let (key, value) = entry.into_inner().map_err(failed)?;
        if *key != log_key(partition, position) || value.len() < TOTAL_BYTES {
            return Err(EngineError::Damaged(format!("the log of partition {} has no entry {position}", partition.0)));
        }
        entries.push(LogEntry { position: Position(position), record: Bytes::copy_from_slice(&value[TOTAL_BYTES..]) });
    }
    Ok(entries)
}

/// Returns the key of a partition's checkpoint.
pub(super) fn checkpoint_key(partition: Partition) -> Vec<u8> {
    partition_key(b'c', partition, "")
}

fn total(value: &[u8]) -> Option<u64> {
    value.first_chunk().copied().map(u64::from_le_bytes)
}

fn damaged(partition: Partition) -> EngineError {
    EngineError::Damaged(format!("the log of partition {} has a malformed entry", partition.0))
}
