//! Journals: what is kept for a time and read from the newest backward, such as the record of who changed what.

use std::fmt;

use bytes::Bytes;
use ringside_model::Timestamp;

/// No page of a journal is longer, whatever is asked for.
pub const LONGEST_PAGE: usize = 10_000;

/// The place of a note in its journal: the moment it was written, and its number in that millisecond. A later note has
/// a greater one, also where the clock was set back between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct JournalEntryId {
    pub(super) at_ms: u64,
    pub(super) number: u64,
}

impl JournalEntryId {
    /// Reads what `Display` wrote; none where it is something else.
    pub fn parse(text: &str) -> Option<Self> {
        let (at_ms, number) = text.split_once('-')?;
        let whole = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?;
        Some(Self { at_ms: whole(at_ms)?, number: whole(number)? })
    }

    /// When the note was written, by the clock of who keeps the journal.
    pub fn at(self) -> Timestamp {
        Timestamp::from_millis(i64::try_from(self.at_ms).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for JournalEntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.number)
    }
}

/// One record of a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Where it is.
    pub id: JournalEntryId,
    /// What was written.
    pub record: Bytes,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_is_read_back_and_nothing_else_is() {
        for id in [JournalEntryId::default(), JournalEntryId { at_ms: u64::MAX, number: 7 }] {
            assert_eq!(JournalEntryId::parse(&id.to_string()), Some(id));
        }
        for text in ["", "-", "1", "1-", "-1", "+1-2", "1-2-3", "1-18446744073709551616", "0x1-2"] {
            assert_eq!(JournalEntryId::parse(text), None, "{text}");
        }
    }
}
