//! How often somebody may get a password wrong: per account, per address, and per device that its owner logged in from.
//!
//! ```text
//! attempt ─▶ turn: one at a time for an account, a few for an address ─▶ counted in the registry ─▶ password
//!                                                                           ▲ taken back where it is right
//! ```
//! All gateways count together, in the registry, before the password is looked at: of many who try at once no more get
//! through than may. What is known to be locked is refused without asking the registry more than once a second. A name
//! that nobody has is counted like any other. Where the registry can't be asked, nobody logs in.
//!
//! A device that an account's owner logged in from has a cookie that says so, and a count of its own: whoever locks the
//! account by trying passwords does not lock out its owner.

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
/// All devices of an account, which are counted by themselves.
const DEVICES: Limit = Limit { kind: "devices", max_attempts: u32::MAX, concurrent: 1, resets_on_success: true };
/// An address may belong to a whole office.
const ADDRESS: Limit = Limit { kind: "address", max_attempts: 50, concurrent: 4, resets_on_success: false };

/// So many accounts, devices and addresses are remembered here. Whatever is forgotten is in the registry.
const MAX_LIMITERS: usize = 20_000;

/// Why nobody may try a password now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Throttled {
    /// There were too many tries.
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

/// What lets attempts through or refuses them, on one gateway.
#[derive(Default)]
pub(crate) struct Throttle {
    limiters: Mutex<HashMap<Box<str>, Arc<Limiter>>>,
    devices: Devices,
}

impl Throttle {
    /// Counts an attempt to log in before its password is looked at. `device` is the value of the cookie
    /// [`Cookie::Device`](ringside_gateway::sign_in::Cookie::Device), where there is one.
    ///
    /// What came of it is said to the [`PasswordAttempt`]; one that is dropped with nothing said stays counted.
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
        // However many devices somebody has, their passwords are looked at one after the other.
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
        // The account first: whoever waits for its turn keeps nobody else at that address waiting.
        let mut counted = Vec::with_capacity(limiters.len());
        for limiter in limiters {
            match limiter.count(engine).await {
                Ok(one) => counted.push(one),
                Err(refused) => {
                    for one in &counted {
                        one.undo(engine).await?;
                    }
                    return Err(refused);
                }
            }
        }
        Ok(PasswordAttempt { engine, devices: &self.devices, name, device, counted, _turn: turn })
    }

    fn limiter(&self, limit: Limit, whose: &str) -> Arc<Limiter> {
        let key = attempts::key(limit.kind, whose);
        let mut limiters = self.limiters.lock();
        if limiters.len() >= MAX_LIMITERS {
            // A flood of made-up names: those that are locked are the ones worth remembering.
            limiters.retain(|_, limiter| Arc::strong_count(limiter) > 1 || limiter.check().is_err());
        }
        if limiters.len() >= MAX_LIMITERS {
            limiters.retain(|_, limiter| Arc::strong_count(limiter) > 1);
        }
        limiters.entry(key.clone()).or_insert_with(|| Arc::new(Limiter::new(key, limit))).clone()
    }
}

/// An attempt that was counted; nobody else has a turn at this account here until it is over.
#[must_use = "say whether the password was right"]
pub(crate) struct PasswordAttempt<'a> {
    engine: &'a dyn Engine,
    devices: &'a Devices,
    name: &'a str,
    device: Option<Device>,
    counted: Vec<CountedAttempt>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl PasswordAttempt<'_> {
    /// The password was wrong, so the count stays. Returns how many tries are left; none means locked from now on.
    pub(crate) fn failed(self) -> u32 {
        self.counted.iter().map(CountedAttempt::keep).min().unwrap_or_default()
    }

    /// The password was not looked at, so nothing was tried.
    pub(crate) async fn cancel(self) -> Result<(), EngineError> {
        for counted in &self.counted {
            counted.undo(self.engine).await?;
        }
        Ok(())
    }

    /// The password was right: what was counted is taken back. Returns the value of the cookie by which the device is
    /// known from now on.
    pub(crate) async fn succeeded(self) -> Result<String, EngineError> {
        for counted in &self.counted {
            counted.succeed(self.engine).await?;
        }
        self.devices.cookie(self.engine, self.name, self.device).await
    }
}

/// Forgets an account's wrong passwords: it has a new one.
pub(super) async fn unlock(engine: &dyn Engine, name: &str) -> Result<(), EngineError> {
    engine.set(&attempts::key(ACCOUNT.kind, name), None).await
}

/// True of a count that counts no more, and of what is none.
pub(super) fn is_expired(stored: &[u8], now: Timestamp) -> bool {
    Attempts::read(stored, now).is_none()
}
