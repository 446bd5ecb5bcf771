//! API keys of event sources. Each belongs to a tenant and a source.
//!
//! The engine's registry has one record per key under `key/{sha256 of the key}`. The key itself is shown once, when it
//! is issued, and never stored. Keys are looked up by hash, so timing tells an attacker only about the hash of a guess.

mod secret;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rand::RngExt;
use ringside_engine::{Engine, EngineError};
use ringside_model::{BadId, Clock, SourceId, TenantId, Timestamp};
pub use secret::{BadSecret, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

const PREFIX: &str = "key/";

/// How long a found key is cached.
///
/// A revoked key stops working everywhere within this time.
const CACHE_MS: i64 = 5_000;

/// How many keys are cached.
///
/// With more senders than this, the registry is asked more often.
const CACHE_KEYS: usize = 4_096;

/// An API key, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id in `list` and `revoke`: the SHA-256 of the key, in hex.
    pub id: String,
    /// The tenant of its events.
    pub tenant: TenantId,
    /// The source of its events.
    pub source: SourceId,
    /// Its name, for people.
    pub name: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// If there are any, each delivery must be signed with one of them.
    ///
    /// A sender rotates with two at a time.
    pub secrets: Vec<Secret>,
}

/// A key that was just issued. Its text is shown only now.
#[derive(Clone)]
pub struct IssuedKey {
    /// The key, for the sender's configuration.
    pub key: String,
    /// The stored record.
    pub record: ApiKey,
}

/// Hides the key: debug output ends up in logs.
impl fmt::Debug for IssuedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedKey").field("record", &self.record).finish_non_exhaustive()
    }
}

/// Why a key could not be issued, revoked or looked up.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text is not a valid key.
    #[error("an API key must be 32 to 200 printable ASCII characters without spaces; this one has {0}")]
    Malformed(usize),
    /// The same text is a key of another tenant or source.
    #[error("this API key is in use for tenant {tenant}, source {source_id}; choose another one or revoke it first")]
    Taken {
        /// The tenant that has it.
        tenant: TenantId,
        /// The source that has it.
        source_id: SourceId,
    },
    /// No key's id has this prefix.
    #[error("no API key has an id that begins with {0}; `ringside key list` shows them")]
    NotFound(String),
    /// Several keys' ids have this prefix.
    #[error("{1} API keys have an id that begins with {0}; give more of it")]
    Ambiguous(String, usize),
    /// The key has no secrets to change.
    #[error("deliveries with the API key {0} are not signed; `ringside key issue --signed` makes one whose are")]
    Unsigned(String),
    /// The key has two secrets: with a third, it would be unclear which are in use.
    #[error(
        "the API key {0} has two secrets; once its sender uses the new one, `ringside key secret {0} --only-newest` ends the \
         old one, and `--only-oldest` takes the new one back"
    )]
    InRotation(String),
    /// The key has no second secret.
    #[error("the API key {0} has one secret only; `ringside key secret {0}` makes another one beside it")]
    OneSecret(String),
    /// The stored record is malformed.
    #[error("the stored API key {0} can't be read; revoke it and issue a new one")]
    Damaged(String),
    /// The registry is unavailable.
    #[error("API keys can't be looked up now")]
    Engine(#[from] EngineError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    tenant: String,
    source: String,
    name: String,
    created_at: i64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<String>,
}

impl KeyJson {
    fn of(key: &ApiKey) -> Bytes {
        let json = Self {
            tenant: key.tenant.as_str().into(),
            source: key.source.as_str().into(),
            name: key.name.clone(),
            created_at: key.created_at.millis(),
            secrets: key.secrets.iter().map(Secret::reveal).collect(),
        };
        serde_json::to_vec(&json).expect("a plain struct serialises").into()
    }

    fn read(id: &str, bytes: &[u8]) -> Result<ApiKey, KeyError> {
        let damaged = || KeyError::Damaged(id.get(..12).unwrap_or(id).to_owned());
        let json: Self = serde_json::from_slice(bytes).map_err(|_| damaged())?;
        let bad_id = |_: BadId| damaged();
        Ok(ApiKey {
            id: id.to_owned(),
            tenant: TenantId::parse(&json.tenant).map_err(bad_id)?,
            source: SourceId::parse(&json.source).map_err(bad_id)?,
            name: json.name,
            created_at: Timestamp::from_millis(json.created_at),
            // A malformed secret must not turn into "no signature needed".
            secrets: json.secrets.iter().map(|s| Secret::parse(s)).collect::<Result<_, _>>().map_err(|_| damaged())?,
        })
    }
}

/// Keys by id, with the time they were read.
type Cache = HashMap<String, (Timestamp, Arc<ApiKey>)>;

/// The API keys of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Keys {
    engine: Arc<dyn Engine>,
    clock: Clock,
    cache: Arc<Mutex<Cache>>,
}

impl Keys {
    /// Returns the keys in an engine's registry.
    pub fn new(engine: Arc<dyn Engine>, clock: Clock) -> Self {
        Self { engine, clock, cache: Arc::default() }
    }

    /// Issues a key. Only the result has its text.
    pub async fn issue(
        &self,
        tenant: &TenantId,
        source: &SourceId,
        name: &str,
        secrets: Vec<Secret>,
    ) -> Result<IssuedKey, KeyError> {
        let key = random_key();
        let record = self.record(&key, tenant, source, name, secrets);
        self.engine.set(&registry_key(&record.id), Some(KeyJson::of(&record))).await?;
        Ok(IssuedKey { key, record })
    }

    /// Makes sure that a configured key exists for this tenant and source.
    pub async fn ensure(&self, tenant: &TenantId, source: &SourceId, key: &str) -> Result<ApiKey, KeyError> {
        if !is_key(key) {
            return Err(KeyError::Malformed(key.chars().count()));
        }
        let wanted = self.record(key, tenant, source, "from the configuration", Vec::new());
        let kept = self.engine.get_or_create(&registry_key(&wanted.id), KeyJson::of(&wanted)).await?;
        let kept = KeyJson::read(&wanted.id, &kept)?;
        if (&kept.tenant, &kept.source) != (tenant, source) {
            return Err(KeyError::Taken { tenant: kept.tenant, source_id: kept.source });
        }
        Ok(kept)
    }

    /// Revokes a key by its id or a prefix of it, and returns the id.
    ///
    /// Other processes notice within seconds.
    pub async fn revoke(&self, id: &str) -> Result<String, KeyError> {
        let (id, _) = self.by_id(id).await?;
        self.engine.set(&registry_key(&id), None).await?;
        self.forget(&id);
        Ok(id)
    }

    /// Adds a second secret to a key whose deliveries are signed.
    ///
    /// From now on either one is accepted.
    pub async fn add_secret(&self, id: &str) -> Result<Secret, KeyError> {
        let new = Secret::generate();
        self.change_secrets(id, |id, secrets| match secrets {
            [] => Err(KeyError::Unsigned(id.into())),
            [old] => Ok(vec![old.clone(), new.clone()]),
            _ => Err(KeyError::InRotation(id.into())),
        })
        .await?;
        Ok(new)
    }

    /// Removes the older of a key's two secrets, once its sender uses the new one.
    pub async fn keep_newest_secret(&self, id: &str) -> Result<(), KeyError> {
        self.change_secrets(id, |id, secrets| keep_one(id, secrets, secrets.last())).await
    }

    /// Removes the newer of a key's two secrets, if no sender uses it.
    pub async fn keep_oldest_secret(&self, id: &str) -> Result<(), KeyError> {
        self.change_secrets(id, |id, secrets| keep_one(id, secrets, secrets.first())).await
    }

    /// Changes a key's secrets.
    ///
    /// Other processes notice within seconds, and a key revoked meanwhile stays revoked.
    async fn change_secrets(
        &self,
        id: &str,
        change: impl Fn(&str, &[Secret]) -> Result<Vec<Secret>, KeyError>,
    ) -> Result<(), KeyError> {
        loop {
            let (id, bytes) = self.by_id(id).await?;
            let mut key = KeyJson::read(&id, &bytes)?;
            key.secrets = change(id.get(..12).unwrap_or(&id), &key.secrets)?;
            if self.engine.compare_and_swap(&registry_key(&id), Some(bytes), Some(KeyJson::of(&key))).await? {
                self.forget(&id);
                return Ok(());
            }
        }
    }

    /// Returns all keys, or those of one tenant, oldest first.
    pub async fn list(&self, tenant: Option<&TenantId>) -> Result<Vec<ApiKey>, KeyError> {
        let mut keys = Vec::new();
        for (name, bytes) in self.engine.list(PREFIX).await? {
            let key = KeyJson::read(name.strip_prefix(PREFIX).unwrap_or(&name), &bytes)?;
            if tenant.is_none_or(|tenant| *tenant == key.tenant) {
                keys.push(key);
            }
        }
        keys.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(keys)
    }

    /// Returns the key that a request presents, if it exists.
    pub async fn find(&self, bearer: &str) -> Result<Option<Arc<ApiKey>>, KeyError> {
        if !is_key(bearer) {
            return Ok(None);
        }
        let id = hash(bearer);
        let now = (self.clock)();
        if let Some((seen, key)) = self.cache().get(&id)
            && (0..CACHE_MS).contains(&now.since(*seen))
        {
            return Ok(Some(Arc::clone(key)));
        }
        let Some(bytes) = self.engine.get(&registry_key(&id)).await? else {
            self.forget(&id);
            return Ok(None);
        };
        let key = Arc::new(KeyJson::read(&id, &bytes)?);
        let mut cache = self.cache();
        // Only existing keys get in, so guessing can't fill it. A full cache is emptied.
        if cache.len() >= CACHE_KEYS {
            cache.clear();
        }
        cache.insert(id, (now, Arc::clone(&key)));
        Ok(Some(key))
    }

    fn record(&self, key: &str, tenant: &TenantId, source: &SourceId, name: &str, secrets: Vec<Secret>) -> ApiKey {
        let (tenant, source, name) = (tenant.clone(), source.clone(), name.to_owned());
        ApiKey { id: hash(key), tenant, source, name, created_at: (self.clock)(), secrets }
    }

    async fn by_id(&self, id: &str) -> Result<(String, Bytes), KeyError> {
        let not_found = || KeyError::NotFound(id.to_owned());
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(not_found());
        }
        let mut found = self.engine.list(&registry_key(&id.to_ascii_lowercase())).await?;
        match found.len() {
            0 => Err(not_found()),
            1 => {
                let (name, bytes) = found.remove(0);
                Ok((name.strip_prefix(PREFIX).unwrap_or(&name).to_owned(), bytes))
            }
            several => Err(KeyError::Ambiguous(id.to_owned(), several)),
        }
    }

    fn forget(&self, id: &str) {
        self.cache().remove(id);
    }

    fn cache(&self) -> parking_lot::MutexGuard<'_, Cache> {
        self.cache.lock()
    }
}

/// Keeps one of a key's two secrets.
fn keep_one(id: &str, secrets: &[Secret], kept: Option<&Secret>) -> Result<Vec<Secret>, KeyError> {
    match (secrets, kept) {
        ([], _) | (_, None) => Err(KeyError::Unsigned(id.to_owned())),
        ([_], _) => Err(KeyError::OneSecret(id.to_owned())),
        (_, Some(kept)) => Ok(vec![kept.clone()]),
    }
}

fn registry_key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn is_key(text: &str) -> bool {
    (32..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn hash(key: &str) -> String {
    format!("{:x}", Sha256::digest(key.as_bytes()))
}

/// Returns `rsk_` and 40 base-62 characters: 238 bits, and easy to find in a leak.
fn random_key() -> String {
    const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rng = rand::rng();
    let random = (0..40).map(|_| char::from(DIGITS[rng.random_range(0..DIGITS.len())]));
    "rsk_".chars().chain(random).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issued_key_does_not_show_in_debug_output() {
        let key = random_key();
        let record = ApiKey {
            id: hash(&key),
            tenant: TenantId::parse("acme").unwrap(),
            source: SourceId::parse("hook").unwrap(),
            name: "the exchange".into(),
            created_at: Timestamp::from_millis(0),
            secrets: vec![Secret::generate()],
        };
        let shown = format!("{:?}", IssuedKey { key: key.clone(), record });
        assert!(shown.contains("the exchange") && !shown.contains(&key[4..]), "{shown}");
    }
}
