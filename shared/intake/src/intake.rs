//! The intake: stamps, rejects and dedupes events, and appends them to the log.

use std::sync::Arc;

use parking_lot::Mutex;
use ringside_engine::{Engine, Partition};
use ringside_model::{Clock, Event, EventKind, SourceId, TenantId, Timestamp};
use ringside_wire::Record;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::alias::Aliases;
use crate::error::IntakeError;
use crate::incoming::IncomingEvent;
use crate::receipt::{Receipt, Rejection};
use crate::recent::{Fingerprint, Recent};

/// The settings of an intake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeSettings {
    /// Older events are rejected: the fold no longer knows whether it has counted them.
    pub dedupe_horizon_ms: i64,
    /// The most bytes in flight into the log, request bodies included.
    pub in_flight_bytes: u32,
    /// The most deliveries in flight into the log.
    pub in_flight_deliveries: u32,
    /// The event ids in one generation of recent ids; there are two generations.
    pub remembered_ids: usize,
}

impl Default for IntakeSettings {
    fn default() -> Self {
        Self {
            dedupe_horizon_ms: 24 * 3_600_000,
            in_flight_bytes: 96 << 20,
            in_flight_deliveries: 512,
            // 2 x 131,072 ids of 16 bytes are some 8 MB, and a minute or two at 2,000 events/s: enough for retries.
            remembered_ids: 131_072,
        }
    }
}

/// Writes events to the log.
///
/// Cheap to clone; all clones share the recent ids and the limits.
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

/// A reservation of in-flight bytes, released on drop.
#[derive(Debug)]
pub struct Reservation {
    bytes: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Reservation {
    /// Reserves more bytes, or returns [`IntakeError::Busy`].
    pub fn grow(&mut self, bytes: usize) -> Result<(), IntakeError> {
        let bytes = u32::try_from(bytes).map_err(|_| IntakeError::busy())?;
        let more = Arc::clone(&self.bytes).try_acquire_many_owned(bytes).map_err(|_| IntakeError::busy())?;
        match &mut self.held {
            Some(held) => held.merge(more),
            None => self.held = Some(more),
        }
        Ok(())
    }

    /// Releases all bytes. The reservation can grow again.
    pub fn clear(&mut self) {
        self.held = None;
    }
}

/// The bytes that an event costs in addition to its record, roughly.
const EVENT_OVERHEAD_BYTES: usize = 256;

impl Intake {
    /// Creates an intake that writes to an engine's log.
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

    /// Returns an empty reservation, for a body that is about to be read.
    pub fn reservation(&self) -> Reservation {
        Reservation { bytes: Arc::clone(&self.inner.bytes), held: None }
    }

    /// Returns the time of the intake's clock.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Accepts a delivery: appends its new events, and returns once they are durable.
    ///
    /// On an error no event is acknowledged. Some may be in the log; a retry is safe, because the fold merges facts.
    pub async fn accept(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        events: Vec<IncomingEvent>,
    ) -> Result<Receipt, IntakeError> {
        let _delivery = Arc::clone(&self.inner.deliveries).try_acquire_owned().map_err(|_| {
            count_events("busy", 1);
            IntakeError::busy()
        })?;
        let received_at = self.now();
        let partitions = self.inner.engine.partitions();
        let mut receipt = Receipt::default();
        let mut fingerprints = Vec::with_capacity(events.len());
        let mut records = Vec::with_capacity(events.len());
        let mut reservation = self.reservation();
        let mut in_delivery = hashbrown::HashSet::with_capacity(events.len());
        for (index, event) in events.into_iter().enumerate() {
            if let Some(rejection) = self.rejection(index, &event, received_at) {
                receipt.rejected.push(rejection);
                continue;
            }
            let fingerprint = Fingerprint::of(tenant, source, &event.id);
            let known = !in_delivery.insert(fingerprint) || self.inner.recent.lock().contains(fingerprint);
            if known {
                receipt.duplicates += 1;
                continue;
            }
            let IncomingEvent { id, at, kind } = event;
            let event = Event { tenant: tenant.clone(), source: source.clone(), id, at, received_at, kind };
            let partition = Partition::of(tenant, event.campaign(), partitions);
            let record = Record::Event(event).encode();
            reservation.grow(record.len() + EVENT_OVERHEAD_BYTES).inspect_err(|_| count_events("busy", 1))?;
            records.push((partition, record));
            fingerprints.push(fingerprint);
        }
        if !records.is_empty() {
            receipt.accepted = records.len();
            if let Err(error) = self.inner.engine.append(records).await {
                count_events("unavailable", receipt.accepted);
                tracing::warn!(error = %error, events = receipt.accepted, "append failed");
                return Err(error.into());
            }
            // Only now: if an id were recorded before its event is durable, a retry could lose the event.
            let mut recent = self.inner.recent.lock();
            for fingerprint in fingerprints {
                recent.insert(fingerprint);
            }
        }
        count_events("accepted", receipt.accepted);
        count_events("duplicate", receipt.duplicates);
        for rejection in &receipt.rejected {
            count_events(rejection.code, 1);
        }
        Ok(receipt)
    }

    /// Returns the engine whose log this writes to.
    pub fn engine(&self) -> &Arc<dyn Engine> {
        &self.inner.engine
    }

    /// Returns the aliases of ids that hold a telephone number.
    pub fn aliases(&self) -> &Aliases {
        &self.inner.aliases
    }

    fn rejection(&self, index: usize, event: &IncomingEvent, received_at: Timestamp) -> Option<Rejection> {
        let horizon_ms = self.inner.settings.dedupe_horizon_ms;
        if received_at.since(event.at) > horizon_ms {
            let message = format!(
                "\"at\" is {}, more than {} h ago; send events within that time, because older ones could be counted \
                 twice",
                event.at,
                horizon_ms / 3_600_000
            );
            return Some(Rejection { index, code: "too_old", message });
        }
        if matches!(event.kind, EventKind::Derived(_)) {
            let message = "derived events are internal to Ringside; a source can't send them".to_owned();
            return Some(Rejection { index, code: "unknown_type", message });
        }
        None
    }
}

/// Counts events by result.
///
/// No label has a tenant or a campaign: their number is not bounded.
pub fn count_events(result: &'static str, events: usize) {
    if events > 0 {
        metrics::counter!("ringside_events_in_total", "result" => result).increment(events as u64);
    }
}
