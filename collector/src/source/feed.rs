//! What a source has for the intake, kept while the intake can't take it: on disk where there is a spool, else in memory.
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
use super::spool::{Mark, Spool};

/// Events of one delivery at most, so that a long queue does not become one huge append.
const DELIVERY_EVENTS: usize = 2_000;

/// Short pauses: everything must be well some seconds after the engine is back.
const BACKOFF: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1));

/// A bounded queue in front of the intake, for sources that can't ask for an event again.
///
/// While the log can't take events they wait, oldest first; above the bound the oldest are dropped and counted, because
/// the newest say how things are now.
pub struct Feed {
    intake: Intake,
    tenant: TenantId,
    source: SourceId,
    queue: VecDeque<IncomingEvent>,
    limit: usize,
    /// Events that are older than all of the queue.
    spool: Option<Spool>,
    spool_fails: bool,
    backoff: Backoff,
    next_try: Option<Instant>,
    dropped: u64,
}

impl Feed {
    /// A feed that keeps at most `limit` events in memory, and the others in its spool, if there is one.
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

    /// Sends what waits. While it backs off from a failure it only sees to it that nothing waits in memory alone.
    pub async fn flush(&mut self) {
        if self.next_try.is_some_and(|at| Instant::now() < at) {
            self.spool_queue();
            return;
        }
        loop {
            let (delivery, mark) = self.next_delivery();
            if delivery.is_empty() && mark.is_none() {
                return;
            }
            let sent = delivery.len();
            match self.intake.accept(&self.tenant, &self.source, delivery).await {
                Ok(receipt) => {
                    match (mark, &mut self.spool) {
                        (Some(mark), Some(spool)) => spool.delivered(mark),
                        _ => drop(self.queue.drain(..sent)),
                    }
                    if !self.backoff.is_fresh() {
                        tracing::info!(source.id = %self.source, waiting = self.waiting(), "the intake takes events again");
                    }
                    self.backoff.reset();
                    self.next_try = None;
                    if let Some(first) = receipt.rejected.first() {
                        let rejected = receipt.rejected.len();
                        tracing::warn!(source.id = %self.source, rejected, code = first.code, "{}", first.message);
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

    /// The oldest events that wait; with a mark where they are the spool's.
    fn next_delivery(&mut self) -> (Vec<IncomingEvent>, Option<Mark>) {
        while let Some(spool) = self.spool.as_mut().filter(|spool| spool.waiting() > 0) {
            match spool.oldest(DELIVERY_EVENTS) {
                Ok((events, mark)) if mark != Mark::default() => return (events, Some(mark)),
                Ok(_) => tracing::error!(source.id = %self.source, "a spooled segment is shorter than it was"),
                Err(reason) => tracing::error!(source.id = %self.source, %reason, "a spooled segment can't be read"),
            }
            let lost = spool.give_up_oldest();
            self.drop_events(lost);
        }
        (self.queue.iter().take(DELIVERY_EVENTS).cloned().collect(), None)
    }

    /// Puts what waits in memory on disk. Where that fails it stays in memory, up to the limit.
    fn spool_queue(&mut self) {
        let Some(spool) = &mut self.spool else { return };
        match spool.append(self.queue.iter()) {
            Ok(dropped) => {
                self.queue.clear();
                self.spool_fails = false;
                self.drop_events(dropped);
            }
            Err(reason) => {
                if !std::mem::replace(&mut self.spool_fails, true) {
                    tracing::error!(source.id = %self.source, %reason, "events can't be spooled; the newest are kept in memory");
                }
            }
        }
    }

    fn drop_events(&mut self, events: u64) {
        if events > 0 {
            if self.dropped == 0 || events > 1 {
                tracing::warn!(source.id = %self.source, events, "too many events wait; the oldest are dropped");
            }
            self.dropped += events;
            metrics::counter!("ringside_source_dropped_total").increment(events);
        }
    }

    /// Returns once a flush would try again: at once where nothing failed.
    pub async fn rested(&self) {
        if let Some(at) = self.next_try {
            tokio::time::sleep_until(at).await;
        }
    }

    /// Events that wait.
    pub fn waiting(&self) -> usize {
        let spooled = self.spool.as_ref().map_or(0, Spool::waiting);
        self.queue.len() + usize::try_from(spooled).unwrap_or(usize::MAX)
    }

    /// Events that were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn back_off(&mut self, error: &IntakeError) {
        let is_first = self.backoff.is_fresh();
        self.next_try = Some(Instant::now() + self.backoff.next_pause());
        if is_first {
            let waiting = self.waiting();
            tracing::warn!(source.id = %self.source, waiting, error = %error, "the intake did not take events; trying again");
        }
    }
}
