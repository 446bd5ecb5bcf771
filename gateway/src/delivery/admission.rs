//! Who may open a live connection now: not more than so many a second, and nobody while memory is short.
//!
//! It is asked before anything else of a request is looked at, the token least of all, because a refusal has to be cheap:
//! what has to be refused comes in thousands. Who is then found to be nobody gives the place back, so that strangers keep
//! nobody out. Polls are not asked. A poll is a question: it ends, it holds nothing between
//! two of them, and who polls because sockets are refused should get what it asks for.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::goodbye::Goodbye;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::memory::Memory;
use crate::observe;

/// Who was refused comes back after so many seconds, each at a time of its own.
const RETRY_SECS: std::ops::RangeInclusive<u64> = 1..=5;

/// Lets live connections in, or sends them away.
pub(crate) struct Admission {
    bucket: Mutex<Bucket>,
    goodbye: Arc<Goodbye>,
    memory: Arc<Memory>,
}

impl Admission {
    pub(crate) fn new(per_second: u32, goodbye: Arc<Goodbye>, memory: Arc<Memory>) -> Self {
        Self { bucket: Mutex::new(Bucket::new(per_second, Instant::now())), goodbye, memory }
    }

    /// Counts somebody who comes; an error where it has to come back later, or elsewhere.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        let retry_secs = || rand::random_range(RETRY_SECS);
        let (reason, error) = if self.goodbye.has_begun() {
            ("draining", Error::Unavailable)
        } else if self.memory.is_short() {
            ("memory", Error::Full { retry_secs: retry_secs() })
        } else if !self.bucket.lock().expect("nobody panics while counting").take(Instant::now()) {
            ("rate", Error::TooManyConnects { retry_secs: retry_secs() })
        } else {
            return Ok(());
        };
        observe::refused(reason);
        Err(error)
    }
}

/// As the first argument of a handler: whoever may not come in is told before anything else of the request is read. A
/// place, which is given back where nobody enters.
pub(crate) struct Admitted(Option<Gateway>);

impl FromRequestParts<Gateway> for Admitted {
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, gateway: &Gateway) -> Result<Self, Error> {
        gateway.admission().admit().map(|()| Self(Some(gateway.clone())))
    }
}

impl Admitted {
    /// Takes the place.
    pub(super) fn enter(mut self) {
        self.0 = None;
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        if let Some(gateway) = &self.0 {
            gateway.admission().bucket.lock().expect("nobody panics while counting").give_back();
        }
    }
}

/// So many a second, and as many at once after a second of quiet.
#[derive(Debug)]
pub(super) struct Bucket {
    per_second: f64,
    left: f64,
    counted: Instant,
}

impl Bucket {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        Self { per_second: per_second.into(), left: per_second.into(), counted: now }
    }

    /// Takes one; false where there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let regained = now.saturating_duration_since(self.counted).as_secs_f64() * self.per_second;
        self.counted = self.counted.max(now);
        self.left = (self.left + regained).min(self.per_second);
        let there = self.left >= 1.0;
        if there {
            self.left -= 1.0;
        }
        there
    }

    fn give_back(&mut self) {
        self.left = (self.left + 1.0).min(self.per_second);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_bucket_gives_its_second_at_once_and_then_its_rate() {
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
            let mut bucket = Bucket::new(per_second, start);
            let found: Vec<usize> = comes
                .iter()
                .map(|(ms, many)| (0..*many).filter(|_| bucket.take(start + Duration::from_millis(*ms))).count())
                .collect();
            assert_eq!(found, let_in, "{per_second}/s: {comes:?}");
        }
    }
}
