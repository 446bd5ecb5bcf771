//! The command line for accounts and API keys: on a data folder that no process has open, or on Redis while all run.

use std::io::{BufRead, Write};
use std::sync::Arc;

use anyhow::{Context, bail};
use clap::Subcommand;
use ringside_collector::door::system_clock;
use ringside_collector::keys::{Keys, Secret};
use ringside_gateway::{Accounts, Role};
use ringside_shared::engine::Engine;
use ringside_shared::model::{SourceId, TenantId};

use crate::config::Config;
use crate::engine::open_engine;

/// `ringside user …`
#[derive(Subcommand)]
pub(crate) enum UserCommand {
    /// Add an account; its password is read from standard input
    Add {
        /// Its name
        name: String,
        /// viewer, operator, supervisor, admin or auditor
        #[arg(long, default_value = "viewer")]
        role: String,
        /// Campaigns it may see, comma-separated; all where left out
        #[arg(long, value_delimiter = ',')]
        campaigns: Vec<String>,
    },
    /// Set an account's password, read from standard input
    Passwd {
        /// Its name
        name: String,
    },
    /// List the accounts
    List,
    /// Lock an account
    Disable {
        /// Its name
        name: String,
    },
}

/// `ringside key …`
#[derive(Subcommand)]
pub(crate) enum KeyCommand {
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

/// Runs a `user` command.
pub(crate) async fn user(config: &Config, command: UserCommand) -> anyhow::Result<()> {
    with_engine(config, async |engine, tenant| {
        let engine = engine.as_ref();
        let mut out = std::io::stdout();
        match command {
            UserCommand::Add { name, role, campaigns } => {
                let Some(role) = Role::parse(&role) else {
                    bail!("there is no role \"{role}\"; the roles are viewer, operator, supervisor, admin and auditor");
                };
                Accounts::add(engine, &tenant, &name, &read_password()?, role, &campaigns).await?;
                writeln!(out, "{name} can log in now")?;
            }
            UserCommand::Passwd { name } => {
                Accounts::set_password(engine, &name, &read_password()?).await?;
                writeln!(out, "the password of {name} is set")?;
            }
            UserCommand::Disable { name } => {
                Accounts::disable(engine, &name).await?;
                writeln!(out, "{name} can't log in any more")?;
            }
            UserCommand::List => {
                for account in Accounts::list(engine).await? {
                    writeln!(out, "{account}")?;
                }
            }
        }
        Ok(())
    })
    .await
}

/// Runs a `key` command.
pub(crate) async fn key(config: &Config, command: KeyCommand) -> anyhow::Result<()> {
    with_engine(config, async |engine, tenant| {
        let keys = Keys::new(engine.clone(), system_clock());
        let mut out = std::io::stdout();
        match command {
            KeyCommand::Issue { source, name, signed } => {
                let source = SourceId::parse(&source).context("--source")?;
                let secrets: Vec<_> = signed.then(Secret::generate).into_iter().collect();
                let shown = secrets.first().map(Secret::reveal);
                writeln!(out, "key     {}", keys.issue(&tenant, &source, &name, secrets).await?.key)?;
                if let Some(secret) = shown {
                    writeln!(out, "secret  {secret}")?;
                }
            }
            KeyCommand::List => {
                for key in keys.list(Some(&tenant)).await? {
                    let signed = if key.secrets.is_empty() { "" } else { ", signed" };
                    writeln!(out, "{}  {}  {}  {}{signed}", &key.id[..12], key.source, key.created_at, key.name)?;
                }
            }
            KeyCommand::Revoke { id } => {
                let id = keys.revoke(&id).await?;
                writeln!(out, "{id} is not accepted any more")?;
            }
        }
        Ok(())
    })
    .await
}

async fn with_engine(
    config: &Config,
    work: impl AsyncFnOnce(Arc<dyn Engine>, TenantId) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let tenant = TenantId::parse(&config.tenant).context("configuration key \"tenant\"")?;
    let engine = open_engine(config).await?;
    let done = work(engine.clone(), tenant).await;
    engine.close().await?;
    done
}

fn read_password() -> anyhow::Result<String> {
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).context("standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.chars().count() < 8 {
        bail!("a password has 8 or more characters; give it on standard input");
    }
    Ok(password.to_owned())
}
