//! Whether the engine answers. A task asks all the time, so that no request has to wait for the answer.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::Engine;

/// How long the engine may take to answer.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The pause between an answer and the next question.
const INTERVAL: Duration = Duration::from_millis(500);
/// How long work may go on while the engine does not answer; part of it may still succeed.
const GRACE: Duration = Duration::from_millis(200);

/// Watches whether an engine answers.
pub struct EngineProbe(watch::Sender<bool>);

impl EngineProbe {
    /// Starts out healthy: its owner has just heard from the engine.
    pub fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(true)))
    }

    /// Pings the engine until cancelled.
    pub async fn run(self: Arc<Self>, engine: Arc<dyn Engine>, stop: CancellationToken) {
        let pinging = async {
            loop {
                self.record(match tokio::time::timeout(TIMEOUT, engine.ping()).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
                });
                tokio::time::sleep(INTERVAL).await;
            }
        };
        stop.run_until_cancelled(pinging).await;
    }

    /// True unless the last ping failed or timed out.
    pub fn is_healthy(&self) -> bool {
        *self.0.borrow()
    }

    /// What readiness says while the engine does not answer.
    pub fn trouble(&self) -> Option<String> {
        (!self.is_healthy()).then(|| "the engine does not answer".to_owned())
    }

    /// Returns once the engine answers.
    pub async fn healthy(&self) {
        self.until(true).await;
    }

    /// Returns once the engine does not answer.
    pub async fn unhealthy(&self) {
        self.until(false).await;
    }

    /// Runs work that asks the engine, for at most `timeout`.
    ///
    /// While the engine does not answer, it gives up much sooner, so that a request that asks for several things is not
    /// delayed by each of them.
    pub async fn within<T>(&self, timeout: Duration, work: impl Future<Output = T>) -> Option<T> {
        let hopeless = async {
            self.unhealthy().await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = tokio::time::sleep(timeout) => None,
            () = hopeless => None,
        }
    }

    async fn until(&self, healthy: bool) {
        let mut states = self.0.subscribe();
        states.wait_for(|state| *state == healthy).await.expect("the sender is a field of self");
    }

    fn record(&self, answer: Result<(), String>) {
        let changed = self.0.send_if_modified(|healthy| std::mem::replace(healthy, answer.is_ok()) != answer.is_ok());
        match answer {
            Err(error) if changed => warn!(error, "engine does not answer; serving what is known, with its age"),
            Ok(()) if changed => info!("engine answers again"),
            _ => {}
        }
    }
}
