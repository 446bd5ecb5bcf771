//! The errors of the intake.

use rand::RngExt;
use ringside_engine::EngineError;

/// The reason why the intake accepted nothing.
///
/// A retry of the same delivery is safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// Too many bytes or deliveries are in flight.
    #[error("too many events are in flight; send the same again in {retry_after_s} s")]
    Busy {
        /// Seconds until a retry, random so that not all senders retry at once.
        retry_after_s: u32,
    },
    /// The log is full until its owners have caught up.
    #[error("the log is full until its owners catch up; send the same again in {retry_after_s} s")]
    LogFull {
        /// Seconds until a retry.
        retry_after_s: u32,
    },
    /// The log can't be written. The cause is only for the operator.
    #[error("the log can't be written right now; send the same again in {retry_after_s} s")]
    Unavailable {
        /// Seconds until a retry.
        retry_after_s: u32,
        /// The engine's error.
        #[source]
        cause: EngineError,
    },
}

impl IntakeError {
    /// Returns the seconds until a retry.
    pub fn retry_after_s(&self) -> u32 {
        match self {
            Self::Busy { retry_after_s }
            | Self::LogFull { retry_after_s }
            | Self::Unavailable { retry_after_s, .. } => *retry_after_s,
        }
    }

    pub(crate) fn busy() -> Self {
        Self::Busy { retry_after_s: rand::rng().random_range(1..=4) }
    }
}

impl From<EngineError> for IntakeError {
    fn from(cause: EngineError) -> Self {
        let retry_after_s = rand::rng().random_range(2..=8);
        match cause {
            EngineError::LogFull(_) => Self::LogFull { retry_after_s },
            EngineError::Fenced(_)
            | EngineError::Diverged { .. }
            | EngineError::Unavailable(_)
            | EngineError::Damaged(_) => Self::Unavailable { retry_after_s, cause },
        }
    }
}
