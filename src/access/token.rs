//! `ringside token …`: tokens that last, for scripts and for screens on walls, and the key that all others are signed with.

use std::io::Write;

use anyhow::{anyhow, bail};
use clap::{Args, Subcommand};
use ringside_access::{ApiTokenRequest, ApiTokens, Page, Role, Scope, SigningKeys};
use ringside_model::Timestamp;
use serde_json::Value;

use super::{Tenant, WHO, with_admin_context};
use crate::config::Config;

/// `ringside token …`
#[derive(Args)]
pub(crate) struct TokenArgs {
    #[command(flatten)]
    tenant: Tenant,
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Subcommand)]
enum TokenCommand {
    /// Make a token that lasts; it is shown once
    Issue {
        /// What it is for, and where
        name: String,
        /// viewer, auditor, operator or supervisor
        #[arg(long, default_value = "viewer", conflicts_with = "wallboard")]
        role: String,
        /// Campaigns it shows, comma-separated; all where left out
        #[arg(long, value_delimiter = ',')]
        campaigns: Vec<String>,
        /// For a screen on a wall, which shows this page and no phone numbers: overview, or campaign:ID
        #[arg(long, value_name = "PAGE")]
        wallboard: Option<String>,
        /// It ends after so many days; never where left out
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3650))]
        days: Option<u32>,
    },
    /// List the tokens (not the tokens themselves, which are not kept)
    List,
    /// End a token, and what was logged in with it
    Revoke {
        /// Its id, as `list` prints it
        id: String,
    },
    /// Make another signing key, which is used in ten minutes; nobody has to log in again
    NewSigningKey,
}

/// Runs a `token` command.
pub(crate) async fn token(config: &Config, args: &TokenArgs) -> anyhow::Result<()> {
    with_admin_context(config, &args.tenant, async |admin| {
        let api_tokens = ApiTokens::new(admin.engine.clone());
        let (now, mut out) = (Timestamp::now(), std::io::stdout());
        match &args.command {
            TokenCommand::Issue { name, role, campaigns, wallboard, days } => {
                let page: Option<Page> = wallboard.as_deref().map(str::parse).transpose()?;
                let role = match &page {
                    Some(_) => Role::Wallboard,
                    None => Role::of_person(role).ok_or_else(|| {
                        anyhow!("there is no role \"{role}\"; write viewer, auditor, operator or supervisor")
                    })?,
                };
                let request = ApiTokenRequest {
                    name: name.clone(),
                    tenant: admin.tenant.clone(),
                    role,
                    scope: Scope::of(campaigns)?,
                    page,
                    created_by: WHO.to_owned(),
                    days: *days,
                };
                let (text, pass) = api_tokens.issue(request, now).await?;
                admin.note("token.issue", &pass.id, Value::Null, pass.audited()).await?;
                writeln!(out, "token  {text}")?;
                if role == Role::Wallboard {
                    writeln!(out, "open   /login#wallboard={text}")?;
                }
            }
            TokenCommand::List => {
                for pass in api_tokens.list(&admin.tenant).await? {
                    let page = pass.page.map(|page| format!("  {page}")).unwrap_or_default();
                    let until = pass.expires_at.map(|end| format!("  until {end}")).unwrap_or_default();
                    let (id, role, scope, name) = (pass.id, pass.role.as_str(), pass.scope, pass.name);
                    writeln!(out, "{id}  {role}{page}  {scope}  {}{until}  {name}", pass.created_at)?;
                }
            }
            TokenCommand::Revoke { id } => {
                let pass = api_tokens.revoke(&admin.tenant, id).await?;
                admin.note("token.revoke", id, pass.audited(), Value::Null).await?;
                writeln!(out, "{id} is not accepted any more")?;
            }
            TokenCommand::NewSigningKey => {
                let keys = SigningKeys::load(admin.engine.as_ref()).await?;
                if !keys.rotate(admin.engine.as_ref(), now).await? {
                    bail!("somebody else has just made another signing key; look whether that is enough");
                }
                admin.note("signing-key.new", "", Value::Null, Value::Null).await?;
                writeln!(out, "another signing key is there; tokens are signed with it in ten minutes")?;
            }
        }
        Ok(())
    })
    .await
}
