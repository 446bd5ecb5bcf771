//! What somebody may see and do in one tenant.

use std::fmt;

use ringside_model::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::role::Role;
use crate::scope::{CampaignsJson, Scope};

/// What an account may see and do in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// Whose data it sees.
    pub tenant: TenantId,
    /// What it may do.
    pub role: Role,
    /// Which campaigns it may see.
    pub scope: Scope,
}

impl Membership {
    /// What the audit log has of it.
    pub fn audited(&self) -> Value {
        json!({ "role": self.role.as_str(), "campaigns": self.scope.to_string() })
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.tenant, self.role.as_str(), self.scope)
    }
}

/// As it is stored.
#[derive(Serialize, Deserialize)]
pub(crate) struct MembershipJson {
    tenant: String,
    role: String,
    campaigns: CampaignsJson,
}

impl From<&Membership> for MembershipJson {
    fn from(membership: &Membership) -> Self {
        Self {
            tenant: membership.tenant.to_string(),
            role: membership.role.as_str().to_owned(),
            campaigns: (&membership.scope).into(),
        }
    }
}

impl MembershipJson {
    /// Nothing where it makes no sense.
    pub(crate) fn read(&self) -> Option<Membership> {
        Some(Membership {
            tenant: TenantId::parse(&self.tenant).ok()?,
            role: Role::parse(&self.role)?,
            scope: self.campaigns.scope()?,
        })
    }
}
