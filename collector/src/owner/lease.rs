//! A held partition lease, renewed next to the work for as long as that takes.
//!
//! The fencing token alone keeps writes safe: the engine rejects an old one. Stopping by our own clock as well saves
//! wasted work, and readers a stale number.

use std::time::Duration;

use ringside_engine::{Engine, EngineError, Token};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::error::WorkerError;

/// An acquired lease.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldLease {
    /// The fencing token that every write carries.
    pub(super) token: Token,
    /// When it was requested. The lease lasts at least its length from here.
    pub(super) requested_at: Instant,
}

impl HeldLease {
    /// Renews the lease three times per length, and returns why it was lost.
    pub(super) async fn keep_renewed(self, engine: &dyn Engine, length: Duration) -> WorkerError {
        let mut expires_at = self.requested_at + length;
        let mut next = self.requested_at + length / 3;
        loop {
            sleep_until(next).await;
            let requested_at = Instant::now();
            // An expired lease is tried once more: the process may have been paused, or the engine slow. If no other
            // collector took it, a reload is not needed, and would make slow things slower.
            let deadline = expires_at.max(requested_at) + length / 3;
            match timeout_at(deadline, engine.renew(self.token, length)).await {
                Ok(Ok(true)) => (expires_at, next) = (requested_at + length, requested_at + length / 3),
                Ok(Ok(false)) => return EngineError::Fenced(self.token).into(),
                Ok(Err(_)) if requested_at >= expires_at => return WorkerError::LeaseExpired,
                Ok(Err(error)) => {
                    debug!(partition.id = self.token.partition.0, %error, "lease renewal failed; retrying");
                    next = Instant::now() + length / 12;
                }
                Err(_) => return WorkerError::LeaseExpired,
            }
        }
    }
}
