//! Leases: one owner a partition at a time, with fencing tokens.

use std::time::Duration;

use async_trait::async_trait;

use super::{EngineError, Partition};

/// The leases of partitions.
///
/// A lease makes ownership exclusive while its holder renews it. The token makes it safe: after a takeover the engine
/// refuses commits and publications of the former owner, even if that owner was only paused.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Takes a partition for `ttl` unless another holder has it.
    ///
    /// The token's number is greater than any before, also over restarts.
    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError>;

    /// Extends a lease by another `ttl`; false if the token is superseded.
    ///
    /// A lapsed lease can be renewed as long as no other holder took the partition.
    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError>;

    /// Releases a lease, so that the next owner need not wait for it to lapse.
    async fn release(&self, token: Token) -> Result<(), EngineError>;
}

/// The right to write to a partition. A later token ends all earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// The partition it is valid for.
    pub partition: Partition,
    /// The fencing number; it only grows.
    pub number: u64,
}
