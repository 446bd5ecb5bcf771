//! `ringside key …`: API keys for `/ingest/events`.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};
use ringside_shared::clock::system_clock;
use ringside_shared::keys::{KeyError, Keys, Secret};
use ringside_shared::model::SourceId;
use serde_json::{Value, json};

use super::{Tenant, with_office};
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
    with_office(config, &args.tenant, async |office| {
        let keys = Keys::new(office.engine.clone(), system_clock());
        let mut out = std::io::stdout();
        match &args.command {
            KeyCommand::Issue { source, name, signed } => {
                let source = SourceId::parse(source).context("--source")?;
                let secrets: Vec<_> = signed.then(Secret::generate).into_iter().collect();
                let shown = secrets.first().map(Secret::reveal);
                let issued = keys.issue(&office.tenant, &source, name, secrets).await?;
                let after = json!({ "source": source.as_str(), "name": name, "signed": signed });
                office.note("key.issue", &issued.record.id[..12], Value::Null, after).await?;
                writeln!(out, "key     {}", issued.key)?;
                if let Some(secret) = shown {
                    writeln!(out, "secret  {secret}")?;
                }
            }
            KeyCommand::List => {
                for key in keys.list(Some(&office.tenant)).await? {
                    let signed = if key.secrets.is_empty() { "" } else { ", signed" };
                    writeln!(out, "{}  {}  {}  {}{signed}", &key.id[..12], key.source, key.created_at, key.name)?;
                }
            }
            KeyCommand::Revoke { id } => {
                let begins = |key: &str| !id.is_empty() && key.starts_with(&id.to_ascii_lowercase());
                let mut found = match keys.list(Some(&office.tenant)).await {
                    // Nobody can tell whose it is, and it is in the way of all others.
                    Err(KeyError::Damaged(damaged)) if begins(&damaged) || id.starts_with(&damaged) => {
                        let id = keys.revoke(&damaged).await?;
                        office.note("key.revoke", &id[..12], Value::Null, Value::Null).await?;
                        writeln!(out, "{id} is not accepted any more")?;
                        return Ok(());
                    }
                    listed => listed?,
                };
                found.retain(|key| begins(&key.id));
                let key = match &found[..] {
                    [key] => key,
                    [] => return Err(KeyError::NotFound(id.clone()).into()),
                    several => return Err(KeyError::Ambiguous(id.clone(), several.len()).into()),
                };
                let id = keys.revoke(&key.id).await?;
                let before =
                    json!({ "source": key.source.as_str(), "name": key.name, "signed": !key.secrets.is_empty() });
                office.note("key.revoke", &id[..12], before, Value::Null).await?;
                writeln!(out, "{id} is not accepted any more")?;
            }
        }
        Ok(())
    })
    .await
}
