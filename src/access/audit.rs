//! `ringside audit`: who did what, newest first; a line each, or as JSON lines to keep.

use std::io::Write;

use clap::Args;
use ringside_engine::JournalEntryId;

use super::{Tenant, with_admin_context};
use crate::config::Config;

/// How many entries are read at once.
const PAGE: usize = 500;

/// `ringside audit`
#[derive(Args)]
pub(crate) struct AuditArgs {
    #[command(flatten)]
    tenant: Tenant,
    /// Print at most N entries
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// A line of JSON for each
    #[arg(long)]
    json: bool,
}

/// Prints the newest entries of a tenant's audit log.
pub(crate) async fn audit(config: &Config, args: &AuditArgs) -> anyhow::Result<()> {
    with_admin_context(config, &args.tenant, async |admin| {
        let mut out = std::io::stdout().lock();
        let (mut before, mut left): (Option<JournalEntryId>, usize) = (None, args.limit);
        while left > 0 {
            let lines = admin.audit.read(&admin.tenant, before, left.min(PAGE)).await?;
            let Some(last) = lines.last() else { break };
            before = JournalEntryId::parse(&last.id);
            left -= lines.len();
            for line in &lines {
                if args.json {
                    writeln!(out, "{}", serde_json::to_string(line)?)?;
                    continue;
                }
                let entry = &line.entry;
                let from = entry.address.map_or_else(|| "-".to_owned(), |from| from.to_string());
                write!(
                    out,
                    "{}  {}  {from}  {}  {}  {}",
                    entry.at, entry.user, entry.action, entry.target, entry.outcome
                )?;
                if !entry.before.is_null() || !entry.after.is_null() {
                    write!(out, "  {} -> {}", entry.before, entry.after)?;
                }
                writeln!(out)?;
            }
        }
        Ok(())
    })
    .await
}
