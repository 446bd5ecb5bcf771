//! Accounts: who may log in, and as what in which tenants. They live in the engine's registry as `account/{name}`.

use std::fmt;
use std::sync::LazyLock;

use ringside_engine::{Engine, EngineError};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::in_time::in_time;
use super::membership::{Membership, MembershipJson};
use super::password::{Busy, GeneratedPassword, Passwords};
use super::role::Role;
use super::scope::Scope;
use super::session::end_where;
use super::standing::{Standing, Taken};
use super::throttle::unlock;

/// What the keys of accounts begin with.
const PREFIX: &str = "account/";

/// New passwords are hashed in turns of their own: whoever sets many of them keeps nobody from logging in.
static NEW: LazyLock<Passwords> = LazyLock::new(Passwords::new);

/// A name that somebody logs in with.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name.
    pub name: String,
    /// What it may see and do, and where. The first is at home: only its admins may lock the account or set its password.
    pub memberships: Vec<Membership>,
    /// True once it was locked for good.
    pub disabled: bool,
    /// Logins from before this moment are not renewed.
    pub(super) logins_since: Timestamp,
    phc: String,
}

impl Account {
    /// The tenant whose admins look after the account.
    pub fn home(&self) -> &TenantId {
        &self.memberships[0].tenant
    }

    /// What it is in a tenant, if anything.
    pub fn membership(&self, tenant: &TenantId) -> Option<&Membership> {
        self.memberships.iter().find(|membership| membership.tenant == *tenant)
    }

    /// True where it can administer the tenant.
    pub(crate) fn administers(&self, tenant: &TenantId) -> bool {
        !self.disabled && self.membership(tenant).is_some_and(|membership| membership.role == Role::Admin)
    }

    /// Who it is in that tenant, or at home.
    pub(crate) fn identity(&self, tenant: Option<&TenantId>) -> Option<Identity> {
        let membership = match tenant {
            Some(tenant) => self.membership(tenant)?,
            None => self.memberships.first()?,
        };
        let Membership { tenant, role, scope } = membership.clone();
        Some(Identity { user: self.name.clone(), tenant, role, scope, page: None, until: None })
    }
}

/// One line, as `ringside user list` prints it.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (n, membership) in self.memberships.iter().enumerate() {
            write!(f, "{}  {membership}", if n == 0 { "" } else { "," })?;
        }
        if self.disabled { f.write_str("  disabled") } else { Ok(()) }
    }
}

/// Why an account could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The name is taken.
    #[error("there is an account {0} already; `ringside user passwd {0}` sets its password")]
    Taken(String),
    /// Nobody has that name.
    #[error("there is no account {0}; `ringside user list` prints them")]
    NoSuchAccount(String),
    /// The name can't be one.
    #[error("an account's name is 1 to 64 letters, digits, '.', '_', '-' or '@'")]
    BadName,
    /// The role is no person's.
    #[error("an account can't be a wallboard; `ringside token issue --wallboard overview` makes a token for one")]
    BadRole,
    /// The role and the list of campaigns don't go together.
    #[error("an admin sees all campaigns; leave out the list, or choose another role")]
    AdminOfSome,
    /// The password is too short or too long.
    #[error("a password has 8 to 256 characters")]
    BadPassword,
    /// Who administers something is not removed.
    #[error("{0} is an admin of {1}; give the account another role there first")]
    IsAdmin(String, TenantId),
    /// Nobody could administer the tenant any more.
    #[error("{0} is the last admin of {1}; make somebody else an admin first")]
    LastAdmin(String, TenantId),
    /// The engine can't be asked.
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

/// What was done so that there is an `admin`.
#[derive(Debug, PartialEq, Eq)]
pub enum EnsuredAdmin {
    /// Nothing is to be told: it has the configured password, or its own where none is.
    AsConfigured,
    /// It is new, with this password.
    MadeUp(GeneratedPassword),
    /// Its password became the configured one.
    Changed {
        /// Where it is at home.
        home: TenantId,
    },
}

/// What can be done with accounts.
#[derive(Debug)]
pub struct Accounts;

impl Accounts {
    /// Makes sure that there is an `admin` with the configured password, or, on the first start, with one that is made up.
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
        let made_up = GeneratedPassword::make_up();
        let admin = Membership { tenant: tenant.clone(), role: Role::Admin, scope: Scope::All };
        match Self::add(engine, "admin", password.unwrap_or(&made_up.0), &admin).await {
            Ok(()) if password.is_none() => Ok(EnsuredAdmin::MadeUp(made_up)),
            // Where another gateway was faster, its password is the one.
            Ok(()) | Err(AccountError::Taken(_)) => Ok(EnsuredAdmin::AsConfigured),
            Err(error) => Err(error),
        }
    }

    /// Gives `admin` the configured password where it has another one, and ends its logins. Whoever locked the account
    /// wants it locked after a restart too, and whoever has none does not want one back.
    async fn adopt_admin_password(engine: &dyn Engine, password: &str) -> Result<EnsuredAdmin, AccountError> {
        let Some(admin) = Self::get(engine, "admin").await? else { return Ok(EnsuredAdmin::AsConfigured) };
        if Passwords::new().verify(Some(admin.phc.clone()), password.to_owned()).await == Ok(true) {
            return Ok(EnsuredAdmin::AsConfigured);
        }
        let (phc, now) = (hash(password).await?, Timestamp::now());
        let change = |account| Ok(Account { phc: phc.clone(), logins_since: now, ..account });
        match Self::change(engine, "admin", change).await {
            Ok(_) => {}
            Err(AccountError::NoSuchAccount(_)) => return Ok(EnsuredAdmin::AsConfigured),
            Err(error) => return Err(error),
        }
        in_time(unlock(engine, "admin")).await?;
        Self::end_logins_of(engine, "admin", now).await?;
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
        membership.check()?;
        let account = Account {
            name: name.to_owned(),
            memberships: vec![membership.clone()],
            disabled: false,
            // An account of that name that was removed has left its logins behind.
            logins_since: Timestamp::now(),
            phc: hash(password).await?,
        };
        let value = encode(&account);
        if engine.get_or_create(&key, value.clone()).await? == value {
            Ok(())
        } else {
            Err(AccountError::Taken(name.to_owned()))
        }
    }

    /// All accounts, by name.
    pub async fn list(engine: &dyn Engine) -> Result<Vec<Account>, AccountError> {
        let values = engine.list(PREFIX).await?;
        values.iter().map(|(key, value)| Ok(decode(&key[PREFIX.len()..], value)?)).collect()
    }

    /// The account of that name.
    pub async fn get(engine: &dyn Engine, name: &str) -> Result<Option<Account>, AccountError> {
        let Ok(key) = key(name) else { return Ok(None) };
        Ok(in_time(engine.get(&key)).await?.map(|value| decode(name, &value)).transpose()?)
    }

    /// Sets a password, ends the account's logins and unlocks it; true where it was locked.
    pub async fn set_password(engine: &dyn Engine, name: &str, password: &str) -> Result<bool, AccountError> {
        let phc = hash(password).await?;
        let now = Timestamp::now();
        let change = |account| Ok(Account { phc: phc.clone(), disabled: false, logins_since: now, ..account });
        let (before, _) = Self::change(engine, name, change).await?;
        in_time(unlock(engine, name)).await?;
        Self::end_logins_of(engine, name, now).await?;
        Ok(before.disabled)
    }

    /// Locks an account and ends its logins.
    pub async fn disable(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        let now = Timestamp::now();
        let changed =
            Self::change(engine, name, |account| Ok(Account { disabled: true, logins_since: now, ..account }));
        changed.await?;
        Self::end_logins_of(engine, name, now).await
    }

    /// Unlocks an account.
    pub async fn enable(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        Self::change(engine, name, |account| Ok(Account { disabled: false, ..account })).await?;
        Ok(in_time(unlock(engine, name)).await?)
    }

    /// Ends all logins of an account. It may log in again.
    pub async fn end_logins(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        let now = Timestamp::now();
        Self::change(engine, name, |account| Ok(Account { logins_since: now, ..account })).await?;
        Self::end_logins_of(engine, name, now).await
    }

    /// Says what an account is in a tenant from now on, and tells what it was there. Its logins go on, with other rights
    /// within the second.
    pub async fn grant(
        engine: &dyn Engine,
        name: &str,
        membership: &Membership,
    ) -> Result<Option<Membership>, AccountError> {
        membership.check()?;
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

    /// Changes a part of what an account is in a tenant, whatever else is changed at the same time; tells what it was and
    /// what it is. It changes nothing where the account is not in the tenant.
    pub(crate) async fn amend(
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
                amended.check()?;
                *here = amended;
            }
            Ok(account)
        };
        let (before, after) = Self::change(engine, name, change).await?;
        // Also where nothing changes: it may be said again because it could not be told before.
        Self::end_tokens(engine, name).await?;
        let here = |account: &Account| account.membership(tenant).cloned().ok_or_else(none);
        let (before, after) = (here(&before)?, here(&after)?);
        Ok((before, after))
    }

    /// Takes an account out of a tenant; at home the account itself goes. Tells what it was wherever it is nothing any more,
    /// each of which is to be noted there. Its logins go on where it is still something.
    pub async fn remove(engine: &dyn Engine, name: &str, tenant: &TenantId) -> Result<Vec<Membership>, AccountError> {
        let change = |mut account: Account| {
            if account.membership(tenant).is_none() {
                return Err(AccountError::NoSuchAccount(name.to_owned()));
            }
            let goes = account.home() == tenant;
            // No tenant loses its last admin this way, whoever else is removed at the same time.
            let is_lost = |here: &&Membership| (goes || here.tenant == *tenant) && here.role == Role::Admin;
            if let Some(here) = account.memberships.iter().find(is_lost) {
                return Err(AccountError::IsAdmin(name.to_owned(), here.tenant.clone()));
            }
            account.memberships.retain(|here| here.tenant != *tenant);
            Ok((!goes).then_some(account))
        };
        // Told before as well: what is gone can't be removed once more because it could not be told.
        let account = Self::get(engine, name).await?.ok_or_else(|| AccountError::NoSuchAccount(name.to_owned()))?;
        change(account)?;
        Self::end_tokens(engine, name).await?;
        let (before, after) = Self::replace(engine, name, change).await?;
        match &after {
            Some(_) => Self::end_tokens(engine, name).await?,
            None => Self::end_logins_of(engine, name, Timestamp::now()).await?,
        }
        let left = |here: &Membership| after.as_ref().is_some_and(|after| after.membership(&here.tenant).is_some());
        Ok(before.memberships.into_iter().filter(|here| !left(here)).collect())
    }

    /// An error where nobody but this account is an admin of the tenant.
    pub(crate) async fn require_other_admin(
        engine: &dyn Engine,
        name: &str,
        tenant: &TenantId,
    ) -> Result<(), AccountError> {
        let accounts = Self::list(engine).await?;
        let mut admins = accounts.iter().filter(|account| account.administers(tenant)).peekable();
        if admins.peek().is_some() && admins.all(|account| account.name == name) {
            return Err(AccountError::LastAdmin(name.to_owned(), tenant.clone()));
        }
        Ok(())
    }

    /// The account of that name, and whether it is not locked and the password is its own.
    pub(crate) async fn verify(
        engine: &dyn Engine,
        passwords: &Passwords,
        name: &str,
        password: &str,
    ) -> Result<(Option<Account>, bool), AccountError> {
        let account = Self::get(engine, name).await?;
        // A locked account takes as long as a wrong password and says no more.
        let phc = account.as_ref().filter(|account| !account.disabled).map(|account| account.phc.clone());
        let is_own = passwords.verify(phc, password.to_owned()).await.map_err(busy)?;
        Ok((account, is_own))
    }

    /// What tokens say of somebody counts no more, on any gateway; their logins go on and get others.
    pub(crate) async fn end_tokens(engine: &dyn Engine, name: &str) -> Result<(), EngineError> {
        Standing::tell(engine, &[Taken::user(name, Timestamp::now())]).await
    }

    async fn end_logins_of(engine: &dyn Engine, name: &str, now: Timestamp) -> Result<(), AccountError> {
        Standing::tell(engine, &[Taken::user(name, now)]).await?;
        end_where(engine, now, |session| session.user == name && session.began <= now).await?;
        Ok(())
    }

    /// Changes an account, whoever else changes it at the same time; tells what it was and what it is.
    async fn change(
        engine: &dyn Engine,
        name: &str,
        change: impl Fn(Account) -> Result<Account, AccountError>,
    ) -> Result<(Account, Account), AccountError> {
        let (before, after) = Self::replace(engine, name, |account| change(account).map(Some)).await?;
        Ok((before, after.expect("a change leaves an account")))
    }

    /// The same, where nothing may be left of it.
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

fn key(name: &str) -> Result<String, AccountError> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'@');
    if (1..=64).contains(&name.len()) && name.bytes().all(plain) {
        Ok(format!("{PREFIX}{name}"))
    } else {
        Err(AccountError::BadName)
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

fn encode(account: &Account) -> bytes::Bytes {
    let json = AccountJson {
        phc: account.phc.clone(),
        memberships: account.memberships.iter().map(MembershipJson::from).collect(),
        disabled: account.disabled,
        logins_since_ms: account.logins_since.millis(),
    };
    serde_json::to_vec(&json).expect("a plain struct always serialises").into()
}

/// Reads an account as it is stored.
fn decode(name: &str, value: &[u8]) -> Result<Account, EngineError> {
    let read = || {
        let json: AccountJson = serde_json::from_slice(value).ok()?;
        let memberships: Vec<_> = json.memberships.iter().map(MembershipJson::read).collect::<Option<_>>()?;
        (!memberships.is_empty()).then(|| Account {
            name: name.to_owned(),
            memberships,
            disabled: json.disabled,
            logins_since: Timestamp::from_millis(json.logins_since_ms),
            phc: json.phc,
        })
    };
    read().ok_or_else(|| EngineError::Damaged(format!("account {name}")))
}
