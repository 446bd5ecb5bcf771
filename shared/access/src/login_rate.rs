//! How often somebody may log in who may log in: each login is a record that is kept, and a script in a loop would make
//! as many of them as it likes.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use ringside_pacing::{Bucket, Rate};

/// Of one name. At once: all the screens of a house that has its power back.
const RATE: Rate = Rate { at_once: 200, every: Duration::from_secs(10) };
/// So many names are remembered; only those who could log in get here.
const REMEMBERED: usize = 10_000;

/// Counts the logins of each name on this gateway.
#[derive(Debug, Default)]
pub(crate) struct LoginRateLimit(Mutex<HashMap<Box<str>, Bucket>>);

impl LoginRateLimit {
    /// How long to wait, where there were too many; whether somebody may log in at all is not looked at before that.
    pub(crate) fn check(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let names = self.0.lock();
        names.get(name).map_or(Ok(()), |bucket| bucket.clone().take(&RATE, now))
    }

    /// How long to wait, where there were too many.
    pub(crate) fn take(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut names = self.0.lock();
        if names.len() >= REMEMBERED {
            names.retain(|_, bucket| !bucket.is_full(now));
        }
        if names.len() >= REMEMBERED {
            names.clear();
        }
        names.entry(name.into()).or_insert(Bucket::new(now)).take(&RATE, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_in_a_loop_is_let_in_now_and_then_and_nobody_else_waits_for_it() {
        let (login_rate, start) = (LoginRateLimit::default(), Instant::now());
        let passed = (0..1_000).filter(|_| login_rate.take("script:1", start).is_ok()).count();
        assert_eq!(passed, 200);
        assert_eq!(login_rate.take("script:1", start), Err(RATE.every));
        assert!(login_rate.take("ann", start).is_ok());
        assert!(login_rate.take("script:1", start + RATE.every).is_ok());
        assert!(login_rate.take("script:1", start + RATE.every).is_err());
        for n in 0..3 * REMEMBERED {
            assert!(login_rate.take(&n.to_string(), start).is_ok());
        }
        assert!(login_rate.0.lock().len() <= REMEMBERED);
    }
}
