//! The limit on one account, device or address: its turns, its count, and its lock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Throttled;
use super::attempts::Attempts;
use crate::timeout::with_timeout;

/// How long a lock is cached. An admin may unlock the account on any gateway.
const LOCK_CACHED_FOR: Duration = Duration::from_secs(1);
/// How long an attempt waits for its turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// The settings of a kind of limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) kind: &'static str,
    /// Wrong passwords before it is locked.
    pub(super) max_attempts: u32,
    /// Passwords checked at the same time on one gateway.
    ///
    /// Right passwords in parallel must not use up each other's
    /// attempts.
    pub(super) concurrent: usize,
    /// Whether a right password clears the count: the wrong ones were its owner's.
    pub(super) resets_on_success: bool,
}

/// The limiter of one key on this gateway.
pub(super) struct Limiter {
    key: Box<str>,
    limit: Limit,
    turns: Arc<Semaphore>,
    lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Clone, Copy)]
struct Lock {
    until: Timestamp,
    read_at: Instant,
}

impl Limiter {
    pub(super) fn new(key: Box<str>, limit: Limit) -> Self {
        Self { key, limit, turns: Arc::new(Semaphore::new(limit.concurrent)), lock: Mutex::default() }
    }

    /// Denies if it is known to be locked.
    pub(super) fn check(&self) -> Result<(), Throttled> {
        match *self.lock.lock() {
            Some(lock) if lock.read_at.elapsed() < LOCK_CACHED_FOR && lock.until > Timestamp::now() => {
                Err(locked(lock.until))
            }
            _ => Ok(()),
        }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Throttled> {
        let turn = tokio::time::timeout(TURN_TIMEOUT, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| EngineError::Unavailable("too many passwords wait to be checked".to_owned()))?;
        Ok(turn.expect("the semaphore is never closed"))
    }

    /// Waits for a turn, then counts an attempt in the registry unless it is locked.
    pub(super) async fn count(self: Arc<Self>, engine: &dyn Engine) -> Result<CountedAttempt, Throttled> {
        let turn = self.turn().await?;
        // The attempts before may have locked it meanwhile.
        self.check()?;
        loop {
            let stored = with_timeout(engine.get(&self.key)).await?;
            let now = Timestamp::now();
            let before = stored.as_ref().and_then(|stored| Attempts::read(stored, now));
            if let Some(attempts) = before.filter(|attempts| attempts.count >= self.limit.max_attempts) {
                self.remember_lock(attempts.until());
                return Err(locked(attempts.until()));
            }
            let attempts = Attempts { count: before.map_or(0, |attempts| attempts.count) + 1, last: now };
            if with_timeout(engine.compare_and_swap(&self.key, stored, Some(attempts.write()))).await? {
                *self.lock.lock() = None;
                return Ok(CountedAttempt { limiter: self, attempts, _turn: turn });
            }
        }
    }

    fn remember_lock(&self, until: Timestamp) {
        *self.lock.lock() = Some(Lock { until, read_at: Instant::now() });
    }
}

fn locked(until: Timestamp) -> Throttled {
    let wait_ms = u64::try_from(until.since(Timestamp::now())).unwrap_or_default();
    Throttled::Locked { wait: Duration::from_millis(wait_ms) }
}

/// A counted attempt and its turn.
pub(super) struct CountedAttempt {
    limiter: Arc<Limiter>,
    attempts: Attempts,
    _turn: OwnedSemaphorePermit,
}

impl CountedAttempt {
    /// Leaves the attempt counted and returns the attempts left.
    pub(super) fn keep(&self) -> u32 {
        let left = self.limiter.limit.max_attempts.saturating_sub(self.attempts.count);
        if left == 0 {
            self.limiter.remember_lock(self.attempts.until());
        }
        left
    }

    /// Clears the count, or undoes the attempt, after a right password.
    pub(super) async fn succeed(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.limiter.limit.resets_on_success {
            with_timeout(engine.set(&self.limiter.key, None)).await
        } else {
            self.undo(engine).await
        }
    }

    /// Takes the attempt back from the count.
    pub(super) async fn undo(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        loop {
            let stored = with_timeout(engine.get(&self.limiter.key)).await?;
            let Some(attempts) = stored.as_ref().and_then(|stored| Attempts::read(stored, Timestamp::now())) else {
                return Ok(());
            };
            let fewer = Attempts { count: attempts.count.saturating_sub(1), ..attempts };
            if with_timeout(engine.compare_and_swap(
                &self.limiter.key,
                stored,
                (fewer.count > 0).then(|| fewer.write()),
            ))
            .await?
            {
                return Ok(());
            }
        }
    }
}
