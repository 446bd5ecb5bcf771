//! A count of attempts as it is stored.

use std::time::Duration;

use bytes::Bytes;
use ringside_model::Timestamp;
use sha2::{Digest, Sha256};

/// Prefix of the registry keys of attempt counts.
pub(crate) const PREFIX: &str = "tries/";
/// How long a lock lasts, and how long a wrong password counts.
pub(crate) const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);
const LOCKED_FOR_MS: i64 = LOCKED_FOR.as_millis() as i64;
/// So much of a digest is in a key: nobody finds two names for one.
const DIGEST_DIGITS: usize = 32;

/// How often it was tried, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

impl Attempts {
    /// Reads what is stored; none where it is outdated, or nothing that we wrote.
    pub(super) fn read(stored: &[u8], now: Timestamp) -> Option<Self> {
        let (count, last) = str::from_utf8(stored).ok()?.split_once(' ')?;
        let attempts = Self { count: count.parse().ok()?, last: Timestamp::from_millis(last.parse().ok()?) };
        // Far ahead of this clock: that of who wrote it was wrong, and may not lock anybody until it is right.
        (now.millis().abs_diff(attempts.last.millis()) < LOCKED_FOR_MS.unsigned_abs()).then_some(attempts)
    }

    pub(super) fn write(self) -> Bytes {
        Bytes::from(format!("{} {}", self.count, self.last.millis()))
    }

    /// When a lock by these attempts is over.
    pub(super) fn until(self) -> Timestamp {
        self.last.plus_millis(LOCKED_FOR_MS)
    }
}

/// Under which key the attempts of somebody are stored. Names come from outside, of any length and with anything in them.
pub(super) fn key(kind: &str, name: &str) -> Box<str> {
    let digest = format!("{:x}", Sha256::digest(name));
    format!("{PREFIX}{kind}/{}", &digest[..DIGEST_DIGITS]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_count_for_a_quarter_of_an_hour_and_nonsense_never() {
        let last = Timestamp::from_millis(1_700_000_000_000);
        let stored = Attempts { count: 3, last }.write();
        let read = |after_ms| Attempts::read(&stored, last.plus_millis(after_ms));
        assert_eq!(read(0), Some(Attempts { count: 3, last }));
        assert_eq!(read(899_999), Some(Attempts { count: 3, last }));
        assert_eq!(read(-899_999), Some(Attempts { count: 3, last }), "clocks differ");
        assert_eq!(read(900_000), None);
        assert_eq!(read(-900_000), None);
        for nonsense in ["", "3", "3 ", "-1 1700000000000", "3 x", "3 9223372036854775808"] {
            assert_eq!(Attempts::read(nonsense.as_bytes(), last), None, "{nonsense}");
        }
        assert_eq!(Attempts::read(b"3 -9223372036854775808", last), None);
    }

    #[test]
    fn keys_have_one_form_whatever_the_name_is() {
        let long = "x".repeat(100_000);
        for name in ["", "ann", "a/b\0\n", &long] {
            let key = key("account", name);
            let hex = key.strip_prefix("tries/account/").unwrap();
            assert!(hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        }
        assert_ne!(key("account", "ann"), key("account", "Ann"));
    }
}
