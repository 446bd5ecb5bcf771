//! Waiting for a condition instead of for time.

use std::time::{Duration, Instant};

use anyhow::bail;

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Returns as soon as `condition` holds; an error that names `what` where it does not within `patience`.
pub async fn until(what: &str, patience: Duration, mut condition: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !condition().await {
        if begun.elapsed() > patience {
            bail!("waited {} s in vain: {what}", patience.as_secs_f32());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}
