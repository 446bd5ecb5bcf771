//! Runs a source on one collector only; the others stand by.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::Engine;
use ringside_model::Timestamp;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::SourceError;

/// A member without a heartbeat for this long is gone.
const MEMBER_TIMEOUT: Duration = Duration::from_secs(3);
const HEARTBEAT_EVERY: Duration = Duration::from_millis(500);

/// Runs `work` while this is the oldest member of `group`, until `shutdown`.
///
/// While the engine is unavailable each member goes on as before. Two may overlap briefly when one comes back.
pub async fn stand_by<Work>(
    engine: Arc<dyn Engine>,
    group: &str,
    holder: &str,
    shutdown: CancellationToken,
    work: impl Fn(CancellationToken) -> Work,
) -> Result<(), SourceError>
where
    Work: Future<Output = Result<(), SourceError>> + Send + 'static,
{
    // Members sort by the time of joining, so that a new one never displaces another.
    let member = format!("{:014}-{holder}", Timestamp::now().millis());
    let mut running: Option<(CancellationToken, JoinHandle<Result<(), SourceError>>)> = None;
    let ended = loop {
        match engine.heartbeat(group, &member, MEMBER_TIMEOUT).await {
            Ok(members) => {
                let is_first = members.first() == Some(&member);
                if let Some((stop, task)) = running.take_if(|_| !is_first) {
                    info!(source.group = group, "source runs on another collector; standing by");
                    stop.cancel();
                    if let Err(error) = joined(task).await {
                        break Err(error);
                    }
                } else if is_first && running.is_none() {
                    info!(source.group = group, "source runs on this collector");
                    let stop = shutdown.child_token();
                    running = Some((stop.clone(), tokio::spawn(work(stop))));
                }
            }
            Err(error) => debug!(source.group = group, %error, "heartbeat failed; members unknown"),
        }
        tokio::select! {
            () = shutdown.cancelled() => break Ok(()),
            () = tokio::time::sleep(HEARTBEAT_EVERY) => {}
        }
        if running.as_ref().is_some_and(|(_, task)| task.is_finished())
            && let Some((_, task)) = running.take()
        {
            break joined(task).await;
        }
    };
    let ended = match running {
        Some((stop, task)) => {
            stop.cancel();
            joined(task).await.and(ended)
        }
        None => ended,
    };
    if let Err(error) = engine.leave(group, &member).await {
        debug!(source.group = group, %error, "leave failed; the membership will time out");
    }
    ended
}

async fn joined(task: JoinHandle<Result<(), SourceError>>) -> Result<(), SourceError> {
    task.await.unwrap_or_else(|failed| {
        Err(SourceError::Died { source_id: "stand-by".to_owned(), detail: failed.to_string() })
    })
}
