//! Revocations of unexpired access tokens, by session, user or tenant.
//!
//! A revocation is appended to a journal of the engine. Every gateway reads new entries twice a second, and live
//! connections then check whether they may go on. While the engine is unavailable, the known revocations apply.
//! An entry is kept only as long as an access token can last: a renewal asks the session's record instead.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::RwLock;
use ringside_engine::{Engine, EngineError, JournalEntry, JournalEntryId};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, watch};
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::timeout::with_timeout;
use crate::viewer::Viewer;

/// How often the journal is read.
const READ_EVERY: Duration = Duration::from_millis(500);
/// The journal's name. Older gateways read it too, so it can't change.
const JOURNAL: &str = "taken-back";
/// How long an entry is kept: longer than any access token lasts.
const KEPT: Duration = Duration::from_secs(25 * 3600);
/// How many entries are read at once.
const PAGE: usize = 500;

/// A revocation, as the journal stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Revoked {
    /// A session.
    Session {
        /// Its id.
        id: String,
    },
    /// A user's access tokens up to a moment.
    User {
        /// The user's name.
        name: String,
        /// Tokens issued up to this moment are revoked.
        before_ms: i64,
    },
    /// A tenant's access tokens up to a moment.
    Tenant {
        /// The tenant's id.
        name: String,
        /// Tokens issued up to this moment are revoked.
        before_ms: i64,
    },
}

impl Revoked {
    /// Revokes a session.
    pub(crate) fn session(id: &str) -> Self {
        Self::Session { id: id.to_owned() }
    }

    /// Revokes all tokens that a user has now.
    pub(crate) fn user(name: &str, now: Timestamp) -> Self {
        Self::User { name: name.to_owned(), before_ms: now.millis() }
    }

    /// Revokes all tokens of a tenant's users.
    pub(crate) fn tenant(tenant: &TenantId, now: Timestamp) -> Self {
        Self::Tenant { name: tenant.to_string(), before_ms: now.millis() }
    }
}

/// When each session, user and tenant was last revoked.
#[derive(Debug, Default)]
struct RevokedSince {
    sessions: HashMap<Box<str>, Timestamp>,
    users: HashMap<Box<str>, Timestamp>,
    tenants: HashMap<Box<str>, Timestamp>,
}

/// The revocations that this gateway has read.
pub struct Revocations {
    engine: Arc<dyn Engine>,
    revoked_since: RwLock<RevokedSince>,
    changed: watch::Sender<u64>,
    /// The newest entry that was read.
    ///
    /// Locked while reading, so that two reads don't overlap.
    read: Mutex<Option<JournalEntryId>>,
}

impl Revocations {
    /// Reads the journal's entries so far.
    pub(crate) async fn load(engine: Arc<dyn Engine>) -> Result<Arc<Self>, EngineError> {
        let revocations =
            Self { engine, revoked_since: RwLock::default(), changed: watch::Sender::new(0), read: Mutex::default() };
        revocations.read().await?;
        Ok(Arc::new(revocations))
    }

    /// Appends revocations to the journal. Gateways apply them within a second.
    pub(crate) async fn append(engine: &dyn Engine, revoked: &[Revoked]) -> Result<(), EngineError> {
        let record = |revoked: &Revoked| Bytes::from(serde_json::to_vec(revoked).expect("a plain enum serialises"));
        engine.append_journal(JOURNAL, revoked.iter().map(record).collect(), KEPT).await
    }

    /// Reads the journal at intervals until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(READ_EVERY)).await.is_some() {
            match with_timeout(self.read()).await {
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    warn!(%error, "reading revocations failed; known ones apply until it works");
                }
                Err(_) => {}
                Ok(()) => failing = false,
            }
            self.prune(Timestamp::now());
        }
    }

    /// Returns whether a verified token is not revoked.
    pub fn allows(&self, viewer: &Viewer) -> bool {
        let revoked_since = self.revoked_since.read();
        // A token of the same second may be from before the revocation. Renewing one too many is safer.
        let older =
            |since: Option<&Timestamp>| since.is_some_and(|since| viewer.issued_at.seconds() <= since.seconds());
        !revoked_since.sessions.contains_key(viewer.session_id.as_str())
            && !older(revoked_since.users.get(viewer.user.as_str()))
            && !older(revoked_since.tenants.get(viewer.tenant.as_str()))
    }

    /// Returns the issue time for a token whose user was read after `now`.
    ///
    /// After a revocation in the same second it is the next second, or the token would count as revoked. If something
    /// was revoked since `now`, returns that moment as an error: the user must be read again.
    pub(crate) fn issued_at(&self, user: &str, tenant: &TenantId, now: Timestamp) -> Result<Timestamp, Timestamp> {
        let revoked_since = self.revoked_since.read();
        let since = revoked_since.users.get(user).max(revoked_since.tenants.get(tenant.as_str()));
        match since {
            Some(since) if *since >= now => Err(*since),
            Some(since) => Ok(now.max(second_after(*since))),
            None => Ok(now),
        }
    }

    /// Returns a receiver that changes with each revocation.
    ///
    /// It is marked as changed from the start, to cover revocations since the token was verified.
    pub fn watch(&self) -> watch::Receiver<u64> {
        let mut changed = self.changed.subscribe();
        changed.mark_changed();
        changed
    }

    /// Reads and applies the journal's new entries.
    pub async fn read(&self) -> Result<(), EngineError> {
        let mut newest = self.read.lock().await;
        // Usually nothing is new, and reading the newest entry is enough to know.
        let mut page = self.engine.read_journal(JOURNAL, None, 1).await?;
        let mut entries: Vec<JournalEntry> = Vec::new();
        while let Some(last) = page.last().map(|entry| entry.id) {
            entries.extend(page.into_iter().take_while(|entry| Some(entry.id) > *newest));
            if entries.last().is_none_or(|entry| entry.id != last) {
                break;
            }
            page = self.engine.read_journal(JOURNAL, Some(last), PAGE).await?;
        }
        let Some(first) = entries.first() else { return Ok(()) };
        let until = first.id;
        {
            let mut revoked_since = self.revoked_since.write();
            let now = Timestamp::now();
            for entry in entries.iter().rev() {
                match serde_json::from_slice(&entry.record) {
                    Ok(revoked) => revoked_since.insert(revoked, now),
                    Err(error) => error!(%error, "revocation ignored; its entry can't be decoded"),
                }
            }
        }
        *newest = Some(until);
        self.changed.send_modify(|revision| *revision += 1);
        Ok(())
    }

    fn prune(&self, now: Timestamp) {
        let mut revoked_since = self.revoked_since.write();
        let kept_ms = KEPT.as_millis() as i64;
        let RevokedSince { sessions, users, tenants } = &mut *revoked_since;
        for map in [sessions, users, tenants] {
            map.retain(|_, since| now.since(*since) < kept_ms);
        }
    }
}

impl RevokedSince {
    fn insert(&mut self, revoked: Revoked, now: Timestamp) {
        let (map, name, since) = match revoked {
            Revoked::Session { id } => (&mut self.sessions, id, now),
            Revoked::User { name, before_ms } => (&mut self.users, name, Timestamp::from_millis(before_ms)),
            Revoked::Tenant { name, before_ms } => (&mut self.tenants, name, Timestamp::from_millis(before_ms)),
        };
        let known = map.entry(name.into());
        // A token issued between two changes of one second claims the next second: the later change must revoke it too.
        known.and_modify(|known| *known = since.max(second_after(*known))).or_insert(since);
    }
}

/// Returns the start of the next second.
fn second_after(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis((moment.seconds() + 1) * 1000)
}

/// Without the names it holds.
impl std::fmt::Debug for Revocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Revocations")
    }
}

#[cfg(test)]
mod tests {
    use ringside_engine::embedded::{Embedded, EmbeddedSettings};

    use super::*;
    use crate::{Role, Scope};

    #[tokio::test]
    async fn second_revocation_in_a_second_revokes_tokens_between() {
        let folder = tempfile::TempDir::new().unwrap();
        let engine = Arc::new(Embedded::open(folder.path(), EmbeddedSettings::default()).unwrap());
        let revocations = Revocations::load(engine.clone()).await.unwrap();
        let acme = TenantId::parse("acme").unwrap();
        let second = Timestamp::from_millis(Timestamp::now().seconds() * 1000);
        let mut issued = vec![revocations.issued_at("ann", &acme, second).unwrap()];
        for ms in [100, 500, 900] {
            let changed = second.plus_millis(ms);
            Revocations::append(engine.as_ref(), &[Revoked::user("ann", changed)]).await.unwrap();
            revocations.read().await.unwrap();
            let mut now = changed;
            let issued_at = loop {
                match revocations.issued_at("ann", &acme, now) {
                    Ok(issued_at) => break issued_at,
                    Err(since) => now = since.plus_millis(1),
                }
            };
            let allows = |issued_at: &Timestamp| {
                revocations.allows(&Viewer {
                    user: "ann".to_owned(),
                    tenant: acme.clone(),
                    role: Role::Viewer,
                    scope: Scope::All,
                    page: None,
                    expires_at: second.plus_millis(900_000),
                    session_id: "x".to_owned(),
                    issued_at: *issued_at,
                })
            };
            assert!(!issued.iter().any(allows), "after {ms} ms: {issued:?}");
            assert!(allows(&issued_at));
            issued.push(issued_at);
        }
    }
}
