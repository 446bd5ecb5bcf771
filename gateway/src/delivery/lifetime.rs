//! How long a live connection may last: then it comes back, at once and from its cursor, and perhaps elsewhere.
//!
//! So the load evens out again after a gateway was gone, and nothing that a long life could hide grows for ever. Each has
//! an end of its own: those who came together, after a restart, must not go together.

use std::time::Duration;

/// So far from the mean a life may be.
const SPREAD: f64 = 0.2;
/// Who comes back "now" still comes at a time of its own.
const RETRY_MS: std::ops::Range<u64> = 0..500;

/// How long this connection lasts; `random` is from 0 to 1.
pub(crate) fn lifetime(max_age: Duration, random: f64) -> Duration {
    max_age.mul_f64(1.0 - SPREAD + 2.0 * SPREAD * random)
}

/// When one whose time is over comes back.
pub(crate) fn retry_ms() -> u64 {
    rand::random_range(RETRY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lives_are_spread_by_a_fifth_around_the_mean() {
        let max_age = Duration::from_secs(1_000);
        for (random, secs) in [(0.0, 800), (0.25, 900), (0.5, 1_000), (1.0, 1_200)] {
            assert_eq!(lifetime(max_age, random).as_secs_f64().round() as u64, secs);
        }
    }
}
