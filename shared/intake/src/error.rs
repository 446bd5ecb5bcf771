//! Why a delivery was not taken.

use rand::RngExt;
use ringside_engine::EngineError;

/// Why the intake took nothing. Sending the same again later is right, and safe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IntakeError {
    /// Too much is on its way in already.
    #[error("too many events are on their way in; send again in {retry_after_s} s")]
    Busy {
        /// When to come back, spread over some seconds so that not all come back at once.
        retry_after_s: u32,
    },
    /// The log has no room until its owners have caught up.
    #[error("the log is full until it is caught up with; send again in {retry_after_s} s")]
    LogFull {
        /// When to come back.
        retry_after_s: u32,
    },
    /// The log can't be written. The cause is for the operator.
    #[error("the log can't take events now; send again in {retry_after_s} s")]
    Unavailable {
        /// When to come back.
        retry_after_s: u32,
        /// What the engine said.
        #[source]
        cause: EngineError,
    },
}

impl IntakeError {
    /// When to come back, in seconds.
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
