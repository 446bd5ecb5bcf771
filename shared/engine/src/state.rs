//! Partition state: the fold's memory, committed together with a log position.

use async_trait::async_trait;
use bytes::Bytes;

use super::{EngineError, Partition, Position, Token};

/// The state of each partition, with the log position that it reflects.
#[async_trait]
pub trait PartitionState: Send + Sync {
    /// Reads a partition's state and positions.
    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError>;

    /// Writes state and log position in one step that a crash can't split.
    ///
    /// Then may trim the log up to `position`.
    ///
    /// Fails with [`EngineError::Fenced`], and writes nothing, if the token is superseded.
    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError>;
}

/// A partition as its owner last committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log position up to which the state reflects the log.
    pub position: Position,
    /// The log position up to which everything is published.
    ///
    /// At or after `position` after a crash.
    pub published: Position,
    /// How many batches were published.
    pub seq: u64,
    /// The state, in the order of the keys.
    pub entries: Vec<(Box<str>, Bytes)>,
}
