//! The identity that a sign-in has proved.

use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::role::Role;
use crate::scope::{CampaignsJson, Page, Scope};

/// A user, and their rights in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The user's name.
    ///
    /// Without an account it has a prefix, as in `portal:ann` or `script:1a2b`; accounts have no colon.
    pub user: String,
    /// The tenant whose data they see.
    pub tenant: TenantId,
    /// Their role.
    pub role: Role,
    /// The campaigns they see.
    pub scope: Scope,
    /// The one page that a wallboard sees.
    pub page: Option<Page>,
    /// When it expires, even if the session is renewed.
    pub valid_until: Option<Timestamp>,
}

/// An identity as a session's record stores it, if the user has no account.
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
    /// Returns the identity, or none if it is invalid.
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
