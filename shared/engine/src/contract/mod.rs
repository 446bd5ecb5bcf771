//! What every engine is held to.
//!
//! An engine's tests make an [`Arena`] and call [`engine_contract!`](crate::engine_contract): each case becomes a test
//! of its own name, on an arena of its own. The cases know the engine only by its trait.

#![expect(clippy::unwrap_used, reason = "these are tests, only shared ones: a case fails where it unwraps")]

mod arena;
mod around;
pub mod journals;
pub mod leases;
pub mod log;
pub mod members;
pub mod registry;
pub mod restart;
pub mod rooms;
pub mod state;
pub mod walk;

pub use arena::{Arena, HISTORIES, LOG_BYTES, PARTITIONS};
pub use around::Around;

/// Makes one test of each case of the contract. Takes an expression that makes a fresh [`Arena`](contract::Arena).
///
/// [`Arena`]: crate::contract::Arena
/// [`contract::Arena`]: crate::contract::Arena
#[macro_export]
macro_rules! engine_contract {
    ($arena:expr) => {
        $crate::engine_contract! { @cases $arena;
            log: records_are_read_back_in_order_of_their_partition;
            log: one_call_appends_to_many_partitions;
            log: positions_are_contiguous_under_concurrent_appends;
            log: reading_begins_after_a_position_and_ends_at_the_limit;
            log: waiting_ends_with_an_entry;
            log: waiting_ends_with_patience;
            log: a_full_log_takes_more_once_its_owner_has_caught_up;
            log: a_partition_is_used_once_it_has_log_or_state;
            state: what_is_committed_is_loaded;
            state: puts_replace_and_deletes_remove;
            state: entries_come_in_the_order_of_their_keys;
            state: partitions_keep_their_states_apart;
            state: entries_above_the_commit_stay_in_the_log;
            leases: a_superseded_token_can_do_nothing;
            leases: only_one_holder_at_a_time;
            leases: a_lapsed_lease_is_taken_over_with_a_greater_number;
            leases: a_lapsed_lease_that_nobody_took_can_be_renewed;
            leases: a_released_lease_is_free_at_once;
            leases: numbers_grow_over_restarts;
            members: members_see_each_other_in_order;
            members: who_leaves_is_not_counted_any_more;
            members: who_is_silent_for_its_ttl_is_not_counted_any_more;
            rooms: an_untouched_room_has_a_stable_epoch_and_nothing_else;
            rooms: offsets_are_contiguous_in_each_room;
            rooms: the_newest_state_replaces_and_events_stay;
            rooms: a_snapshot_replaces_and_is_not_told;
            rooms: a_replay_publishes_no_event_twice_but_replaces_state;
            rooms: an_unexpected_batch_number_writes_nothing;
            rooms: followers_are_told_in_order_what_they_can_read;
            rooms: two_followers_are_both_told;
            rooms: a_follower_is_told_of_its_partition_only;
            rooms: reading_after_an_offset_is_limited_and_says_that_there_is_more;
            rooms: the_newest_events_are_read_oldest_first;
            rooms: history_is_trimmed_by_number;
            rooms: history_is_trimmed_by_age;
            registry: all_creators_get_the_first_value;
            registry: values_are_set_listed_and_removed;
            registry: a_removed_value_can_be_created_again;
            registry: a_value_is_swapped_only_for_the_expected_one;
            registry: of_many_who_swap_at_once_nobody_is_lost;
            journals: notes_are_read_newest_first_in_pages;
            journals: journals_do_not_mix;
            journals: what_is_too_old_is_trimmed_and_nothing_else;
            journals: nothing_is_lost_of_what_many_write_at_once;
            journals: notes_and_their_order_survive_a_restart;
            restart: everything_is_there_after_a_restart;
            restart: epochs_stay_and_offsets_go_on;
            restart: closing_twice_is_fine_and_ends_subscriptions;
            walk: a_random_walk_matches_a_model;
        }
    };
    (@cases $arena:expr; $($part:ident: $case:ident;)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                $crate::contract::$part::$case(|| $arena).await;
            }
        )+
    };
}
