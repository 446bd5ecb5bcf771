//! What an installation has one of: the first account and the first API key. They live in the engine, made once by
//! whichever process comes first.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ringside_access::{Accounts, Audit, AuditEntry, EnsuredAdmin, Keys};
use ringside_engine::{Engine, EngineError};
use ringside_model::{SourceId, TenantId, system_clock};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::config::{Config, days};
use crate::console::print_lines;
use crate::role::Role;

/// The user in the audit log.
const WHO: &str = "configuration";
/// The registry key that says who made the first API key.
const FIRST_KEY: &str = "installation/first-key";
/// Which life of the engine it is: a number that is gone once the engine has lost everything.
const LIFE: &str = "installation/life";
/// How often it is looked whether all of it is still there.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// An engine's first account and key, as the configuration wants them.
#[derive(Clone)]
pub(crate) struct Installation {
    engine: Arc<dyn Engine>,
    audit: Audit,
    keys: Keys,
    tenant: TenantId,
    admin_password: Option<String>,
    ingest_key: Option<String>,
    role: Role,
}

impl Installation {
    pub(crate) fn new(engine: Arc<dyn Engine>, config: &Config, role: Role, tenant: TenantId) -> Self {
        Self {
            audit: Audit::new(engine.clone(), days(config.audit_days)),
            keys: Keys::new(engine.clone(), system_clock()),
            engine,
            tenant,
            admin_password: config.admin_password.clone(),
            ingest_key: config.ingest_key.clone(),
            role,
        }
    }

    /// The API keys.
    pub(crate) fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Makes sure that somebody can log in and somebody can send events: with what it was given, and where nothing is
    /// there yet, with what it makes up. A gateway makes up no key and a collector no account: each is shown where it is
    /// needed. What was made up is pushed to `shown` at once, for it can't be found out later.
    pub(crate) async fn ensure(&self, shown: &mut Vec<String>) -> anyhow::Result<()> {
        if self.role != Role::Collector || self.admin_password.is_some() {
            let password = self.admin_password.as_deref();
            match Accounts::ensure_admin(self.engine.as_ref(), &self.tenant, password).await? {
                EnsuredAdmin::AsConfigured => {}
                EnsuredAdmin::Generated(password) => {
                    shown.push(format!("Log in as admin with the password {password}"));
                    shown.push(
                        "It is shown once; set your own with RINGSIDE_ADMIN_PASSWORD or `ringside user passwd admin`."
                            .into(),
                    );
                }
                EnsuredAdmin::Changed { home } => {
                    self.audit.record(&home, &AuditEntry::by(WHO, None, "user.password", "admin")).await?;
                }
            }
        }
        let source = SourceId::parse("ingest").expect("a plain name");
        if let Some(key) = &self.ingest_key {
            self.keys.ensure(&self.tenant, &source, key).await?;
        } else if self.role != Role::Gateway && self.keys.list(None).await?.is_empty() && self.is_first().await? {
            let key = self.keys.issue(&self.tenant, &source, "first key", Vec::new()).await?.key;
            shown.push(format!("Send events to /ingest/events with the API key {key}"));
        }
        Ok(())
    }

    /// True for one of all processes that ever ask: several that start at once must not make a key each.
    async fn is_first(&self) -> Result<bool, EngineError> {
        let mine = Bytes::from(rand::random::<u64>().to_string());
        Ok(self.engine.get_or_create(FIRST_KEY, mine.clone()).await? == mine)
    }

    /// Makes it anew where an engine has lost everything (somebody flushed it), until `shutdown`: a floor without a
    /// login would need a human to restart it. Every process does its part, as each may have been given another one.
    pub(crate) async fn keep(self, shutdown: CancellationToken) {
        let mut known = None;
        loop {
            match self.life().await {
                Ok(life) if known.as_ref() == Some(&life) => {}
                Ok(life) => {
                    let flushed = known.is_some();
                    if flushed {
                        warn!("the engine has lost everything; making the first account and key again");
                    }
                    let mut shown = Vec::new();
                    match self.ensure(&mut shown).await {
                        Ok(()) => known = Some(life),
                        Err(reason) => warn!(%reason, "could not make the first account and key; trying again"),
                    }
                    print_lines(&shown);
                }
                Err(reason) => debug!(%reason, "could not look whether the engine has lost everything"),
            }
            if shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
                return;
            }
        }
    }

    /// The same for all, until the engine loses everything.
    async fn life(&self) -> Result<Bytes, EngineError> {
        self.engine.get_or_create(LIFE, Bytes::from(rand::random::<u64>().to_string())).await
    }
}
