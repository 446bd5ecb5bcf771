//! The health of listeners, which readiness reports.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::redis::node::Target;

/// How long a listener may be disconnected before readiness reports it.
const GRACE: Duration = Duration::from_secs(2);

/// The health of one listener.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) name: String,
    state: Mutex<HealthState>,
}

#[derive(Debug)]
pub(super) struct HealthState {
    /// When it lost its connection, and why.
    pub(super) disconnected: Option<(Instant, String)>,
    /// Why a subscription is refused.
    pub(super) refused: Option<String>,
    /// True while its canaries do not come back.
    pub(super) is_deaf: bool,
}

impl Health {
    pub(super) fn new(target: &Target) -> Self {
        let name = match target {
            Target::Address(address) => address.to_string(),
            Target::Master { name, .. } => format!("master {name}"),
        };
        let disconnected = Some((Instant::now(), "not connected yet".to_owned()));
        Self { name, state: Mutex::new(HealthState { disconnected, refused: None, is_deaf: false }) }
    }

    /// Describes the problem, if there is one.
    pub(super) fn problem(&self) -> Option<String> {
        let state = self.state.lock();
        let name = &self.name;
        match &*state {
            HealthState { disconnected: Some((since, reason)), .. } if since.elapsed() > GRACE => {
                Some(format!("no pub/sub messages from {name} for {} s: {reason}", since.elapsed().as_secs()))
            }
            HealthState { refused: Some(reason), .. } => Some(format!("no pub/sub messages from {name}: {reason}")),
            HealthState { is_deaf: true, .. } => Some(format!("a canary published at {name} does not come back")),
            _ => None,
        }
    }

    /// Changes the state.
    pub(super) fn update(&self, change: impl FnOnce(&mut HealthState)) {
        change(&mut self.state.lock());
    }
}
