//! The contract suite that every engine passes.
//!
//! An engine's tests implement [`Fixture`] and call [`engine_contract!`](crate::engine_contract). Each case becomes a
//! test of its own name, on a fixture of its own. The cases know the engine only by its traits.

#![expect(clippy::unwrap_used, reason = "these are shared tests: a case fails by unwrapping")]

mod around;
mod fixture;
pub mod journals;
pub mod leases;
pub mod log;
pub mod members;
pub mod random_walk;
pub mod registry;
pub mod restart;
pub mod rooms;
pub mod state;

pub use around::Around;
pub use fixture::{Fixture, HISTORIES, LOG_BYTES, PARTITIONS};

/// Declares one test for each case of the contract.
///
/// Takes an expression for a fresh [`Fixture`].
///
/// [`Fixture`]: crate::contract::Fixture
#[macro_export]
macro_rules! engine_contract {
    ($fixture:expr) => {
        $crate::engine_contract! { @cases $fixture;
            log: records_are_read_back_in_order_of_their_partition;
            log: one_call_appends_to_many_partitions;
            log: positions_are_contiguous_under_concurrent_appends;
            log: reading_begins_after_a_position_and_ends_at_the_limit;
            log: waiting_ends_with_an_entry;
            log: waiting_ends_at_the_timeout;
            log: a_full_log_takes_more_once_its_owner_has_caught_up;
            log: a_partition_is_used_once_it_has_log_or_state;
            state: committed_state_is_loaded;
            state: puts_replace_and_deletes_remove;
            state: entries_come_in_the_order_of_their_keys;
            state: partitions_keep_their_states_apart;
            state: entries_above_the_commit_stay_in_the_log;
            leases: a_superseded_token_can_do_nothing;
            leases: only_one_holder_at_a_time;
            leases: a_lapsed_lease_is_taken_over_with_a_greater_number;
            leases: a_lapsed_lease_that_was_not_taken_can_be_renewed;
            leases: a_released_lease_is_free_at_once;
            leases: token_numbers_grow_over_restarts;
            members: members_see_each_other_in_order;
            members: a_member_that_leaves_is_not_counted;
            members: a_member_without_heartbeats_lapses;
            rooms: an_unused_room_is_empty_and_has_a_stable_epoch;
            rooms: offsets_are_contiguous_in_each_room;
            rooms: the_newest_state_replaces_and_events_stay;
            rooms: a_snapshot_replaces_and_is_not_delivered;
            rooms: a_replay_publishes_no_event_twice_but_replaces_state;
            rooms: an_unexpected_batch_number_writes_nothing;
            rooms: frames_are_delivered_in_order_and_readable_at_once;
            rooms: two_subscriptions_both_get_each_frame;
            rooms: a_subscription_gets_frames_of_its_partition_only;
            rooms: reading_after_an_offset_is_limited_and_reports_more;
            rooms: the_newest_events_are_read_oldest_first;
            rooms: history_is_trimmed_by_number;
            rooms: history_is_trimmed_by_age;
            registry: all_creators_get_the_first_value;
            registry: values_are_set_listed_and_removed;
            registry: a_removed_value_can_be_created_again;
            registry: a_value_is_swapped_only_for_the_expected_one;
            registry: concurrent_swaps_lose_no_update;
            journals: entries_are_read_newest_first_in_pages;
            journals: journals_do_not_mix;
            journals: only_expired_entries_are_trimmed;
            journals: concurrent_writers_lose_no_entry;
            journals: entries_and_their_order_survive_a_restart;
            restart: everything_is_there_after_a_restart;
            restart: epochs_stay_and_offsets_continue;
            restart: closing_twice_is_fine_and_ends_subscriptions;
            random_walk: a_random_walk_matches_a_model;
        }
    };
    (@cases $fixture:expr; $($part:ident: $case:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::contract::$part::$case(|| $fixture).await;
            }
        )+
    };
}
