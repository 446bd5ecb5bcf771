//! A lease, held: renewed beside the work, however long that takes, and given up soon after it lapses.
//!
//! The token alone would do: an engine refuses what comes with an old one. That a stint stops by its own clock as
//! well saves it the work, and its readers a stale number.

use std::time::Duration;

use ringside_engine::{Engine, EngineError, Token};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::worker::WorkerError;

/// A lease that was taken.
#[derive(Debug, Clone, Copy)]
pub(super) struct HeldLease {
    /// The right to write.
    pub(super) token: Token,
    /// When it was asked for: the lease lasts from then on at least.
    pub(super) asked_at: Instant,
}

impl HeldLease {
    /// Renews it three times in its length; returns why it can't be counted on any more.
    pub(super) async fn keep_renewed(self, engine: &dyn Engine, lease: Duration) -> WorkerError {
        let mut until = self.asked_at + lease;
        let mut next = self.asked_at + lease / 3;
        loop {
            sleep_until(next).await;
            let asked_at = Instant::now();
            // Once more also after it has lapsed, of a process that was paused or an engine that is slow: where nobody
            // took it there is nothing to reload, and to reload everything would make slow things slower.
            let patience = until.max(asked_at) + lease / 3;
            match timeout_at(patience, engine.renew(self.token, lease)).await {
                Ok(Ok(true)) => (until, next) = (asked_at + lease, asked_at + lease / 3),
                Ok(Ok(false)) => return EngineError::Fenced(self.token).into(),
                Ok(Err(_)) if asked_at >= until => return WorkerError::Lapsed,
                Ok(Err(reason)) => {
                    debug!(partition.id = self.token.partition.0, %reason, "could not renew a lease; trying again");
                    next = Instant::now() + lease / 12;
                }
                Err(_) => return WorkerError::Lapsed,
            }
        }
    }
}
