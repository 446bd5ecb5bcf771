//! The audit log: who did what, when, from where, with the values before and after.
//!
//! One journal per tenant.
//!
//! Changes and sign-ins are recorded before they are answered, and fail if they can't be recorded. Denials are recorded
//! afterwards and limited: an attack must neither bury other entries nor fill a disk. The number of omitted denials is
//! recorded too.

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

/// How much of a client's text is stored.
const TEXT_CHARS: usize = 200;

/// An entry of the audit log.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditEntry {
    /// When it happened, in RFC 3339.
    pub at: String,
    /// The user who did it or tried to.
    #[serde(rename = "who")]
    pub user: String,
    /// The client's address, if it is known.
    #[serde(rename = "from")]
    pub address: Option<IpAddr>,
    /// The kind of action: `login`, `user.add`, `export`…
    #[serde(rename = "what")]
    pub action: String,
    /// The object of the action.
    pub target: String,
    /// `ok`, or the reason of a denial.
    pub outcome: String,
    /// The value before a change.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub before: Value,
    /// The value after a change.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub after: Value,
}

impl AuditEntry {
    /// Returns a successful action of a user, as of now.
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

    /// Makes it a denial with this reason.
    pub fn denied(mut self, reason: &str) -> Self {
        self.outcome = reason.to_owned();
        self
    }

    /// Makes it a change between these values.
    pub fn changed(mut self, before: Value, after: Value) -> Self {
        (self.before, self.after) = (before, after);
        self
    }
}

/// An entry with its id.
#[derive(Debug, Clone, Serialize)]
pub struct AuditLine {
    /// Its id, for reading the entries before it.
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
    /// Never held across an await.
    denials: Arc<Mutex<DenialLimit>>,
}

impl Audit {
    /// Returns the audit logs of an engine. Entries are kept for this long.
    pub fn new(engine: Arc<dyn Engine>, keep: Duration) -> Self {
        Self { engine, keep, denials: Arc::default() }
    }

    /// Writes an entry. Once this returns, the entry survives a crash.
    pub async fn record(&self, tenant: &TenantId, entry: &AuditEntry) -> Result<(), EngineError> {
        let record = Bytes::from(serde_json::to_vec(entry).expect("a plain struct serialises"));
        self.engine.append_journal(&journal(tenant), vec![record], self.keep).await
    }

    /// Writes a denial in the background, within the limits per user and tenant.
    pub fn record_denial(&self, tenant: &TenantId, mut entry: AuditEntry) {
        let mut limit = self.denials.lock();
        let Some(omitted) = limit.admit(tenant, &entry.user, entry.address, Instant::now()) else {
            return;
        };
        drop(limit);
        if omitted > 0 {
            entry.before = serde_json::json!({ "refusalsNotNotedBefore": omitted });
        }
        self.record_soon(tenant, entry);
    }

    /// Writes an entry in the background, without a limit.
    ///
    /// For denials that changed something, such as a locked account or an ended session: they can't be frequent.
    pub(crate) fn record_soon(&self, tenant: &TenantId, entry: AuditEntry) {
        let (audit, tenant) = (self.clone(), tenant.clone());
        tokio::spawn(async move {
            if let Err(error) = audit.record(&tenant, &entry).await {
                warn!(%error, action = entry.action, "recording a denial in the audit log failed");
            }
        });
    }

    /// Returns the entries before `before`, or the newest: newest first.
    pub async fn read(
        &self,
        tenant: &TenantId,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<AuditLine>, EngineError> {
        let entries = self.engine.read_journal(&journal(tenant), before, limit).await?;
        let line = |stored: ringside_engine::JournalEntry| {
            let entry = serde_json::from_slice(&stored.record).unwrap_or_else(|_| AuditEntry {
                outcome: "damaged".to_owned(),
                ..AuditEntry::by("?", None, "?", "this entry can't be read")
            });
            AuditLine { id: stored.id.to_string(), entry }
        };
        Ok(entries.into_iter().map(line).collect())
    }
}

fn journal(tenant: &TenantId) -> String {
    format!("audit/{tenant}")
}

/// Without the engine.
impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Audit")
    }
}
