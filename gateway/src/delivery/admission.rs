//! Who may open a live connection now: not more than so many a second, and nobody while memory is short.
//!
//! It is asked before anything else of a request is looked at, the token least of all, because a refusal has to be cheap:
//! what has to be refused comes in thousands. Who is then found to be nobody gives the place back, so that strangers keep
//! nobody out. Polls are not asked. A poll is a question: it ends, it holds nothing between
//! two of them, and who polls because sockets are refused should get what it asks for.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use ringside_pacing::{Bucket, Rate};

use super::goodbye::Goodbye;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::memory::Memory;
use crate::observe;

/// Who was refused comes back after so many seconds, each at a time of its own.
const RETRY_SECS: std::ops::RangeInclusive<u64> = 1..=5;

/// Lets live connections in, or sends them away.
pub(crate) struct Admission {
    rate: Rate,
    bucket: Mutex<Bucket>,
    goodbye: Arc<Goodbye>,
    memory: Arc<Memory>,
}

impl Admission {
    pub(crate) fn new(per_second: u32, goodbye: Arc<Goodbye>, memory: Arc<Memory>) -> Self {
        Self { rate: Rate::per_second(per_second), bucket: Mutex::new(Bucket::new(Instant::now())), goodbye, memory }
    }

    /// Counts somebody who comes; an error where it has to come back later, or elsewhere.
    pub(crate) fn admit(&self) -> Result<(), Error> {
        let retry_secs = || rand::random_range(RETRY_SECS);
        let (reason, error) = if self.goodbye.has_begun() {
            ("draining", Error::Unavailable)
        } else if self.memory.is_short() {
            ("memory", Error::Full { retry_secs: retry_secs() })
        } else if self.bucket().take(&self.rate, Instant::now()).is_err() {
            ("rate", Error::TooManyConnects { retry_secs: retry_secs() })
        } else {
            return Ok(());
        };
        observe::refused(reason);
        Err(error)
    }

    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        self.bucket.lock().expect("nobody panics while counting")
    }
}

/// As the first argument of a handler: whoever may not come in is told before anything else of the request is read. A
/// place, which is given back where nobody enters.
pub(crate) struct Admitted(Option<Delivery>);

impl<S: Send + Sync> FromRequestParts<S> for Admitted
where
    Delivery: FromRef<S>,
{
    type Rejection = Error;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Error> {
        let delivery = Delivery::from_ref(state);
        delivery.admission().admit()?;
        Ok(Self(Some(delivery)))
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
        if let Some(delivery) = &self.0 {
            let admission = delivery.admission();
            admission.bucket().refund(&admission.rate);
        }
    }
}
