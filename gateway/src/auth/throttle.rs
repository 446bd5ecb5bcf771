//! How often somebody may get a password wrong, per account and per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// After so many wrong passwords an account is locked for [`LOCKED_FOR`].
const TRIES_PER_ACCOUNT: u32 = 5;
/// An address may belong to a whole office.
const TRIES_PER_ADDRESS: u32 = 50;
/// How long a lock lasts, and how long a wrong password counts.
const LOCKED_FOR: Duration = Duration::from_secs(15 * 60);
/// So many accounts and addresses are remembered.
const REMEMBERED: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Account(Box<str>),
    Address(IpAddr),
}

#[derive(Debug, Clone, Copy)]
struct Tries {
    wrong: u32,
    last: Instant,
}

/// What remembers wrong passwords.
#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<HashMap<Who, Tries>>);

impl Throttle {
    /// How long to wait, where there were too many tries.
    pub(crate) fn locked(&self, account: &str, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let tries = self.0.lock().expect("nobody panics while counting");
        each(account, address)
            .filter_map(|(who, allowed)| tries.get(&who).filter(|tries| tries.wrong >= allowed))
            .filter_map(|tries| LOCKED_FOR.checked_sub(now.saturating_duration_since(tries.last)))
            .filter(|wait| !wait.is_zero())
            .max()
    }

    /// Counts a wrong password; returns how many tries are left.
    pub(crate) fn count_wrong(&self, account: &str, address: Option<IpAddr>, now: Instant) -> u32 {
        let mut tries = self.0.lock().expect("nobody panics while counting");
        let outdated = |tries: &Tries| now.saturating_duration_since(tries.last) >= LOCKED_FOR;
        if tries.len() >= REMEMBERED {
            tries.retain(|_, tries| !outdated(tries));
        }
        if tries.len() >= REMEMBERED {
            // A flood of made-up names: those that are close to a lock are the ones worth remembering.
            tries.retain(|_, tries| tries.wrong > 1);
        }
        if tries.len() >= REMEMBERED {
            tries.clear();
        }
        let mut left = u32::MAX;
        for (who, allowed) in each(account, address) {
            let entry = tries.entry(who).or_insert(Tries { wrong: 0, last: now });
            if outdated(entry) {
                entry.wrong = 0;
            }
            *entry = Tries { wrong: entry.wrong + 1, last: now };
            left = left.min(allowed.saturating_sub(entry.wrong));
        }
        left
    }

    /// Forgets an account's wrong passwords, after the right one.
    pub(crate) fn forget(&self, account: &str) {
        self.0.lock().expect("nobody panics while counting").remove(&Who::Account(account.into()));
    }
}

fn each(account: &str, address: Option<IpAddr>) -> impl Iterator<Item = (Who, u32)> {
    // Longer than any account's name, and what can be remembered of it is bounded.
    let account: Box<str> = account.chars().take(64).collect();
    let address = address.map(|address| (Who::Address(address), TRIES_PER_ADDRESS));
    [(Who::Account(account), TRIES_PER_ACCOUNT)].into_iter().chain(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_wrong_passwords_lock_an_account_for_a_quarter_of_an_hour() {
        let throttle = Throttle::default();
        let start = Instant::now();
        let left: Vec<u32> = (0..5).map(|_| throttle.count_wrong("ann", None, start)).collect();
        assert_eq!(left, [4, 3, 2, 1, 0]);
        assert_eq!(throttle.locked("ann", None, start), Some(LOCKED_FOR));
        assert_eq!(throttle.locked("bob", None, start), None);
        assert_eq!(throttle.locked("ann", None, start + LOCKED_FOR), None);
        assert_eq!(throttle.count_wrong("ann", None, start + LOCKED_FOR), 4);
    }

    #[test]
    fn an_address_that_tries_many_names_is_locked_and_memory_stays_bounded() {
        let throttle = Throttle::default();
        let now = Instant::now();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        for n in 0..TRIES_PER_ADDRESS {
            throttle.count_wrong(&format!("name{n}"), Some(address), now);
        }
        assert!(throttle.locked("another", Some(address), now).is_some());
        for n in 0..3 * REMEMBERED {
            throttle.count_wrong(&format!("n{n}"), None, now);
        }
        assert!(throttle.0.lock().unwrap().len() <= REMEMBERED + 1);
    }
}
