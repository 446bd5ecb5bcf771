//! From source to room: sources take events in, the fold learns from them, the owner publishes what changed.
//!
//! ```text
//! source · webhook ─▶ intake ─▶ log ─▶ owner (fold ─▶ publish ─▶ checkpoint) ─▶ rooms
//! ```

pub mod fold;
pub mod owner;
mod publish;
pub mod source;
pub mod webhook;
