//! Journals: records kept for a limited time, read newest first.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_model::Timestamp;

use super::EngineError;

/// The longest page that a journal returns, whatever the requested limit.
pub const LONGEST_PAGE: usize = 10_000;

/// Named journals of the installation.
#[async_trait]
pub trait Journals: Send + Sync {
    /// Appends records to a journal, in the order given.
    ///
    /// On success they survive a crash.
    ///
    /// Entries older than `keep` may be trimmed from then on.
    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError>;

    /// Returns entries before `before`, or the newest ones if it is none, newest first.
    ///
    /// Returns at most `limit` entries and at most [`LONGEST_PAGE`]. Empty if there are no more, or no such journal.
    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError>;
}

/// The place of an entry in its journal: a millisecond and a number within it.
///
/// A later entry has a greater id, even if the clock was set back in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct JournalEntryId {
    pub(crate) at_ms: u64,
    pub(crate) number: u64,
}

impl JournalEntryId {
    /// Parses the `Display` form; none if the text is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let (at_ms, number) = text.split_once('-')?;
        let whole = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
        Some(Self { at_ms: whole(at_ms)?, number: whole(number)? })
    }

    /// Returns when the entry was written, by the engine's clock.
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.at_ms).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for JournalEntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.number)
    }
}

/// One entry of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Its place in the journal.
    pub id: JournalEntryId,
    /// The bytes that were appended.
    pub record: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_ids_parse_back_from_their_display_form() {
        for id in [JournalEntryId::default(), JournalEntryId { at_ms: u64::MAX, number: 7 }] {
            assert_eq!(JournalEntryId::parse(&id.to_string()), Some(id));
        }
        for text in ["", "-", "1", "1-", "-1", "+1-2", "1-2-3", "1-18446744073709551616", "0x1-2"] {
            assert_eq!(JournalEntryId::parse(text), None, "{text}");
        }
    }
}
