//! An account's rights in one tenant.

use std::fmt;

use ringside_model::TenantId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::role::Role;
use crate::scope::{CampaignsJson, Scope};

/// An account's rights in one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The tenant whose data it sees.
    pub tenant: TenantId,
    /// Its role.
    pub role: Role,
    /// The campaigns it sees.
    pub scope: Scope,
}

impl Membership {
    /// Returns its values for the audit log.
    pub fn audited(&self) -> Value {
        json!({ "role": self.role.as_str(), "campaigns": self.scope.to_string() })
    }
}

impl fmt::Display for Membership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}  {}  {}", self.tenant, self.role.as_str(), self.scope)
    }
}

/// A membership as it is stored.
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
    /// Returns the membership, or none if it is invalid.
    pub(crate) fn read(&self) -> Option<Membership> {
        Some(Membership {
            tenant: TenantId::parse(&self.tenant).ok()?,
            role: Role::parse(&self.role)?,
            scope: self.campaigns.scope()?,
        })
    }
}
