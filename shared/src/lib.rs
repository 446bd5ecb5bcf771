//! What collector and gateway both need, and nothing else.
//!
//! [`model`] is the domain in plain types; [`wire`] is how it looks as JSON, both directions; [`engine`] is the
//! contract of the log, the rooms and the state, with its implementations.

pub mod engine;
pub mod model;
pub mod wire;
