//! Why access was denied.

use ringside_engine::EngineError;

use crate::account::AccountError;
use crate::issuer::TokenRejected;

/// Why a request is denied, or a session not begun or continued.
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
        /// How many more before the account is locked.
        tries_left: u32,
    },
    /// Too many wrong passwords.
    #[error("locked after too many wrong passwords")]
    Locked {
        /// For how long.
        wait_secs: u64,
    },
    /// More sign-ins of one name than anybody needs.
    #[error("too many sign-ins")]
    TooManySignIns {
        /// For how long.
        wait_secs: u64,
    },
    /// A token of ours or of an issuer does not count.
    #[error(transparent)]
    TokenRejected(#[from] TokenRejected),
    /// The account belongs to no such tenant.
    #[error("no such tenant")]
    NoSuchTenant,
    /// Rights changed again and again while the session was issued.
    #[error("rights keep changing")]
    RightsKeepChanging,
    /// The account can't be read or changed.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The engine can't be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}
