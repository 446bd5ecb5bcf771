//! From source to room: sources take events in, the fold learns from them, the owner publishes what changed.

pub mod fold;
pub mod door;
pub mod ingest;
pub mod keys;
pub mod source;
