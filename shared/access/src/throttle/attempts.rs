//! The stored count of password attempts.

use std::time::Duration;

use bytes::Bytes;
use ringside_model::Timestamp;
use sha2::{Digest, Sha256};

/// Prefix of the registry keys of attempt counts.
pub(crate) const PREFIX: &str = "tries/";
/// How long a lock lasts, and how long a wrong password counts.
pub(crate) const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);
const LOCKED_FOR_MS: i64 = LOCKED_FOR.as_millis() as i64;
/// How much of a name's digest is in a key: enough that collisions can't be found.
const DIGEST_DIGITS: usize = 32;

/// The number of attempts, and the time of the last one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempts {
    pub(super) count: u32,
    pub(super) last: Timestamp,
}

impl Attempts {
    /// Decodes a stored count. None if it has expired or is malformed.
    pub(super) fn read(stored: &[u8], now: Timestamp) -> Option<Self> {
        let (count, last) = str::from_utf8(stored).ok()?.split_once(' ')?;
        let attempts = Self { count: count.parse().ok()?, last: Timestamp::from_millis(last.parse().ok()?) };
        // A time far ahead of this clock is another gateway's clock error and must not lock anything.
        (now.millis().abs_diff(attempts.last.millis()) < LOCKED_FOR_MS.unsigned_abs()).then_some(attempts)
    }

    pub(super) fn write(self) -> Bytes {
        Bytes::from(format!("{} {}", self.count, self.last.millis()))
    }

    /// Returns when a lock by these attempts ends.
    pub(super) fn until(self) -> Timestamp {
        self.last.plus_millis(LOCKED_FOR_MS)
    }
}

/// Returns the registry key of a count.
///
/// Names are hashed: clients send them in any length and with any characters.
pub(super) fn key(kind: &str, name: &str) -> Box<str> {
    let digest = format!("{:x}", Sha256::digest(name));
    format!("{PREFIX}{kind}/{}", &digest[..DIGEST_DIGITS]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attempts_count_for_15_minutes_and_malformed_ones_never() {
        let last = Timestamp::from_millis(1_700_000_000_000);
        let stored = Attempts { count: 3, last }.write();
        let read = |after_ms| Attempts::read(&stored, last.plus_millis(after_ms));
        assert_eq!(read(0), Some(Attempts { count: 3, last }));
        assert_eq!(read(899_999), Some(Attempts { count: 3, last }));
        assert_eq!(read(-899_999), Some(Attempts { count: 3, last }), "clocks differ");
        assert_eq!(read(900_000), None);
        assert_eq!(read(-900_000), None);
        for malformed in ["", "3", "3 ", "-1 1700000000000", "3 x", "3 9223372036854775808"] {
            assert_eq!(Attempts::read(malformed.as_bytes(), last), None, "{malformed}");
        }
        assert_eq!(Attempts::read(b"3 -9223372036854775808", last), None);
    }

    #[test]
    fn keys_have_one_form_for_any_name() {
        let long = "x".repeat(100_000);
        for name in ["", "ann", "a/b\0\n", &long] {
            let key = key("account", name);
            let hex = key.strip_prefix("tries/account/").unwrap();
            assert!(hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        }
        assert_ne!(key("account", "ann"), key("account", "Ann"));
    }
}
