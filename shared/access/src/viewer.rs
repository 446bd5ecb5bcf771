//! What a verified token says about its bearer.

use ringside_model::{TenantId, Timestamp};
use serde_json::{Value, json};

use crate::role::Role;
use crate::scope::{Page, Scope};

/// The user behind a request: what a verified token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Their name.
    pub user: String,
    /// Whose data they see.
    pub tenant: TenantId,
    /// What they may do.
    pub role: Role,
    /// Which campaigns they see.
    pub scope: Scope,
    /// The one page they see, of a wallboard.
    pub page: Option<Page>,
    /// When the token ends.
    pub expires_at: Timestamp,
    /// The login it belongs to.
    pub session_id: String,
    /// When the token was issued.
    pub issued_at: Timestamp,
}

impl Viewer {
    /// The profile that a client is told about its user.
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
