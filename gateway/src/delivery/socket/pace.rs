//! How often a socket is written to: as soon as there is something, unless it can't take it.
//!
//! A socket that stays full for a while is written to less often, so that what it gets is new when it gets it. Once it
//! takes all at once again for a while, it comes back step by step.

use std::time::{Duration, Instant};

use crate::observe::PACES;

/// The steps down.
const STEPS: [Duration; PACES.len()] =
    [Duration::ZERO, Duration::from_millis(250), Duration::from_secs(1), Duration::from_secs(2)];
/// A socket that is full for longer than this at a stretch is slow.
const FULL_FOR: Duration = Duration::from_millis(100);
/// After so many writes that went through at once it is tried a step faster.
const CALM_WRITES: u8 = 3;

/// The pace of one socket.
#[derive(Debug)]
pub(super) struct Pace {
    step: u8,
    calm: u8,
    full_since: Option<Instant>,
    /// Not before.
    next: Option<Instant>,
}

impl Pace {
    pub(super) fn full() -> Self {
        Self { step: 0, calm: 0, full_since: None, next: None }
    }

    /// It did not take all.
    pub(super) fn is_full(&mut self, now: Instant) {
        self.full_since.get_or_insert(now);
    }

    /// It has taken all there was.
    pub(super) fn took_all(&mut self, now: Instant) {
        let full_for = self.full_since.take().map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if full_for > FULL_FOR {
            self.step = (self.step + 1).min(STEPS.len() as u8 - 1);
            self.calm = 0;
        } else if self.wait(now).is_some() {
            // A pong or a goodbye in between says nothing, and must not put off what waits.
            return;
        } else if self.step > 0 {
            self.calm += 1;
            if self.calm == CALM_WRITES {
                self.step -= 1;
                self.calm = 0;
            }
        }
        self.next = (self.step > 0).then(|| now + self.interval());
    }

    /// When it may be written to again; none where that is now.
    pub(super) fn wait(&self, now: Instant) -> Option<Instant> {
        self.next.filter(|next| *next > now)
    }

    /// How long is waited between two writes.
    pub(super) fn interval(&self) -> Duration {
        STEPS[usize::from(self.step)]
    }

    /// What it is called.
    pub(super) fn name(&self) -> &'static str {
        PACES[usize::from(self.step)]
    }

    /// True where it can't keep up.
    pub(super) fn is_slow(&self) -> bool {
        self.step > 0 || self.full_since.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_socket_is_slowed_step_by_step_and_comes_back() {
        let (mut pace, mut now) = (Pace::full(), Instant::now());
        let ms = Duration::from_millis;
        pace.is_full(now);
        pace.took_all(now + ms(90));
        assert_eq!((pace.interval(), pace.wait(now)), (ms(0), None), "a short stop is none");
        for interval in [250, 1_000, 2_000, 2_000] {
            pace.is_full(now);
            pace.is_full(now + ms(50));
            assert!(pace.is_slow());
            now += ms(150);
            pace.took_all(now);
            assert_eq!((pace.interval(), pace.wait(now)), (ms(interval), Some(now + ms(interval))));
            assert_eq!(pace.wait(now + ms(interval)), None);
        }
        for interval in [2_000, 2_000, 1_000, 1_000, 1_000, 250, 250, 250, 0] {
            let due = pace.wait(now).expect("it is slow");
            pace.took_all(due - ms(1));
            assert_eq!(pace.wait(now), Some(due), "a pong puts nothing off");
            now = due;
            pace.took_all(now);
            assert_eq!(pace.interval(), ms(interval));
        }
        assert!(!pace.is_slow() && pace.wait(now).is_none());
    }

    #[test]
    fn paces_are_called_as_in_the_metrics() {
        let called: Vec<&str> = (0..STEPS.len() as u8).map(|step| Pace { step, ..Pace::full() }.name()).collect();
        assert_eq!(called, ["full", "250ms", "1s", "2s"]);
    }
}
