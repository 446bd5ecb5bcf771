//! Journals on Redis: a stream each, with the ids that Redis assigns.
//!
//! Each journal has a slot of its own, so that long journals spread over a cluster.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::cmd;

use super::keys::journal_slot;
use super::node::Route;
use super::router::Request;
use super::{Redis, reply, script};
use crate::{EngineError, JournalEntry, JournalEntryId, Journals, LONGEST_PAGE};

/// How many entries are read over the shared connection.
///
/// Longer reads take the pool.
const SHORT_READ: usize = 128;

#[async_trait]
impl Journals for Redis {
    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        self.check_open()?;
        if records.is_empty() {
            return Ok(());
        }
        let mut command = script::call(&script::APPEND_JOURNAL, &[self.keys.journal(journal)]);
        command.arg(u64::try_from(keep.as_millis()).unwrap_or(u64::MAX));
        for record in &records {
            command.arg(&record[..]);
        }
        let (slot, script) = (journal_slot(journal), Some(&*script::APPEND_JOURNAL));
        self.router.send(Request { slot, command, script, route: Route::Shared }).await.map(|_| ())
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        self.check_open()?;
        // Redis rejects a range that ends before its smallest id.
        if before == Some(JournalEntryId::default()) {
            return Ok(Vec::new());
        }
        let limit = limit.min(LONGEST_PAGE);
        let mut command = cmd("XREVRANGE");
        let end = before.map_or("+".to_owned(), |before| format!("({before}"));
        command.arg(self.keys.journal(journal)).arg(end).arg("-").arg("COUNT").arg(limit);
        let (slot, route) = (journal_slot(journal), if limit > SHORT_READ { Route::Bulk } else { Route::Shared });
        let entries = reply::entries(self.router.send(Request { slot, command, script: None, route }).await?)?;
        let entry = |(id, fields): (String, Vec<_>)| {
            let record = fields.into_iter().next().map(reply::bytes).transpose()?.flatten();
            match (JournalEntryId::parse(&id), record) {
                (Some(id), Some(record)) => Ok(JournalEntry { id, record }),
                _ => Err(EngineError::Damaged(format!("the journal {journal} has an entry {id} that is malformed"))),
            }
        };
        entries.into_iter().map(entry).collect()
    }
}
