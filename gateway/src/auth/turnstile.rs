//! How often somebody may log in who may log in: each login is a record that is kept, and a script in a loop would make
//! as many of them as it likes.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// So many logins at once, of one name: all the screens of a house that has its power back.
const AT_ONCE: f64 = 200.0;
/// And one more each so often.
const ONE_MORE_EVERY: Duration = Duration::from_secs(10);
/// So many names are remembered; only those who could log in get here.
const REMEMBERED: usize = 10_000;

/// Counts the logins of each name on this gateway.
#[derive(Debug, Default)]
pub(crate) struct Turnstile(Mutex<HashMap<Box<str>, (f64, Instant)>>);

impl Turnstile {
    /// How long to wait, where there were too many.
    pub(crate) fn pass(&self, name: &str, now: Instant) -> Result<(), Duration> {
        let mut names = self.0.lock().expect("nobody panics while counting");
        let regained =
            |since: Instant| now.saturating_duration_since(since).as_secs_f64() / ONE_MORE_EVERY.as_secs_f64();
        if names.len() >= REMEMBERED {
            names.retain(|_, (left, since)| *left + regained(*since) < AT_ONCE);
        }
        if names.len() >= REMEMBERED {
            names.clear();
        }
        let (left, since) = names.entry(name.into()).or_insert((AT_ONCE, now));
        let there = (*left + regained(*since)).min(AT_ONCE);
        if there < 1.0 {
            return Err(ONE_MORE_EVERY.mul_f64(1.0 - there));
        }
        (*left, *since) = (there - 1.0, now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_in_a_loop_is_let_in_now_and_then_and_nobody_else_waits_for_it() {
        let (turnstile, start) = (Turnstile::default(), Instant::now());
        let passed = (0..1_000).filter(|_| turnstile.pass("script:1", start).is_ok()).count();
        assert_eq!(passed, 200);
        assert_eq!(turnstile.pass("script:1", start), Err(ONE_MORE_EVERY));
        assert!(turnstile.pass("ann", start).is_ok());
        assert!(turnstile.pass("script:1", start + ONE_MORE_EVERY).is_ok());
        assert!(turnstile.pass("script:1", start + ONE_MORE_EVERY).is_err());
        for n in 0..3 * REMEMBERED {
            assert!(turnstile.pass(&n.to_string(), start).is_ok());
        }
        assert!(turnstile.0.lock().unwrap().len() <= REMEMBERED);
    }
}
