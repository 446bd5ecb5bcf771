//! Sharded pub/sub: announcements of publications and appends.
//!
//! ```text
//! subscription ─┐                                 ┌─ listener of node a ── its own connection
//! subscription ─┼─ channel ─ registry ─ subscriber┤
//! owner ────────┘  (one a partition)              └─ listener of node b ── its own connection
//! ```
//! The registry knows the wanted channels. The subscriber keeps a listener for each node that has partitions, and each
//! listener subscribes to its node's channels. Delivery is at most once: every gap is reported as a missed signal, and
//! readers fill it from the rooms.

mod append_signal;
mod channel;
mod channel_registry;
mod health;
mod listener;
mod push_buffer;
mod queue;
mod subscriber;
mod subscription;

pub(super) use self::listener::Pace;
pub(super) use self::subscriber::Subscriber;
