//! Group membership: which processes share the work.

use std::time::Duration;

use async_trait::async_trait;

use super::EngineError;

/// Groups of members that send heartbeats.
///
/// The collectors of an installation are one.
#[async_trait]
pub trait Members: Send + Sync {
    /// Counts a member of a group for another `ttl`.
    ///
    /// Returns all live members in the order of their names.
    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError>;

    /// Removes a member without waiting for its `ttl` to pass.
    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError>;
}
