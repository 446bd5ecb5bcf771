//! Aliases for ids that hold telephone numbers, which must not get into the log.
//!
//! An id can't be masked like a text: all events of a call need the same id, and a repeated event must be recognised
//! by its own. So an alias is a keyed hash of the id, the same each time and on every collector. Without the secret a
//! reader of the log can't find the number by trying all of them.

use std::sync::Arc;

use bytes::Bytes;
use hmac::{Hmac, Mac};
use parking_lot::Mutex;
use rand::RngExt;
use ringside_engine::{Engine, EngineError};
use ringside_model::{
    AgentId, CallId, Clock, EventId, EventKind, TenantId, Timestamp, holds_phone_number, mask_phone_numbers,
};
use sha2::Sha256;

use crate::incoming::IncomingEvent;

/// The secret's name in the engine's registry.
const SECRET: &str = "secret/alias";
const SECRET_BYTES: usize = 32;
/// The bytes of the digest in an alias: enough that no two ids collide.
const ALIAS_BYTES: usize = 12;
/// How long the secret is cached.
///
/// An engine that has lost it gets it back at the next read.
const CACHE_MS: i64 = 5_000;

/// The aliases of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Aliases {
    engine: Arc<dyn Engine>,
    clock: Clock,
    /// Held to read or replace the secret, never across an await.
    cached: Arc<Mutex<Option<(Timestamp, Secret)>>>,
}

impl Aliases {
    /// Creates aliases with the secret in an engine's registry.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        Self { engine, clock, cached: Arc::default() }
    }

    /// Returns the registry's secret, and creates it there if it is missing.
    pub async fn secret(&self) -> Result<Secret, EngineError> {
        let now = (self.clock)();
        let cached = self.cached.lock().clone();
        if let Some((read_at, secret)) = &cached
            && (0..CACHE_MS).contains(&now.since(*read_at))
        {
            return Ok(secret.clone());
        }
        let own = cached.map_or_else(
            || Secret(Bytes::from_owner(rand::rng().random::<[u8; SECRET_BYTES]>())),
            |(_, secret)| secret,
        );
        let secret = Secret(self.engine.get_or_create(SECRET, own.0).await?);
        *self.cached.lock() = Some((now, secret.clone()));
        Ok(secret)
    }
}

/// The key of the aliases. It never leaves the engine and the collectors.
#[derive(Clone)]
pub struct Secret(Bytes);

impl Secret {
    /// Replaces the ids and label values that hold a telephone number.
    ///
    /// These are the ids of the event, the call and the agent. People choose the ids of campaigns, metrics, sources and
    /// tenants, and permissions depend on them, so those stay.
    pub fn replace_phone_numbers(&self, tenant: &TenantId, event: IncomingEvent) -> IncomingEvent {
        let IncomingEvent { mut id, at, mut kind } = event;
        if text_holds_phone_number(id.as_str()) {
            id = EventId::parse(&self.alias(tenant, id.as_str())).expect("an alias is a valid id");
        }
        match &mut kind {
            EventKind::Call(call) => {
                if holds_phone_number(call.call.as_str()) {
                    call.call = CallId::parse(&self.alias(tenant, call.call.as_str())).expect("an alias is a valid id");
                }
                if let Some(agent) = call.agent.as_mut().filter(|agent| holds_phone_number(agent.as_str())) {
                    *agent = AgentId::parse(&self.alias(tenant, agent.as_str())).expect("an alias is a valid id");
                }
            }
            EventKind::Metric(sample) => {
                for value in sample.labels.values_mut().filter(|value| text_holds_phone_number(value)) {
                    *value = self.alias(tenant, value).into();
                }
            }
            EventKind::Notification(notification) => notification.id = id.as_str().into(),
            EventKind::Campaign(..) | EventKind::Derived(_) => {}
        }
        IncomingEvent { id, at, kind }
    }

    /// Returns `alias-` and 24 letters from a to p.
    ///
    /// They differ between tenants, so that no tenant learns of another's ids.
    fn alias(&self, tenant: &TenantId, id: &str) -> String {
        let mut digest = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC accepts keys of any length");
        // A tenant's id can't hold a NUL, so no two pairs have the same bytes.
        for part in [tenant.as_str().as_bytes(), &[0], id.as_bytes()] {
            digest.update(part);
        }
        let digest = digest.finalize().into_bytes();
        let letters = digest[..ALIAS_BYTES].iter().flat_map(|byte| [byte >> 4, byte & 15]);
        "alias-".chars().chain(letters.map(|nibble| char::from(b'a' + nibble))).collect()
    }
}

/// Whether a free text holds a telephone number.
fn text_holds_phone_number(text: &str) -> bool {
    mask_phone_numbers(text) != text
}
