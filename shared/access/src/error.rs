//! Why access was denied.

use ringside_engine::EngineError;

use crate::account::AccountError;
use crate::issuer::TokenRejected;

/// Why a request is denied, or a session can't start or continue.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// No valid token.
    #[error("no valid token")]
    Unauthorized,
    /// There is no session to renew.
    #[error("the session has ended")]
    SessionEnded,
    /// Wrong name or password.
    #[error("wrong name or password")]
    WrongPassword {
        /// Tries left before the account is locked.
        tries_left: u32,
    },
    /// Too many wrong passwords.
    #[error("locked after too many wrong passwords")]
    Locked {
        /// How long it stays locked.
        wait_secs: u64,
    },
    /// A user signs in too often.
    #[error("too many sign-ins")]
    TooManySignIns {
        /// How long to wait before the next one.
        wait_secs: u64,
    },
    /// A token of this installation or of an issuer is rejected.
    #[error(transparent)]
    TokenRejected(#[from] TokenRejected),
    /// The account is no member of the tenant.
    #[error("no such tenant")]
    NoSuchTenant,
    /// Rights kept changing while tokens were issued.
    #[error("rights keep changing")]
    RightsKeepChanging,
    /// The account can't be read or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The engine is unavailable.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
