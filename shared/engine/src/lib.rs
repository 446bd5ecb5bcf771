#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod embedded;
mod history;
mod journals;
mod leases;
mod log;
mod members;
mod probe;
pub mod redis;
mod registry;
mod rooms;
mod state;

use async_trait::async_trait;

pub use self::history::{Histories, History};
pub use self::journals::{JournalEntry, JournalEntryId, Journals, LONGEST_PAGE};
pub use self::leases::{Leases, Token};
pub use self::log::{EventLog, LogEntry, Partition, Position};
pub use self::members::Members;
pub use self::probe::EngineProbe;
pub use self::registry::Registry;
pub use self::rooms::{Batch, Lane, Publication, ReadFrom, RoomFrame, RoomId, RoomView, Rooms, Signal, Subscription};
pub use self::state::{Checkpoint, PartitionState};

/// A message engine: everything that the collector and the gateway share.
#[async_trait]
pub trait Engine:
    EventLog + Rooms + Leases + Members + PartitionState + Registry + Journals + Send + Sync + 'static
{
    /// Returns Ok if the engine answers and delivers publications: the readiness check.
    async fn ping(&self) -> Result<(), EngineError>;

    /// Makes everything durable and releases all resources.
    ///
    /// No method may be called after it.
    async fn close(&self) -> Result<(), EngineError>;
}

/// An engine's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The token is superseded: another owner has the partition.
    ///
    /// The caller must stop writing to it.
    #[error("partition {} has another owner", .0.partition.0)]
    Fenced(Token),
    /// The owner's number of published batches is wrong: its memory is stale.
    #[error("partition {partition} has {actual} published batches and not {expected}")]
    Diverged {
        /// The partition.
        partition: u16,
        /// The owner's number.
        expected: u64,
        /// The engine's number.
        actual: u64,
    },
    /// The log is full until its owner has caught up.
    #[error("the log of partition {0} is full")]
    LogFull(u16),
    /// The engine can't be reached or can't write.
    ///
    /// The text is for the operator, never for a client.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
    /// Stored data can't be read. The text is for the operator.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}
