//! Whether news travel: how each listener does, for readiness.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::node::Target;

/// How long a listener may be away before it is said.
const GRACE: Duration = Duration::from_secs(2);

/// How a listener does, for those who ask whether news travel.
#[derive(Debug)]
pub(super) struct Health {
    pub(super) name: String,
    inside: Mutex<Ills>,
}

#[derive(Debug)]
pub(super) struct Ills {
    /// Since when it is not connected, and why.
    pub(super) away: Option<(Instant, String)>,
    /// Why a subscription is refused.
    pub(super) refused: Option<String>,
    /// True while no canary comes back.
    pub(super) is_deaf: bool,
}

impl Health {
    pub(super) fn new(target: &Target) -> Self {
        let name = match target {
            Target::Address(address) => address.to_string(),
            Target::Master { name, .. } => format!("master {name}"),
        };
        let away = Some((Instant::now(), "not connected yet".to_owned()));
        Self { name, inside: Mutex::new(Ills { away, refused: None, is_deaf: false }) }
    }

    /// What is wrong, in a sentence.
    pub(super) fn trouble(&self) -> Option<String> {
        let ills = self.inside.lock().expect("nobody panics while asking");
        let name = &self.name;
        match &*ills {
            Ills { away: Some((since, reason)), .. } if since.elapsed() > GRACE => {
                Some(format!("no news from {name} for {} s: {reason}", since.elapsed().as_secs()))
            }
            Ills { refused: Some(reason), .. } => Some(format!("no news from {name}: {reason}")),
            Ills { is_deaf: true, .. } => Some(format!("what is published at {name} does not come back from it")),
            _ => None,
        }
    }

    /// Notes how it does.
    pub(super) fn note(&self, change: impl FnOnce(&mut Ills)) {
        change(&mut self.inside.lock().expect("nobody panics while asking"));
    }
}
