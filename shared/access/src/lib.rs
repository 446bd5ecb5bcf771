//! Who may send, see and do what.

mod keys;

pub use keys::{ApiKey, BadSecret, IssuedKey, KeyError, Keys, Secret};
