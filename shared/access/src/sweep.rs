//! Removes expired sessions and attempt counts from the registry.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{session, throttle};

/// The average pause between sweeps.
const EVERY: Duration = Duration::from_secs(60);

/// Sweeps at intervals until cancelled.
pub(crate) async fn run(engine: Arc<dyn Engine>, stop: CancellationToken) {
    loop {
        // Jitter: gateways that were started together must not sweep at the same time.
        let pause = EVERY.mul_f64(rand::random_range(0.5..1.5));
        if stop.run_until_cancelled(tokio::time::sleep(pause)).await.is_none() {
            return;
        }
        if let Err(error) = sweep(engine.as_ref(), Timestamp::now()).await {
            warn!(%error, "removing expired sessions failed; retrying");
        }
    }
}

/// Removes the expired records and returns their number.
pub(crate) async fn sweep(engine: &dyn Engine, now: Timestamp) -> Result<usize, EngineError> {
    Ok(sweep_each(engine, session::PREFIX, |stored| session::is_expired(stored, now)).await?
        + sweep_each(engine, throttle::PREFIX, |stored| throttle::is_expired(stored, now)).await?)
}

async fn sweep_each(
    engine: &dyn Engine,
    prefix: &str,
    is_expired: impl Fn(&[u8]) -> bool,
) -> Result<usize, EngineError> {
    let mut removed = 0;
    for (key, stored) in engine.list(prefix).await? {
        // A record that was renewed meanwhile stays.
        if is_expired(&stored) && engine.compare_and_swap(&key, Some(stored), None).await? {
            removed += 1;
        }
    }
    Ok(removed)
}
