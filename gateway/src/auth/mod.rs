//! Who is there: accounts with passwords, signed tokens, and what a token lets its bearer see.
//!
//! A login checks a password once and gets a token; everything after it only verifies the token's signature, so any
//! gateway accepts what any other one issued. `standing` notices within seconds what was taken back since.

mod account;
mod key;
mod login;
mod numbers;
mod password;
mod standing;
mod throttle;
mod token;
mod viewer;

pub use account::{Account, AccountError, Accounts, GeneratedPassword};
pub(crate) use key::SigningKeys;
pub(crate) use login::{log_in, log_out, show_me};
pub(crate) use numbers::Numbers;
pub(crate) use password::Passwords;
pub(crate) use standing::Standing;
pub(crate) use throttle::Throttle;
pub(crate) use token::Tokens;
pub use viewer::{PageViewer, Role, Scope, Viewer};
pub(crate) use viewer::{bearer, cookie};
