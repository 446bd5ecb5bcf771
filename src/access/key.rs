//! `ringside key …`: API keys for `/ingest/events`.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use ringside_access::{ApiKey, KeyError, Keys, Secret};
use ringside_model::{SourceId, TenantId, system_clock};
use serde_json::{Value, json};

use super::{Tenant, with_admin_context};
use crate::config::Config;

/// `ringside key …`
#[derive(Args)]
pub(crate) struct KeyArgs {
    #[command(flatten)]
    tenant: Tenant,
    #[command(subcommand)]
    command: KeyCommand,
}

#[derive(Subcommand)]
enum KeyCommand {
    /// Make a key; it is shown once
    Issue {
        /// The source whose events it brings
        #[arg(long, default_value = "ingest")]
        source: String,
        /// What it is for
        #[arg(long, default_value = "")]
        name: String,
        /// Each delivery must carry a Standard Webhooks signature; the secret is printed beside the key
        #[arg(long)]
        signed: bool,
    },
    /// Make another secret beside the one of a key whose deliveries are signed; it is shown once, and either will do
    Secret {
        /// Its id, as `list` prints it
        id: String,
        /// End the old one instead, once the sender signs with the new one
        #[arg(long)]
        only_newest: bool,
        /// Take the new one back instead
        #[arg(long, conflicts_with = "only_newest")]
        only_oldest: bool,
    },
    /// List the keys (not the keys themselves, which are not kept)
    List,
    /// End a key
    Revoke {
        /// Its id, as `list` prints it
        id: String,
    },
}

/// Runs a `key` command.
pub(crate) async fn key(config: &Config, args: &KeyArgs) -> anyhow::Result<()> {
    with_admin_context(config, &args.tenant, async |admin| {
        let keys = Keys::new(admin.engine.clone(), system_clock());
        let mut out = std::io::stdout();
        match &args.command {
            KeyCommand::Issue { source, name, signed } => {
                let source = SourceId::parse(source).context("--source")?;
                let secrets: Vec<_> = signed.then(Secret::generate).into_iter().collect();
                let shown = secrets.first().map(Secret::reveal);
                let issued = keys.issue(&admin.tenant, &source, name, secrets).await?;
                let after = json!({ "source": source.as_str(), "name": name, "signed": signed });
                admin.note("key.issue", &issued.record.id[..12], Value::Null, after).await?;
                writeln!(out, "key     {}", issued.key)?;
                if let Some(secret) = shown {
                    writeln!(out, "secret  {secret}")?;
                }
            }
            KeyCommand::List => {
                for key in keys.list(Some(&admin.tenant)).await? {
                    let signed = if key.secrets.is_empty() { "" } else { ", signed" };
                    writeln!(out, "{}  {}  {}  {}{signed}", &key.id[..12], key.source, key.created_at, key.name)?;
                }
            }
            KeyCommand::Secret { id, only_newest, only_oldest } => {
                let key = find(&keys, &admin.tenant, id).await?;
                let (secrets, told) = match (only_newest, only_oldest) {
                    (true, _) => {
                        keys.keep_newest_secret(&key.id).await?;
                        ("newest", format!("{} has its newest secret only", key.id))
                    }
                    (_, true) => {
                        keys.keep_oldest_secret(&key.id).await?;
                        ("oldest", format!("{} has its oldest secret only", key.id))
                    }
                    _ => ("both", format!("secret  {}", keys.add_secret(&key.id).await?.reveal())),
                };
                let after = json!({ "source": key.source.as_str(), "name": key.name, "secrets": secrets });
                admin.note("key.secret", &key.id[..12], Value::Null, after).await?;
                writeln!(out, "{told}")?;
            }
            KeyCommand::Revoke { id } => {
                let key = match find(&keys, &admin.tenant, id).await {
                    // Nobody can tell whose it is, and it is in the way of all others.
                    Err(KeyError::Damaged(damaged)) if begins(&damaged, id) || id.starts_with(&damaged) => {
                        let id = keys.revoke(&damaged).await?;
                        admin.note("key.revoke", &id[..12], Value::Null, Value::Null).await?;
                        writeln!(out, "{id} is not accepted any more")?;
                        return Ok(());
                    }
                    found => found?,
                };
                let id = keys.revoke(&key.id).await?;
                let before =
                    json!({ "source": key.source.as_str(), "name": key.name, "signed": !key.secrets.is_empty() });
                admin.note("key.revoke", &id[..12], before, Value::Null).await?;
                writeln!(out, "{id} is not accepted any more")?;
            }
        }
        Ok(())
    })
    .await
}

fn begins(key: &str, id: &str) -> bool {
    !id.is_empty() && key.starts_with(&id.to_ascii_lowercase())
}

/// The one key of the tenant whose id begins so.
async fn find(keys: &Keys, tenant: &TenantId, id: &str) -> Result<ApiKey, KeyError> {
    let mut found = keys.list(Some(tenant)).await?;
    found.retain(|key| begins(&key.id, id));
    match found.len() {
        0 => Err(KeyError::NotFound(id.to_owned())),
        1 => Ok(found.remove(0)),
        several => Err(KeyError::Ambiguous(id.to_owned(), several)),
    }
}
