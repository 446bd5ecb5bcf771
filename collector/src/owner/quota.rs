//! How many partitions each collector has: the same sum everywhere, so that nobody need ask anybody.

/// How many of `partitions` are for `me`, one of `members` in the order of their names: as many as for anybody else, or
/// one more for the first ones where they don't divide.
///
/// All members' shares are all partitions, exactly: one that gives up what is above its share leaves as much as
/// others lack, and nobody takes what another one has a right to.
pub(super) fn quota_of(me: &str, members: &[String], partitions: u16) -> usize {
    let Some(place) = members.iter().position(|member| member == me) else { return 0 };
    let (partitions, members) = (usize::from(partitions), members.len());
    partitions / members + usize::from(place < partitions % members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_differ_by_one_at_most_and_are_all_partitions_together() {
        for partitions in [1, 2, 3, 7, 64, 1024] {
            for count in 1..=9 {
                let members: Vec<_> = (0..count).map(|member| format!("c{member}")).collect();
                let shares: Vec<_> = members.iter().map(|me| quota_of(me, &members, partitions)).collect();
                assert_eq!(shares.iter().sum::<usize>(), usize::from(partitions));
                assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
            }
        }
    }

    #[test]
    fn whoever_is_not_there_has_nothing() {
        assert_eq!(quota_of("gone", &["here".to_owned()], 64), 0);
        assert_eq!(quota_of("gone", &[], 64), 0);
    }
}
