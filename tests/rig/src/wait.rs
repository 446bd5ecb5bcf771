//! Waiting for a condition instead of for time.

use std::time::{Duration, Instant};

use anyhow::bail;

/// The interval of checking a condition.
const CHECK_EVERY: Duration = Duration::from_millis(10);

/// Waits until `condition` holds. After `timeout` the error names it by `name`.
pub async fn until(name: &str, timeout: Duration, mut condition: impl AsyncFnMut() -> bool) -> anyhow::Result<()> {
    let begun = Instant::now();
    while !condition().await {
        if begun.elapsed() > timeout {
            bail!("not within {} s: {name}", timeout.as_secs_f32());
        }
        tokio::time::sleep(CHECK_EVERY).await;
    }
    Ok(())
}
