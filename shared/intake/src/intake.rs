//! Where events come in: whatever a source speaks, it ends here as [`IncomingEvent`]s.
//!
//! ```text
//! source ─ events ─▶ Intake::accept ─ stamp · refuse · encode ─▶ Engine::append ─▶ receipt
//! ```
//!
//! The intake stamps `received_at`, refuses what is too old to be counted safely, and answers only once everything it
//! accepted is durable. It remembers the ids it took lately, so that a repeated delivery is told from a new one and
//! is not appended again; that is a courtesy to the log, and no total depends on it, because the fold merges facts.

use std::sync::{Arc, Mutex};

use ringside_engine::{Engine, Partition};
use ringside_model::{Clock, Event, EventKind, SourceId, TenantId, Timestamp};
use ringside_wire::Record;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::alias::Aliases;
use crate::error::IntakeError;
use crate::incoming::IncomingEvent;
use crate::receipt::{Receipt, Rejection};
use crate::recent::{Fingerprint, Recent};

/// How the intake behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeSettings {
    /// Events that happened longer ago are refused: the fold no longer knows whether it has counted them.
    pub dedupe_horizon_ms: i64,
    /// Bytes that may be on their way into the log at once, bodies included.
    pub in_flight_bytes: u32,
    /// Deliveries that may be on their way into the log at once.
    pub in_flight_deliveries: u32,
    /// How many ids one generation of the memory of recent ids holds; there are two.
    pub remembered_ids: usize,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            dedupe_horizon_ms: 24 * 3_600_000,
            in_flight_bytes: 96 << 20,
            in_flight_deliveries: 512,
            // 2 x 131,072 ids of 16 bytes are some 8 MB and a minute or two at 2,000 events/s: what retries need.
            remembered_ids: 131_072,
        }
    }
}

/// The way into the log. Cheap to clone; all clones share one memory and one limit.
#[derive(Clone)]
pub struct Intake {
    inner: Arc<Inner>,
}

struct Inner {
    engine: Arc<dyn Engine>,
    settings: IntakeSettings,
    clock: Clock,
    bytes: Arc<Semaphore>,
    deliveries: Arc<Semaphore>,
    /// Held for a lookup or an insertion, never across an await.
    recent: Mutex<Recent>,
    aliases: Aliases,
}

/// A share of what may be in flight; given back when dropped.
#[derive(Debug)]
pub struct Reservation {
    bytes: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    /// Takes so many bytes more, or says that the intake is busy.
    pub fn grow(&mut self, bytes: usize) -> Result<(), IntakeError> {
        let bytes = u32::try_from(bytes).map_err(|_| IntakeError::busy())?;
        let more = Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| IntakeError::busy())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }

    /// Gives everything back and stays usable.
    pub fn clear(&mut self) {
        self.held = None;
    }
}

/// Bytes of bookkeeping that an event costs beside its record, roughly.
const EVENT_OVERHEAD_BYTES: usize = 256;

impl Intake {
    /// A intake in front of an engine.
    pub fn new(engine: Arc<dyn Engine>, settings: IntakeSettings, clock: Clock) -> Self {
        let inner = Inner {
            bytes: Arc::new(Semaphore::new(settings.in_flight_bytes as usize)),
            deliveries: Arc::new(Semaphore::new(settings.in_flight_deliveries as usize)),
            recent: Mutex::new(Recent::new(settings.remembered_ids)),
            aliases: Aliases::new(Arc::clone(&engine), Arc::clone(&clock)),
            engine,
            settings,
            clock,
        };
        Self { inner: Arc::new(inner) }
    }

    /// An empty share of what may be in flight, for a body that is about to be read.
    pub fn reservation(&self) -> Reservation {
        Reservation { bytes: Arc::clone(&self.inner.bytes), held: None }
    }

    /// The time, as the intake knows it.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Takes a delivery: appends what is new, all in one append, and answers once it is durable.
    ///
    /// On an error nothing is acknowledged; part of it may be in the log, which a second try does no harm to.
    pub async fn accept(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        events: Vec<IncomingEvent>,
    ) -> Result<Receipt, IntakeError> {
        let _delivery = Arc::clone(&self.inner.deliveries).try_acquire_owned().map_err(|_| {
            count("busy", 1);
            IntakeError::busy()
        })?;
        let received_at = self.now();
        let partitions = self.inner.engine.partitions();
        let mut receipt = Receipt::default();
        let mut fingerprints = Vec::with_capacity(events.len());
        let mut records = Vec::with_capacity(events.len());
        let mut reservation = self.reservation();
        let mut here = hashbrown::HashSet::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            if let Some(rejection) = self.refusal(index, &event, received_at) {
                receipt.rejected.push(rejection);
                continue;
            }
            let fingerprint = Fingerprint::of(tenant, source, &event.id);
            let known = !here.insert(fingerprint) || self.recent().contains(fingerprint);
            if known {
                receipt.duplicates += 1;
                continue;
            }
            let IncomingEvent { id, at, kind } = event;
            let event = Event { tenant: tenant.clone(), source: source.clone(), id, at, received_at, kind };
            let partition = Partition::of(tenant, event.campaign(), partitions);
            let record = Record::Event(event).encode();
            reservation.grow(record.len() + EVENT_OVERHEAD_BYTES).inspect_err(|_| count("busy", 1))?;
            records.push((partition, record));
            fingerprints.push(fingerprint);
        }
        if !records.is_empty() {
            receipt.accepted = records.len();
            if let Err(error) = self.inner.engine.append(records).await {
                count("unavailable", receipt.accepted);
                tracing::warn!(error = %error, events = receipt.accepted, "the log did not take a delivery");
                return Err(error.into());
            }
            // Only now: an id that was remembered before its event was durable would turn the retry into a loss.
            let mut recent = self.recent();
            for fingerprint in fingerprints {
                recent.insert(fingerprint);
            }
        }
        count("accepted", receipt.accepted);
        count("duplicate", receipt.duplicates);
        for rejection in &receipt.rejected {
            count(rejection.code, 1);
        }
        Ok(receipt)
    }

    /// The engine whose log this writes to.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.inner.engine
    }

    /// What ids with telephone numbers in them are called in this log.
    pub fn aliases(&self) -> &Aliases {
        &self.inner.aliases
    }

    fn recent(&self) -> std::sync::MutexGuard<'_, Recent> {
        self.inner.recent.lock().expect("nothing panics while it holds the memory of recent ids")
    }

    fn refusal(&self, index: usize, event: &IncomingEvent, received_at: Timestamp) -> Option<Rejection> {
        let horizon_ms = self.inner.settings.dedupe_horizon_ms;
        if received_at.since(event.at) > horizon_ms {
            let message = format!(
                "\"at\" is {}, which is more than {} h ago; events are taken up to that age, because older ones could \
                 be counted twice",
                event.at,
                horizon_ms / 3_600_000
            );
            return Some(Rejection { index, code: "too_old", message });
        }
        if matches!(event.kind, EventKind::Derived(_)) {
            let message = "derived events are Ringside's own and are not taken from sources".to_owned();
            return Some(Rejection { index, code: "unknown_type", message });
        }
        None
    }
}

/// Counts events by what became of them. No tenant and no campaign: their number is not bounded.
pub fn count(result: &'static str, events: usize) {
    if events > 0 {
        metrics::counter!("ringside_events_in_total", "result" => result).increment(events as u64);
    }
}
