//! The command line for who has access: accounts, tokens, logins, API keys, and the audit log; on a data folder that no
//! process has open, or on Redis while all run.

mod audit;
mod key;
mod session;
mod token;
mod user;

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use ringside_access::{Audit, AuditEntry};
use ringside_engine::Engine;
use ringside_model::TenantId;
use serde_json::Value;

pub(crate) use audit::AuditArgs;
pub(crate) use key::KeyArgs;
pub(crate) use session::SessionArgs;
pub(crate) use token::TokenArgs;
pub(crate) use user::UserArgs;

use crate::config::{Config, days};
use crate::engine::open_engine;

pub(crate) use audit::audit;
pub(crate) use key::key;
pub(crate) use session::session;
pub(crate) use token::token;
pub(crate) use user::user;

/// The user in the audit log.
const WHO: &str = "command line";

/// Which tenant a command is about.
#[derive(Args)]
pub(crate) struct Tenant {
    /// Which tenant [default: the configuration's]
    #[arg(long, global = true)]
    tenant: Option<String>,
}

/// An engine, and the tenant that a command is about.
struct AdminContext {
    engine: Arc<dyn Engine>,
    tenant: TenantId,
    audit: Audit,
}

impl AdminContext {
    /// Notes what was done, before it is told.
    async fn note(&self, what: &str, target: &str, before: Value, after: Value) -> anyhow::Result<()> {
        self.note_in(&self.tenant, what, target, before, after).await
    }

    async fn note_in(
        &self,
        tenant: &TenantId,
        what: &str,
        target: &str,
        before: Value,
        after: Value,
    ) -> anyhow::Result<()> {
        let entry = AuditEntry::by(WHO, None, what, target).changed(before, after);
        Ok(self.audit.record(tenant, &entry).await?)
    }
}

async fn with_admin_context(
    config: &Config,
    tenant: &Tenant,
    work: impl AsyncFnOnce(&AdminContext) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let name = tenant.tenant.as_ref().unwrap_or(&config.tenant);
    let tenant = TenantId::parse(name).with_context(|| format!("tenant \"{name}\""))?;
    let engine = open_engine(config).await?;
    let audit = Audit::new(engine.clone(), days(config.audit_days));
    let admin = AdminContext { engine, tenant, audit };
    let done = work(&admin).await;
    admin.engine.close().await?;
    done
}
