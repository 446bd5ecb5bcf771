//! Exponential backoff with jitter.

use std::time::Duration;

/// The pauses between retries.
///
/// Each is twice as long as the one before, up to a limit.
///
/// A pause is shortened at random by up to half, so that many clients don't retry at the same time.
#[derive(Debug, Clone)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// Creates a backoff with pauses of about `first`, growing up to `longest`.
    pub const fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, failures: 0 }
    }

    /// Whether there was no failure since the start or the last success.
    pub fn is_fresh(&self) -> bool {
        self.failures == 0
    }

    /// Starts again with the first pause, after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// Counts a failure and returns the pause before the next try.
    pub fn next_pause(&mut self) -> Duration {
        let pause = self.first.saturating_mul(2_u32.saturating_pow(self.failures)).min(self.longest);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(rand::random_range(0.5..=1.0))
    }

    /// Counts a failure and waits for the pause.
    pub async fn wait(&mut self) {
        tokio::time::sleep(self.next_pause()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest_until_a_success() {
        let ms = Duration::from_millis;
        let mut backoff = Backoff::new(ms(50), ms(1_000));
        assert!(backoff.is_fresh());
        for longest in [50, 100, 200, 400, 800, 1_000, 1_000] {
            let pause = backoff.next_pause();
            assert!((ms(longest / 2)..=ms(longest)).contains(&pause), "{pause:?} of {longest} ms");
        }
        for _ in 0..200 {
            assert!(backoff.next_pause() <= ms(1_000), "no overflow");
        }
        assert!(!backoff.is_fresh());
        backoff.reset();
        assert!(backoff.is_fresh() && backoff.next_pause() <= ms(50));
        let pauses: Vec<_> = (0..50).map(|_| Backoff::new(ms(1_000), ms(1_000)).next_pause()).collect();
        assert!(pauses.iter().any(|pause| *pause != pauses[0]), "pauses vary");
    }
}
