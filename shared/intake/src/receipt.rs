//! What became of a delivery.

/// An event that was not taken, for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Its place in what was sent, from 0.
    pub index: usize,
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

/// What became of a delivery. Everything accepted is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Receipt {
    /// Events that are in the log now.
    pub accepted: usize,
    /// Events that were there already.
    pub duplicates: usize,
    /// Events that were refused.
    pub rejected: Vec<Rejection>,
}
