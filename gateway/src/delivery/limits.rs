//! How much a client may ask for.

use std::time::{Duration, Instant};

use ringside_pacing::{Bucket, Rate};

/// So many rooms one connection may watch: a thousand campaigns with their calls, and the rooms of the tenant.
pub(crate) const ROOMS: usize = 2_100;
/// A message is read up to this size.
pub(crate) const MESSAGE_BYTES: usize = 16 << 10;
/// A longer one is taken up to this size, so that it can be refused in a frame; what is longer still ends the
/// connection, because each connection may hold so much of one.
pub(crate) const TAKEN_BYTES: usize = 64 << 10;
/// A room's newest state is sent on request so often.
pub(crate) const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// What a connection may say. At once: a fresh one subscribes to all that it may watch.
const RATE: Rate = Rate { burst: 2_500, every: Duration::from_millis(20) };
/// A message that makes no sense counts as so many.
const NONSENSE: f64 = 25.0;
/// So many bytes count as a message, however few messages they are.
const BYTES_A_MESSAGE: f64 = 2048.0;

/// A connection's allowance of messages.
#[derive(Debug)]
pub(crate) struct Allowance(Bucket);

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Bucket::new(now))
    }

    /// Counts a message; false where it is one too many.
    pub(crate) fn count(&mut self, makes_sense: bool, now: Instant) -> bool {
        self.0.take_many(if makes_sense { 1.0 } else { NONSENSE }, &RATE, now).is_ok()
    }

    /// Counts what was read, whole messages or not; false where it is too much.
    pub(crate) fn count_read(&mut self, bytes: usize, fragments: u32, now: Instant) -> bool {
        self.0.take_many(bytes as f64 / BYTES_A_MESSAGE + f64::from(fragments), &RATE, now).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_subscriptions_pass_and_a_flood_does_not() {
        let start = Instant::now();
        let mut allowance = Allowance::new(start);
        assert!((0..ROOMS).all(|_| allowance.count(true, start)));
        assert!(!(0..1_000).all(|_| allowance.count(true, start)));
        let mut steady = Allowance::new(start);
        assert!((0..10_000_u64).all(|n| steady.count(true, start + Duration::from_millis(n * 21))));
        let mut nonsense = Allowance::new(start);
        assert!(!(0..110).all(|_| nonsense.count(false, start)));
        let mut endless = Allowance::new(start);
        assert!(!(0..3_000).all(|_| endless.count_read(8, 1, start)), "a message in endless pieces");
        let mut bulky = Allowance::new(start);
        assert!(!(0..2_000).all(|_| bulky.count_read(4 << 10, 0, start)), "a message of endless length");
    }
}
