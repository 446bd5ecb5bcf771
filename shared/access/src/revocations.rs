//! What was revoked back since access tokens were issued: ended logins, locked accounts, changed rights, revoked tokens.
//!
//! Whoever takes something back entries it in a journal of the engine. Every gateway reads what is new in it twice a second;
//! then the live connections look whether they may go on. While the engine is away, what is known counts. A entry is only
//! needed for as long as an access token can last: whether a login may be renewed is asked where logins are kept.

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

/// How long a entry may go unread.
const READ_EVERY: Duration = Duration::from_millis(500);
/// The journal's name.
const JOURNAL: &str = "taken-back";
/// For so long a entry is kept: longer than any access token lasts.
const KEPT: Duration = Duration::from_secs(25 * 3600);
/// So many are read at once.
const PAGE: usize = 500;

/// Something that was revoked back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Revoked {
    /// A login.
    Session {
        /// Its id.
        id: String,
    },
    /// All access tokens of a user that were issued before.
    User {
        /// Their name.
        name: String,
        /// Until then, inclusive.
        before_ms: i64,
    },
    /// All access tokens of a tenant that were issued before.
    Tenant {
        /// Its name.
        name: String,
        /// Until then, inclusive.
        before_ms: i64,
    },
}

impl Revoked {
    /// A login.
    pub(crate) fn session(id: &str) -> Self {
        Self::Session { id: id.to_owned() }
    }

    /// What a user has now.
    pub(crate) fn user(name: &str, now: Timestamp) -> Self {
        Self::User { name: name.to_owned(), before_ms: now.millis() }
    }

    /// What everybody of a tenant has now.
    pub(crate) fn tenant(tenant: &TenantId, now: Timestamp) -> Self {
        Self::Tenant { name: tenant.to_string(), before_ms: now.millis() }
    }
}

/// What is known, and since when it counts.
#[derive(Debug, Default)]
struct RevokedSince {
    sessions: HashMap<Box<str>, Timestamp>,
    users: HashMap<Box<str>, Timestamp>,
    tenants: HashMap<Box<str>, Timestamp>,
}

/// Knows which verified tokens don't count any more.
pub struct Revocations {
    engine: Arc<dyn Engine>,
    revoked_since: RwLock<RevokedSince>,
    changed: watch::Sender<u64>,
    /// The newest entry that was read. Held while reading, so that two readings don't overlap.
    read: Mutex<Option<JournalEntryId>>,
}

impl Revocations {
    /// Reads what there is.
    pub(crate) async fn load(engine: Arc<dyn Engine>) -> Result<Arc<Self>, EngineError> {
        let revocations =
            Self { engine, revoked_since: RwLock::default(), changed: watch::Sender::new(0), read: Mutex::default() };
        revocations.read().await?;
        Ok(Arc::new(revocations))
    }

    /// Takes things back, whoever does it: gateways hear of it within the second.
    pub(crate) async fn append(engine: &dyn Engine, revoked: &[Revoked]) -> Result<(), EngineError> {
        let record =
            |revoked: &Revoked| Bytes::from(serde_json::to_vec(revoked).expect("a plain enum always serialises"));
        engine.append_journal(JOURNAL, revoked.iter().map(record).collect(), KEPT).await
    }

    /// Reads again and again, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut failing = false;
        while stop.run_until_cancelled(tokio::time::sleep(READ_EVERY)).await.is_some() {
            match with_timeout(self.read()).await {
                Err(error) if !std::mem::replace(&mut failing, true) => {
                    warn!(%error, "what was revoked back can't be read; what is known counts until it can");
                }
                Err(_) => {}
                Ok(()) => failing = false,
            }
            self.prune(Timestamp::now());
        }
    }

    /// True while a verified token counts.
    pub fn allows(&self, viewer: &Viewer) -> bool {
        let revoked_since = self.revoked_since.read();
        // A token of the very second may be from before the change: a new one costs less than a breach.
        let older =
            |since: Option<&Timestamp>| since.is_some_and(|since| viewer.issued_at.seconds() <= since.seconds());
        !revoked_since.sessions.contains_key(viewer.session_id.as_str())
            && !older(revoked_since.users.get(viewer.user.as_str()))
            && !older(revoked_since.tenants.get(viewer.tenant.as_str()))
    }

    /// When a token of somebody who was looked up after `now` says that it is from: a second later than what was revoked back
    /// in that very second before. Where something was revoked back since, when that was.
    pub(crate) fn issued_at(&self, user: &str, tenant: &TenantId, now: Timestamp) -> Result<Timestamp, Timestamp> {
        let revoked_since = self.revoked_since.read();
        let since = revoked_since.users.get(user).max(revoked_since.tenants.get(tenant.as_str()));
        match since {
            Some(since) if *since >= now => Err(*since),
            Some(since) => Ok(now.max(second_after(*since))),
            None => Ok(now),
        }
    }

    /// Tells when anything was revoked back; also once at the beginning, for what was since the token was verified.
    pub fn watch(&self) -> watch::Receiver<u64> {
        let mut changed = self.changed.subscribe();
        changed.mark_changed();
        changed
    }

    /// Reads what is new.
    pub async fn read(&self) -> Result<(), EngineError> {
        let mut newest = self.read.lock().await;
        // Mostly there is nothing new, which the newest entry tells.
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
                    Err(error) => error!(%error, "a entry of what was revoked back can't be read"),
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
        // A token that was issued between two changes of one second says that it is from the second after: the later change
        // takes back that one too.
        known.and_modify(|known| *known = since.max(second_after(*known))).or_insert(since);
    }
}

/// The beginning of the next second.
fn second_after(moment: Timestamp) -> Timestamp {
    Timestamp::from_millis((moment.seconds() + 1) * 1000)
}

/// Without what it holds.
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
    async fn what_was_issued_between_two_changes_of_one_second_is_taken_back_by_the_second() {
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
