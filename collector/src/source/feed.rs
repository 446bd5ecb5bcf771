//! Feeds the intake, and keeps events in the spool or in memory while it fails.
//!
//! ```text
//! push ─▶ queue ─ flush ─▶ intake
//!           └─ the intake fails ─▶ spool ─ flush, before anything newer ─▶ intake
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use ringside_intake::{IncomingEvent, Intake, IntakeError};
use ringside_model::{SourceId, TenantId};
use ringside_pacing::Backoff;
use tokio::time::Instant;

use super::Spools;
use super::spool::{Progress, Spool};

/// The most events in a delivery: a long queue must not become one huge append.
const DELIVERY_EVENTS: usize = 2_000;

/// Short pauses, so that events flow again some seconds after the engine is back.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));

/// A bounded queue before the intake, for sources that can't read an event again.
///
/// While the log is unavailable events wait, oldest first. Above the limit the oldest are dropped and counted,
/// because the newest show the current state.
pub struct Feed {
    intake: Intake,
    tenant: TenantId,
    source: SourceId,
    queue: VecDeque<IncomingEvent>,
    limit: usize,
    /// The events that are older than those of the queue.
    spool: Option<Spool>,
    spool_fails: bool,
    backoff: Backoff,
    next_try: Option<Instant>,
    dropped: u64,
}

impl Feed {
    /// Creates a feed that keeps at most `limit` events in memory.
    pub fn new(intake: Intake, tenant: TenantId, source: SourceId, limit: usize, spools: &Spools) -> Self {
        Self {
            spool: spools.of(&tenant, &source),
            intake,
            tenant,
            source,
            queue: VecDeque::new(),
            limit: limit.max(1),
            spool_fails: false,
            backoff: BACKOFF,
            next_try: None,
            dropped: 0,
        }
    }

    /// Queues events.
    pub fn push(&mut self, events: impl IntoIterator<Item = IncomingEvent>) {
        for event in events {
            if self.queue.len() >= self.limit {
                self.queue.pop_front();
                self.drop_events(1);
            }
            self.queue.push_back(event);
        }
    }

    /// Delivers the waiting events.
    ///
    /// During a pause after a failure it only moves them from memory to the spool.
    pub async fn flush(&mut self) {
        if self.next_try.is_some_and(|at| Instant::now() < at) {
            self.spool_queue();
            return;
        }
        loop {
            let (delivery, spooled) = self.next_delivery();
            if delivery.is_empty() && spooled.is_none() {
                return;
            }
            let sent = delivery.len();
            match self.intake.accept(&self.tenant, &self.source, delivery).await {
                Ok(receipt) => {
                    match (spooled, &mut self.spool) {
                        (Some(progress), Some(spool)) => spool.delivered(progress),
                        _ => drop(self.queue.drain(..sent)),
                    }
                    if !self.backoff.is_fresh() {
                        tracing::info!(source.id = %self.source, waiting = self.waiting(), "delivery recovered");
                    }
                    self.backoff.reset();
                    self.next_try = None;
                    if let Some(first) = receipt.rejected.first() {
                        let rejected = receipt.rejected.len();
                        tracing::warn!(source.id = %self.source, rejected, code = first.code, reason = first.message, "events rejected");
                    }
                }
                Err(error) => {
                    self.back_off(&error);
                    self.spool_queue();
                    return;
                }
            }
        }
    }

    /// Returns the oldest waiting events, with their progress if from the spool.
    fn next_delivery(&mut self) -> (Vec<IncomingEvent>, Option<Progress>) {
        while let Some(spool) = self.spool.as_mut().filter(|spool| spool.waiting() > 0) {
            match spool.oldest(DELIVERY_EVENTS) {
                Ok((events, progress)) if progress != Progress::default() => return (events, Some(progress)),
                Ok(_) => tracing::error!(source.id = %self.source, "spool segment truncated"),
                Err(error) => tracing::error!(source.id = %self.source, %error, "spool segment unreadable"),
            }
            let lost = spool.drop_oldest_segment();
            self.drop_events(lost);
        }
        (self.queue.iter().take(DELIVERY_EVENTS).cloned().collect(), None)
    }

    /// Moves the queue to the spool. If that fails it stays in memory, up to the limit.
    fn spool_queue(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        match spool.append(self.queue.iter()) {
            Ok(dropped) => {
                self.queue.clear();
                self.spool_fails = false;
                self.drop_events(dropped);
            }
            Err(error) => {
                if !std::mem::replace(&mut self.spool_fails, true) {
                    tracing::error!(source.id = %self.source, %error, "spool write failed; keeping the newest events in memory");
                }
            }
        }
    }

    fn drop_events(&mut self, events: u64) {
        if events > 0 {
            if self.dropped == 0 || events > 1 {
                tracing::warn!(source.id = %self.source, events, "too many events waiting; oldest dropped");
            }
            self.dropped += events;
            metrics::counter!("ringside_source_dropped_total").increment(events);
        }
    }

    /// Waits for the end of the pause after a failure, if there is one.
    pub async fn until_retry(&self) {
        if let Some(at) = self.next_try {
            tokio::time::sleep_until(at).await;
        }
    }

    /// Returns the number of waiting events.
    pub fn waiting(&self) -> usize {
        let spooled = self.spool.as_ref().map_or(0, Spool::waiting);
        self.queue.len() + usize::try_from(spooled).unwrap_or(usize::MAX)
    }

    /// Returns the number of events dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn back_off(&mut self, error: &IntakeError) {
        let is_first = self.backoff.is_fresh();
        self.next_try = Some(Instant::now() + self.backoff.next_pause());
        if is_first {
            let waiting = self.waiting();
            tracing::warn!(source.id = %self.source, waiting, error = %error, "delivery failed; retrying");
        }
    }
}
