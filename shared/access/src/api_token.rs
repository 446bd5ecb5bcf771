//! ApiTokens: tokens that last, for a script or for a screen on a wall. `ringside token` issues and revokes them.
//!
//! The registry keeps one record each under `pass/{sha256 of the text}`; the text itself is shown once and kept nowhere. A
//! script sends it as it is; a wallboard logs in with it and has a login like everybody's from then on.

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
/// What the texts begin with, so that they are told apart and found in a leak.
const SCRIPT: &str = "rst_";
const WALLBOARD: &str = "rsw_";
/// Whoever has a token that never ends is told an end at least so far away.
const FAR_MS: i64 = 365 * 24 * 3_600_000;
/// How long a token that was found is believed without asking again. One that is revoked ends at once all the same.
const BELIEVED_MS: i64 = 5_000;
/// So many are remembered; only API tokens that exist get in.
const REMEMBERED: usize = 4_096;
/// So long a name may be.
const NAME_CHARS: usize = 64;

/// A token that lasts, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiToken {
    /// What it is called by in `list` and `revoke`: the beginning of its hash.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose data it shows.
    pub tenant: TenantId,
    /// What its bearer may do; [`Role::Wallboard`] for a wall.
    pub role: Role,
    /// Which campaigns it shows.
    pub scope: Scope,
    /// The page of a wallboard.
    pub page: Option<Page>,
    /// Who issued it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
    /// When it ends by itself, if it does.
    pub expires_at: Option<Timestamp>,
}

/// What a token is to be for.
#[derive(Debug, Clone)]
pub struct ApiTokenRequest {
    /// What people will call it.
    pub name: String,
    /// Whose data it shows.
    pub tenant: TenantId,
    /// What its bearer may do.
    pub role: Role,
    /// Which campaigns it shows.
    pub scope: Scope,
    /// The page, of a wallboard.
    pub page: Option<Page>,
    /// Who issues it.
    pub created_by: String,
    /// After so many days it ends; never where left out.
    pub days: Option<u32>,
}

/// Why a token could not be issued or revoked.
#[derive(Debug, thiserror::Error)]
pub enum ApiTokenError {
    /// The name can't be one.
    #[error("a token's name is 1 to 64 characters: what it is for, and where")]
    BadName,
    /// A wallboard without a page, or a page without a wallboard.
    #[error("a wallboard's token is for a page (overview, or campaign:ID), and no other token is")]
    BadPage,
    /// It could do more than any script should.
    #[error(
        "a token can't be an admin's; issue one for a supervisor, an operator, an auditor, a viewer or a wallboard"
    )]
    TooMuch,
    /// No token has such an id.
    #[error("there is no token with the id {0}; `ringside token list` shows them")]
    NoSuchToken(String),
    /// The engine can't be asked.
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
    /// By hash, with when they were read. Short and never across an await.
    known: Mutex<HashMap<String, (Timestamp, ApiToken)>>,
}

impl ApiTokens {
    /// The API tokens in an engine's registry.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, known: Mutex::default() }
    }

    /// Makes a token. Its text is in the answer and nowhere else.
    pub async fn issue(&self, request: ApiTokenRequest, now: Timestamp) -> Result<(String, ApiToken), ApiTokenError> {
        let ApiTokenRequest { name, tenant, role, scope, page, created_by, days } = request;
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS || name.contains(char::is_control) {
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
            // A campaign's page is for that campaign, whatever else was asked for.
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

    /// All of a tenant, the oldest first.
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

    /// Ends a token of a tenant, and what was logged in with it.
    pub async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<ApiToken, ApiTokenError> {
        let none = || ApiTokenError::NoSuchToken(id.to_owned());
        if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(none());
        }
        for (key, value) in self.engine.list(&format!("{PREFIX}{id}")).await? {
            let hash = &key[PREFIX.len()..];
            let token = decode(hash, &value)?;
            if token.tenant == *tenant {
                // The token itself goes last: where something fails before, it is still there to be revoked once more.
                Revocations::append(self.engine.as_ref(), &[Revoked::session(&session_id(&token))]).await?;
                let of_it = |session: &super::session::Session| session.api_token.as_deref() == Some(id);
                end_where(self.engine.as_ref(), Timestamp::now(), of_it).await?;
                self.engine.set(&key, None).await?;
                self.known().remove(hash);
                // And what began with it meanwhile.
                end_where(self.engine.as_ref(), Timestamp::now(), of_it).await?;
                return Ok(token);
            }
        }
        Err(none())
    }

    /// The token of a text, if it is one and not over; one that was asked for lately is believed.
    pub(crate) async fn find(&self, text: &str, now: Timestamp) -> Result<Option<ApiToken>, EngineError> {
        let known = self.known().get(&hash(text)).filter(|(read, _)| now.since(*read) < BELIEVED_MS).cloned();
        match known {
            Some((_, token)) => Ok(Some(token).filter(|token| token.counts(now))),
            None => self.ask(text, now).await,
        }
    }

    /// The token of a text, as the registry has it in this moment: for what lasts longer than a question.
    pub(crate) async fn ask(&self, text: &str, now: Timestamp) -> Result<Option<ApiToken>, EngineError> {
        if !is_api_token(text) {
            return Ok(None);
        }
        let hash = hash(text);
        let Some(value) = with_timeout(self.engine.get(&format!("{PREFIX}{hash}"))).await? else {
            self.known().remove(&hash);
            return Ok(None);
        };
        let token = decode(&hash, &value)?;
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(hash, (now, token.clone()));
        Ok(Some(token).filter(|token| token.counts(now)))
    }

    /// The token that a login began with, if it is still one.
    pub(crate) async fn of_session(&self, id: &str, now: Timestamp) -> Result<Option<ApiToken>, EngineError> {
        for (key, value) in with_timeout(self.engine.list(&format!("{PREFIX}{id}"))).await? {
            let token = decode(&key[PREFIX.len()..], &value)?;
            if token.counts(now) {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    fn known(&self) -> parking_lot::MutexGuard<'_, HashMap<String, (Timestamp, ApiToken)>> {
        self.known.lock()
    }
}

impl ApiToken {
    fn counts(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    /// Who its bearer is.
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

    /// What the audit log has of it.
    pub fn audited(&self) -> Value {
        json!({
            "name": self.name,
            "role": self.role.as_str(),
            "campaigns": self.scope.to_string(),
            "page": self.page.as_ref().map(ToString::to_string),
            "expiresAt": self.expires_at.map(|end| end.to_string()),
        })
    }

    /// Its bearer as somebody who asks with nothing else.
    pub(crate) fn viewer(&self, now: Timestamp) -> Viewer {
        let Identity { user, tenant, role, scope, page, valid_until } = self.identity();
        let expires_at = valid_until.unwrap_or(now.plus_millis(FAR_MS));
        Viewer { user, tenant, role, scope, page, expires_at, session_id: session_id(self), issued_at: now }
    }
}

/// True where a text could be a token.
pub fn is_api_token(text: &str) -> bool {
    (text.starts_with(SCRIPT) || text.starts_with(WALLBOARD)) && text.len() == SCRIPT.len() + 40
}

/// What the bearer of a token has in place of a login.
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
    serde_json::to_vec(&json).expect("a plain struct always serialises").into()
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

/// Without what it holds.
impl std::fmt::Debug for ApiTokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ApiTokens")
    }
}
