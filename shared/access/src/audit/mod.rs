//! The audit log: who did what, when, from where, and what it was before and after. One journal of the engine a tenant.
//!
//! What changes something, or lets somebody in, is noted before it is answered, and is not done where it can't be noted.
//! What is refused is noted afterwards, and only so much of it: an attack must not bury what it wants to hide, nor fill a
//! disk. How much was left out is noted too.

mod denial_limit;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;
use ringside_engine::{Engine, EngineError, JournalEntryId};
use ringside_model::{TenantId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tracing::warn;

use self::denial_limit::DenialLimit;

/// So much of a text that came from outside is kept.
const TEXT_CHARS: usize = 200;

/// Something that is to be remembered.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When, RFC 3339.
    pub at: String,
    /// Who did it, or tried to.
    #[serde(rename = "who")]
    pub user: String,
    /// From which address, where that is known.
    #[serde(rename = "from")]
    pub address: Option<IpAddr>,
    /// What: `login`, `user.add`, `export`…
    #[serde(rename = "what")]
    pub action: String,
    /// To whom or what.
    pub target: String,
    /// `ok`, or why not.
    pub outcome: String,
    /// What was before, of a change.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// What is after.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

impl AuditEntry {
    /// Of whoever it was.
    pub fn by(user: &str, address: Option<IpAddr>, action: &str, target: impl Into<String>) -> Self {
        let target: String = target.into();
        Self {
            at: Timestamp::now().to_string(),
            user: user.chars().take(TEXT_CHARS).collect(),
            address,
            action: action.to_owned(),
            target: target.chars().take(TEXT_CHARS).collect(),
            outcome: "ok".to_owned(),
            before: Value::Null,
            after: Value::Null,
        }
    }

    /// That was refused, and why.
    pub fn denied(mut self, why: &str) -> Self {
        self.outcome = why.to_owned();
        self
    }

    /// That changed something.
    pub fn changed(mut self, before: Value, after: Value) -> Self {
        (self.before, self.after) = (before, after);
        self
    }
}

/// An entry with its place.
#[derive(Debug, Clone, Serialize)]
pub struct AuditLine {
    /// For asking what came before it.
    pub id: String,
    /// The entry.
    #[serde(flatten)]
    pub entry: AuditEntry,
}

/// The audit logs of an installation. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    engine: Arc<dyn Engine>,
    keep: Duration,
    /// Short and never across an await.
    denials: Arc<Mutex<DenialLimit>>,
}

impl Audit {
    /// Keeps entries for so long.
    pub fn new(engine: Arc<dyn Engine>, keep: Duration) -> Self {
        Self { engine, keep, denials: Arc::default() }
    }

    /// Writes an entry; once it returns, it survives a crash.
    pub async fn record(&self, tenant: &TenantId, entry: &AuditEntry) -> Result<(), EngineError> {
        let record = Bytes::from(serde_json::to_vec(entry).expect("a plain struct always serialises"));
        self.engine.append_journal(&journal(tenant), vec![record], self.keep).await
    }

    /// Writes what was refused, in the background and only so much of it: of each who and where, and of each tenant.
    pub fn record_denial(&self, tenant: &TenantId, mut entry: AuditEntry) {
        let mut denials = self.denials.lock();
        let Some(omitted) = denials.admit(tenant, &entry.user, entry.address, Instant::now()) else {
            return;
        };
        drop(denials);
        if omitted > 0 {
            entry.before = serde_json::json!({ "refusalsNotNotedBefore": omitted });
        }
        self.record_soon(tenant, entry);
    }

    /// Writes an entry in the background, whatever else is noted: for what was refused and changed something, such as the
    /// end of a login or the lock of an account. Nobody can do that often.
    pub(crate) fn record_soon(&self, tenant: &TenantId, entry: AuditEntry) {
        let (audit, tenant) = (self.clone(), tenant.clone());
        tokio::spawn(async move {
            if let Err(error) = audit.record(&tenant, &entry).await {
                warn!(%error, action = entry.action, "a refusal could not be noted in the audit log");
            }
        });
    }

    /// Entries before one, or the newest: newest first.
    pub async fn read(
        &self,
        tenant: &TenantId,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, EngineError> {
        let notes = self.engine.read_journal(&journal(tenant), before, limit).await?;
        let line = |note: ringside_engine::JournalEntry| {
            let entry = serde_json::from_slice(&note.record).unwrap_or_else(|_| AuditEntry {
                outcome: "damaged".to_owned(),
                ..AuditEntry::by("?", None, "?", "this entry can't be read")
            });
            AuditLine { id: note.id.to_string(), entry }
        };
        Ok(notes.into_iter().map(line).collect())
    }
}

fn journal(tenant: &TenantId) -> String {
    format!("audit/{tenant}")
}

/// Without what it holds.
impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}
