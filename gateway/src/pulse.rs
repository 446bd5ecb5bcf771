//! Whether the engine answers. It is asked all the time, so that nobody who wants to know has to wait for the answer.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::Engine;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How long the engine may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(1);
/// How long after an answer it is asked again.
const ASKED_EVERY: Duration = Duration::from_millis(500);

/// How long something is waited for while the engine does not answer; part of it may.
const HOPELESS_AFTER: Duration = Duration::from_millis(200);

/// The engine's pulse.
pub(crate) struct Pulse(watch::Sender<bool>);

impl Pulse {
    /// Who makes it has just heard from the engine.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(watch::Sender::new(true)))
    }

    /// Asks until cancelled.
    pub(crate) async fn run(self: Arc<Self>, engine: Arc<dyn Engine>, stop: CancellationToken) {
        let asking = async {
            loop {
                self.take(match tokio::time::timeout(ANSWERS_WITHIN, engine.ping()).await {
                    Ok(Ok(())) => Ok(()),
                    Ok(Err(error)) => Err(error.to_string()),
                    Err(_) => Err(format!("no answer within {} s", ANSWERS_WITHIN.as_secs())),
                });
                tokio::time::sleep(ASKED_EVERY).await;
            }
        };
        stop.run_until_cancelled(asking).await;
    }

    /// True unless the last answer was bad, or there was none.
    pub(crate) fn is_well(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns once the engine answers.
    pub(crate) async fn well(&self) {
        self.until(true).await;
    }

    /// Returns once the engine does not answer.
    pub(crate) async fn gone(&self) {
        self.until(false).await;
    }

    /// What comes of some work that asks the engine, if it comes in time. While the engine does not answer that is not
    /// long, so that whoever asks for several things is not made to wait for each.
    pub(crate) async fn within<T>(&self, patience: Duration, work: impl Future<Output = T>) -> Option<T> {
        let hopeless = async {
            self.gone().await;
            tokio::time::sleep(HOPELESS_AFTER).await;
        };
        tokio::select! {
            biased;
            done = work => Some(done),
            () = tokio::time::sleep(patience) => None,
            () = hopeless => None,
        }
    }

    async fn until(&self, well: bool) {
        let mut beats = self.0.subscribe();
        beats.wait_for(|beat| *beat == well).await.expect("the sender is here");
    }

    fn take(&self, answer: Result<(), String>) {
        let changed = self.0.send_if_modified(|well| std::mem::replace(well, answer.is_ok()) != answer.is_ok());
        match answer {
            Err(reason) if changed => {
                warn!(reason, "the engine does not answer; what is known is served, with its age")
            }
            Ok(()) if changed => info!("the engine answers again"),
            _ => {}
        }
    }
}
