//! Ownership: which partitions this process reads, folds, publishes and checkpoints.
//!
//! ```text
//! steward ─ attends, counts its share ─▶ takes free partitions, gives up what is above the share
//!    └─ one stint for each partition it holds: lease ─▶ load ─▶ replay ─▶ live ─▶ finish
//! ```
//!
//! Whatever goes wrong (the lease lost, the engine away, its memory not the engine's) ends the stint; the next one, here
//! or in another process, starts from the checkpoint. Nothing is lost by that, because the log is the truth, and nothing
//! is published twice, because the engine knows which positions it has published.

mod assignor;
mod lease;
mod outbox;
mod progress;
mod quota;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use ringside_engine::Engine;
use sysinfo::System;
use tokio_util::sync::CancellationToken;

pub use progress::Progress;

use assignor::Assignor;

use crate::fold::FoldSettings;

/// How an owner works.
#[derive(Debug, Clone)]
pub struct OwnerSettings {
    /// The rules of the fold.
    pub fold: Arc<FoldSettings>,
    /// How often changed state is published.
    pub state_every: Duration,
    /// How long events may wait for more, once something was published just before.
    pub events_every: Duration,
    /// How often state and log position are written down together.
    pub checkpoint_every: Duration,
    /// How long a lease lasts, and a place among the collectors; a dead owner's partitions are free after it.
    pub lease: Duration,
    /// How often it looks who else is there and which partitions are free.
    pub look_every: Duration,
    /// Who this is, for leases and among the collectors. No two lives of a process may share it.
    pub holder: String,
    /// Where it says how far it has come.
    pub progress: Progress,
}

impl OwnerSettings {
    /// The usual intervals.
    pub fn new(fold: Arc<FoldSettings>, holder: String) -> Self {
        Self {
            fold,
            state_every: Duration::from_millis(250),
            events_every: Duration::from_millis(10),
            checkpoint_every: Duration::from_secs(2),
            lease: Duration::from_secs(3),
            look_every: Duration::from_millis(500),
            holder,
            progress: Progress::default(),
        }
    }
}

/// A name for this life of this process: the machine's, the process's number and some dice.
pub fn holder_name() -> String {
    let host: String = System::host_name().unwrap_or_default();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    let host = if host.is_empty() { "host" } else { &host };
    format!("{host}-{}-{:08x}", std::process::id(), rand::rng().random::<u32>())
}

/// Owns this process's share of the partitions, until `shutdown`; then folds the rest, publishes, checkpoints and hands
/// all of them over.
pub async fn own_partitions(engine: Arc<dyn Engine>, settings: OwnerSettings, shutdown: CancellationToken) {
    progress::describe();
    Assignor::new(engine, settings, shutdown).run().await;
}
