//! Other names for ids that hold telephone numbers, so that no number gets into the log by way of them.
//!
//! An id can't be masked as a text is: all events of a call have to meet under one id, and an event that comes again
//! must be known by its own. So it is kept as letters that a secret of the installation makes of it, the same each time
//! and on every collector. Without the secret nobody can try numbers until the letters fit.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use hmac::{Hmac, Mac};
use rand::RngExt;
use ringside_engine::{Engine, EngineError};
use ringside_model::{
    AgentId, CallId, Clock, EventId, EventKind, TenantId, Timestamp, holds_phone_number, mask_phone_numbers,
};
use sha2::Sha256;

use crate::incoming::IncomingEvent;

/// Where the engine's registry keeps the secret.
const SECRET: &str = "secret/alias";
const SECRET_BYTES: usize = 32;
/// So many bytes of the digest are told, two letters each: enough that no two ids ever meet.
const TOLD_BYTES: usize = 12;
/// How long the secret is believed without asking again. An engine that has lost it gets it back then.
const BELIEVED_MS: i64 = 5_000;

/// The aliases of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Aliases {
    engine: Arc<dyn Engine>,
    clock: Clock,
    /// Held for a look, never across an await.
    known: Arc<Mutex<Option<(Timestamp, Secret)>>>,
}

impl Aliases {
    /// Those that the secret in an engine's registry makes.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        Self { engine, clock, known: Arc::default() }
    }

    /// The secret: the registry's, or the one that is put there now.
    pub async fn secret(&self) -> Result<Secret, EngineError> {
        let now = (self.clock)();
        let known = self.known().clone();
        if let Some((asked, secret)) = &known
            && (0..BELIEVED_MS).contains(&now.since(*asked))
        {
            return Ok(secret.clone());
        }
        let mine = known.map_or_else(
            || Secret(Bytes::from_owner(rand::rng().random::<[u8; SECRET_BYTES]>())),
            |(_, secret)| secret,
        );
        let secret = Secret(self.engine.get_or_create(SECRET, mine.0).await?);
        *self.known() = Some((now, secret.clone()));
        Ok(secret)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Option<(Timestamp, Secret)>> {
        self.known.lock().expect("nothing panics while it holds the secret")
    }
}

/// What aliases are made with. It never leaves the engine and the collectors.
#[derive(Clone)]
pub struct Secret(Bytes);

impl Secret {
    /// The event with other names for what in it holds a number: the event's id, the call's, the agent's, and values of
    /// labels. Those of campaigns, metrics, sources and tenants are names that people choose, and rights go by them.
    pub fn without_numbers(&self, tenant: &TenantId, event: IncomingEvent) -> IncomingEvent {
        let IncomingEvent { mut id, at, mut kind } = event;
        if holds_number(id.as_str()) {
            id = EventId::parse(&self.alias(tenant, id.as_str())).expect("letters and a dash are an id");
        }
        match &mut kind {
            EventKind::Call(call) => {
                if holds_phone_number(call.call.as_str()) {
                    call.call = CallId::parse(&self.alias(tenant, call.call.as_str())).expect("letters are an id");
                }
                if let Some(agent) = call.agent.as_mut().filter(|agent| holds_phone_number(agent.as_str())) {
                    *agent = AgentId::parse(&self.alias(tenant, agent.as_str())).expect("letters are an id");
                }
            }
            EventKind::Metric(sample) => {
                for value in sample.labels.values_mut().filter(|value| holds_number(value)) {
                    *value = self.alias(tenant, value).into();
                }
            }
            EventKind::Notification(notification) => notification.id = id.as_str().into(),
            EventKind::Campaign(..) | EventKind::Derived(_) => {}
        }
        IncomingEvent { id, at, kind }
    }

    /// `alias-` and 24 letters from a to p. Tenants have different ones, so that none can be told by another's.
    fn alias(&self, tenant: &TenantId, id: &str) -> String {
        let mut digest = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        // A tenant's id can't hold a NUL, so no two pairs look the same.
        for part in [tenant.as_str().as_bytes(), &[0], id.as_bytes()] {
            digest.update(part);
        }
        let digest = digest.finalize().into_bytes();
        let letters = digest[..TOLD_BYTES].iter().flat_map(|byte| [byte >> 4, byte & 15]);
        "alias-".chars().chain(letters.map(|nibble| char::from(b'a' + nibble))).collect()
    }
}

/// Whether a free text has a number in it.
fn holds_number(text: &str) -> bool {
    mask_phone_numbers(text) != text
}
