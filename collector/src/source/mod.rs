//! Sources: each turns one dialect into events and does nothing else.
//!
//! All have the same shape: a config struct and `async fn run(cfg, intake, spools, shutdown) -> Result<(), SourceError>`,
//! which ends when `shutdown` is cancelled. What they have goes through a [`Feed`], which keeps it while the log can't
//! take it. One that must run once in an installation is run by [`stand_by`]. The webhook is not here: it is asked, so it
//! lives in [`crate::webhook`].

pub mod host;
pub mod simulator;

mod feed;
mod spool;
mod standby;

pub use feed::Feed;
pub use spool::Spools;
pub use standby::stand_by;

/// Why a source ended without being asked to.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// Its configuration can't work.
    #[error("the source {source_id} can't run: {detail}")]
    BadConfig {
        /// Which source.
        source_id: String,
        /// What to change.
        detail: String,
    },
    /// A part of it that runs on a thread of its own died.
    #[error("the source {source_id} stopped: {detail}")]
    Died {
        /// Which source.
        source_id: String,
        /// What is known.
        detail: String,
    },
}
