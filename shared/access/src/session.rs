//! Sessions: their records in the registry, and their renewal by refresh token.
//!
//! An access token is short-lived and verified by its signature. A session lasts for a shift and is a record
//! `session/{id}`. Its refresh token names the session and a generation, and each renewal starts the next generation.
//! An older token that comes back was copied, so its session ends. For some seconds the previous generation is still
//! accepted: two tabs may renew at once, or an answer may get lost.

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

/// Prefix of the registry keys of sessions.
pub(crate) const PREFIX: &str = "session/";
/// How long the previous generation is still accepted.
const REUSE_GRACE_MS: i64 = 30_000;
/// Renewals within this time get the same refresh token.
const SAME_TOKEN_MS: i64 = 5_000;
/// The longest session of a person, and of a wallboard that is not renewed.
const MAX_SESSION_MS: i64 = 30 * 24 * 3_600_000;
/// How much of a browser's name is stored.
const AGENT_CHARS: usize = 200;

/// A session.
#[derive(Debug, Clone)]
pub struct Session {
    /// Its id, in tokens and in the registry.
    pub id: String,
    /// The user's name.
    pub user: String,
    /// The tenant whose data it currently shows.
    pub tenant: TenantId,
    /// How the user signed in: `password`, `token`, or the id of an issuer.
    pub via: String,
    /// The identity from sign-in, if the user has no account.
    pub(crate) fixed: Option<IdentityJson>,
    /// The id of the API token that it was started with, if any.
    pub(crate) api_token: Option<String>,
    /// When the user signed in.
    pub started_at: Timestamp,
    /// When it was last renewed.
    pub last_seen_at: Timestamp,
    /// When it expires if it is not renewed.
    pub expires_at: Timestamp,
    /// When it expires even if it is renewed.
    pub(crate) valid_until: Option<Timestamp>,
    /// The client's address at sign-in.
    pub address: Option<IpAddr>,
    /// The browser's `User-Agent`.
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

/// Why a session is not renewed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RenewError {
    /// The session has ended, or the token is not from this installation.
    #[error("no such session")]
    Unknown,
    /// An old token was used again, so there is a copy of it.
    #[error("refresh token reused; the session of {} has ended", .0.user)]
    TokenReuse(Box<Session>),
    /// The engine is unavailable.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// The sessions in an engine's registry. Cheap to clone.
#[derive(Clone)]
pub struct Sessions {
    engine: Arc<dyn Engine>,
    /// How long a session lasts if it is not renewed.
    ttl: Duration,
}

/// The facts of a new session.
pub(crate) struct NewSession<'a> {
    pub(crate) identity: &'a Identity,
    pub(crate) via: &'a str,
    /// Whether each renewal reads the rights from an account.
    pub(crate) has_account: bool,
    pub(crate) api_token: Option<String>,
    pub(crate) address: Option<IpAddr>,
    pub(crate) agent: &'a str,
}

impl Sessions {
    /// Returns the sessions of an engine. They last for `ttl` if they are not renewed.
    pub fn new(engine: Arc<dyn Engine>, ttl: Duration) -> Self {
        Self { engine, ttl }
    }

    /// Starts a session.
    pub(crate) async fn start(&self, new: NewSession<'_>, now: Timestamp) -> Result<Session, EngineError> {
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

    /// Renews the session of a refresh token.
    ///
    /// The next token is [`Session::refresh_token`].
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
                // The token is newer than the record: a failover lost a write. The token tells the generation.
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

    /// Returns whether the session has not been ended.
    pub(crate) async fn has(&self, id: &str) -> Result<bool, EngineError> {
        Ok(self.engine.get(&key(id)).await?.is_some())
    }

    /// Switches a session to another tenant.
    pub(crate) async fn switch(&self, id: &str, tenant: &TenantId) -> Result<Option<Session>, EngineError> {
        loop {
            let Some(stored) = self.engine.get(&key(id)).await? else { return Ok(None) };
            let session = Session { tenant: tenant.clone(), ..decode(id, &stored)? };
            if self.engine.compare_and_swap(&key(id), Some(stored), Some(encode(&session))).await? {
                return Ok(Some(session));
            }
        }
    }

    /// Ends a session and revokes its access tokens.
    pub async fn end(&self, id: &str) -> Result<(), EngineError> {
        end_all(self.engine.as_ref(), &[id]).await
    }

    /// Ends the session of a refresh token of any generation.
    ///
    /// Ignores tokens of other installations.
    pub(crate) async fn end_by_token(&self, token: &str, secret: &[u8; 32]) -> Result<(), EngineError> {
        match refresh::read(token, secret) {
            Some((id, _)) => self.end(&id).await,
            None => Ok(()),
        }
    }

    /// Returns a tenant's active sessions, newest first.
    pub async fn list(&self, tenant: &TenantId, now: Timestamp) -> Result<Vec<Session>, EngineError> {
        let mut sessions = list(self.engine.as_ref(), now).await?;
        sessions.retain(|session| session.tenant == *tenant);
        sessions.sort_by(|a, b| (b.started_at, &a.id).cmp(&(a.started_at, &b.id)));
        Ok(sessions)
    }

    fn expiry_of(&self, session: &Session, now: Timestamp) -> Timestamp {
        // A wallboard's session lasts as long as its token: the screen may sleep over a weekend without renewing.
        let ends = match session.api_token {
            // A session that was never renewed belongs to no running screen.
            Some(_) if session.generation > 1 => now.plus_millis(MAX_SESSION_MS),
            _ => {
                let at_most = session.started_at.plus_millis(MAX_SESSION_MS);
                now.plus_millis(self.ttl.as_millis() as i64).min(at_most)
            }
        };
        session.valid_until.map_or(ends, |until| ends.min(until))
    }
}

/// Ends the sessions that `which` selects and returns their number.
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

/// Returns whether a stored session has expired.
///
/// One that can't be decoded is kept, for a newer version.
pub(crate) fn is_expired(stored: &[u8], now: Timestamp) -> bool {
    decode("", stored).is_ok_and(|session| session.expires_at <= now)
}

/// Revokes sessions, then deletes them: after a failure, the records allow a retry.
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

/// Without the engine.
impl std::fmt::Debug for Sessions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sessions")
    }
}

/// Shortens a session's id for logs: enough to find it, too little to use it.
pub fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

impl Session {
    /// Returns the token for the next renewal.
    pub(crate) fn refresh_token(&self, secret: &[u8; 32]) -> String {
        refresh::write(&self.id, self.generation, secret)
    }

    /// Returns the identity from sign-in, if the user has no account.
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
    serde_json::to_vec(&json).expect("a plain struct serialises").into()
}

fn decode(id: &str, stored: &[u8]) -> Result<Session, EngineError> {
    let damaged = || EngineError::Damaged(format!("session {id}"));
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

    async fn start() -> (tempfile::TempDir, Sessions, Session, Timestamp) {
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
        let new = NewSession {
            identity: &identity,
            via: "password",
            has_account: true,
            api_token: None,
            address: None,
            agent: "x",
        };
        let now = Timestamp::from_millis(1_763_640_000_000);
        let session = sessions.start(new, now).await.unwrap();
        (folder, sessions, session, now)
    }

    #[tokio::test]
    async fn a_renewal_rotates_the_token_and_reuse_ends_the_session() {
        let (_folder, sessions, session, now) = start().await;
        let first = session.refresh_token(&SECRET);
        let renewed = sessions.renew(&first, &SECRET, now.plus_millis(60_000)).await.unwrap();
        let second = renewed.refresh_token(&SECRET);
        assert_ne!(second, first);
        // Another tab renews with the old token and gets the same new one.
        let tab = sessions.renew(&first, &SECRET, now.plus_millis(61_000)).await.unwrap();
        assert_eq!(tab.refresh_token(&SECRET), second);

        let third = sessions.renew(&second, &SECRET, now.plus_millis(200_000)).await.unwrap().refresh_token(&SECRET);
        let thief = sessions.renew(&first, &SECRET, now.plus_millis(201_000)).await;
        assert!(matches!(thief, Err(RenewError::TokenReuse(session)) if session.user == "ann"));
        let owner = sessions.renew(&third, &SECRET, now.plus_millis(202_000)).await;
        assert!(matches!(owner, Err(RenewError::Unknown)), "owner and thief can't be told apart");
    }

    #[tokio::test]
    async fn the_previous_token_is_accepted_for_some_seconds_only() {
        let (_folder, sessions, session, now) = start().await;
        let first = session.refresh_token(&SECRET);
        sessions.renew(&first, &SECRET, now.plus_millis(60_000)).await.unwrap();
        let late = sessions.renew(&first, &SECRET, now.plus_millis(60_000 + REUSE_GRACE_MS)).await;
        assert!(matches!(late, Err(RenewError::TokenReuse(_))));
    }

    #[tokio::test]
    async fn an_expired_session_is_not_renewed_and_is_swept() {
        let (_folder, sessions, session, now) = start().await;
        let token = session.refresh_token(&SECRET);
        assert!(matches!(sessions.renew(&token, &SECRET, now.plus_millis(3_600_000)).await, Err(RenewError::Unknown)));
        assert_eq!(sweep(sessions.engine.as_ref(), now.plus_millis(3_599_999)).await, Ok(0));
        assert_eq!(sessions.list(&session.tenant, now).await.unwrap().len(), 1);
        assert_eq!(sweep(sessions.engine.as_ref(), now.plus_millis(3_600_000)).await, Ok(1));
        assert!(sessions.engine.list(PREFIX).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_token_of_another_secret_is_unknown() {
        let (_folder, sessions, session, now) = start().await;
        for token in [session.refresh_token(&[8; 32]), "rrt_".into(), String::new()] {
            assert!(matches!(sessions.renew(&token, &SECRET, now).await, Err(RenewError::Unknown)), "{token}");
        }
        assert!(sessions.renew(&session.refresh_token(&SECRET), &SECRET, now).await.is_ok());
    }

    #[tokio::test]
    async fn a_concurrent_renewal_does_not_revive_an_ended_session() {
        let (_folder, sessions, session, now) = start().await;
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
