//! A count of tries as it is stored.

use bytes::Bytes;
use ringside_model::Timestamp;
use sha2::{Digest, Sha256};

use super::{LOCKED_FOR, PREFIX};

const LOCKED_FOR_MS: i64 = LOCKED_FOR.as_millis() as i64;
/// So much of a digest is in a key: nobody finds two names for one.
const DIGEST_DIGITS: usize = 32;

/// How often it was tried, and when last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tries {
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

impl Tries {
    /// Reads what is stored; none where it is outdated, or nothing that we wrote.
    pub(super) fn read(stored: &[u8], now: Timestamp) -> Option<Self> {
        let (count, last) = str::from_utf8(stored).ok()?.split_once(' ')?;
        let tries = Self { count: count.parse().ok()?, last: Timestamp::from_millis(last.parse().ok()?) };
        // Far ahead of this clock: that of who wrote it was wrong, and may not lock anybody until it is right.
        (now.millis().abs_diff(tries.last.millis()) < LOCKED_FOR_MS.unsigned_abs()).then_some(tries)
    }

    pub(super) fn write(self) -> Bytes {
        Bytes::from(format!("{} {}", self.count, self.last.millis()))
    }

    /// When a lock by these tries is over.
    pub(super) fn until(self) -> Timestamp {
        self.last.plus_millis(LOCKED_FOR_MS)
    }
}

/// Under which key the tries of somebody are stored. Names come from outside, of any length and with anything in them.
pub(super) fn key(what: &str, whose: &str) -> Box<str> {
    let digest = format!("{:x}", Sha256::digest(whose));
    format!("{PREFIX}{what}/{}", &digest[..DIGEST_DIGITS]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_count_for_a_quarter_of_an_hour_and_nonsense_never() {
        let last = Timestamp::from_millis(1_700_000_000_000);
        let stored = Tries { count: 3, last }.write();
        let read = |after_ms| Tries::read(&stored, last.plus_millis(after_ms));
        assert_eq!(read(0), Some(Tries { count: 3, last }));
        assert_eq!(read(899_999), Some(Tries { count: 3, last }));
        assert_eq!(read(-899_999), Some(Tries { count: 3, last }), "clocks differ");
        assert_eq!(read(900_000), None);
        assert_eq!(read(-900_000), None);
        for nonsense in ["", "3", "3 ", "-1 1700000000000", "3 x", "3 9223372036854775808"] {
            assert_eq!(Tries::read(nonsense.as_bytes(), last), None, "{nonsense}");
        }
        assert_eq!(Tries::read(b"3 -9223372036854775808", last), None);
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
