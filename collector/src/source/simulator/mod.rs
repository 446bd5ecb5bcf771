//! A call floor that does not exist: a source for whoever has none yet, and for tests and load.
//!
//! ```text
//! seed ─▶ Simulation (campaigns, calls, agents, incidents, metrics, bookings) ─ noise ─▶ Feed ─▶ intake
//! ```
//!
//! The [`Simulation`] is pure and runs on whatever clock it is moved by; [`run`] moves it by the real one. It begins in
//! the past, so that the first screen is full, and its calls then simply go on. It knows of no rule of the fold: rates
//! climb because people wait, not because a number says so, and it never sends an alert.

mod agent;
mod booking;
mod call;
mod campaign;
mod dice;
mod incident;
mod metric;
mod noise;
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

use bytes::Bytes;
use ringside_model::{SourceId, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;

pub use simulation::{BACKFILL_MS, Simulation};

use ringside_intake::Intake;

use super::{Feed, SourceError, Spools};

/// How often the simulation is moved on.
const BEAT_MS: u64 = 50;
/// History goes to the intake in pieces of so much simulated time: a thousand events or two.
const HISTORY_STEP_MS: i64 = 20_000;
/// How often it is noted how far the simulation has come.
const NOTE_MS: i64 = 10_000;
/// After a longer pause (the machine slept) a new floor opens instead of simulating all of it.
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// Events that are kept while the intake can't take them.
const QUEUE_EVENTS: usize = 20_000;

/// Which floor to simulate, and as whom.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatorConfig {
    /// Whose events they are.
    pub tenant: TenantId,
    /// As which source.
    pub source: SourceId,
    /// The same seed at the same moment makes the same floor.
    pub seed: u64,
    /// How much is dialed; 1 is some nine calls a second over all campaigns.
    pub rate: f64,
    /// How much history to make before it is live.
    pub backfill_ms: i64,
}

impl SimulatorConfig {
    /// The usual floor.
    pub fn new(tenant: TenantId, source: SourceId) -> Self {
        Self { tenant, source, seed: 1, rate: 1.0, backfill_ms: BACKFILL_MS }
    }
}

/// Simulates until `shutdown`.
pub async fn run(
    cfg: SimulatorConfig,
    intake: Intake,
    spools: Spools,
    shutdown: CancellationToken,
) -> Result<(), SourceError> {
    if !(cfg.rate.is_finite() && (0.01..=100.0).contains(&cfg.rate)) {
        return Err(SourceError::BadConfig {
            source_id: cfg.source.to_string(),
            detail: format!("the simulator's rate is {}; it must be 0.01 to 100", cfg.rate),
        });
    }
    let note = format!("simulator/{}/{}", cfg.tenant, cfg.source);
    let start = intake.now();
    // What an earlier run has told already is not told again with other numbers.
    let told = noted(&intake, &note).await.map_or(i64::MAX, |until| start.since(until).max(0));
    let mut simulation = Simulation::with(cfg.seed, start, cfg.backfill_ms.min(told), cfg.rate);
    let mut feed = Feed::new(intake.clone(), cfg.tenant, cfg.source, QUEUE_EVENTS, &spools);
    while simulation.now() < start && !shutdown.is_cancelled() {
        let to = simulation.now().plus_millis(HISTORY_STEP_MS).min(start);
        feed.push(simulation.advance(to));
        feed.flush().await;
        while feed.waiting() > QUEUE_EVENTS / 2 && !shutdown.is_cancelled() {
            feed.until_retry().await;
            feed.flush().await;
        }
    }
    let mut beat = tokio::time::interval(Duration::from_millis(BEAT_MS));
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_note = start;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = beat.tick() => {}
        }
        let now = intake.now();
        if now.since(simulation.now()) > LONGEST_PAUSE_MS {
            simulation = Simulation::with(cfg.seed, now, 0, cfg.rate);
        }
        feed.push(simulation.advance(now));
        feed.flush().await;
        if now >= next_note && feed.waiting() == 0 {
            set_note(&intake, &note, now).await;
            next_note = now.plus_millis(NOTE_MS);
        }
    }
    feed.flush().await;
    if feed.waiting() == 0 {
        set_note(&intake, &note, simulation.now()).await;
    }
    Ok(())
}

async fn noted(intake: &Intake, note: &str) -> Option<Timestamp> {
    let value = intake.engine().get(note).await.ok()??;
    std::str::from_utf8(&value).ok()?.parse().ok().map(Timestamp::from_millis)
}

async fn set_note(intake: &Intake, note: &str, until: Timestamp) {
    let value = Bytes::from(until.millis().to_string());
    if let Err(error) = intake.engine().set(note, Some(value)).await {
        // A note that is missing costs some doubled demo history after a restart, no more.
        tracing::debug!(error = %error, "the simulator could not note how far it came");
    }
}
