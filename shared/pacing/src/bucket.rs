//! How often something may be done: so often at once, and one more time each so often.

use std::time::{Duration, Instant};

/// So many at once, and one more each so often.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// How many at once, after a pause.
    pub at_once: u32,
    /// The time for one more.
    pub every: Duration,
}

/// What is left of a rate, as the time at which all of it is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket {
    full: Instant,
}

impl Rate {
    /// So many a second, and as many at once after a second of quiet.
    pub fn per_second(many: u32) -> Self {
        Self { at_once: many, every: Duration::from_secs(1) / many }
    }
}

impl Bucket {
    /// Nothing has been taken.
    pub fn new(now: Instant) -> Self {
        Self { full: now }
    }

    /// Takes one; where there is none left, how long until there is.
    pub fn take(&mut self, rate: &Rate, now: Instant) -> Result<(), Duration> {
        self.spend(1.0, rate, now)
    }

    /// Takes so many, or none of them.
    pub fn spend(&mut self, cost: f64, rate: &Rate, now: Instant) -> Result<(), Duration> {
        let full = self.full.max(now) + rate.every.mul_f64(cost);
        let over = full.duration_since(now).saturating_sub(rate.every * rate.at_once);
        if !over.is_zero() {
            return Err(over);
        }
        self.full = full;
        Ok(())
    }

    /// One was taken in vain.
    pub fn give_back(&mut self, rate: &Rate) {
        self.full -= rate.every;
    }

    /// True where everything is back.
    pub fn is_full(&self, now: Instant) -> bool {
        self.full <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_what_there_is_at_once_and_then_its_rate() {
        let start = Instant::now();
        // What comes when (in ms, so many at once), and how many of them are let in.
        for (per_second, comes, let_in) in [
            (10, vec![(0, 10)], vec![10]),
            (10, vec![(0, 11)], vec![10]),
            (10, vec![(0, 100), (99, 5), (100, 5), (200, 5), (1_200, 100)], vec![10, 0, 1, 1, 10]),
            (10, vec![(0, 100), (60_000, 100)], vec![10, 10]), // quiet is not saved up
            (10, vec![(0, 10), (50, 1), (100, 1), (150, 1), (200, 1)], vec![10, 0, 1, 0, 1]),
            (2_000, vec![(0, 2_000), (1, 3), (2, 3), (10, 100)], vec![2_000, 2, 2, 16]),
            (1, vec![(0, 2), (999, 1), (1_000, 2)], vec![1, 0, 1]),
            (10, vec![(1_000, 10), (500, 1), (1_000, 1), (1_100, 2)], vec![10, 0, 0, 1]), // clocks of two cores
        ] {
            let (rate, mut bucket) = (Rate::per_second(per_second), Bucket::new(start));
            let mut taken = |ms| bucket.take(&rate, start + Duration::from_millis(ms)).is_ok();
            let found: Vec<usize> = comes.iter().map(|(ms, many)| (0..*many).filter(|_| taken(*ms)).count()).collect();
            assert_eq!(found, let_in, "{per_second}/s: {comes:?}");
        }
    }

    #[test]
    fn who_has_to_wait_is_told_how_long_and_what_was_given_back_is_there_again() {
        let (rate, now) = (Rate { at_once: 2, every: Duration::from_secs(10) }, Instant::now());
        let mut bucket = Bucket::new(now);
        assert!(bucket.is_full(now));
        assert_eq!(bucket.spend(2.0, &rate, now), Ok(()));
        assert_eq!(bucket.take(&rate, now), Err(Duration::from_secs(10)));
        assert_eq!(bucket.take(&rate, now + Duration::from_secs(4)), Err(Duration::from_secs(6)));
        bucket.give_back(&rate);
        assert_eq!(bucket.take(&rate, now), Ok(()));
        assert!(!bucket.is_full(now + Duration::from_secs(19)) && bucket.is_full(now + Duration::from_secs(20)));
    }
}
