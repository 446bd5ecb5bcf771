//! API tokens: long-lived tokens for scripts and wallboards.
//!
//! `ringside token` issues and revokes them.
//!
//! The registry has one record per token under `pass/{sha256 of the text}`. The text is shown once and never stored.
//! A script sends it with each request. A wallboard signs in with it and then has an ordinary session.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use parking_lot::Mutex;
use ringside_engine::{Engine, EngineError};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::identity::Identity;
use crate::revocations::{Revocations, Revoked};
use crate::role::Role;
use crate::scope::{CampaignsJson, Page, Scope};
use crate::session::end_where;
use crate::timeout::with_timeout;
use crate::viewer::Viewer;

const PREFIX: &str = "pass/";
/// Prefixes of the texts: they tell the kinds apart and help to find leaks.
const SCRIPT: &str = "rst_";
const WALLBOARD: &str = "rsw_";
/// The expiry reported for a token that never expires.
const FAR_FUTURE_MS: i64 = 365 * 24 * 3_600_000;
/// How long a found token is cached.
///
/// A revoked one is rejected at once anyway, by its revocation.
const CACHED_MS: i64 = 5_000;
/// How many tokens are cached. Only existing tokens get in.
const MAX_CACHED: usize = 4_096;
/// The longest name.
const MAX_NAME_CHARS: usize = 64;

/// An API token, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// Its id in `list` and `revoke`: the beginning of its hash.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// The tenant whose data it shows.
    pub tenant: TenantId,
    /// The bearer's role; [`Role::Wallboard`] for a wallboard.
    pub role: Role,
    /// The campaigns that it shows.
    pub scope: Scope,
    /// The page of a wallboard.
    pub page: Option<Page>,
    /// The user who issued it.
    pub created_by: String,
    /// When it was issued.
    pub created_at: Timestamp,
    /// When it expires, if it does.
    pub expires_at: Option<Timestamp>,
}

/// The settings of a token to issue.
#[derive(Debug, Clone)]
pub struct ApiTokenRequest {
    /// Its name, for people.
    pub name: String,
    /// The tenant whose data it shows.
    pub tenant: TenantId,
    /// The bearer's role.
    pub role: Role,
    /// The campaigns that it shows.
    pub scope: Scope,
    /// The page of a wallboard.
    pub page: Option<Page>,
    /// The user who issues it.
    pub created_by: String,
    /// The days until it expires, or none for never.
    pub days: Option<u32>,
}

/// Why a token could not be issued or revoked.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenError {
    /// The name is empty, too long, or has control characters.
    #[error("a token's name is 1 to 64 characters: what it is for, and where")]
    BadName,
    /// A wallboard has no page, or another role has one.
    #[error("a wallboard's token is for a page (overview, or campaign:ID), and no other token is")]
    BadPage,
    /// The role is admin, which no token may have.
    #[error(
        "a token can't be an admin's; issue one for a supervisor, an operator, an auditor, a viewer or a wallboard"
    )]
    TooMuch,
    /// No token has this id.
    #[error("there is no token with the id {0}; `ringside token list` shows them")]
    NoSuchToken(String),
    /// The engine is unavailable.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ApiTokenJson {
    name: String,
    tenant: String,
    role: String,
    campaigns: CampaignsJson,
    page: Option<String>,
    created_by: String,
    created_at_ms: i64,
    expires_at_ms: Option<i64>,
}

/// The API tokens of an installation.
pub struct ApiTokens {
    engine: Arc<dyn Engine>,
    /// Tokens by hash, with the time they were read. Never locked across an await.
    cache: Mutex<HashMap<String, (Timestamp, ApiToken)>>,
}

impl ApiTokens {
    /// Returns the API tokens in an engine's registry.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, cache: Mutex::default() }
    }

    /// Issues a token. Only the result has its text.
    pub async fn issue(&self, request: ApiTokenRequest, now: Timestamp) -> Result<(String, ApiToken), ApiTokenError> {
        let ApiTokenRequest { name, tenant, role, scope, page, created_by, days } = request;
        if name.trim().is_empty() || name.chars().count() > MAX_NAME_CHARS || name.contains(char::is_control) {
            return Err(ApiTokenError::BadName);
        }
        if (role == Role::Wallboard) != page.is_some() {
            return Err(ApiTokenError::BadPage);
        }
        if role == Role::Admin {
            return Err(ApiTokenError::TooMuch);
        }
        let prefix = if role == Role::Wallboard { WALLBOARD } else { SCRIPT };
        let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 30]>()));
        let hash = hash(&text);
        let day_ms = 24 * 3_600_000;
        let token = ApiToken {
            id: hash[..12].to_owned(),
            name,
            tenant,
            role,
            // A campaign's page shows that campaign only, whatever scope was asked for.
            scope: match &page {
                Some(Page::Campaign(id)) => Scope::Only([id.clone()].into()),
                _ => scope,
            },
            page,
            created_by,
            created_at: now,
            expires_at: days.map(|days| now.plus_millis(i64::from(days) * day_ms)),
        };
        self.engine.set(&format!("{PREFIX}{hash}"), Some(encode(&token))).await?;
        Ok((text, token))
    }

    /// Returns a tenant's tokens, oldest first.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<ApiToken>, ApiTokenError> {
        let stored = self.engine.list(PREFIX).await?;
        let mut api_tokens = Vec::new();
        for (key, value) in &stored {
            let token = decode(&key[PREFIX.len()..], value)?;
            if token.tenant == *tenant {
                api_tokens.push(token);
            }
        }
        api_tokens.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(api_tokens)
    }

    /// Revokes a token of a tenant and ends the sessions that were started with it.
    pub async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<ApiToken, ApiTokenError> {
        let none = || ApiTokenError::NoSuchToken(id.to_owned());
        if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(none());
        }
        for (key, value) in self.engine.list(&format!("{PREFIX}{id}")).await? {
            let hash = &key[PREFIX.len()..];
            let token = decode(hash, &value)?;
            if token.tenant == *tenant {
                // The record is deleted last: if a step before fails, a retry still finds it.
                Revocations::append(self.engine.as_ref(), &[Revoked::session(&session_id(&token))]).await?;
                let of_it = |session: &super::session::Session| session.api_token.as_deref() == Some(id);
                end_where(self.engine.as_ref(), Timestamp::now(), of_it).await?;
                self.engine.set(&key, None).await?;
                self.cache().remove(hash);
                // Sessions started meanwhile end too.
                end_where(self.engine.as_ref(), Timestamp::now(), of_it).await?;
                return Ok(token);
            }
        }
        Err(none())
    }

    /// Returns the token of a text if it is valid. It may come from the cache.
    pub(crate) async fn find(&self, text: &str, now: Timestamp) -> Result<Option<ApiToken>, EngineError> {
        let cached = self.cache().get(&hash(text)).filter(|(read_at, _)| now.since(*read_at) < CACHED_MS).cloned();
        match cached {
            Some((_, token)) => Ok(Some(token).filter(|token| token.is_valid(now))),
            None => self.read(text, now).await,
        }
    }

    /// Returns the token of a text if it is valid, always from the registry.
    ///
    /// A new session needs the current state.
    pub(crate) async fn read(&self, text: &str, now: Timestamp) -> Result<Option<ApiToken>, EngineError> {
        if !is_api_token(text) {
            return Ok(None);
        }
        let hash = hash(text);
        let Some(value) = with_timeout(self.engine.get(&format!("{PREFIX}{hash}"))).await? else {
            self.cache().remove(&hash);
            return Ok(None);
        };
        let token = decode(&hash, &value)?;
        let mut cache = self.cache();
        if cache.len() >= MAX_CACHED {
            cache.clear();
        }
        cache.insert(hash, (now, token.clone()));
        Ok(Some(token).filter(|token| token.is_valid(now)))
    }

    /// Returns the token that a session was started with, if it is still valid.
    pub(crate) async fn of_session(&self, id: &str, now: Timestamp) -> Result<Option<ApiToken>, EngineError> {
        for (key, value) in with_timeout(self.engine.list(&format!("{PREFIX}{id}"))).await? {
            let token = decode(&key[PREFIX.len()..], &value)?;
            if token.is_valid(now) {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    fn cache(&self) -> parking_lot::MutexGuard<'_, HashMap<String, (Timestamp, ApiToken)>> {
        self.cache.lock()
    }
}

impl ApiToken {
    fn is_valid(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Returns the bearer's identity.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            user: format!("{}:{}", if self.role == Role::Wallboard { "wallboard" } else { "script" }, self.id),
            tenant: self.tenant.clone(),
            role: self.role,
            scope: self.scope.clone(),
            page: self.page.clone(),
            valid_until: self.expires_at,
        }
    }

    /// Returns its values for the audit log.
    pub fn audited(&self) -> Value {
        json!({
            "name": self.name,
            "role": self.role.as_str(),
            "campaigns": self.scope.to_string(),
            "page": self.page.as_ref().map(ToString::to_string),
            "expiresAt": self.expires_at.map(|end| end.to_string()),
        })
    }

    /// Returns the viewer behind a request with this token.
    pub(crate) fn viewer(&self, now: Timestamp) -> Viewer {
        let Identity { user, tenant, role, scope, page, valid_until } = self.identity();
        let expires_at = valid_until.unwrap_or(now.plus_millis(FAR_FUTURE_MS));
        Viewer { user, tenant, role, scope, page, expires_at, session_id: session_id(self), issued_at: now }
    }
}

/// Returns whether a text has the form of an API token.
pub fn is_api_token(text: &str) -> bool {
    (text.starts_with(SCRIPT) || text.starts_with(WALLBOARD)) && text.len() == SCRIPT.len() + 40
}

/// Returns the id that stands for a session of a token's bearer.
fn session_id(token: &ApiToken) -> String {
    format!("pass:{}", token.id)
}

fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

fn encode(token: &ApiToken) -> Bytes {
    let json = ApiTokenJson {
        name: token.name.clone(),
        tenant: token.tenant.to_string(),
        role: token.role.as_str().to_owned(),
        campaigns: (&token.scope).into(),
        page: token.page.as_ref().map(ToString::to_string),
        created_by: token.created_by.clone(),
        created_at_ms: token.created_at.millis(),
        expires_at_ms: token.expires_at.map(Timestamp::millis),
    };
    serde_json::to_vec(&json).expect("a plain struct serialises").into()
}

fn decode(hash: &str, value: &[u8]) -> Result<ApiToken, EngineError> {
    let id = hash.get(..12).unwrap_or(hash);
    let damaged = || EngineError::Damaged(format!("token {id}"));
    let json: ApiTokenJson = serde_json::from_slice(value).map_err(|_| damaged())?;
    Ok(ApiToken {
        id: id.to_owned(),
        name: json.name,
        tenant: TenantId::parse(&json.tenant).map_err(|_| damaged())?,
        role: Role::parse(&json.role).ok_or_else(damaged)?,
        scope: json.campaigns.scope().ok_or_else(damaged)?,
        page: json.page.as_deref().map(str::parse).transpose().map_err(|_| damaged())?,
        created_by: json.created_by,
        created_at: Timestamp::from_millis(json.created_at_ms),
        expires_at: json.expires_at_ms.map(Timestamp::from_millis),
    })
}

/// Without the tokens.
impl std::fmt::Debug for ApiTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiTokens")
    }
}
