//! `ringside session …`: who is logged in.

use std::io::Write;

use anyhow::bail;
use clap::{Args, Subcommand};
use ringside_access::{Accounts, Sessions};
use ringside_model::Timestamp;
use serde_json::Value;

use super::{Tenant, with_admin_context};
use crate::config::Config;

/// `ringside session …`
#[derive(Args)]
pub(crate) struct SessionArgs {
    #[command(flatten)]
    tenant: Tenant,
    #[command(subcommand)]
    command: SessionCommand,
}

#[derive(Subcommand)]
enum SessionCommand {
    /// List the logins of the tenant
    List,
    /// End a login
    End {
        /// Its id, as `list` prints it
        id: String,
    },
    /// End all logins of the tenant that began until now: everybody logs in again
    EndAll,
}

/// Runs a `session` command.
pub(crate) async fn session(config: &Config, args: &SessionArgs) -> anyhow::Result<()> {
    with_admin_context(config, &args.tenant, async |admin| {
        let sessions = Sessions::new(admin.engine.clone(), std::time::Duration::from_secs(config.login_minutes * 60));
        let (now, mut out) = (Timestamp::now(), std::io::stdout());
        match &args.command {
            SessionCommand::List => {
                for session in sessions.list(&admin.tenant, now).await? {
                    let address = session.address.map_or_else(|| "-".to_owned(), |address| address.to_string());
                    let (id, user, via, began) = (&session.id[..12], session.user, session.via, session.started_at);
                    writeln!(out, "{id}  {user}  {via}  {address}  {began}  until {}", session.expires_at)?;
                }
            }
            SessionCommand::End { id } => {
                let mut found = sessions.list(&admin.tenant, now).await?;
                found.retain(|session| id.len() >= 8 && session.id.starts_with(id.as_str()));
                let [session] = &found[..] else {
                    bail!(
                        "{} logins have an id that begins with {id}; `ringside session list` shows them",
                        found.len()
                    );
                };
                sessions.end(&session.id).await?;
                admin.note("session.end", &session.id[..8], Value::from(session.user.as_str()), Value::Null).await?;
                writeln!(out, "the login of {} has ended", session.user)?;
            }
            SessionCommand::EndAll => {
                let count = Accounts::end_tenant_sessions(admin.engine.as_ref(), &admin.tenant, now).await?;
                admin.note("session.end-all", admin.tenant.as_str(), Value::from(count), Value::Null).await?;
                writeln!(out, "{count} logins have ended")?;
            }
        }
        Ok(())
    })
    .await
}
