//! The result of a delivery.

/// A rejected event, for its sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its index in the delivery, from 0.
    pub index: usize,
    /// The stable code, for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

/// The result of a delivery. The accepted events are durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// The number of events that were appended to the log.
    pub accepted: usize,
    /// The number of events that were in the log already.
    pub duplicates: usize,
    /// The rejected events.
    pub rejected: Vec<Rejection>,
}
