//! Accounts and their memberships, stored in the registry as `account/{name}`.

use std::fmt;

use ringside_engine::{Engine, EngineError};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::membership::{Membership, MembershipJson};
use crate::role::Role;
use crate::timeout::with_timeout;

/// Prefix of the registry keys of accounts.
pub(crate) const PREFIX: &str = "account/";

/// An account that a person signs in with.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name, for signing in.
    pub name: String,
    /// Its rights in each tenant.
    ///
    /// The first is its home: only admins there may lock it or set its password.
    pub memberships: Vec<Membership>,
    /// Whether an admin has locked it.
    pub disabled: bool,
    /// Only sessions started after this moment are renewed.
    pub(crate) sessions_after: Timestamp,
    pub(crate) phc: String,
}

impl Account {
    /// Returns all accounts, sorted by name.
    pub async fn list(engine: &dyn Engine) -> Result<Vec<Self>, AccountError> {
        let values = engine.list(PREFIX).await?;
        values.iter().map(|(key, value)| Ok(decode(&key[PREFIX.len()..], value)?)).collect()
    }

    /// Returns the account with a name.
    pub async fn get(engine: &dyn Engine, name: &str) -> Result<Option<Self>, AccountError> {
        let Ok(key) = key(name) else { return Ok(None) };
        Ok(with_timeout(engine.get(&key)).await?.map(|value| decode(name, &value)).transpose()?)
    }

    /// Returns the tenant whose admins manage the account.
    pub fn home(&self) -> &TenantId {
        &self.memberships[0].tenant
    }

    /// Returns its membership in a tenant, if any.
    pub fn membership(&self, tenant: &TenantId) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.tenant == *tenant)
    }

    /// Returns whether it is an active admin of the tenant.
    pub fn administers(&self, tenant: &TenantId) -> bool {
        !self.disabled && self.membership(tenant).is_some_and(|membership| membership.role == Role::Admin)
    }

    /// Returns its identity in a tenant, or at home.
    pub(crate) fn identity(&self, tenant: Option<&TenantId>) -> Option<Identity> {
        let membership = match tenant {
            Some(tenant) => self.membership(tenant)?,
            None => self.memberships.first()?,
        };
        let Membership { tenant, role, scope } = membership.clone();
        Some(Identity { user: self.name.clone(), tenant, role, scope, page: None, valid_until: None })
    }
}

/// One line of `ringside user list`.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (n, membership) in self.memberships.iter().enumerate() {
            write!(f, "{}  {membership}", if n == 0 { "" } else { "," })?;
        }
        if self.disabled { f.write_str("  disabled") } else { Ok(()) }
    }
}

/// Why an account could not be added or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name is taken.
    #[error("there is an account {0} already; `ringside user passwd {0}` sets its password")]
    Taken(String),
    /// No account has this name.
    #[error("there is no account {0}; `ringside user list` prints them")]
    NoSuchAccount(String),
    /// The name is not valid.
    #[error("an account's name is 1 to 64 letters, digits, '.', '_', '-' or '@'")]
    BadName,
    /// The role is not for people.
    #[error("an account can't be a wallboard; `ringside token issue --wallboard overview` makes a token for one")]
    BadRole,
    /// An admin's campaigns were limited.
    #[error("an admin sees all campaigns; leave out the list, or choose another role")]
    AdminNeedsAllCampaigns,
    /// The password is too short or too long.
    #[error("a password has 8 to 256 characters")]
    BadPassword,
    /// An admin can't be removed.
    #[error("{0} is an admin of {1}; give the account another role there first")]
    IsAdmin(String, TenantId),
    /// The tenant would have no admin.
    #[error("{0} is the last admin of {1}; make another account an admin first")]
    LastAdmin(String, TenantId),
    /// The engine is unavailable.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    phc: String,
    memberships: Vec<MembershipJson>,
    disabled: bool,
    logins_since_ms: i64,
}

pub(crate) fn key(name: &str) -> Result<String, AccountError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@');
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        Ok(format!("{PREFIX}{name}"))
    } else {
        Err(AccountError::BadName)
    }
}

pub(crate) fn encode(account: &Account) -> bytes::Bytes {
    let json = AccountJson {
        phc: account.phc.clone(),
        memberships: account.memberships.iter().map(MembershipJson::from).collect(),
        disabled: account.disabled,
        logins_since_ms: account.sessions_after.millis(),
    };
    serde_json::to_vec(&json).expect("a plain struct serialises").into()
}

/// Decodes a stored account.
pub(crate) fn decode(name: &str, value: &[u8]) -> Result<Account, EngineError> {
    let read = || {
        let json: AccountJson = serde_json::from_slice(value).ok()?;
        let memberships: Vec<_> = json.memberships.iter().map(MembershipJson::read).collect::<Option<_>>()?;
        (!memberships.is_empty()).then(|| Account {
            name: name.to_owned(),
            memberships,
            disabled: json.disabled,
            sessions_after: Timestamp::from_millis(json.logins_since_ms),
            phc: json.phc,
        })
    };
    read().ok_or_else(|| EngineError::Damaged(format!("account {name}")))
}
