//! Limits on wrong passwords: per account, per address, and per known device.
//!
//! ```text
//! attempt ─▶ turn: one at a time per account, a few per address ─▶ counted in the registry ─▶ password check
//!                                                                        ▲ undone if the password is right
//! ```
//! All gateways share the counts in the registry, and count before the password is checked. Concurrent attempts can't
//! exceed the limit. A known lock is denied without asking the registry more than once a second. Names without an
//! account are counted too. If the registry is unavailable, sign-in fails.
//!
//! A device that the account's owner signed in from is known by a cookie and counted apart. An attacker who locks the
//! account doesn't lock out its owner.

mod attempts;
mod device;
mod limiter;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use self::attempts::Attempts;
pub(crate) use self::attempts::{LOCKED_FOR, PREFIX};
use self::device::{Device, Devices};
use self::limiter::{CountedAttempt, Limit, Limiter};
use crate::network::network;

const ACCOUNT: Limit = Limit { kind: "account", max_attempts: 5, concurrent: 1, resets_on_success: true };
const DEVICE: Limit = Limit { kind: "device", max_attempts: 5, concurrent: 1, resets_on_success: true };
/// All known devices of an account take turns. Each one is counted by itself.
const DEVICES: Limit = Limit { kind: "devices", max_attempts: u32::MAX, concurrent: 1, resets_on_success: true };
/// An address may be shared by a whole office.
const ADDRESS: Limit = Limit { kind: "address", max_attempts: 50, concurrent: 4, resets_on_success: false };

/// How many accounts, devices and addresses are cached. The registry has them all.
const MAX_LIMITERS: usize = 20_000;

/// Why a password may not be tried now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Throttled {
    /// There were too many attempts.
    Locked {
        /// How long to wait.
        wait: Duration,
    },
    /// Attempts can't be counted.
    Unavailable(EngineError),
}

impl From<EngineError> for Throttled {
    fn from(error: EngineError) -> Self {
        Self::Unavailable(error)
    }
}

/// The limiters of password attempts on one gateway.
#[derive(Default)]
pub(crate) struct Throttle {
    limiters: Mutex<HashMap<Box<str>, Arc<Limiter>>>,
    devices: Devices,
}

impl Throttle {
    /// Counts an attempt before its password is checked.
    ///
    /// `device` is the value of the device cookie, if any.
    ///
    /// The result is reported to the [`PasswordAttempt`]. If it is dropped without a result, the attempt stays counted.
    pub(crate) async fn attempt<'a>(
        &'a self,
        engine: &'a dyn Engine,
        name: &'a str,
        address: Option<IpAddr>,
        device: Option<&str>,
    ) -> Result<PasswordAttempt<'a>, Throttled> {
        let mut device = self.devices.recognize(engine, name, device).await?;
        if let Some(known) = &device {
            self.limiter(DEVICE, known.id()).check()?;
            if !known.is_trusted(engine, name).await? {
                device = None;
            }
        }
        // A user's devices take turns, or many devices could try many passwords at once.
        let turn = match &device {
            Some(_) => Some(self.limiter(DEVICES, name).turn().await?),
            None => None,
        };
        let limiters = match (&device, address) {
            (Some(device), _) => vec![self.limiter(DEVICE, device.id())],
            (None, Some(address)) => vec![self.limiter(ACCOUNT, name), self.limiter(ADDRESS, &network(address))],
            (None, None) => vec![self.limiter(ACCOUNT, name)],
        };
        limiters.iter().try_for_each(|limiter| limiter.check())?;
        // The account first: waiting for its turn must not hold a turn of the address.
        let mut counted = Vec::with_capacity(limiters.len());
        for limiter in limiters {
            match limiter.count(engine).await {
                Ok(one) => counted.push(one),
                Err(throttled) => {
                    for one in &counted {
                        one.undo(engine).await?;
                    }
                    return Err(throttled);
                }
            }
        }
        Ok(PasswordAttempt { engine, devices: &self.devices, name, device, counted, _turn: turn })
    }

    fn limiter(&self, limit: Limit, name: &str) -> Arc<Limiter> {
        let key = attempts::key(limit.kind, name);
        let mut limiters = self.limiters.lock();
        if limiters.len() >= MAX_LIMITERS {
            // A flood of invented names: only locked ones are worth caching.
            limiters.retain(|_, limiter| Arc::strong_count(limiter) > 1 || limiter.check().is_err());
        }
        if limiters.len() >= MAX_LIMITERS {
            limiters.retain(|_, limiter| Arc::strong_count(limiter) > 1);
        }
        limiters.entry(key.clone()).or_insert_with(|| Arc::new(Limiter::new(key, limit))).clone()
    }
}

/// A counted attempt.
///
/// It holds the account's turn on this gateway until it is dropped.
#[must_use = "the attempt stays counted unless its result is reported"]
pub(crate) struct PasswordAttempt<'a> {
    engine: &'a dyn Engine,
    devices: &'a Devices,
    name: &'a str,
    device: Option<Device>,
    counted: Vec<CountedAttempt>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl PasswordAttempt<'_> {
    /// Reports a wrong password.
    ///
    /// Returns the attempts left; zero means locked from now on.
    pub(crate) fn failed(self) -> u32 {
        self.counted.iter().map(CountedAttempt::keep).min().unwrap_or_default()
    }

    /// Reports that the password was not checked, and undoes the count.
    pub(crate) async fn cancel(self) -> Result<(), EngineError> {
        for counted in &self.counted {
            counted.undo(self.engine).await?;
        }
        Ok(())
    }

    /// Reports the right password and undoes the count.
    ///
    /// Returns the value of the device cookie.
    pub(crate) async fn succeeded(self) -> Result<String, EngineError> {
        for counted in &self.counted {
            counted.succeed(self.engine).await?;
        }
        self.devices.cookie(self.engine, self.name, self.device).await
    }
}

/// Deletes the count of an account's wrong passwords.
pub(super) async fn unlock(engine: &dyn Engine, name: &str) -> Result<(), EngineError> {
    engine.set(&attempts::key(ACCOUNT.kind, name), None).await
}

/// Returns whether a stored count has expired or can't be decoded.
pub(super) fn is_expired(stored: &[u8], now: Timestamp) -> bool {
    Attempts::read(stored, now).is_none()
}
