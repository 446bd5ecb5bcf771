//! The event log, in partitions.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_model::{CampaignId, TenantId};

use super::EngineError;

/// An append-only log in partitions, as the owners of partitions read it.
///
/// Each partition is a sequence of its own: positions begin with 1, are contiguous, and never change. A full partition
/// refuses records with [`EngineError::LogFull`] until its owner commits a later position and so allows trimming.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Returns how many partitions this installation has; fixed when it was created.
    fn partitions(&self) -> u16;

    /// Appends records, each to its partition, in the order given.
    ///
    /// On success the records survive a crash. On an error some may have been appended; appending them again is
    /// harmless, because the fold recognizes duplicates.
    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError>;

    /// Returns at most `limit` entries after a position, oldest first.
    ///
    /// Empty if there are none yet.
    async fn read_log(&self, partition: Partition, after: Position, limit: usize)
    -> Result<Vec<LogEntry>, EngineError>;

    /// Waits until the log has an entry after `after`, at most for `patience`.
    ///
    /// May return early.
    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError>;

    /// Returns the partitions that have anything in their log or their state.
    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError>;
}

/// A slice of the log with one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u16);

impl Partition {
    /// Returns the partition of a campaign's events.
    ///
    /// Without a campaign it is the partition of the tenant's own events.
    ///
    /// The mapping never changes and is the same on every machine: it decides where stored data lies.
    pub fn of(tenant: &TenantId, campaign: Option<&CampaignId>, partitions: u16) -> Self {
        // FNV-1a: stable across versions and machines, which the standard hasher does not promise.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let campaign = campaign.map_or("", CampaignId::as_str);
        for byte in tenant.as_str().bytes().chain([0]).chain(campaign.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(((hash ^ (hash >> 32)) % u64::from(partitions.max(1))) as u16)
    }
}

/// A place in a partition's log. The first entry has 1; 0 is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

/// One entry of a partition's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Its place in the log.
    pub position: Position,
    /// The bytes that were appended.
    pub record: Bytes,
}
