//! Notifications: messages for people.

use crate::{Severity, Timestamp};

/// A message for the notification centre: a booking made, a trunk restarted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The id of its event.
    pub id: Box<str>,
    /// When it happened.
    pub at: Timestamp,
    /// Its area, such as `booking`.
    pub category: Box<str>,
    /// The kind within the category, such as `car`.
    pub kind: Option<Box<str>>,
    /// The state of its subject, such as `confirmed`.
    pub status: Option<Box<str>>,
    /// How much it matters.
    pub severity: Severity,
    /// One line of text.
    pub title: Box<str>,
    /// Further text, if any.
    pub body: Option<Box<str>>,
}
