//! Why an engine refuses or fails.

use super::Token;

/// An engine's error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The token is superseded: another owner has the partition. The caller must stop writing to it.
    #[error("partition {} has another owner", .0.partition.0)]
    Fenced(Token),
    /// The engine has published another number of batches than the owner expects, so the owner's memory is stale.
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
    /// The engine can't be reached or can't write. The text is for the operator, never for a client.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
    /// Stored data can't be read. The text is for the operator.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}
