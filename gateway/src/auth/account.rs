//! Accounts: who may log in, and as what. They live in the engine's registry as `account/{name}`.

use std::fmt;
use std::time::Duration;

use ringside_shared::engine::{Engine, EngineError};
use ringside_shared::model::{CampaignId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::password::{self, Passwords};
use super::viewer::{Role, Scope};

/// What the keys of accounts begin with.
pub(super) const PREFIX: &str = "account/";

/// How long the engine may take to answer somebody who waits.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// A name that somebody logs in with.
#[derive(Debug, Clone)]
pub struct Account {
    /// The name.
    pub name: String,
    /// Whose data it sees.
    pub tenant: TenantId,
    /// What it may do.
    pub role: Role,
    /// Which campaigns it may see.
    pub scope: Scope,
    /// True once it was locked for good.
    pub disabled: bool,
    /// Tokens from before this moment are not accepted.
    pub(super) tokens_since: Timestamp,
    pub(super) phc: String,
}

/// One line, as `ringside user list` prints it.
impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, tenant, role, scope, .. } = self;
        write!(f, "{name}  {tenant}  {}  {scope}", role.as_str())?;
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
    /// A campaign's id can't be one.
    #[error("\"{0}\" is no campaign id: it must be 1 to 64 letters, digits, '.', '_' or '-'")]
    BadCampaign(String),
    /// The password is too short or too long.
    #[error("a password has 8 to 256 characters")]
    BadPassword,
    /// The engine can't be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// A password that was made up and is shown once.
#[derive(Clone, PartialEq, Eq)]
pub struct GeneratedPassword(String);

impl fmt::Display for GeneratedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Not the password: debug output ends up in logs.
impl fmt::Debug for GeneratedPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GeneratedPassword(…)")
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AccountJson {
    phc: String,
    tenant: String,
    role: String,
    campaigns: Option<Vec<String>>,
    disabled: bool,
    tokens_since_ms: i64,
}

/// What can be done with accounts.
#[derive(Debug)]
pub struct Accounts;

impl Accounts {
    /// Makes sure that `admin` can log in with the configured password, or, on the first start, with one that is made up
    /// and returned. A configured password that is not the account's becomes it, and ends the account's logins.
    pub async fn ensure_admin(
        engine: &dyn Engine,
        tenant: &TenantId,
        password: Option<&str>,
    ) -> Result<Option<GeneratedPassword>, AccountError> {
        if !engine.list(PREFIX).await?.is_empty() {
            if let Some(password) = password
                && Self::verify(engine, &Passwords::new(), "admin", password).await?.is_none()
            {
                match Self::set_password(engine, "admin", password).await {
                    // Whoever has accounts of their own and no admin does not want one back.
                    Ok(()) | Err(AccountError::NoSuchAccount(_)) => {}
                    Err(error) => return Err(error),
                }
            }
            return Ok(None);
        }
        let made_up = password.is_none().then(|| password::random_text(16));
        let chosen = made_up.as_deref().or(password).expect("one of the two is there");
        match Self::add(engine, tenant, "admin", chosen, Role::Admin, &[]).await {
            Ok(()) => Ok(made_up.map(GeneratedPassword)),
            // Another gateway was faster; its password is the one.
            Err(AccountError::Taken(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Adds an account; no campaigns means all.
    pub async fn add(
        engine: &dyn Engine,
        tenant: &TenantId,
        name: &str,
        password: &str,
        role: Role,
        campaigns: &[String],
    ) -> Result<(), AccountError> {
        let key = key(name)?;
        let ids = campaigns
            .iter()
            .map(|id| CampaignId::parse(id).map_err(|_| AccountError::BadCampaign(id.clone())))
            .collect::<Result<_, _>>()?;
        let account = Account {
            name: name.to_owned(),
            tenant: tenant.clone(),
            role,
            scope: if campaigns.is_empty() { Scope::All } else { Scope::Only(ids) },
            disabled: false,
            tokens_since: Timestamp::default(),
            phc: hash(password).await?,
        };
        let value = encode(&account);
        if engine.create(&key, value.clone()).await? == value {
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

    /// Sets a password, ends the account's logins and unlocks it.
    pub async fn set_password(engine: &dyn Engine, name: &str, password: &str) -> Result<(), AccountError> {
        let phc = hash(password).await?;
        Self::change(engine, name, |account| Account {
            phc,
            disabled: false,
            tokens_since: Timestamp::now(),
            ..account
        })
        .await
    }

    /// Locks an account and ends its logins.
    pub async fn disable(engine: &dyn Engine, name: &str) -> Result<(), AccountError> {
        Self::change(engine, name, |account| Account { disabled: true, tokens_since: Timestamp::now(), ..account })
            .await
    }

    /// The account, if the password is its own and it is not locked.
    pub(crate) async fn verify(
        engine: &dyn Engine,
        passwords: &Passwords,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, AccountError> {
        let account = match key(name) {
            Ok(key) => in_time(engine.get(&key)).await?.map(|value| decode(name, &value)).transpose()?,
            Err(_) => None,
        };
        // A locked account takes as long as a wrong password and says no more.
        let phc = account.as_ref().filter(|account| !account.disabled).map(|account| account.phc.clone());
        Ok(if passwords.verify(phc, password.to_owned()).await { account } else { None })
    }

    async fn change(
        engine: &dyn Engine,
        name: &str,
        change: impl FnOnce(Account) -> Account,
    ) -> Result<(), AccountError> {
        let key = key(name)?;
        let value = engine.get(&key).await?.ok_or_else(|| AccountError::NoSuchAccount(name.to_owned()))?;
        let changed = change(decode(name, &value)?);
        Ok(engine.set(&key, Some(encode(&changed))).await?)
    }
}

/// The engine's answer, or that there is none: whoever logs in or out is not made to wait for a dead Redis.
pub(super) async fn in_time<T>(asked: impl Future<Output = Result<T, EngineError>>) -> Result<T, EngineError> {
    let no_answer = |_| Err(EngineError::Unavailable(format!("no answer within {} s", ANSWERED_WITHIN.as_secs())));
    tokio::time::timeout(ANSWERED_WITHIN, asked).await.unwrap_or_else(no_answer)
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
    let password = password.to_owned();
    Ok(tokio::task::spawn_blocking(move || password::hash(&password)).await.expect("hashing does not panic"))
}

fn encode(account: &Account) -> bytes::Bytes {
    let json = AccountJson {
        phc: account.phc.clone(),
        tenant: account.tenant.to_string(),
        role: account.role.as_str().to_owned(),
        campaigns: match &account.scope {
            Scope::All => None,
            Scope::Only(ids) => Some(ids.iter().map(ToString::to_string).collect()),
        },
        disabled: account.disabled,
        tokens_since_ms: account.tokens_since.millis(),
    };
    serde_json::to_vec(&json).expect("a plain struct always serialises").into()
}

/// Reads an account as it is stored.
pub(super) fn decode(name: &str, value: &[u8]) -> Result<Account, EngineError> {
    let damaged = || EngineError::Damaged(format!("account {name}"));
    let json: AccountJson = serde_json::from_slice(value).map_err(|_| damaged())?;
    let ids = |ids: Vec<String>| ids.iter().map(|id| CampaignId::parse(id)).collect::<Result<_, _>>();
    Ok(Account {
        name: name.to_owned(),
        tenant: TenantId::parse(&json.tenant).map_err(|_| damaged())?,
        role: Role::parse(&json.role).ok_or_else(damaged)?,
        scope: json.campaigns.map_or(Ok(Scope::All), |list| ids(list).map(Scope::Only)).map_err(|_| damaged())?,
        disabled: json.disabled,
        tokens_since: Timestamp::from_millis(json.tokens_since_ms),
        phc: json.phc,
    })
}
