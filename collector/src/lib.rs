//! From source to room: sources take events in, the fold learns from them, the owner publishes what changed.
//!
//! ```text
//! source · ingest ─▶ door ─▶ log ─▶ owner (fold ─▶ publish ─▶ checkpoint) ─▶ rooms
//! ```

pub mod door;
pub mod fold;
pub mod health;
pub mod ingest;
pub mod owner;
mod publish;
pub mod source;
