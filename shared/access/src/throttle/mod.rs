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

mod device;
mod gate;
#[cfg(test)]
mod tests;
mod tries;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use tokio::sync::OwnedSemaphorePermit;

use self::device::{Device, Devices};
use self::gate::{Counted, Gate, Limit};
use self::tries::Tries;
use crate::network::network;

/// How long a lock lasts, and how long a wrong password counts.
pub(crate) const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);

const ACCOUNT: Limit = Limit { what: "account", tries: 5, at_once: 1, forgives: true };
const DEVICE: Limit = Limit { what: "device", tries: 5, at_once: 1, forgives: true };
/// All devices of an account, which are counted by themselves.
const DEVICES: Limit = Limit { what: "devices", tries: u32::MAX, at_once: 1, forgives: true };
/// An address may belong to a whole office.
const ADDRESS: Limit = Limit { what: "address", tries: 50, at_once: 4, forgives: false };

/// What the keys of counts begin with.
pub(super) const PREFIX: &str = "tries/";
/// So many accounts, devices and addresses are remembered here. Whatever is forgotten is in the registry.
const REMEMBERED: usize = 20_000;

/// Why nobody may try a password now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Throttled {
    /// There were too many tries.
    Locked {
        /// How long to wait.
        wait: Duration,
    },
    /// Tries can't be counted.
    Uncounted(EngineError),
}

impl From<EngineError> for Throttled {
    fn from(error: EngineError) -> Self {
        Self::Uncounted(error)
    }
}

/// What lets attempts through or refuses them, on one gateway.
#[derive(Default)]
pub(crate) struct Throttle {
    gates: Mutex<HashMap<Box<str>, Arc<Gate>>>,
    devices: Devices,
}

impl Throttle {
    /// Counts an attempt to log in before its password is looked at. `device` is the value of the cookie
    /// [`Cookie::Device`](ringside_gateway::sign_in::Cookie::Device), where there is one.
    ///
    /// What came of it is said to the [`Attempt`]; one that is dropped with nothing said stays counted.
    pub(crate) async fn attempt<'a>(
        &'a self,
        engine: &'a dyn Engine,
        name: &'a str,
        address: Option<IpAddr>,
        device: Option<&str>,
    ) -> Result<Attempt<'a>, Throttled> {
        let mut device = self.devices.known(engine, name, device).await?;
        if let Some(known) = &device {
            self.gate(DEVICE, known.id()).check()?;
            if !known.still_counts(engine, name).await? {
                device = None;
            }
        }
        // However many devices somebody has, their passwords are looked at one after the other.
        let turn = match &device {
            Some(_) => Some(self.gate(DEVICES, name).turn().await?),
            None => None,
        };
        let gates = match (&device, address) {
            (Some(device), _) => vec![self.gate(DEVICE, device.id())],
            (None, Some(address)) => vec![self.gate(ACCOUNT, name), self.gate(ADDRESS, &network(address))],
            (None, None) => vec![self.gate(ACCOUNT, name)],
        };
        gates.iter().try_for_each(|gate| gate.check())?;
        // The account first: whoever waits for its turn keeps nobody else at that address waiting.
        let mut counted = Vec::with_capacity(gates.len());
        for gate in gates {
            match gate.count(engine).await {
                Ok(one) => counted.push(one),
                Err(refused) => {
                    for one in &counted {
                        one.take_back(engine).await?;
                    }
                    return Err(refused);
                }
            }
        }
        Ok(Attempt { engine, devices: &self.devices, name, device, counted, _turn: turn })
    }

    fn gate(&self, limit: Limit, whose: &str) -> Arc<Gate> {
        let key = tries::key(limit.what, whose);
        let mut gates = self.gates.lock().expect("nobody panics among the gates");
        if gates.len() >= REMEMBERED {
            // A flood of made-up names: those that are locked are the ones worth remembering.
            gates.retain(|_, gate| Arc::strong_count(gate) > 1 || gate.check().is_err());
        }
        if gates.len() >= REMEMBERED {
            gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        }
        gates.entry(key.clone()).or_insert_with(|| Arc::new(Gate::new(key, limit))).clone()
    }
}

/// An attempt that was counted; nobody else has a turn at this account here until it is over.
#[must_use = "say whether the password was right"]
pub(crate) struct Attempt<'a> {
    engine: &'a dyn Engine,
    devices: &'a Devices,
    name: &'a str,
    device: Option<Device>,
    counted: Vec<Counted>,
    _turn: Option<OwnedSemaphorePermit>,
}

impl Attempt<'_> {
    /// The password was wrong, so the count stays. Returns how many tries are left; none means locked from now on.
    pub(crate) fn failed(self) -> u32 {
        self.counted.iter().map(Counted::stays).min().unwrap_or_default()
    }

    /// The password was not looked at, so nothing was tried.
    pub(crate) async fn cancel(self) -> Result<(), EngineError> {
        for counted in &self.counted {
            counted.take_back(self.engine).await?;
        }
        Ok(())
    }

    /// The password was right: what was counted is taken back. Returns the value of the cookie by which the device is
    /// known from now on.
    pub(crate) async fn succeeded(self) -> Result<String, EngineError> {
        for counted in &self.counted {
            counted.was_right(self.engine).await?;
        }
        self.devices.cookie(self.engine, self.name, self.device).await
    }
}

/// Forgets an account's wrong passwords: it has a new one.
pub(super) async fn unlock(engine: &dyn Engine, name: &str) -> Result<(), EngineError> {
    engine.set(&tries::key(ACCOUNT.what, name), None).await
}

/// True of a count that counts no more, and of what is none.
pub(super) fn is_over(stored: &[u8], now: Timestamp) -> bool {
    Tries::read(stored, now).is_none()
}
