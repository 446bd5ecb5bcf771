//! One account, device or address: who has a turn, and whether it is locked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Throttled;
use super::attempts::Attempts;
use crate::timeout::with_timeout;

/// What is known to be locked is looked up again after so long: an admin may have unlocked it, on any gateway.
const LOCK_CACHED_FOR: Duration = Duration::from_secs(1);
/// Nobody waits longer for a turn.
const TURN_TIMEOUT: Duration = Duration::from_secs(10);

/// How much of what is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) kind: &'static str,
    /// Wrong passwords until it is locked.
    pub(super) max_attempts: u32,
    /// Passwords that are looked at at the same time on one gateway. Whoever is right must not find the attempts used up
    /// by others who will be right as well.
    pub(super) concurrent: usize,
    /// True where a right password shows that the wrong ones before it were its owner's.
    pub(super) resets_on_success: bool,
}

/// What this gateway knows.
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

    /// Refuses where it is known to be locked.
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
        let turn = turn.map_err(|_| EngineError::Unavailable("too many passwords wait to be looked at".to_owned()))?;
        Ok(turn.expect("turns are never closed"))
    }

    /// Waits for a turn, and counts it in the registry unless it is locked.
    pub(super) async fn count(self: Arc<Self>, engine: &dyn Engine) -> Result<CountedAttempt, Throttled> {
        let turn = self.turn().await?;
        // What those before have come to.
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

/// A try that was counted, and the turn that goes with it.
pub(super) struct CountedAttempt {
    limiter: Arc<Limiter>,
    attempts: Attempts,
    _turn: OwnedSemaphorePermit,
}

impl CountedAttempt {
    /// It stays counted; returns how many are left.
    pub(super) fn keep(&self) -> u32 {
        let left = self.limiter.limit.max_attempts.saturating_sub(self.attempts.count);
        if left == 0 {
            self.limiter.remember_lock(self.attempts.until());
        }
        left
    }

    /// The password was right.
    pub(super) async fn succeed(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.limiter.limit.resets_on_success {
            with_timeout(engine.set(&self.limiter.key, None)).await
        } else {
            self.undo(engine).await
        }
    }

    /// The password was not looked at.
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
