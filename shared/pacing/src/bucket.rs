//! A token bucket: a burst at once, then one token per interval.

use std::time::{Duration, Instant};

/// The rate of a token bucket.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// The most tokens at once, after a pause.
    pub burst: u32,
    /// The time until one more token.
    pub every: Duration,
}

/// A token bucket, stored as the time at which it is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full: Instant,
}

impl Rate {
    /// Returns a rate of `count` per second, with a burst of as many.
    pub fn per_second(count: u32) -> Self {
        Self { burst: count, every: Duration::from_secs(1) / count }
    }
}

impl Bucket {
    /// Creates a full bucket.
    pub fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// Takes a token; if there is none, returns the time until there is one.
    pub fn take(&mut self, rate: &Rate, now: Instant) -> Result<(), Duration> {
        self.take_many(1.0, rate, now)
    }

    /// Takes `cost` tokens. If there are too few, takes none and returns the wait.
    pub fn take_many(&mut self, cost: f64, rate: &Rate, now: Instant) -> Result<(), Duration> {
        let full = self.full.max(now) + rate.every.mul_f64(cost);
        let over = full.duration_since(now).saturating_sub(rate.every * rate.burst);
        if !over.is_zero() {
            return Err(over);
        }
        self.full = full;
        Ok(())
    }

    /// Puts back a token that was not needed.
    pub fn refund(&mut self, rate: &Rate) {
        self.full -= rate.every;
    }

    /// Whether the bucket is full.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_allows_a_burst_and_then_its_rate() {
        let start = Instant::now();
        // The attempts (when in ms, and how many), and how many of them are allowed.
        for (per_second, attempts, allowed) in [
            (10, vec![(0, 10)], vec![10]),
            (10, vec![(0, 11)], vec![10]),
            (10, vec![(0, 100), (99, 5), (100, 5), (200, 5), (1_200, 100)], vec![10, 0, 1, 1, 10]),
            (10, vec![(0, 100), (60_000, 100)], vec![10, 10]), // a long pause saves up no more than a burst
            (10, vec![(0, 10), (50, 1), (100, 1), (150, 1), (200, 1)], vec![10, 0, 1, 0, 1]),
            (2_000, vec![(0, 2_000), (1, 3), (2, 3), (10, 100)], vec![2_000, 2, 2, 16]),
            (1, vec![(0, 2), (999, 1), (1_000, 2)], vec![1, 0, 1]),
            (10, vec![(1_000, 10), (500, 1), (1_000, 1), (1_100, 2)], vec![10, 0, 0, 1]), // two cores disagree
        ] {
            let (rate, mut bucket) = (Rate::per_second(per_second), Bucket::new(start));
            let mut taken = |ms| bucket.take(&rate, start + Duration::from_millis(ms)).is_ok();
            let found: Vec<usize> =
                attempts.iter().map(|(ms, count)| (0..*count).filter(|_| taken(*ms)).count()).collect();
            assert_eq!(found, allowed, "{per_second}/s: {attempts:?}");
        }
    }

    #[test]
    fn an_empty_bucket_says_how_long_to_wait_and_takes_refunds() {
        let (rate, now) = (Rate { burst: 2, every: Duration::from_secs(10) }, Instant::now());
        let mut bucket = Bucket::new(now);
        assert!(bucket.is_full(now));
        assert_eq!(bucket.take_many(2.0, &rate, now), Ok(()));
        assert_eq!(bucket.take(&rate, now), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(&rate, now + Duration::from_secs(4)), Err(Duration::from_secs(6)));
        bucket.refund(&rate);
        assert_eq!(bucket.take(&rate, now), Ok(()));
        assert!(!bucket.is_full(now + Duration::from_secs(19)) && bucket.is_full(now + Duration::from_secs(20)));
    }
}
