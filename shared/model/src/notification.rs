//! Something a person should hear about.

use super::{Severity, Timestamp};

/// A message for the notification centre: a booking made, a trunk restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Its id: the event's that brought it.
    pub id: Box<str>,
    /// When it happened.
    pub at: Timestamp,
    /// What area it is of, such as `booking`.
    pub category: Box<str>,
    /// Which kind within the category, such as `car`.
    pub kind: Option<Box<str>>,
    /// Where the thing stands, such as `confirmed`.
    pub status: Option<Box<str>>,
    /// How much it matters.
    pub severity: Severity,
    /// One line.
    pub title: Box<str>,
    /// More, where there is more.
    pub body: Option<Box<str>>,
}
