//! A benchmark of the fold: its speed, memory and checkpoint size.
//! The only file in the fold that reads a clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_model::{Event, Timestamp};

use super::day::Day;
use super::{Changes, Fold, FoldSettings};

/// The results of folding a day.
#[derive(Debug, Clone, PartialEq)]
pub struct FoldSpeed {
    /// Events folded, decoded beforehand.
    pub events: u64,
    /// Ticks between them, one a second.
    pub ticks: u64,
    /// Time in the fold, including ticks and changes.
    pub elapsed: Duration,
    /// Calls in the ledgers at the end.
    pub closed_calls: usize,
    /// Bytes of the ledgers in the checkpoint, keys included.
    pub ledger_bytes: usize,
    /// Bytes of the whole checkpoint, keys included.
    pub checkpoint_bytes: usize,
    /// Time to read one campaign's metrics and charts.
    pub read: Duration,
    /// Approximate memory of the largest campaign, without its ledger.
    pub campaign_bytes: usize,
}

impl FoldSpeed {
    /// Returns the events folded per second.
    pub fn events_per_s(&self) -> f64 {
        self.events as f64 / self.elapsed.as_secs_f64()
    }

    /// Returns the stored bytes per closed call.
    pub fn ledger_bytes_per_call(&self) -> f64 {
        self.ledger_bytes as f64 / self.closed_calls.max(1) as f64
    }
}

/// Folds a day on one core, with a tick each second.
pub fn measure(day: Day, settings: FoldSettings) -> FoldSpeed {
    let mut fold = Fold::new(Arc::new(settings));
    let mut changes = Changes::default();
    let mut elapsed = Duration::ZERO;
    let (mut events, mut ticks, mut next_tick) = (0, 0, super::day::START_MS);
    let mut batch: Vec<Event> = Vec::with_capacity(1024);
    let mut stream = day.events();
    loop {
        batch.clear();
        batch.extend(stream.by_ref().take(1024));
        let begin = Instant::now();
        for event in &batch {
            while next_tick <= event.received_at.millis() {
                fold.tick(Timestamp::from_millis(next_tick), &mut changes);
                changes.clear();
                ticks += 1;
                next_tick += 1_000;
            }
            fold.apply(event, &mut changes);
        }
        changes.clear();
        elapsed += begin.elapsed();
        events += batch.len() as u64;
        if batch.is_empty() {
            break;
        }
    }
    // Three quiet minutes, so that the last calls move to the ledger.
    for _ in 0..180 {
        fold.tick(Timestamp::from_millis(next_tick), &mut changes);
        next_tick += 1_000;
    }
    let campaigns: Vec<_> = fold.campaigns().map(|(tenant, id)| (tenant.clone(), id.clone())).collect();
    let sizes = campaigns.iter().filter_map(|(tenant, id)| fold.campaign_bytes(tenant, id));
    let campaign_bytes = sizes.map(|(state, _)| state).max().unwrap_or(0);
    let begin = Instant::now();
    for (tenant, id) in &campaigns {
        let shown = (fold.campaign_metrics(tenant, id), fold.campaign_series(tenant, id));
        std::hint::black_box(shown);
    }
    let read = begin.elapsed() / campaigns.len().max(1) as u32;
    let stored = fold.take_dirty().puts;
    let size = |(key, bytes): &(Box<str>, bytes::Bytes)| key.len() + bytes.len();
    FoldSpeed {
        events,
        ticks,
        elapsed,
        closed_calls: fold.call_counts().0,
        ledger_bytes: stored.iter().filter(|(key, _)| key.contains("/l/")).map(size).sum(),
        checkpoint_bytes: stored.iter().map(size).sum(),
        read,
        campaign_bytes,
    }
}
