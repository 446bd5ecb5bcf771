//! Passes: tokens that last, for a script or for a screen on a wall. `ringside token` issues and revokes them.
//!
//! The registry keeps one record each under `pass/{sha256 of the text}`; the text itself is shown once and kept nowhere. A
//! script sends it as it is; a wallboard logs in with it and has a login like everybody's from then on.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ringside_engine::{Engine, EngineError};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::identity::Identity;
use super::in_time::in_time;
use super::role::Role;
use super::scope::{CampaignsJson, Page, Scope};
use super::session::end_where;
use super::standing::{Standing, Taken};
use super::viewer::Viewer;

const PREFIX: &str = "pass/";
/// What the texts begin with, so that they are told apart and found in a leak.
const SCRIPT: &str = "rst_";
const WALLBOARD: &str = "rsw_";
/// Whoever has a pass that never ends is told an end at least so far away.
const FAR_MS: i64 = 365 * 24 * 3_600_000;
/// How long a pass that was found is believed without asking again. One that is revoked ends at once all the same.
const BELIEVED_MS: i64 = 5_000;
/// So many are remembered; only passes that exist get in.
const REMEMBERED: usize = 4_096;
/// So long a name may be.
const NAME_CHARS: usize = 64;

/// A token that lasts, without its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
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

/// What a pass is to be for.
#[derive(Debug, Clone)]
pub struct PassRequest {
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

/// Why a pass could not be issued or revoked.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
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
    /// No pass has such an id.
    #[error("there is no token with the id {0}; `ringside token list` shows them")]
    NoSuchPass(String),
    /// The engine can't be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PassJson {
    name: String,
    tenant: String,
    role: String,
    campaigns: CampaignsJson,
    page: Option<String>,
    created_by: String,
    created_at_ms: i64,
    expires_at_ms: Option<i64>,
}

/// The passes of an installation.
pub struct Passes {
    engine: Arc<dyn Engine>,
    /// By hash, with when they were read. Short and never across an await.
    known: Mutex<HashMap<String, (Timestamp, Pass)>>,
}

impl Passes {
    /// The passes in an engine's registry.
    pub fn new(engine: Arc<dyn Engine>) -> Self {
        Self { engine, known: Mutex::default() }
    }

    /// Makes a pass. Its text is in the answer and nowhere else.
    pub async fn issue(&self, request: PassRequest, now: Timestamp) -> Result<(String, Pass), PassError> {
        let PassRequest { name, tenant, role, scope, page, created_by, days } = request;
        if name.trim().is_empty() || name.chars().count() > NAME_CHARS || name.contains(char::is_control) {
            return Err(PassError::BadName);
        }
        if (role == Role::Wallboard) != page.is_some() {
            return Err(PassError::BadPage);
        }
        if role == Role::Admin {
            return Err(PassError::TooMuch);
        }
        let prefix = if role == Role::Wallboard { WALLBOARD } else { SCRIPT };
        let text = format!("{prefix}{}", URL_SAFE_NO_PAD.encode(rand::random::<[u8; 30]>()));
        let hash = hash(&text);
        let day_ms = 24 * 3_600_000;
        let pass = Pass {
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
        self.engine.set(&format!("{PREFIX}{hash}"), Some(encode(&pass))).await?;
        Ok((text, pass))
    }

    /// All of a tenant, the oldest first.
    pub async fn list(&self, tenant: &TenantId) -> Result<Vec<Pass>, PassError> {
        let stored = self.engine.list(PREFIX).await?;
        let mut passes = Vec::new();
        for (key, value) in &stored {
            let pass = decode(&key[PREFIX.len()..], value)?;
            if pass.tenant == *tenant {
                passes.push(pass);
            }
        }
        passes.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
        Ok(passes)
    }

    /// Ends a pass of a tenant, and what was logged in with it.
    pub async fn revoke(&self, tenant: &TenantId, id: &str) -> Result<Pass, PassError> {
        let none = || PassError::NoSuchPass(id.to_owned());
        if id.len() != 12 || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(none());
        }
        for (key, value) in self.engine.list(&format!("{PREFIX}{id}")).await? {
            let hash = &key[PREFIX.len()..];
            let pass = decode(hash, &value)?;
            if pass.tenant == *tenant {
                // The pass itself goes last: where something fails before, it is still there to be revoked once more.
                Standing::tell(self.engine.as_ref(), &[Taken::session(&session_id(&pass))]).await?;
                let of_it = |session: &super::session::Session| session.pass.as_deref() == Some(id);
                end_where(self.engine.as_ref(), Timestamp::now(), of_it).await?;
                self.engine.set(&key, None).await?;
                self.known().remove(hash);
                // And what began with it meanwhile.
                end_where(self.engine.as_ref(), Timestamp::now(), of_it).await?;
                return Ok(pass);
            }
        }
        Err(none())
    }

    /// The pass of a text, if it is one and not over; one that was asked for lately is believed.
    pub(crate) async fn find(&self, text: &str, now: Timestamp) -> Result<Option<Pass>, EngineError> {
        let known = self.known().get(&hash(text)).filter(|(read, _)| now.since(*read) < BELIEVED_MS).cloned();
        match known {
            Some((_, pass)) => Ok(Some(pass).filter(|pass| pass.counts(now))),
            None => self.ask(text, now).await,
        }
    }

    /// The pass of a text, as the registry has it in this moment: for what lasts longer than a question.
    pub(crate) async fn ask(&self, text: &str, now: Timestamp) -> Result<Option<Pass>, EngineError> {
        if !is_pass(text) {
            return Ok(None);
        }
        let hash = hash(text);
        let Some(value) = in_time(self.engine.get(&format!("{PREFIX}{hash}"))).await? else {
            self.known().remove(&hash);
            return Ok(None);
        };
        let pass = decode(&hash, &value)?;
        let mut known = self.known();
        if known.len() >= REMEMBERED {
            known.clear();
        }
        known.insert(hash, (now, pass.clone()));
        Ok(Some(pass).filter(|pass| pass.counts(now)))
    }

    /// The pass that a login began with, if it is still one.
    pub(super) async fn of_session(&self, id: &str, now: Timestamp) -> Result<Option<Pass>, EngineError> {
        for (key, value) in in_time(self.engine.list(&format!("{PREFIX}{id}"))).await? {
            let pass = decode(&key[PREFIX.len()..], &value)?;
            if pass.counts(now) {
                return Ok(Some(pass));
            }
        }
        Ok(None)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<String, (Timestamp, Pass)>> {
        self.known.lock().expect("nobody panics with passes")
    }
}

impl Pass {
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
            until: self.expires_at,
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
        let Identity { user, tenant, role, scope, page, until } = self.identity();
        let expires_at = until.unwrap_or(now.plus_millis(FAR_MS));
        Viewer { user, tenant, role, scope, page, expires_at, session_id: session_id(self), issued_at: now }
    }
}

/// True where a text could be a pass.
pub(crate) fn is_pass(text: &str) -> bool {
    (text.starts_with(SCRIPT) || text.starts_with(WALLBOARD)) && text.len() == SCRIPT.len() + 40
}

/// What the bearer of a pass has in place of a login.
fn session_id(pass: &Pass) -> String {
    format!("pass:{}", pass.id)
}

fn hash(text: &str) -> String {
    format!("{:x}", Sha256::digest(text.as_bytes()))
}

fn encode(pass: &Pass) -> Bytes {
    let json = PassJson {
        name: pass.name.clone(),
        tenant: pass.tenant.to_string(),
        role: pass.role.as_str().to_owned(),
        campaigns: (&pass.scope).into(),
        page: pass.page.as_ref().map(ToString::to_string),
        created_by: pass.created_by.clone(),
        created_at_ms: pass.created_at.millis(),
        expires_at_ms: pass.expires_at.map(Timestamp::millis),
    };
    serde_json::to_vec(&json).expect("a plain struct always serialises").into()
}

fn decode(hash: &str, value: &[u8]) -> Result<Pass, EngineError> {
    let id = hash.get(..12).unwrap_or(hash);
    let damaged = || EngineError::Damaged(format!("token {id}"));
    let json: PassJson = serde_json::from_slice(value).map_err(|_| damaged())?;
    Ok(Pass {
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
impl std::fmt::Debug for Passes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passes")
    }
}
