//! Events on their way in.

use ringside_model::{EventId, EventKind, Timestamp};

/// An event that is well formed, before the intake has taken it.
#[derive(Debug, Clone, PartialEq)]
pub struct IncomingEvent {
    /// The sender's name for it.
    pub id: EventId,
    /// When it happened, by the sender's clock.
    pub at: Timestamp,
    /// What it was.
    pub kind: EventKind,
}
