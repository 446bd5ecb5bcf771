//! Limits how many denials are audited.
//!
//! There is one token bucket per (tenant, user, address), and two per tenant, for known and unknown users.
//!
//! A flood uses up its own bucket and leaves other users' alone. With invented names or many addresses it uses up the
//! tenant's bucket, but no other tenant's. Unknown users share one bucket and can't hide the denials of known ones.
//! Omitted denials are counted per tenant, and the next audited one reports the count.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ringside_model::TenantId;
use ringside_pacing::{Bucket, Rate};

use crate::network::network;

/// The rate for one user at one address.
const PER_SUBJECT: Rate = Rate { burst: 20, every: Duration::from_secs(10) };
/// The rate for all known users of a tenant.
const PER_TENANT_KNOWN: Rate = Rate { burst: 200, every: Duration::from_millis(500) };
/// The rate for all unknown users of a tenant: at most a million entries a year.
const PER_TENANT_UNKNOWN: Rate = Rate { burst: 50, every: Duration::from_secs(30) };
/// How many pairs of user and address have a bucket.
const MAX_SUBJECTS: usize = 4096;
/// How many tenants have buckets.
const MAX_TENANTS: usize = 1024;

/// A tenant's buckets, and its denials omitted since the last audited one.
#[derive(Debug)]
struct TenantBuckets {
    known: Bucket,
    unknown: Bucket,
    omitted: u64,
}

/// The buckets that decide which denials are audited.
#[derive(Debug, Default)]
pub(super) struct DenialLimit {
    /// By a keyed hash of tenant, user and address: long invented names take no memory.
    subjects: HashMap<u64, Bucket>,
    tenants: HashMap<TenantId, TenantBuckets>,
    hasher: RandomState,
}

impl DenialLimit {
    /// Returns the number of denials omitted before this one.
    ///
    /// None if this one is omitted too.
    pub(super) fn admit(
        &mut self,
        tenant: &TenantId,
        user: &str,
        address: Option<IpAddr>,
        now: Instant,
    ) -> Option<u64> {
        let subject = self.hasher.hash_one((tenant, user, address.map(network)));
        if !self.subjects.contains_key(&subject) {
            // Empty buckets are evicted last: a flood of other names must not refill them.
            make_room(&mut self.subjects, MAX_SUBJECTS, |bucket| *bucket);
        }
        if !self.tenants.contains_key(tenant) {
            make_room(&mut self.tenants, MAX_TENANTS, |of| (of.omitted, of.known));
        }
        let bucket = self.subjects.entry(subject).or_insert(Bucket::new(now));
        let new = || TenantBuckets { known: Bucket::new(now), unknown: Bucket::new(now), omitted: 0 };
        let tenant = self.tenants.entry(tenant.clone()).or_insert_with(new);
        let (above, rate) = if is_unknown(user) {
            (&mut tenant.unknown, &PER_TENANT_UNKNOWN)
        } else {
            (&mut tenant.known, &PER_TENANT_KNOWN)
        };
        // A denial above the subject's own rate takes nothing from the tenant's bucket.
        if bucket.take(&PER_SUBJECT, now).is_ok() && above.take(rate, now).is_ok() {
            Some(std::mem::take(&mut tenant.omitted))
        } else {
            tenant.omitted += 1;
            None
        }
    }
}

/// Returns whether a user is unknown: `?`, or the start of a name without account.
fn is_unknown(user: &str) -> bool {
    user == "?" || user.ends_with('…')
}

/// Evicts the lowest-ranking quarter of a full map.
///
/// A quarter, so that it happens rarely.
fn make_room<K: Clone + Eq + Hash, V, R: Ord>(map: &mut HashMap<K, V>, most: usize, rank: impl Fn(&V) -> R) {
    if map.len() < most {
        return;
    }
    let mut ranked: Vec<(R, K)> = map.iter().map(|(key, value)| (rank(value), key.clone())).collect();
    ranked.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    for (_, key) in ranked.into_iter().take(most.div_ceil(4)) {
        map.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    fn tenant(name: &str) -> TenantId {
        TenantId::parse(name).unwrap()
    }

    fn audited(limit: &mut DenialLimit, tenant: &TenantId, who: &str, now: Instant, times: usize) -> usize {
        (0..times).filter(|_| limit.admit(tenant, who, HERE, now).is_some()).count()
    }

    #[test]
    fn a_flood_is_audited_in_part_and_counted_in_full() {
        let (mut limit, acme, start) = (DenialLimit::default(), tenant("acme"), Instant::now());
        assert_eq!(audited(&mut limit, &acme, "eve", start, 1_000), 20);
        let later = start + Duration::from_secs(10);
        assert_eq!(limit.admit(&acme, "eve", HERE, later - Duration::from_millis(1)), None);
        assert_eq!(limit.admit(&acme, "eve", HERE, later), Some(981));
        assert_eq!(limit.admit(&acme, "eve", HERE, later), None);
        assert_eq!(limit.admit(&acme, "ann", HERE, later), Some(1), "and reported once");
        assert_eq!(
            audited(&mut limit, &acme, "eve", later + Duration::from_secs(3600), 100),
            20,
            "no more is saved up"
        );
    }

    #[test]
    fn a_flood_does_not_silence_other_users_or_addresses() {
        let (mut limit, acme, now) = (DenialLimit::default(), tenant("acme"), Instant::now());
        assert_eq!(audited(&mut limit, &acme, "eve", now, 100_000), 20);
        assert_eq!(limit.admit(&acme, "eve", None, now), Some(99_980));
        assert_eq!(audited(&mut limit, &acme, "ann", now, 20), 20);
    }

    #[test]
    fn invented_names_use_up_only_their_tenants_bucket() {
        let (mut limit, acme, other, now) = (DenialLimit::default(), tenant("acme"), tenant("other"), Instant::now());
        let names = (0..1_000).map(|n| format!("made-up-{n}"));
        assert_eq!(names.map(|name| audited(&mut limit, &acme, &name, now, 1)).sum::<usize>(), 200);
        assert_eq!(limit.admit(&acme, "ann", HERE, now), None);
        assert_eq!(limit.admit(&other, "ann", HERE, now), Some(0), "another tenant's count is its own");
        let later = now + Duration::from_millis(500);
        assert_eq!(limit.admit(&acme, "bob", HERE, later), Some(801));
        assert_eq!(limit.admit(&acme, "cat", HERE, later), None);
    }

    #[test]
    fn unknown_users_do_not_hide_known_ones() {
        let (mut limit, acme, now) = (DenialLimit::default(), tenant("acme"), Instant::now());
        let address = |n: u128| Some(IpAddr::V6((0x2001_0db8_u128 << 96 | n).into()));
        let mut audited_of = |who: &str, from: Option<IpAddr>| limit.admit(&acme, who, from, now).is_some();
        assert_eq!((0..600).filter(|n| audited_of("?", address(*n))).count(), 20, "of one network");
        assert_eq!((0..600).filter(|n| audited_of("?", address((n + 1) << 64))).count(), 30, "of many");
        assert!(!audited_of("roo…", HERE));
        assert!(audited_of("ann", HERE), "known users are still audited");
    }

    #[test]
    fn audit_limiter_evicts_least_used_first() {
        let (mut limit, acme, now) = (DenialLimit::default(), tenant("acme"), Instant::now());
        assert_eq!(audited(&mut limit, &acme, "eve", now, 100), 20);
        for n in 0..3 * MAX_SUBJECTS {
            limit.admit(&tenant(&format!("t{n}")), "x", HERE, now);
            assert!(limit.subjects.len() <= MAX_SUBJECTS && limit.tenants.len() <= MAX_TENANTS);
        }
        assert_eq!(limit.admit(&acme, "eve", HERE, now), None);
        assert_eq!(limit.admit(&acme, "ann", HERE, now), Some(81), "the omitted count is kept too");
    }
}
