//! Notifications as JSON.

use ringside_model::{Notification, Severity};
use serde::{Deserialize, Serialize};

/// Returns the protocol's word for a severity.
pub(super) fn severity_text(severity: Severity) -> &'static str {
    match severity {
        Severity::Info => "info",
        Severity::Warning => "warning",
        Severity::Critical => "critical",
    }
}

/// Parses the protocol's word for a severity.
pub(super) fn severity_from_text(text: &str) -> Option<Severity> {
    match text {
        "info" => Some(Severity::Info),
        "warning" => Some(Severity::Warning),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

/// One notification.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "named after the fields of Notification")]
pub struct NotificationJson {
    pub id: Box<str>,
    pub at: Box<str>,
    pub category: Box<str>,
    pub kind: Option<Box<str>>,
    pub status: Option<Box<str>>,
    pub severity: Box<str>,
    pub title: Box<str>,
    pub body: Option<Box<str>>,
}

impl From<&Notification> for NotificationJson {
    fn from(notification: &Notification) -> Self {
        Self {
            id: notification.id.clone(),
            at: notification.at.to_string().into(),
            category: notification.category.clone(),
            kind: notification.kind.clone(),
            status: notification.status.clone(),
            severity: severity_text(notification.severity).into(),
            title: notification.title.clone(),
            body: notification.body.clone(),
        }
    }
}

/// The body of a `notification` frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotificationBody {
    /// The notification.
    pub notification: NotificationJson,
}
