//! One account, device or address: who has a turn, and whether it is locked.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Throttled;
use super::tries::Tries;
use crate::timeout::with_timeout;

/// What is known to be locked is looked up again after so long: an admin may have unlocked it, on any gateway.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// Nobody waits longer for a turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// How much of what is allowed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    pub(super) what: &'static str,
    /// Wrong passwords until it is locked.
    pub(super) tries: u32,
    /// Passwords that are looked at at the same time on one gateway. Whoever is right must not find the tries used up
    /// by others who will be right as well.
    pub(super) at_once: usize,
    /// True where a right password shows that the wrong ones before it were its owner's.
    pub(super) forgives: bool,
}

/// What this gateway knows.
pub(super) struct Gate {
    key: Box<str>,
    limit: Limit,
    turns: Arc<Semaphore>,
    lock: Mutex<Option<Lock>>,
}

#[derive(Debug, Clone, Copy)]
struct Lock {
    until: Timestamp,
    seen: Instant,
}

impl Gate {
    pub(super) fn new(key: Box<str>, limit: Limit) -> Self {
        Self { key, limit, turns: Arc::new(Semaphore::new(limit.at_once)), lock: Mutex::default() }
    }

    /// Refuses where it is known to be locked.
    pub(super) fn check(&self) -> Result<(), Throttled> {
        match *self.lock.lock().expect("nobody panics at a gate") {
            Some(lock) if lock.seen.elapsed() < KNOWN_FOR && lock.until > Timestamp::now() => Err(locked(lock.until)),
            _ => Ok(()),
        }
    }

    /// Waits for a turn.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Throttled> {
        let turn = tokio::time::timeout(PATIENCE, self.turns.clone().acquire_owned()).await;
        let turn = turn.map_err(|_| EngineError::Unavailable("too many passwords wait to be looked at".to_owned()))?;
        Ok(turn.expect("turns are never closed"))
    }

    /// Waits for a turn, and counts it in the registry unless it is locked.
    pub(super) async fn count(self: Arc<Self>, engine: &dyn Engine) -> Result<Counted, Throttled> {
        let turn = self.turn().await?;
        // What those before have come to.
        self.check()?;
        loop {
            let stored = with_timeout(engine.get(&self.key)).await?;
            let now = Timestamp::now();
            let before = stored.as_ref().and_then(|stored| Tries::read(stored, now));
            if let Some(tries) = before.filter(|tries| tries.count >= self.limit.tries) {
                self.note_lock(tries.until());
                return Err(locked(tries.until()));
            }
            let tries = Tries { count: before.map_or(0, |tries| tries.count) + 1, last: now };
            if with_timeout(engine.compare_and_swap(&self.key, stored, Some(tries.write()))).await? {
                *self.lock.lock().expect("nobody panics at a gate") = None;
                return Ok(Counted { gate: self, tries, _turn: turn });
            }
        }
    }

    fn note_lock(&self, until: Timestamp) {
        *self.lock.lock().expect("nobody panics at a gate") = Some(Lock { until, seen: Instant::now() });
    }
}

fn locked(until: Timestamp) -> Throttled {
    let wait_ms = u64::try_from(until.since(Timestamp::now())).unwrap_or_default();
    Throttled::Locked { wait: Duration::from_millis(wait_ms) }
}

/// A try that was counted, and the turn that goes with it.
pub(super) struct Counted {
    gate: Arc<Gate>,
    tries: Tries,
    _turn: OwnedSemaphorePermit,
}

impl Counted {
    /// It stays counted; returns how many are left.
    pub(super) fn stays(&self) -> u32 {
        let left = self.gate.limit.tries.saturating_sub(self.tries.count);
        if left == 0 {
            self.gate.note_lock(self.tries.until());
        }
        left
    }

    /// The password was right.
    pub(super) async fn was_right(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        if self.gate.limit.forgives {
            with_timeout(engine.set(&self.gate.key, None)).await
        } else {
            self.take_back(engine).await
        }
    }

    /// The password was not looked at.
    pub(super) async fn take_back(&self, engine: &dyn Engine) -> Result<(), EngineError> {
        loop {
            let stored = with_timeout(engine.get(&self.gate.key)).await?;
            let Some(tries) = stored.as_ref().and_then(|stored| Tries::read(stored, Timestamp::now())) else {
                return Ok(());
            };
            let fewer = Tries { count: tries.count.saturating_sub(1), ..tries };
            if with_timeout(engine.compare_and_swap(&self.gate.key, stored, (fewer.count > 0).then(|| fewer.write())))
                .await?
            {
                return Ok(());
            }
        }
    }
}
