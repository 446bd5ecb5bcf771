//! What a source has for the door, kept while the door can't take it.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt;
use ringside_shared::model::{SourceId, TenantId};
use tokio::time::Instant;

use crate::door::{Candidate, Door, DoorError};

/// Events of one delivery at most, so that a long queue does not become one huge append.
const DELIVERY_EVENTS: usize = 2_000;

const FIRST_BACKOFF_MS: u64 = 200;
const LONGEST_BACKOFF_MS: u64 = 10_000;

/// A bounded queue in front of the door, for sources that can't ask for an event again.
///
/// While the log can't take events they wait here, oldest first; above the limit the oldest are dropped and counted,
/// because the newest say how things are now.
pub struct Feed {
    door: Door,
    tenant: TenantId,
    source: SourceId,
    queue: VecDeque<Candidate>,
    limit: usize,
    failures: u32,
    next_try: Option<Instant>,
    dropped: u64,
}

impl Feed {
    /// A feed that keeps at most `limit` events.
    pub fn new(door: Door, tenant: TenantId, source: SourceId, limit: usize) -> Self {
        let limit = limit.max(1);
        Self { door, tenant, source, queue: VecDeque::new(), limit, failures: 0, next_try: None, dropped: 0 }
    }

    /// Queues events.
    pub fn push(&mut self, events: impl IntoIterator<Item = Candidate>) {
        for event in events {
            if self.queue.len() >= self.limit {
                self.queue.pop_front();
                self.dropped += 1;
                metrics::counter!("ringside_source_dropped_total").increment(1);
            }
            self.queue.push_back(event);
        }
    }

    /// Sends what is queued. While it backs off from a failure it returns at once and keeps the queue.
    pub async fn flush(&mut self) {
        if self.next_try.is_some_and(|at| Instant::now() < at) {
            return;
        }
        while !self.queue.is_empty() {
            let delivery: Vec<Candidate> = self.queue.iter().take(DELIVERY_EVENTS).cloned().collect();
            let sent = delivery.len();
            match self.door.take(&self.tenant, &self.source, delivery).await {
                Ok(receipt) => {
                    self.queue.drain(..sent);
                    if self.failures > 0 {
                        tracing::info!(source.id = %self.source, "the door takes events again");
                    }
                    (self.failures, self.next_try) = (0, None);
                    if let Some(first) = receipt.rejected.first() {
                        let rejected = receipt.rejected.len();
                        tracing::warn!(source.id = %self.source, rejected, code = first.code, "{}", first.message);
                    }
                }
                Err(error) => {
                    self.back_off(&error);
                    return;
                }
            }
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
        self.queue.len()
    }

    /// Events that were dropped because too many waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn back_off(&mut self, error: &DoorError) {
        let longest = (FIRST_BACKOFF_MS << self.failures.min(10)).min(LONGEST_BACKOFF_MS);
        let pause_ms = rand::rng().random_range(longest / 2..=longest);
        self.next_try = Some(Instant::now() + Duration::from_millis(pause_ms));
        self.failures += 1;
        if self.failures == 1 {
            let waiting = self.queue.len();
            tracing::warn!(source.id = %self.source, waiting, error = %error, "the door did not take events; trying again");
        }
    }
}
