//! A rate limit on successful sign-ins, per user.
//!
//! Each sign-in leaves a session record. Without a limit a script in a loop would fill the registry.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringside_pacing::{Bucket, Rate};

/// The rate for one user.
///
/// The burst covers all wallboards of a site after a power cut.
const RATE: Rate = Rate { burst: 200, every: Duration::from_secs(10) };
/// How many users are counted at most. Only users with valid credentials get here.
const MAX_USERS: usize = 10_000;

/// Limits the sign-ins of each user on this gateway.
#[derive(Debug, Default)]
pub(crate) struct LoginRateLimit(Mutex<HashMap<Box<str>, Bucket>>);

impl LoginRateLimit {
    /// Returns the wait if the limit is used up.
    ///
    /// Takes nothing: the credentials are not checked yet.
    pub(crate) fn check(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let names = self.0.lock();
        names.get(name).map_or(Ok(()), |bucket| bucket.clone().take(&RATE, now))
    }

    /// Counts a sign-in, or returns the wait if the limit is used up.
    pub(crate) fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut names = self.0.lock();
        if names.len() >= MAX_USERS {
            names.retain(|_, bucket| !bucket.is_full(now));
        }
        if names.len() >= MAX_USERS {
            names.clear();
        }
        names.entry(name.into()).or_insert(Bucket::new(now)).take(&RATE, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_looping_script_is_limited_and_other_users_are_not() {
        let (login_rate, start) = (LoginRateLimit::default(), Instant::now());
        let passed = (0..1_000).filter(|_| login_rate.take("script:1", start).is_ok()).count();
        assert_eq!(passed, 200);
        assert_eq!(login_rate.take("script:1", start), Err(RATE.every));
        assert!(login_rate.take("ann", start).is_ok());
        assert!(login_rate.take("script:1", start + RATE.every).is_ok());
        assert!(login_rate.take("script:1", start + RATE.every).is_err());
        for n in 0..3 * MAX_USERS {
            assert!(login_rate.take(&n.to_string(), start).is_ok());
        }
        assert!(login_rate.0.lock().len() <= MAX_USERS);
    }
}
