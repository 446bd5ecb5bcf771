//! Sources: each turns its input into events and does nothing else.
//!
//! All have the same shape: a config struct and `async fn run(cfg, intake, spools, shutdown) -> Result<(),
//! SourceError>`, which ends when `shutdown` is cancelled. Their events go through a [`Feed`], which keeps them while
//! the log is unavailable. [`stand_by`] runs a source that may run only once in an installation. The webhook answers
//! requests instead of running by itself, so it is in [`crate::webhook`].

pub mod host;
pub mod simulator;

mod feed;
mod spool;
mod standby;

pub use feed::Feed;
pub use spool::Spools;
pub use standby::stand_by;

/// The error that ended a source.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// The configuration is invalid.
    #[error("the source {source_id} can't run: {detail}")]
    BadConfig {
        /// The source.
        source_id: String,
        /// The setting to change.
        detail: String,
    },
    /// A task of the source panicked.
    #[error("the source {source_id} stopped: {detail}")]
    Died {
        /// The source.
        source_id: String,
        /// The panic.
        detail: String,
    },
}
