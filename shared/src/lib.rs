//! What collector and gateway both need, and nothing else.
//!
//! [`model`] is the domain in plain types; [`wire`] is how it looks as JSON, both directions; [`engine`] is the
//! contract of the log, the rooms and the state, with its implementations; [`keys`] are those of senders.

pub mod clock;
pub mod engine;
pub mod keys;
pub mod model;
pub mod wire;
