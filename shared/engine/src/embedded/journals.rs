//! Journals in the embedded store, keyed by entry id.
//!
//! They are trimmed by age after new entries are written.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, Readable};
use ringside_model::Timestamp;

use super::job::Job;
use super::store::{Store, failed, journal_key};
use super::{Embedded, check_key};
use crate::{EngineError, JournalEntry, JournalEntryId, Journals, LONGEST_PAGE};

#[async_trait]
impl Journals for Embedded {
    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        check_key(journal)?;
        let journal = journal.into();
        self.request(|answer| Job::AppendJournal { journal, records, keep, answer }).await
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        let journal = journal.to_owned();
        self.read(move |store| read(store, &journal, before, limit)).await
    }
}

const ID_BYTES: usize = 2 * size_of::<u64>();

/// The writer's knowledge of the journals that were written to.
#[derive(Debug, Default)]
pub(super) struct JournalWriter(HashMap<Box<str>, Tail>);

#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    newest: Option<JournalEntryId>,
    /// Entries before it had expired when the newest one was written.
    expired: JournalEntryId,
    /// Everything before it is removed.
    ///
    /// Scans start here, because the store steps over removed entries one by one.
    trimmed_to: JournalEntryId,
}

impl JournalWriter {
    /// Appends records to a journal whose entries are kept for `keep`.
    pub(super) fn append(
        &mut self,
        store: &Store,
        batch: &mut WriteBatch,
        journal: &str,
        records: &[Bytes],
        keep: Duration,
    ) -> Result<(), EngineError> {
        let tail = match self.0.get_mut(journal) {
            Some(tail) => tail,
            None => {
                let newest = store.now().range(&store.state, all(journal)).next_back();
                let newest = newest.map(|entry| id(&entry.key().map_err(failed)?)).transpose()?;
                self.0.entry(journal.into()).or_insert(Tail { newest, ..Tail::default() })
            }
        };
        let now_ms = u64::try_from(Timestamp::now().millis()).unwrap_or_default();
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        tail.expired = JournalEntryId { at_ms: now_ms.saturating_sub(keep_ms), number: 0 };
        let now = JournalEntryId { at_ms: now_ms, number: 0 };
        for record in records {
            // Ids keep growing even if the clock was set back.
            let next =
                tail.newest.map_or(now, |newest| now.max(JournalEntryId { number: newest.number + 1, ..newest }));
            batch.insert(&store.state, journal_key(journal, next), &record[..]);
            tail.newest = Some(next);
        }
        Ok(())
    }

    /// Removes the expired entries of a journal.
    pub(super) fn trim(&mut self, store: &Store, batch: &mut WriteBatch, journal: &str) -> Result<(), EngineError> {
        let Some(tail) = self.0.get_mut(journal) else { return Ok(()) };
        if tail.expired <= tail.trimmed_to {
            return Ok(());
        }
        let expired = journal_key(journal, tail.trimmed_to)..journal_key(journal, tail.expired);
        for entry in store.now().range(&store.state, expired) {
            batch.remove(&store.state, entry.key().map_err(failed)?);
        }
        tail.trimmed_to = tail.expired;
        Ok(())
    }
}

/// Returns entries before one, newest first.
fn read(
    store: &Store,
    journal: &str,
    before: Option<JournalEntryId>,
    limit: usize,
) -> Result<Vec<JournalEntry>, EngineError> {
    let now = store.now();
    let entries = match before {
        None => now.range(&store.state, all(journal)),
        Some(before) => {
            now.range(&store.state, journal_key(journal, JournalEntryId::default())..journal_key(journal, before))
        }
    };
    entries
        .rev()
        .take(limit.min(LONGEST_PAGE))
        .map(|entry| {
            let (key, value) = entry.into_inner().map_err(failed)?;
            Ok(JournalEntry { id: id(&key)?, record: Bytes::copy_from_slice(&value) })
        })
        .collect()
}

fn all(journal: &str) -> RangeInclusive<Vec<u8>> {
    let last = JournalEntryId { at_ms: u64::MAX, number: u64::MAX };
    journal_key(journal, JournalEntryId::default())..=journal_key(journal, last)
}

fn id(key: &[u8]) -> Result<JournalEntryId, EngineError> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    let (at_ms, rest) = key[key.len().saturating_sub(ID_BYTES)..].split_at(ID_BYTES / 2);
    match (number(at_ms), number(rest)) {
        (Some(at_ms), Some(number)) => Ok(JournalEntryId { at_ms, number }),
        _ => Err(EngineError::Damaged("a journal has a malformed entry".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_ids_grow_even_if_the_clock_is_set_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), true).unwrap();
        let ahead = JournalEntryId { at_ms: 4_000_000_000_000, number: 7 };
        let mut batch = store.database.batch();
        batch.insert(&store.state, journal_key("audit", ahead), "before");
        store.write(batch, true).unwrap();
        let (mut journals, mut batch) = (JournalWriter::default(), store.database.batch());
        journals.append(&store, &mut batch, "audit", &[Bytes::from("after")], Duration::ZERO).unwrap();
        journals.trim(&store, &mut batch, "audit").unwrap();
        store.write(batch, true).unwrap();
        let ids: Vec<_> = read(&store, "audit", None, 9).unwrap().iter().map(|entry| entry.id).collect();
        assert_eq!(ids, [JournalEntryId { number: 8, ..ahead }, ahead]);
    }
}
