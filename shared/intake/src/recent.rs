//! The ids of recently accepted events, in two generations of bounded size.
//!
//! New ids go to the young generation. When it is full it replaces the old one. So between one and two generations are
//! kept, without a clock and without a queue.

use hashbrown::HashSet;
use ringside_model::{EventId, SourceId, TenantId};
use sha2::{Digest, Sha256};

/// The hash of an event's tenant, source and id.
///
/// 128 bits of SHA-256: a collision would lose an event, so a fast hash that a sender can steer is not enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fingerprint(u128);

impl Fingerprint {
    pub(super) fn of(tenant: &TenantId, source: &SourceId, id: &EventId) -> Self {
        let mut hash = Sha256::new();
        // None of the three may hold a NUL, so that no two triples have the same bytes.
        for part in [tenant.as_str(), source.as_str(), id.as_str()] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        let digest = hash.finalize();
        Self(u128::from_le_bytes(digest[..16].try_into().expect("a SHA-256 digest has 32 bytes")))
    }
}

pub(super) struct Recent {
    young: HashSet<Fingerprint>,
    old: HashSet<Fingerprint>,
    generation_ids: usize,
}

impl Recent {
    pub(super) fn new(generation_ids: usize) -> Self {
        Self { young: HashSet::new(), old: HashSet::new(), generation_ids: generation_ids.max(1) }
    }

    pub(super) fn contains(&self, id: Fingerprint) -> bool {
        self.young.contains(&id) || self.old.contains(&id)
    }

    pub(super) fn insert(&mut self, id: Fingerprint) {
        if self.young.len() >= self.generation_ids {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> Fingerprint {
        let name = TenantId::parse("acme").unwrap();
        Fingerprint::of(&name, &SourceId::parse("hook").unwrap(), &EventId::parse(&format!("e{number}")).unwrap())
    }

    #[test]
    fn between_one_and_two_generations_are_kept() {
        let mut recent = Recent::new(10);
        for number in 0..1_000 {
            recent.insert(id(number));
            for known in number.saturating_sub(9)..=number {
                assert!(recent.contains(id(known)), "{known} of {number}");
            }
            assert!(recent.young.len() + recent.old.len() <= 20);
        }
        assert!(!recent.contains(id(0)));
    }

    #[test]
    fn an_id_is_unique_within_its_tenant_and_source() {
        let (a, b) = (TenantId::parse("a").unwrap(), TenantId::parse("b").unwrap());
        let (s, t) = (SourceId::parse("s").unwrap(), SourceId::parse("t").unwrap());
        let e = EventId::parse("e").unwrap();
        assert_ne!(Fingerprint::of(&a, &s, &e), Fingerprint::of(&b, &s, &e));
        assert_ne!(Fingerprint::of(&a, &s, &e), Fingerprint::of(&a, &t, &e));
    }
}
