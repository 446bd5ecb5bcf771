//! How many refusals are noted: a bucket for each who and where of a tenant, and two above them for the tenant, of those who
//! have a name and of unknown.
//!
//! Whoever floods uses up their own bucket and leaves the others' alone; whoever makes up names or has many addresses uses
//! up the tenant's, and no other tenant's; who is nobody only that of unknown. What is left out is counted for each tenant and told with what is noted next.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ringside_model::TenantId;
use ringside_pacing::{Bucket, Rate};

use crate::network::network;

/// What one who and where may have noted.
const PER_SUBJECT: Rate = Rate { at_once: 20, every: Duration::from_secs(10) };
/// What a tenant may have noted of those who have a name.
const PER_TENANT_KNOWN: Rate = Rate { at_once: 200, every: Duration::from_millis(500) };
/// What a tenant may have noted of unknown, who cost nothing to be: a year of them is a million entries.
const PER_TENANT_UNKNOWN: Rate = Rate { at_once: 50, every: Duration::from_secs(30) };
/// So many who and where are remembered.
const MAX_SUBJECTS: usize = 4096;
/// So many tenants are remembered.
const MAX_TENANTS: usize = 1024;

/// A tenant's buckets, and what was not noted since something was.
#[derive(Debug)]
struct TenantBuckets {
    known: Bucket,
    unknown: Bucket,
    omitted: u64,
}

/// What may be noted of refusals.
#[derive(Debug, Default)]
pub(super) struct DenialLimit {
    /// By a keyed hash of tenant, who and where: names that somebody made up take no room.
    subjects: HashMap<u64, Bucket>,
    tenants: HashMap<TenantId, TenantBuckets>,
    hasher: RandomState,
}

impl DenialLimit {
    /// How many of the tenant's were left out before this one; none where it is left out itself.
    pub(super) fn admit(&mut self, tenant: &TenantId, who: &str, from: Option<IpAddr>, now: Instant) -> Option<u64> {
        let one = self.hasher.hash_one((tenant, who, from.map(network)));
        if !self.subjects.contains_key(&one) {
            // Those that are used up are the last to go: else a flood of other names would fill them again.
            make_room(&mut self.subjects, MAX_SUBJECTS, |bucket| *bucket);
        }
        if !self.tenants.contains_key(tenant) {
            make_room(&mut self.tenants, MAX_TENANTS, |of| (of.omitted, of.known));
        }
        let one = self.subjects.entry(one).or_insert(Bucket::new(now));
        let new = || TenantBuckets { known: Bucket::new(now), unknown: Bucket::new(now), omitted: 0 };
        let tenant = self.tenants.entry(tenant.clone()).or_insert_with(new);
        let (above, rate) = if is_unknown(who) {
            (&mut tenant.unknown, &PER_TENANT_UNKNOWN)
        } else {
            (&mut tenant.known, &PER_TENANT_KNOWN)
        };
        // What is over one's own rate takes nothing from the tenant's.
        if one.take(&PER_SUBJECT, now).is_ok() && above.take(rate, now).is_ok() {
            Some(std::mem::take(&mut tenant.omitted))
        } else {
            tenant.omitted += 1;
            None
        }
    }
}

/// True of who is not known at all, and of the beginning of a name that nobody has.
fn is_unknown(who: &str) -> bool {
    who == "?" || who.ends_with('…')
}

/// Drops the quarter that ranks lowest where there are too many; a quarter, so that it is seldom done.
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

    fn noted(limit: &mut DenialLimit, tenant: &TenantId, who: &str, now: Instant, times: usize) -> usize {
        (0..times).filter(|_| limit.admit(tenant, who, HERE, now).is_some()).count()
    }

    #[test]
    fn a_flood_is_noted_in_part_and_counted_in_whole() {
        let (mut limit, acme, start) = (DenialLimit::default(), tenant("acme"), Instant::now());
        assert_eq!(noted(&mut limit, &acme, "eve", start, 1_000), 20);
        let later = start + Duration::from_secs(10);
        assert_eq!(limit.admit(&acme, "eve", HERE, later - Duration::from_millis(1)), None);
        assert_eq!(limit.admit(&acme, "eve", HERE, later), Some(981));
        assert_eq!(limit.admit(&acme, "eve", HERE, later), None);
        assert_eq!(limit.admit(&acme, "ann", HERE, later), Some(1), "and told once");
        assert_eq!(noted(&mut limit, &acme, "eve", later + Duration::from_secs(3600), 100), 20, "no more is saved up");
    }

    #[test]
    fn who_floods_silences_nobody_else_of_the_tenant_nor_another_address_of_the_same_name() {
        let (mut limit, acme, now) = (DenialLimit::default(), tenant("acme"), Instant::now());
        assert_eq!(noted(&mut limit, &acme, "eve", now, 100_000), 20);
        assert_eq!(limit.admit(&acme, "eve", None, now), Some(99_980));
        assert_eq!(noted(&mut limit, &acme, "ann", now, 20), 20);
    }

    #[test]
    fn made_up_names_use_up_their_tenants_bucket_and_no_other_tenants() {
        let (mut limit, acme, other, now) = (DenialLimit::default(), tenant("acme"), tenant("other"), Instant::now());
        let names = (0..1_000).map(|n| format!("made-up-{n}"));
        assert_eq!(names.map(|name| noted(&mut limit, &acme, &name, now, 1)).sum::<usize>(), 200);
        assert_eq!(limit.admit(&acme, "ann", HERE, now), None);
        assert_eq!(limit.admit(&other, "ann", HERE, now), Some(0), "another tenant's count is its own");
        let later = now + Duration::from_millis(500);
        assert_eq!(limit.admit(&acme, "bob", HERE, later), Some(801));
        assert_eq!(limit.admit(&acme, "cat", HERE, later), None);
    }

    #[test]
    fn strangers_hide_nobody_however_many_addresses_they_have() {
        let (mut limit, acme, now) = (DenialLimit::default(), tenant("acme"), Instant::now());
        let address = |n: u128| Some(IpAddr::V6((0x2001_0db8_u128 << 96 | n).into()));
        let mut noted_of = |who: &str, from: Option<IpAddr>| limit.admit(&acme, who, from, now).is_some();
        assert_eq!((0..600).filter(|n| noted_of("?", address(*n))).count(), 20, "of one network");
        assert_eq!((0..600).filter(|n| noted_of("?", address((n + 1) << 64))).count(), 30, "of many");
        assert!(!noted_of("roo…", HERE));
        assert!(noted_of("ann", HERE), "and whoever has a name is noted all the same");
    }

    #[test]
    fn so_many_names_and_tenants_are_remembered_and_who_used_up_a_bucket_is_the_last_to_be_forgotten() {
        let (mut limit, acme, now) = (DenialLimit::default(), tenant("acme"), Instant::now());
        assert_eq!(noted(&mut limit, &acme, "eve", now, 100), 20);
        for n in 0..3 * MAX_SUBJECTS {
            limit.admit(&tenant(&format!("t{n}")), "x", HERE, now);
            assert!(limit.subjects.len() <= MAX_SUBJECTS && limit.tenants.len() <= MAX_TENANTS);
        }
        assert_eq!(limit.admit(&acme, "eve", HERE, now), None);
        assert_eq!(limit.admit(&acme, "ann", HERE, now), Some(81), "nor is what was left out");
    }
}
