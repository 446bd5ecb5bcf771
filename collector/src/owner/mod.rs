//! Partition ownership: which partitions this process works on.
//!
//! ```text
//! assignor ─ heartbeats, computes its quota ─▶ acquires free partitions, stops workers above the quota
//!    └─ one worker per partition held: lease ─▶ load ─▶ replay ─▶ live ─▶ hand over
//! ```
//!
//! A worker reads its partition's log, folds, publishes and checkpoints. Any failure stops it: a lost lease, an
//! unreachable engine, memory that differs from the engine's. The next worker, here or in another process, starts from
//! the checkpoint. Nothing is lost, because the log is the truth. Nothing is published twice, because the engine knows
//! which positions it has published.

mod assignor;
mod error;
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

/// Intervals and identity of an owner.
#[derive(Debug, Clone)]
pub struct OwnerSettings {
    /// The rules of the fold.
    pub fold: Arc<FoldSettings>,
    /// Interval at which changed state is published.
    pub state_every: Duration,
    /// Shortest interval between two publications of events.
    /// Events are batched meanwhile.
    pub events_every: Duration,
    /// Interval at which state and log position are stored together.
    pub checkpoint_every: Duration,
    /// Length of a partition lease and of the group membership.
    /// A dead owner's partitions are free after it.
    pub lease: Duration,
    /// Interval at which the members are read and partitions acquired or released.
    pub rebalance_every: Duration,
    /// Name of the lease holder and group member.
    /// Every start of a process needs a new one.
    pub holder: String,
    /// Where the workers report their progress.
    pub progress: Progress,
}

impl OwnerSettings {
    /// Returns settings with the default intervals.
    pub fn new(fold: Arc<FoldSettings>, holder: String) -> Self {
        Self {
            fold,
            state_every: Duration::from_millis(250),
            events_every: Duration::from_millis(10),
            checkpoint_every: Duration::from_secs(2),
            lease: Duration::from_secs(3),
            rebalance_every: Duration::from_millis(500),
            holder,
            progress: Progress::default(),
        }
    }
}

/// Returns a unique holder name: host name, process id and a random number.
pub fn holder_name() -> String {
    let host: String = System::host_name().unwrap_or_default();
    let host: String = host.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(40).collect();
    let host = if host.is_empty() { "host" } else { &host };
    format!("{host}-{}-{:08x}", std::process::id(), rand::rng().random::<u32>())
}

/// Owns this process's quota of partitions until `shutdown`, then hands over.
pub async fn own_partitions(engine: Arc<dyn Engine>, settings: OwnerSettings, shutdown: CancellationToken) {
    progress::describe();
    Assignor::new(engine, settings, shutdown).run().await;
}
