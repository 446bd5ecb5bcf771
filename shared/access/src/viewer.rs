//! The user behind a request, by its verified token.

use ringside_model::{TenantId, Timestamp};
use serde_json::{Value, json};

use crate::role::Role;
use crate::scope::{Page, Scope};

/// The user behind a request, as a verified token describes them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// The user's name.
    pub user: String,
    /// The tenant whose data they see.
    pub tenant: TenantId,
    /// Their role.
    pub role: Role,
    /// The campaigns they see.
    pub scope: Scope,
    /// The one page that a wallboard sees.
    pub page: Option<Page>,
    /// When the token expires.
    pub expires_at: Timestamp,
    /// The session that the token belongs to.
    pub session_id: String,
    /// When the token was issued.
    pub issued_at: Timestamp,
}

impl Viewer {
    /// Returns the user's profile for the client.
    pub fn profile_json(&self) -> Value {
        let campaigns = match &self.scope {
            Scope::All => json!("*"),
            Scope::Only(ids) => json!(ids.iter().map(|id| id.as_str()).collect::<Vec<_>>()),
        };
        json!({
            "user": self.user,
            "tenant": self.tenant.as_str(),
            "role": self.role.as_str(),
            "campaigns": campaigns,
            "page": self.page.as_ref().map(ToString::to_string),
            "expiresAt": self.expires_at.to_string(),
        })
    }
}
