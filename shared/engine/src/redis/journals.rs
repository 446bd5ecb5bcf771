//! Writing journals and reading them.
//!
//! A journal is a stream whose entries have the ids that Redis gives: the millisecond, and a number in it. Each journal
//! has a slot of its own, so that a long one lies where there is room for it.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::cmd;

use super::super::{EngineError, JournalEntry, JournalEntryId, Journals, LONGEST_PAGE};
use super::keys::journal_slot;
use super::node::Road;
use super::router::Request;
use super::{Redis, reply, script};

/// More notes than that are read over a connection for bulk.
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
        self.router.send(Request { slot, command, script, road: Road::Hot }).await.map(|_| ())
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        self.check_open()?;
        // Redis takes no range that ends before the first id there is.
        if before == Some(JournalEntryId::default()) {
            return Ok(Vec::new());
        }
        let limit = limit.min(LONGEST_PAGE);
        let mut command = cmd("XREVRANGE");
        let end = before.map_or("+".to_owned(), |before| format!("({before}"));
        command.arg(self.keys.journal(journal)).arg(end).arg("-").arg("COUNT").arg(limit);
        let (slot, road) = (journal_slot(journal), if limit > SHORT_READ { Road::Bulk } else { Road::Hot });
        let entries = reply::entries(self.router.send(Request { slot, command, script: None, road }).await?)?;
        let note = |(id, fields): (String, Vec<_>)| {
            let record = fields.into_iter().next().map(reply::bytes).transpose()?.flatten();
            match (JournalEntryId::parse(&id), record) {
                (Some(id), Some(record)) => Ok(JournalEntry { id, record }),
                _ => Err(EngineError::Damaged(format!("the journal {journal} has an entry {id} that is no note"))),
            }
        };
        entries.into_iter().map(note).collect()
    }
}
