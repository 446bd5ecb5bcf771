//! Who somebody was shown to be: by a password, by somebody else's token, or by a token of ours.

use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::role::Role;
use crate::scope::{CampaignsJson, Page, Scope};

/// Somebody, and what they may see of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Their name. Who has no account here is called `{where from}:{name there}`; no account's name has a colon.
    pub user: String,
    /// Whose data they see.
    pub tenant: TenantId,
    /// What they may do.
    pub role: Role,
    /// Which campaigns they see.
    pub scope: Scope,
    /// The one page they see, of a wallboard.
    pub page: Option<Page>,
    /// When it ends, whatever they do.
    pub valid_until: Option<Timestamp>,
}

/// As a login keeps it that has no account to be asked again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct IdentityJson {
    tenant: String,
    role: String,
    campaigns: CampaignsJson,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    page: Option<String>,
}

impl From<&Identity> for IdentityJson {
    fn from(identity: &Identity) -> Self {
        Self {
            tenant: identity.tenant.to_string(),
            role: identity.role.as_str().to_owned(),
            campaigns: (&identity.scope).into(),
            page: identity.page.as_ref().map(ToString::to_string),
        }
    }
}

impl IdentityJson {
    /// Reads it back; none where it can't be.
    pub(crate) fn read(&self, user: &str, valid_until: Option<Timestamp>) -> Option<Identity> {
        let identity = Identity {
            user: user.to_owned(),
            tenant: TenantId::parse(&self.tenant).ok()?,
            role: Role::parse(&self.role)?,
            scope: self.campaigns.scope()?,
            page: self.page.as_deref().map(str::parse).transpose().ok()?,
            valid_until,
        };
        identity.role.fits(&identity.scope, identity.page.as_ref()).then_some(identity)
    }
}
