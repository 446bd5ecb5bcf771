//! Changes of accounts, with the revocations and unlocks that they imply.

use std::collections::HashSet;
use std::sync::LazyLock;

use ringside_engine::{Engine, EngineError};
use ringside_model::{TenantId, Timestamp};

use crate::account::{Account, AccountError, PREFIX, decode, encode, key};
use crate::membership::Membership;
use crate::password::{Busy, GeneratedPassword, Passwords};
use crate::revocations::{Revocations, Revoked};
use crate::role::Role;
use crate::scope::Scope;
use crate::session::{Session, end_where};
use crate::throttle::unlock;
use crate::timeout::with_timeout;

/// Hashes new passwords in a queue of its own, so that it delays no sign-in.
static NEW: LazyLock<Passwords> = LazyLock::new(Passwords::new);

/// The result of making sure that there is an `admin`.
#[derive(Debug, PartialEq, Eq)]
pub enum EnsuredAdmin {
    /// It has the configured password, or its own if none is configured.
    AsConfigured,
    /// It was added with this generated password.
    Generated(GeneratedPassword),
    /// Its password was changed to the configured one.
    Changed {
        /// Its home tenant.
        home: TenantId,
    },
}

/// The operations on accounts.
#[derive(Debug)]
pub struct Accounts;

impl Accounts {
    /// Makes sure that there is an `admin`.
    ///
    /// It gets the configured password, or a generated one on first start.
    pub async fn ensure_admin(
        engine: &dyn Engine,
        tenant: &TenantId,
        password: Option<&str>,
    ) -> Result<EnsuredAdmin, AccountError> {
        if !engine.list(PREFIX).await?.is_empty() {
            return match password {
                Some(password) => Self::adopt_admin_password(engine, password).await,
                None => Ok(EnsuredAdmin::AsConfigured),
            };
        }
        let generated = GeneratedPassword::generate();
        let admin = Membership { tenant: tenant.clone(), role: Role::Admin, scope: Scope::All };
        match Self::add(engine, "admin", password.unwrap_or(&generated.0), &admin).await {
            Ok(()) if password.is_none() => Ok(EnsuredAdmin::Generated(generated)),
            // If another gateway was faster, its password applies.
            Ok(()) | Err(AccountError::Taken(_)) => Ok(EnsuredAdmin::AsConfigured),
            Err(error) => Err(error),
        }
    }

    /// Gives `admin` the configured password, if it has another one.
    ///
    /// Its sessions end then. A locked account stays locked and a removed one stays removed: a restart must not undo an
    /// admin's decision.
    async fn adopt_admin_password(engine: &dyn Engine, password: &str) -> Result<EnsuredAdmin, AccountError> {
        let Some(admin) = Account::get(engine, "admin").await? else { return Ok(EnsuredAdmin::AsConfigured) };
        if Passwords::new().verify(Some(admin.phc.clone()), password.to_owned()).await == Ok(true) {
            return Ok(EnsuredAdmin::AsConfigured);
        }
        let (phc, now) = (hash(password).await?, Timestamp::now());
        let change = |account| Ok(Account { phc: phc.clone(), sessions_after: now, ..account });
        match Self::change(engine, "admin", change).await {
            Ok(_) => {}
            Err(AccountError::NoSuchAccount(_)) => return Ok(EnsuredAdmin::AsConfigured),
            Err(error) => return Err(error),
        }
        with_timeout(unlock(engine, "admin")).await?;
        Self::end_sessions_of(engine, "admin", now).await?;
        Ok(EnsuredAdmin::Changed { home: admin.home().clone() })
    }

    /// Adds an account, which is at home in the tenant of its first membership.
    pub async fn add(
        engine: &dyn Engine,
        name: &str,
        password: &str,
        membership: &Membership,
    ) -> Result<(), AccountError> {
        let key = key(name)?;
        check(membership)?;
        let account = Account {
            name: name.to_owned(),
            memberships: vec![membership.clone()],
            disabled: false,
            // Sessions of a removed account of the same name must not become valid again.
            sessions_after: Timestamp::now(),
            phc: hash(password).await?,
        };
        let value = encode(&account);
        if engine.get_or_create(&key, value.clone()).await? == value {
            Ok(())
        } else {
            Err(AccountError::Taken(name.to_owned()))
        }
    }

    /// Sets a password, ends the account's sessions and unlocks it.
    ///
    /// Returns whether it was locked.
    pub async fn set_password(engine: &dyn Engine, name: &str, password: &str) -> Result<bool, AccountError> {
        let phc = hash(password).await?;
        let now = Timestamp::now();
        let change = |account| Ok(Account { phc: phc.clone(), disabled: false, sessions_after: now, ..account });
        let (before, _) = Self::change(engine, name, change).await?;
        with_timeout(unlock(engine, name)).await?;
        Self::end_sessions_of(engine, name, now).await?;
        Ok(before.disabled)
    }

    /// Locks an account and ends its sessions.
    pub async fn disable(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        let now = Timestamp::now();
        let changed =
            Self::change(engine, name, |account| Ok(Account { disabled: true, sessions_after: now, ..account }));
        changed.await?;
        Self::end_sessions_of(engine, name, now).await
    }

    /// Unlocks an account.
    pub async fn enable(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        Self::change(engine, name, |account| Ok(Account { disabled: false, ..account })).await?;
        Ok(with_timeout(unlock(engine, name)).await?)
    }

    /// Ends all sessions of an account. It may sign in again.
    pub async fn end_sessions(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        let now = Timestamp::now();
        Self::change(engine, name, |account| Ok(Account { sessions_after: now, ..account })).await?;
        Self::end_sessions_of(engine, name, now).await
    }

    /// Sets an account's membership in a tenant and returns the previous one.
    ///
    /// Its sessions continue, and have the new rights within a second.
    pub async fn grant(
        engine: &dyn Engine,
        name: &str,
        membership: &Membership,
    ) -> Result<Option<Membership>, AccountError> {
        check(membership)?;
        let change = |mut account: Account| {
            match account.memberships.iter_mut().find(|known| known.tenant == membership.tenant) {
                Some(known) => *known = membership.clone(),
                None => account.memberships.push(membership.clone()),
            }
            Ok(account)
        };
        let (before, _) = Self::change(engine, name, change).await?;
        Self::end_tokens(engine, name).await?;
        Ok(before.membership(&membership.tenant).cloned())
    }

    /// Changes part of an account's membership in a tenant.
    ///
    /// Returns the membership before and after.
    ///
    /// Safe with concurrent changes. Fails if the account is no member of the tenant.
    pub async fn amend(
        engine: &dyn Engine,
        name: &str,
        tenant: &TenantId,
        amend: impl Fn(Membership) -> Membership,
    ) -> Result<(Membership, Membership), AccountError> {
        let none = || AccountError::NoSuchAccount(name.to_owned());
        let change = |mut account: Account| {
            let here = account.memberships.iter_mut().find(|known| known.tenant == *tenant).ok_or_else(none)?;
            let amended = amend(here.clone());
            if amended != *here {
                check(&amended)?;
                *here = amended;
            }
            Ok(account)
        };
        let (before, after) = Self::change(engine, name, change).await?;
        // Also without a change: this may be a retry after the revocation failed.
        Self::end_tokens(engine, name).await?;
        let here = |account: &Account| account.membership(tenant).cloned().ok_or_else(none);
        let (before, after) = (here(&before)?, here(&after)?);
        Ok((before, after))
    }

    /// Removes an account from a tenant, or deletes it in its home tenant.
    ///
    /// Returns the lost memberships, so that each tenant can audit its own. Sessions in other tenants continue.
    pub async fn remove(engine: &dyn Engine, name: &str, tenant: &TenantId) -> Result<Vec<Membership>, AccountError> {
        let change = |mut account: Account| {
            if account.membership(tenant).is_none() {
                return Err(AccountError::NoSuchAccount(name.to_owned()));
            }
            let deletes = account.home() == tenant;
            // Admins can't be removed, so no tenant loses its last one, even with concurrent removals.
            let is_lost = |here: &&Membership| (deletes || here.tenant == *tenant) && here.role == Role::Admin;
            if let Some(here) = account.memberships.iter().find(is_lost) {
                return Err(AccountError::IsAdmin(name.to_owned(), here.tenant.clone()));
            }
            account.memberships.retain(|here| here.tenant != *tenant);
            Ok((!deletes).then_some(account))
        };
        // Revoked before as well: a deleted account can't be removed again to retry a failed revocation.
        let account = Account::get(engine, name).await?.ok_or_else(|| AccountError::NoSuchAccount(name.to_owned()))?;
        change(account)?;
        Self::end_tokens(engine, name).await?;
        let (before, after) = Self::replace(engine, name, change).await?;
        match &after {
            Some(_) => Self::end_tokens(engine, name).await?,
            None => Self::end_sessions_of(engine, name, Timestamp::now()).await?,
        }
        let left = |here: &Membership| after.as_ref().is_some_and(|after| after.membership(&here.tenant).is_some());
        Ok(before.memberships.into_iter().filter(|here| !left(here)).collect())
    }

    /// Ends the sessions of all members of a tenant and returns their number.
    ///
    /// Sessions that were switched to another tenant end too.
    pub async fn end_tenant_sessions(
        engine: &dyn Engine,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<usize, AccountError> {
        Revocations::append(engine, &[Revoked::tenant(tenant, now)]).await?;
        let accounts = Account::list(engine).await?;
        let members = accounts.iter().filter(|account| account.membership(tenant).is_some());
        let members: HashSet<&str> = members.map(|account| account.name.as_str()).collect();
        let of_tenant = |session: &Session| session.tenant == *tenant || members.contains(session.user.as_str());
        Ok(end_where(engine, now, |session| of_tenant(session) && session.started_at <= now).await?)
    }

    /// Fails if this account is the only admin of the tenant.
    pub async fn require_other_admin(engine: &dyn Engine, name: &str, tenant: &TenantId) -> Result<(), AccountError> {
        let accounts = Account::list(engine).await?;
        let mut admins = accounts.iter().filter(|account| account.administers(tenant)).peekable();
        if admins.peek().is_some() && admins.all(|account| account.name == name) {
            return Err(AccountError::LastAdmin(name.to_owned(), tenant.clone()));
        }
        Ok(())
    }

    /// Returns the account, and whether it is unlocked and the password is right.
    pub(crate) async fn verify(
        engine: &dyn Engine,
        passwords: &Passwords,
        name: &str,
        password: &str,
    ) -> Result<(Option<Account>, bool), AccountError> {
        let account = Account::get(engine, name).await?;
        // A locked account takes as long as a wrong password, so that it can't be told apart.
        let phc = account.as_ref().filter(|account| !account.disabled).map(|account| account.phc.clone());
        let is_own = passwords.verify(phc, password.to_owned()).await.map_err(busy)?;
        Ok((account, is_own))
    }

    /// Revokes a user's access tokens on all gateways.
    ///
    /// Their sessions continue and get new ones.
    pub async fn end_tokens(engine: &dyn Engine, name: &str) -> Result<(), EngineError> {
        Revocations::append(engine, &[Revoked::user(name, Timestamp::now())]).await
    }

    async fn end_sessions_of(engine: &dyn Engine, name: &str, now: Timestamp) -> Result<(), AccountError> {
        Revocations::append(engine, &[Revoked::user(name, now)]).await?;
        end_where(engine, now, |session| session.user == name && session.started_at <= now).await?;
        Ok(())
    }

    /// Changes an account atomically. Returns it before and after.
    async fn change(
        engine: &dyn Engine,
        name: &str,
        change: impl Fn(Account) -> Result<Account, AccountError>,
    ) -> Result<(Account, Account), AccountError> {
        let (before, after) = Self::replace(engine, name, |account| change(account).map(Some)).await?;
        Ok((before, after.expect("the closure returns an account")))
    }

    /// Changes or deletes an account atomically. Returns it before and after.
    async fn replace(
        engine: &dyn Engine,
        name: &str,
        change: impl Fn(Account) -> Result<Option<Account>, AccountError>,
    ) -> Result<(Account, Option<Account>), AccountError> {
        let key = key(name)?;
        loop {
            let stored = engine.get(&key).await?.ok_or_else(|| AccountError::NoSuchAccount(name.to_owned()))?;
            let before = decode(name, &stored)?;
            let after = change(before.clone())?;
            if engine.compare_and_swap(&key, Some(stored), after.as_ref().map(encode)).await? {
                return Ok((before, after));
            }
        }
    }
}

/// Rejects a membership that no account may have.
///
/// An admin of some campaigns could grant themselves the others.
fn check(membership: &Membership) -> Result<(), AccountError> {
    match (membership.role, &membership.scope) {
        (Role::Wallboard, _) => Err(AccountError::BadRole),
        (Role::Admin, Scope::Only(_)) => Err(AccountError::AdminNeedsAllCampaigns),
        _ => Ok(()),
    }
}

async fn hash(password: &str) -> Result<String, AccountError> {
    if !(8..=256).contains(&password.chars().count()) {
        return Err(AccountError::BadPassword);
    }
    Ok(NEW.hash(password.to_owned()).await.map_err(busy)?)
}

fn busy(busy: Busy) -> EngineError {
    EngineError::Unavailable(busy.to_string())
}
