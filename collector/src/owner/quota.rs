//! How many partitions each collector owns.
//!
//! It is a pure function of the member list, so collectors need no coordination.

/// Returns how many of `partitions` belong to `me`, one of `members`.
///
/// `members` are ordered by name. Quotas differ by at most one: the first members get the remainder. All quotas add up
/// to `partitions`. So a collector that releases its surplus frees exactly what the others lack.
pub(super) fn quota_of(me: &str, members: &[String], partitions: u16) -> usize {
    let Some(place) = members.iter().position(|member| member == me) else { return 0 };
    let (partitions, members) = (usize::from(partitions), members.len());
    partitions / members + usize::from(place < partitions % members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotas_differ_by_one_and_add_up_to_all_partitions() {
        for partitions in [1, 2, 3, 7, 64, 1024] {
            for count in 1..=9 {
                let members: Vec<_> = (0..count).map(|member| format!("c{member}")).collect();
                let quotas: Vec<_> = members.iter().map(|me| quota_of(me, &members, partitions)).collect();
                assert_eq!(quotas.iter().sum::<usize>(), usize::from(partitions));
                assert!(quotas.iter().max().unwrap() - quotas.iter().min().unwrap() <= 1, "{quotas:?}");
            }
        }
    }

    #[test]
    fn a_collector_outside_the_group_has_no_quota() {
        assert_eq!(quota_of("gone", &["here".to_owned()], 64), 0);
        assert_eq!(quota_of("gone", &[], 64), 0);
    }
}
