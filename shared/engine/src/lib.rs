#![doc = include_str!("../README.md")]

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod embedded;
mod error;
mod history;
mod journals;
mod leases;
mod log;
mod members;
pub mod redis;
mod registry;
mod rooms;
mod state;

use async_trait::async_trait;

pub use self::error::EngineError;
pub use self::history::{Histories, History};
pub use self::journals::{JournalEntry, JournalEntryId, Journals, LONGEST_PAGE};
pub use self::leases::{Leases, Token};
pub use self::log::{EventLog, LogEntry, Partition, Position};
pub use self::members::Members;
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

    /// Makes everything durable and releases all resources. No method may be called after it.
    async fn close(&self) -> Result<(), EngineError>;
}
