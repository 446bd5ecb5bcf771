//! Events before the intake has accepted them.

use ringside_model::{EventId, EventKind, Timestamp};

/// A well-formed event that the intake has not accepted yet.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEvent {
    /// The sender's id of it.
    pub id: EventId,
    /// When it happened, by the sender's clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}
