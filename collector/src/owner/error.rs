//! Reasons for a worker to stop before it was told to.

use ringside_engine::EngineError;

use crate::fold::DamagedState;

/// Why a worker stopped by itself.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Damaged(#[from] DamagedState),
    #[error("the lease expired before it was renewed")]
    LeaseExpired,
    #[error("the worker panicked")]
    Panicked,
}

impl WorkerError {
    /// Returns the label that metrics and log lines use.
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Engine(EngineError::Fenced(_)) => "fenced",
            Self::Engine(EngineError::Diverged { .. }) => "diverged",
            Self::Engine(EngineError::LogFull(_)) => "log_full",
            Self::Engine(EngineError::Unavailable(_)) => "unavailable",
            Self::Damaged(_) | Self::Engine(EngineError::Damaged(_)) => "damaged",
            Self::LeaseExpired => "lapsed",
            Self::Panicked => "panicked",
        }
    }
}
