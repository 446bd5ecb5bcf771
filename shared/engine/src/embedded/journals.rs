//! Journals: notes in the order of their ids, trimmed by age once new ones are down.

use std::collections::HashMap;
use std::ops::RangeInclusive;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, Readable};
use ringside_model::Timestamp;

use super::super::{EngineError, JournalEntry, JournalEntryId, Journals, LONGEST_PAGE};
use super::store::{Store, failed, note_key};
use super::writer::Job;
use super::{Embedded, check_key};

#[async_trait]
impl Journals for Embedded {
    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        check_key(journal)?;
        let journal = journal.into();
        self.ask(|answer| Job::JournalEntry { journal, records, keep, answer }).await
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

/// What the writer knows of the journals that were written to.
#[derive(Debug, Default)]
pub(super) struct JournalWriter(HashMap<Box<str>, Known>);

#[derive(Debug, Clone, Copy, Default)]
struct Known {
    newest: Option<JournalEntryId>,
    /// Notes before it were too old when the newest one was written.
    outdated: JournalEntryId,
    /// Nothing is kept before it. The store walks over removed notes one by one, so nobody begins there.
    trimmed_to: JournalEntryId,
}

impl JournalWriter {
    /// Gives records their places at the end of a journal, which is kept for so long.
    pub(super) fn note(
        &mut self,
        store: &Store,
        batch: &mut WriteBatch,
        journal: &str,
        records: &[Bytes],
        keep: Duration,
    ) -> Result<(), EngineError> {
        let known = match self.0.get_mut(journal) {
            Some(known) => known,
            None => {
                let newest = store.now().range(&store.state, all(journal)).next_back();
                let newest = newest.map(|note| id(&note.key().map_err(failed)?)).transpose()?;
                self.0.entry(journal.into()).or_insert(Known { newest, ..Known::default() })
            }
        };
        let now_ms = u64::try_from(Timestamp::now().millis()).unwrap_or_default();
        let keep_ms = u64::try_from(keep.as_millis()).unwrap_or(u64::MAX);
        known.outdated = JournalEntryId { at_ms: now_ms.saturating_sub(keep_ms), number: 0 };
        let now = JournalEntryId { at_ms: now_ms, number: 0 };
        for record in records {
            // The clock may have been set back; the order of what happened may not.
            let next =
                known.newest.map_or(now, |newest| now.max(JournalEntryId { number: newest.number + 1, ..newest }));
            batch.insert(&store.state, note_key(journal, next), &record[..]);
            known.newest = Some(next);
        }
        Ok(())
    }

    /// Removes the notes of a journal that are too old.
    pub(super) fn trim(&mut self, store: &Store, batch: &mut WriteBatch, journal: &str) -> Result<(), EngineError> {
        let Some(known) = self.0.get_mut(journal) else { return Ok(()) };
        if known.outdated <= known.trimmed_to {
            return Ok(());
        }
        let outdated = note_key(journal, known.trimmed_to)..note_key(journal, known.outdated);
        for note in store.now().range(&store.state, outdated) {
            batch.remove(&store.state, note.key().map_err(failed)?);
        }
        known.trimmed_to = known.outdated;
        Ok(())
    }
}

/// Notes before one, newest first.
fn read(
    store: &Store,
    journal: &str,
    before: Option<JournalEntryId>,
    limit: usize,
) -> Result<Vec<JournalEntry>, EngineError> {
    let now = store.now();
    let notes = match before {
        None => now.range(&store.state, all(journal)),
        Some(before) => {
            now.range(&store.state, note_key(journal, JournalEntryId::default())..note_key(journal, before))
        }
    };
    notes
        .rev()
        .take(limit.min(LONGEST_PAGE))
        .map(|note| {
            let (key, value) = note.into_inner().map_err(failed)?;
            Ok(JournalEntry { id: id(&key)?, record: Bytes::copy_from_slice(&value) })
        })
        .collect()
}

fn all(journal: &str) -> RangeInclusive<Vec<u8>> {
    let last = JournalEntryId { at_ms: u64::MAX, number: u64::MAX };
    note_key(journal, JournalEntryId::default())..=note_key(journal, last)
}

fn id(key: &[u8]) -> Result<JournalEntryId, EngineError> {
    let number = |bytes: &[u8]| bytes.try_into().ok().map(u64::from_be_bytes);
    let (at_ms, rest) = key[key.len().saturating_sub(ID_BYTES)..].split_at(ID_BYTES / 2);
    match (number(at_ms), number(rest)) {
        (Some(at_ms), Some(number)) => Ok(JournalEntryId { at_ms, number }),
        _ => Err(EngineError::Damaged("a journal has a note that is no note".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_sets_no_note_back() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), true).unwrap();
        let ahead = JournalEntryId { at_ms: 4_000_000_000_000, number: 7 };
        let mut batch = store.database.batch();
        batch.insert(&store.state, note_key("audit", ahead), "before");
        store.write(batch, true).unwrap();
        let (mut journals, mut batch) = (JournalWriter::default(), store.database.batch());
        journals.note(&store, &mut batch, "audit", &[Bytes::from("after")], Duration::ZERO).unwrap();
        journals.trim(&store, &mut batch, "audit").unwrap();
        store.write(batch, true).unwrap();
        let ids: Vec<_> = read(&store, "audit", None, 9).unwrap().iter().map(|note| note.id).collect();
        assert_eq!(ids, [JournalEntryId { number: 8, ..ahead }, ahead]);
    }
}
