//! Announcements of appends: a log's owner reads at once instead of polling.
//!
//! They are hints only. A hint may be lost, so no wait lasts longer than [`POLL_EVERY`]. A hint may also be of a log
//! that was flushed since, so each one ends one wait only.

use std::time::{Duration, Instant};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::Position;

/// How often a log is read without any hint.
const POLL_EVERY: Duration = Duration::from_millis(250);
/// How long after its last wait a log counts as abandoned by its owner.
const ABANDONED_AFTER: Duration = Duration::from_secs(30);

/// The hints about one log.
#[derive(Debug)]
pub(super) struct AppendSignal {
    latest: Mutex<Latest>,
    changed: Notify,
}

#[derive(Debug)]
struct Latest {
    head: u64,
    /// The position whose wait this head has already ended.
    answered: Option<u64>,
    waited_at: Instant,
}

impl AppendSignal {
    pub(super) fn new() -> Self {
        let latest = Latest { head: 0, answered: None, waited_at: Instant::now() };
        Self { latest: Mutex::new(latest), changed: Notify::new() }
    }

    /// Takes the hint that the log's newest entry is at `head`.
    pub(super) fn set_head(&self, head: u64) {
        let mut latest = self.latest.lock();
        (latest.head, latest.answered) = (head, None);
        drop(latest);
        self.changed.notify_waiters();
    }

    /// Ends all waits, because hints may have been lost.
    pub(super) fn wake(&self) {
        self.changed.notify_waiters();
    }

    /// True if no owner has waited for a while.
    pub(super) fn is_abandoned(&self) -> bool {
        self.latest.lock().waited_at.elapsed() > ABANDONED_AFTER
    }

    /// Returns when there may be an entry after a position.
    pub(super) async fn wait(&self, after: Position, patience: Duration) {
        let changed = self.changed.notified();
        tokio::pin!(changed);
        // From here on no hint is missed.
        changed.as_mut().enable();
        {
            let mut latest = self.latest.lock();
            latest.waited_at = Instant::now();
            if latest.head > after.0 && latest.answered != Some(after.0) {
                latest.answered = Some(after.0);
                return;
            }
        }
        // Without a hint the owner polls, which is no error.
        let _ = tokio::time::timeout(patience.min(POLL_EVERY), changed).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_hint_ends_one_wait_only() {
        let signal = AppendSignal::new();
        let begin = Instant::now();
        for head in 1..=100 {
            signal.set_head(head);
            signal.wait(Position(head - 1), LONG).await;
        }
        assert!(begin.elapsed() < POLL_EVERY * 50, "hints did not end the waits");
        // The log has nothing after 99 all the same: it was flushed. Asking again must not spin.
        for after in [99, 100] {
            let begin = Instant::now();
            signal.wait(Position(after), LONG).await;
            assert!(begin.elapsed() >= POLL_EVERY, "after {after}");
        }
    }

    #[tokio::test]
    async fn a_hint_ends_a_wait_that_has_begun() {
        let signal = AppendSignal::new();
        let both = async {
            for head in 1..=100 {
                tokio::join!(signal.wait(Position(head - 1), LONG), async { signal.set_head(head) });
            }
        };
        tokio::time::timeout(POLL_EVERY * 50, both).await.expect("waits end with the hints");
    }
}
