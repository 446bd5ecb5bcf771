//! From source to room: sources take events in, the fold learns from them, the owner publishes what changed.

pub mod fold;
