//! `ringside user …`

use std::io::{BufRead, Write};

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use ringside_access::{Account, AccountError, Accounts, Membership, Role, Scope};
use ringside_model::TenantId;
use serde_json::{Value, json};

use super::{AdminContext, Tenant, with_admin_context};
use crate::config::Config;

/// `ringside user …`
#[derive(Args)]
pub(crate) struct UserArgs {
    #[command(flatten)]
    tenant: Tenant,
    #[command(subcommand)]
    command: UserCommand,
}

#[derive(Subcommand)]
enum UserCommand {
    /// Add an account at home in the tenant; its password is read from standard input
    Add {
        /// Its name
        name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Say what an account is in the tenant: another role, other campaigns, or in one more tenant
    Grant {
        /// Its name
        name: String,
        #[command(flatten)]
        rights: Rights,
    },
    /// Take an account out of the tenant; at home the account itself goes, out of all tenants
    Remove {
        /// Its name
        name: String,
    },
    /// Set an account's password, read from standard input; it ends the account's logins and unlocks it
    Passwd {
        /// Its name
        name: String,
    },
    /// List the accounts
    List,
    /// Lock an account, and end its logins
    Disable {
        /// Its name
        name: String,
    },
    /// Unlock an account
    Enable {
        /// Its name
        name: String,
    },
    /// End all logins of an account
    Logout {
        /// Its name
        name: String,
    },
}

/// What an account may do and see.
#[derive(Args)]
struct Rights {
    /// viewer, auditor, operator, supervisor or admin
    #[arg(long, default_value = "viewer")]
    role: String,
    /// Campaigns it may see, comma-separated; all where left out
    #[arg(long, value_delimiter = ',')]
    campaigns: Vec<String>,
}

impl Rights {
    fn membership(&self, tenant: &TenantId) -> anyhow::Result<Membership> {
        let role = Role::of_person(&self.role).ok_or_else(|| {
            anyhow!("there is no role \"{}\"; the roles are viewer, auditor, operator, supervisor and admin", self.role)
        })?;
        Ok(Membership { tenant: tenant.clone(), role, scope: Scope::of(&self.campaigns)? })
    }
}

/// Runs a `user` command.
pub(crate) async fn user(config: &Config, args: &UserArgs) -> anyhow::Result<()> {
    with_admin_context(config, &args.tenant, async |admin| {
        let engine = admin.engine.as_ref();
        let mut out = std::io::stdout();
        match &args.command {
            UserCommand::Add { name, rights } => {
                let membership = rights.membership(&admin.tenant)?;
                Accounts::add(engine, name, &read_password()?, &membership).await?;
                admin.note("user.add", name, Value::Null, membership.audited()).await?;
                writeln!(out, "{name} can log in now")?;
            }
            UserCommand::Grant { name, rights } => {
                let membership = rights.membership(&admin.tenant)?;
                let before = Accounts::grant(engine, name, &membership).await?.as_ref().map(Membership::audited);
                admin.note("user.grant", name, before.unwrap_or_default(), membership.audited()).await?;
                writeln!(out, "{name} is in {membership} now")?;
            }
            UserCommand::Remove { name } => {
                for here in Accounts::remove(engine, name, &admin.tenant).await? {
                    admin.note_in(&here.tenant, "user.remove", name, here.audited(), Value::Null).await?;
                }
                writeln!(out, "{name} is not in {} any more", admin.tenant)?;
            }
            UserCommand::Passwd { name } => {
                require_home(admin, name).await?;
                let unlocked = Accounts::set_password(engine, name, &read_password()?).await?;
                let lock = |disabled: bool| if unlocked { json!({ "disabled": disabled }) } else { Value::Null };
                admin.note("user.password", name, lock(true), lock(false)).await?;
                writeln!(out, "the password of {name} is set")?;
            }
            UserCommand::Disable { name } => {
                require_home(admin, name).await?;
                Accounts::disable(engine, name).await?;
                admin.note("user.disable", name, json!({ "disabled": false }), json!({ "disabled": true })).await?;
                writeln!(out, "{name} can't log in any more")?;
            }
            UserCommand::Enable { name } => {
                require_home(admin, name).await?;
                Accounts::enable(engine, name).await?;
                admin.note("user.enable", name, json!({ "disabled": true }), json!({ "disabled": false })).await?;
                writeln!(out, "{name} can log in again")?;
            }
            UserCommand::Logout { name } => {
                require_home(admin, name).await?;
                Accounts::end_sessions(engine, name).await?;
                admin.note("user.logout", name, Value::Null, Value::Null).await?;
                writeln!(out, "the logins of {name} have ended")?;
            }
            UserCommand::List => {
                for account in Account::list(engine).await? {
                    writeln!(out, "{account}")?;
                }
            }
        }
        Ok(())
    })
    .await
}

/// An error where another tenant looks after the account: what is done to it belongs in that one's audit log.
async fn require_home(admin: &AdminContext, name: &str) -> anyhow::Result<()> {
    let account = Account::get(admin.engine.as_ref(), name).await?;
    let account = account.ok_or_else(|| AccountError::NoSuchAccount(name.to_owned()))?;
    let home = account.home();
    if *home != admin.tenant {
        bail!("{name} is at home in {home}; say --tenant {home}");
    }
    Ok(())
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
