//! How much a client may ask for.

use std::time::{Duration, Instant};

/// So many rooms one connection may watch: a thousand campaigns with their calls, and the rooms of the tenant.
pub(crate) const ROOMS: usize = 2_100;
/// A message is read up to this size.
pub(crate) const MESSAGE_BYTES: usize = 16 << 10;
/// A longer one is taken up to this size, so that it can be refused in a frame; what is longer still ends the
/// connection, because each connection may hold so much of one.
pub(crate) const TAKEN_BYTES: usize = 64 << 10;
/// A room's newest state is sent on request so often.
pub(crate) const REFRESH_EVERY: Duration = Duration::from_secs(1);

/// What a fresh connection may say at once: it subscribes to all that it may watch.
const BURST: f64 = 2_500.0;
/// What it may say each second after that.
const PER_SECOND: f64 = 50.0;
/// A message that makes no sense counts as so many.
const NONSENSE: f64 = 25.0;
/// So many bytes count as a message, however few messages they are.
const BYTES_A_MESSAGE: f64 = 2048.0;

/// A connection's allowance of messages.
#[derive(Debug)]
pub(crate) struct Allowance {
    left: f64,
    counted: Instant,
}

impl Allowance {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: BURST, counted: now }
    }

    /// Counts a message; false where it is one too many.
    pub(crate) fn count(&mut self, makes_sense: bool, now: Instant) -> bool {
        self.spend(if makes_sense { 1.0 } else { NONSENSE }, now)
    }

    /// Counts what was read, whole messages or not; false where it is too much.
    pub(crate) fn count_read(&mut self, bytes: usize, fragments: u32, now: Instant) -> bool {
        self.spend(bytes as f64 / BYTES_A_MESSAGE + f64::from(fragments), now)
    }

    fn spend(&mut self, cost: f64, now: Instant) -> bool {
        let regained = now.saturating_duration_since(self.counted).as_secs_f64() * PER_SECOND;
        self.counted = now;
        self.left = (self.left + regained).min(BURST) - cost;
        self.left >= 0.0
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
