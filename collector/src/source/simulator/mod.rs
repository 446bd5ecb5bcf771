//! The simulator: an invented call floor, for demos, tests and load.
//!
//! ```text
//! seed ─▶ Simulation (campaigns, calls, agents, incidents, metrics, bookings) ─ noise ─▶ Feed ─▶ intake
//! ```
//!
//! The [`Simulation`] is pure: its caller advances its time, and [`run`] does so by the real clock. It begins in the
//! past, so that the first page has data, and its calls then go on live. It has no rule of the fold: abandon rates
//! climb because people wait, not because a number says so, and it never sends an alert.

mod agent;
mod booking;
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
use ringside_intake::Intake;
use ringside_model::{SourceId, TenantId, Timestamp};
use tokio_util::sync::CancellationToken;

pub use simulation::{BACKFILL_MS, Simulation};

use super::{Feed, SourceError, Spools};

/// The interval of advancing the simulation.
const ADVANCE_MS: u64 = 50;
/// The simulated time of one delivery of history: a thousand events or two.
const HISTORY_STEP_MS: i64 = 20_000;
/// The interval of saving the progress.
const SAVE_PROGRESS_MS: i64 = 10_000;
/// After a longer pause (the machine slept) a new simulation starts.
const LONGEST_PAUSE_MS: i64 = 10 * 60_000;
/// The events kept in memory while the intake fails.
const QUEUE_EVENTS: usize = 20_000;

/// The settings of the simulator.
#[derive(Debug, Clone, PartialEq)]
pub struct SimulatorConfig {
    /// The tenant of the events.
    pub tenant: TenantId,
    /// The source's id.
    pub source: SourceId,
    /// The seed. The same seed at the same time makes the same events.
    pub seed: u64,
    /// The dialing rate; 1 is some nine calls a second over all campaigns.
    pub rate: f64,
    /// The length of the history before the start.
    pub backfill_ms: i64,
}

impl SimulatorConfig {
    /// Returns the default settings.
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
    let progress_key = format!("simulator/{}/{}", cfg.tenant, cfg.source);
    let start = intake.now();
    // History that an earlier run has sent is not sent again with other numbers.
    let gap_ms = load_progress(&intake, &progress_key).await.map_or(i64::MAX, |until| start.since(until).max(0));
    let mut simulation = Simulation::with(cfg.seed, start, cfg.backfill_ms.min(gap_ms), cfg.rate);
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
    let mut interval = tokio::time::interval(Duration::from_millis(ADVANCE_MS));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut next_save = start;
    loop {
        tokio::select! {
            () = shutdown.cancelled() => break,
            _ = interval.tick() => {}
        }
        let now = intake.now();
        if now.since(simulation.now()) > LONGEST_PAUSE_MS {
            simulation = Simulation::with(cfg.seed, now, 0, cfg.rate);
        }
        feed.push(simulation.advance(now));
        feed.flush().await;
        if now >= next_save && feed.waiting() == 0 {
            save_progress(&intake, &progress_key, now).await;
            next_save = now.plus_millis(SAVE_PROGRESS_MS);
        }
    }
    feed.flush().await;
    if feed.waiting() == 0 {
        save_progress(&intake, &progress_key, simulation.now()).await;
    }
    Ok(())
}

async fn load_progress(intake: &Intake, key: &str) -> Option<Timestamp> {
    let value = intake.engine().get(key).await.ok()??;
    std::str::from_utf8(&value).ok()?.parse().ok().map(Timestamp::from_millis)
}

async fn save_progress(intake: &Intake, key: &str, until: Timestamp) {
    let value = Bytes::from(until.millis().to_string());
    if let Err(error) = intake.engine().set(key, Some(value)).await {
        // Without it a restart only repeats some demo history.
        tracing::debug!(error = %error, "saving the simulator's progress failed");
    }
}
