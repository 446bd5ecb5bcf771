//! Logins: what the engine keeps of each, and the refresh tokens that renew them.
//!
//! An access token is short and lives by its signature; a login ttl for a shift and lives in the registry as
//! `session/{id}`. Its refresh token names it and a generation. Each use makes the next generation; one that comes back after
//! that has been copied, and ends the login. For some seconds it is only revoked for a second tab, or for an answer that was
//! lost.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringside_engine::{Engine, EngineError};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::identity::{Identity, IdentityJson};
use crate::random::random_id;
use crate::refresh;
use crate::revocations::{Revocations, Revoked};
use crate::timeout::with_timeout;

/// What their keys begin with.
pub(crate) const PREFIX: &str = "session/";
/// A generation that was followed by another one is good for so long: two tabs renew at once, an answer is lost.
const REUSE_GRACE_MS: i64 = 30_000;
/// Who renews again so soon gets the same refresh token.
const SAME_TOKEN_MS: i64 = 5_000;
/// No login of a person ttl longer, however often it is renewed; no wallboard's, without being renewed.
const MAX_SESSION_MS: i64 = 30 * 24 * 3_600_000;
/// So much of a browser's name is kept.
const AGENT_CHARS: usize = 200;
/// A login.
#[derive(Debug, Clone)]
pub struct Session {
    /// What it is called in tokens and in the registry.
    pub id: String,
    /// Whose it is.
    pub user: String,
    /// Whose data it looks at, for now.
    pub tenant: TenantId,
    /// How it started_at: `password`, `token`, or whose word it was.
    pub via: String,
    /// Who it was shown to be, where there is no account to ask.
    pub(crate) fixed: Option<IdentityJson>,
    /// The token of ours that it began with, if any.
    pub(crate) api_token: Option<String>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was last renewed.
    pub last_seen_at: Timestamp,
    /// When it ends if it is not renewed.
    pub expires_at: Timestamp,
    /// When it ends, whatever happens.
    pub(crate) valid_until: Option<Timestamp>,
    /// Where from.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: String,
    generation: u32,
    rotated_at: Timestamp,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SessionJson {
    user: String,
    tenant: String,
    via: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fixed: Option<IdentityJson>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pass: Option<String>,
    began_ms: i64,
    seen_ms: i64,
    ends_ms: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until_ms: Option<i64>,
    address: Option<IpAddr>,
    agent: String,
    generation: u32,
    renewed_ms: i64,
}

/// Why a login is not renewed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    /// There is no such login (any more), or the token is none of ours.
    #[error("there is no such login")]
    Unknown,
    /// An old token came back: whoever has it has copied it, or was copied.
    #[error("a refresh token was used twice; the login of {} has ended", .0.user)]
    TokenReuse(Box<Session>),
    /// The engine can't be asked.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Logins in an engine's registry. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    engine: Arc<dyn Engine>,
    /// How long one ttl that is not renewed.
    ttl: Duration,
}

/// What a new login is made of.
pub(crate) struct NewSession<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) via: &'a str,
    /// True where there is an account that can be asked what it may see, at each renewal.
    pub(crate) has_account: bool,
    pub(crate) api_token: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: &'a str,
}

impl Sessions {
    /// Logins that last so long where nobody renews them.
    pub fn new(engine: Arc<dyn Engine>, ttl: Duration) -> Self {
        Self { engine, ttl }
    }

    /// Begins a login.
    pub(crate) async fn begin(&self, new: NewSession<'_>, now: Timestamp) -> Result<Session, EngineError> {
        let NewSession { identity, via, has_account, api_token, address, agent } = new;
        let mut session = Session {
            id: random_id(),
            user: identity.user.clone(),
            tenant: identity.tenant.clone(),
            via: via.to_owned(),
            fixed: (!has_account).then(|| identity.into()),
            api_token,
            started_at: now,
            last_seen_at: now,
            expires_at: now,
            valid_until: identity.valid_until,
            address,
            agent: agent.chars().filter(|c| !c.is_control()).take(AGENT_CHARS).collect(),
            generation: 1,
            rotated_at: now,
        };
        session.expires_at = self.expiry_of(&session, now);
        self.engine.set(&key(&session.id), Some(encode(&session))).await?;
        Ok(session)
    }

    /// The login of a refresh token, renewed. Its token is [`Session::refresh_token`].
    pub(crate) async fn renew(&self, token: &str, secret: &[u8; 32], now: Timestamp) -> Result<Session, RenewError> {
        let (id, generation) = refresh::read(token, secret).ok_or(RenewError::Unknown)?;
        loop {
            let stored = with_timeout(self.engine.get(&key(&id))).await?.ok_or(RenewError::Unknown)?;
            let mut session = decode(&id, &stored)?;
            if session.expires_at <= now {
                return Err(RenewError::Unknown);
            }
            let since_ms = now.since(session.rotated_at);
            let current = match session.generation.checked_sub(generation) {
                // From the future: we have lost a write (a failover), and the token says what it was.
                None => {
                    session.generation = generation;
                    true
                }
                Some(0) => true,
                Some(1) if since_ms < REUSE_GRACE_MS => false,
                Some(_) => {
                    self.end(&session.id).await?;
                    return Err(RenewError::TokenReuse(Box::new(session)));
                }
            };
            if current && since_ms >= SAME_TOKEN_MS {
                session.generation = session.generation.saturating_add(1);
                session.rotated_at = now;
            }
            session.last_seen_at = now;
            session.expires_at = self.expiry_of(&session, now);
            if with_timeout(self.engine.compare_and_swap(&key(&id), Some(stored), Some(encode(&session)))).await? {
                return Ok(session);
            }
        }
    }

    /// True of a login that has not been ended.
    pub(crate) async fn has(&self, id: &str) -> Result<bool, EngineError> {
        Ok(self.engine.get(&key(id)).await?.is_some())
    }

    /// Changes which tenant a login looks at.
    pub(crate) async fn switch(&self, id: &str, tenant: &TenantId) -> Result<Option<Session>, EngineError> {
        loop {
            let Some(stored) = self.engine.get(&key(id)).await? else { return Ok(None) };
            let session = Session { tenant: tenant.clone(), ..decode(id, &stored)? };
            if self.engine.compare_and_swap(&key(id), Some(stored), Some(encode(&session))).await? {
                return Ok(Some(session));
            }
        }
    }

    /// Ends a login: it can't be renewed, and its access tokens don't count any more.
    pub async fn end(&self, id: &str) -> Result<(), EngineError> {
        end_all(self.engine.as_ref(), &[id]).await
    }

    /// Ends the login of a refresh token, whichever it is by now; nothing where it is none of ours.
    pub(crate) async fn end_by_token(&self, token: &str, secret: &[u8; 32]) -> Result<(), EngineError> {
        match refresh::read(token, secret) {
            Some((id, _)) => self.end(&id).await,
            None => Ok(()),
        }
    }

    /// All that go on in a tenant, the newest first.
    pub async fn list(&self, tenant: &TenantId, now: Timestamp) -> Result<Vec<Session>, EngineError> {
        let mut sessions = list(self.engine.as_ref(), now).await?;
        sessions.retain(|session| session.tenant == *tenant);
        sessions.sort_by(|a, b| (b.started_at, &a.id).cmp(&(a.started_at, &b.id)));
        Ok(sessions)
    }

    fn expiry_of(&self, session: &Session, now: Timestamp) -> Timestamp {
        // A screen on a wall goes on for as long as its token does, and is not renewed while it sleeps over the weekend.
        let ends = match session.api_token {
            // What was never renewed is no screen that runs.
            Some(_) if session.generation > 1 => now.plus_millis(MAX_SESSION_MS),
            _ => {
                let at_most = session.started_at.plus_millis(MAX_SESSION_MS);
                now.plus_millis(self.ttl.as_millis() as i64).min(at_most)
            }
        };
        session.valid_until.map_or(ends, |until| ends.min(until))
    }
}

/// Ends the logins that `which` names, wherever they are: what [`Sessions`] does, without one.
pub(crate) async fn end_where(
    engine: &dyn Engine,
    now: Timestamp,
    which: impl Fn(&Session) -> bool,
) -> Result<usize, EngineError> {
    let sessions = list(engine, now).await?;
    let ids: Vec<&str> = sessions.iter().filter(|session| which(session)).map(|session| session.id.as_str()).collect();
    end_all(engine, &ids).await?;
    Ok(ids.len())
}

/// True of a login that can't be renewed any more. What can't be read is kept for whoever can.
pub(crate) fn is_expired(stored: &[u8], now: Timestamp) -> bool {
    decode("", stored).is_ok_and(|session| session.expires_at <= now)
}

/// It is told first: where that fails, the login is still there to be ended once more.
async fn end_all(engine: &dyn Engine, ids: &[&str]) -> Result<(), EngineError> {
    if ids.is_empty() {
        return Ok(());
    }
    let revoked: Vec<Revoked> = ids.iter().map(|id| Revoked::session(id)).collect();
    Revocations::append(engine, &revoked).await?;
    for id in ids {
        engine.set(&key(id), None).await?;
    }
    Ok(())
}

async fn list(engine: &dyn Engine, now: Timestamp) -> Result<Vec<Session>, EngineError> {
    let stored = engine.list(PREFIX).await?;
    let sessions = stored.iter().filter_map(|(name, value)| decode(&name[PREFIX.len()..], value).ok());
    Ok(sessions.filter(|session| session.expires_at > now).collect())
}

/// Without what it holds.
impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

/// Shortens a session's id: enough to find it, too little to use it.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

impl Session {
    /// The token that renews it next.
    pub(crate) fn refresh_token(&self, secret: &[u8; 32]) -> String {
        refresh::write(&self.id, self.generation, secret)
    }

    /// Who it was shown to be, where there is no account to ask.
    pub(crate) fn fixed_identity(&self) -> Option<Identity> {
        self.fixed.as_ref()?.read(&self.user, self.valid_until)
    }
}

fn key(id: &str) -> String {
    format!("{PREFIX}{id}")
}

fn encode(session: &Session) -> Bytes {
    let json = SessionJson {
        user: session.user.clone(),
        tenant: session.tenant.to_string(),
        via: session.via.clone(),
        fixed: session.fixed.clone(),
        pass: session.api_token.clone(),
        began_ms: session.started_at.millis(),
        seen_ms: session.last_seen_at.millis(),
        ends_ms: session.expires_at.millis(),
        until_ms: session.valid_until.map(Timestamp::millis),
        address: session.address,
        agent: session.agent.clone(),
        generation: session.generation,
        renewed_ms: session.rotated_at.millis(),
    };
    serde_json::to_vec(&json).expect("a plain struct always serialises").into()
}

fn decode(id: &str, stored: &[u8]) -> Result<Session, EngineError> {
    let damaged = || EngineError::Damaged(format!("login {id}"));
    let json: SessionJson = serde_json::from_slice(stored).map_err(|_| damaged())?;
    Ok(Session {
        id: id.to_owned(),
        user: json.user,
        tenant: TenantId::parse(&json.tenant).map_err(|_| damaged())?,
        via: json.via,
        fixed: json.fixed,
        api_token: json.pass,
        started_at: Timestamp::from_millis(json.began_ms),
        last_seen_at: Timestamp::from_millis(json.seen_ms),
        expires_at: Timestamp::from_millis(json.ends_ms),
        valid_until: json.until_ms.map(Timestamp::from_millis),
        address: json.address,
        agent: json.agent,
        generation: json.generation,
        rotated_at: Timestamp::from_millis(json.renewed_ms),
    })
}

#[cfg(test)]
mod tests {
    use ringside_engine::embedded::{Embedded, EmbeddedSettings};

    use super::*;
    use crate::sweep::sweep;
    use crate::{Role, Scope};

    const SECRET: [u8; 32] = [7; 32];

    async fn begin() -> (tempfile::TempDir, Sessions, Session, Timestamp) {
        let folder = tempfile::TempDir::new().unwrap();
        let engine = Arc::new(Embedded::open(folder.path(), EmbeddedSettings::default()).unwrap());
        let sessions = Sessions::new(engine, Duration::from_secs(3600));
        let identity = Identity {
            user: "ann".to_owned(),
            tenant: TenantId::parse("acme").unwrap(),
            role: Role::Viewer,
            scope: Scope::All,
            page: None,
            valid_until: None,
        };
        let beginning = NewSession {
            identity: &identity,
            via: "password",
            has_account: true,
            api_token: None,
            address: None,
            agent: "x",
        };
        let now = Timestamp::from_millis(1_763_640_000_000);
        let session = sessions.begin(beginning, now).await.unwrap();
        (folder, sessions, session, now)
    }

    #[tokio::test]
    async fn each_renewal_makes_another_token_and_an_old_one_ends_the_login() {
        let (_folder, sessions, session, now) = begin().await;
        let first = session.refresh_token(&SECRET);
        let renewed = sessions.renew(&first, &SECRET, now.plus_millis(60_000)).await.unwrap();
        let second = renewed.refresh_token(&SECRET);
        assert_ne!(second, first);
        // Another tab had the old one too: it gets the very token that the first got.
        let tab = sessions.renew(&first, &SECRET, now.plus_millis(61_000)).await.unwrap();
        assert_eq!(tab.refresh_token(&SECRET), second);

        let third = sessions.renew(&second, &SECRET, now.plus_millis(200_000)).await.unwrap().refresh_token(&SECRET);
        let thief = sessions.renew(&first, &SECRET, now.plus_millis(201_000)).await;
        assert!(matches!(thief, Err(RenewError::TokenReuse(session)) if session.user == "ann"));
        let owner = sessions.renew(&third, &SECRET, now.plus_millis(202_000)).await;
        assert!(matches!(owner, Err(RenewError::Unknown)), "nobody can tell who of the two was the owner");
    }

    #[tokio::test]
    async fn the_token_before_counts_for_some_seconds_only() {
        let (_folder, sessions, session, now) = begin().await;
        let first = session.refresh_token(&SECRET);
        sessions.renew(&first, &SECRET, now.plus_millis(60_000)).await.unwrap();
        let late = sessions.renew(&first, &SECRET, now.plus_millis(60_000 + REUSE_GRACE_MS)).await;
        assert!(matches!(late, Err(RenewError::TokenReuse(_))));
    }

    #[tokio::test]
    async fn a_login_ends_by_itself_and_no_later_than_it_may() {
        let (_folder, sessions, session, now) = begin().await;
        let token = session.refresh_token(&SECRET);
        assert!(matches!(sessions.renew(&token, &SECRET, now.plus_millis(3_600_000)).await, Err(RenewError::Unknown)));
        assert_eq!(sweep(sessions.engine.as_ref(), now.plus_millis(3_599_999)).await, Ok(0));
        assert_eq!(sessions.list(&session.tenant, now).await.unwrap().len(), 1);
        assert_eq!(sweep(sessions.engine.as_ref(), now.plus_millis(3_600_000)).await, Ok(1));
        assert!(sessions.engine.list(PREFIX).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_token_that_was_not_made_with_our_secret_is_nobodys() {
        let (_folder, sessions, session, now) = begin().await;
        for token in [session.refresh_token(&[8; 32]), "rrt_".into(), String::new()] {
            assert!(matches!(sessions.renew(&token, &SECRET, now).await, Err(RenewError::Unknown)), "{token}");
        }
        assert!(sessions.renew(&session.refresh_token(&SECRET), &SECRET, now).await.is_ok());
    }

    #[tokio::test]
    async fn a_login_that_was_ended_is_not_brought_back_by_a_renewal_beside_it() {
        let (_folder, sessions, session, now) = begin().await;
        let token = session.refresh_token(&SECRET);
        let renewals: Vec<_> = (0..20)
            .map(|n| {
                let (sessions, token) = (sessions.clone(), token.clone());
                tokio::spawn(async move { sessions.renew(&token, &SECRET, now.plus_millis(10_000 + n)).await.is_ok() })
            })
            .collect();
        sessions.end(&session.id).await.unwrap();
        for renewal in renewals {
            renewal.await.unwrap();
        }
        assert!(sessions.list(&session.tenant, now).await.unwrap().is_empty());
    }
}
