//! One call's contribution to the counters, as a function of its facts alone.
//!
//! When the facts of a call change, its old contribution is subtracted and the new one added, each in the bucket of its
//! own time. So a late or corrected fact counts in the right bucket, and a total is always the sum over the calls.

use ringside_model::{Amd, CallResult, Counter, EndedBy};

use super::FoldSettings;
use super::call::Facts;

const _: () = assert!(Counter::COUNT <= 32, "an increment's counters are the bits of a u32");

/// Returns the bit of a counter.
pub(super) const fn bit(counter: Counter) -> u32 {
    1 << counter as u32
}

/// Counters that increase by one, all at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Increment {
    pub(super) at: i64,
    /// Which counters, by [`bit`].
    pub(super) counters: u32,
    /// The increase of [`Counter::TalkMs`].
    pub(super) talk_ms: i64,
}

/// The increments of one call, each at its own time, and its durations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Contribution {
    /// At dialing.
    pub(super) dialed: Increment,
    /// At the answer: everything about people.
    /// So both parts of a ratio count the same calls.
    pub(super) answered: Increment,
    /// At the end.
    pub(super) ended: Increment,
    pub(super) talk_ms: Option<i64>,
    pub(super) post_dial_ms: Option<i64>,
    pub(super) ring_ms: Option<i64>,
    pub(super) wait_ms: Option<i64>,
}

impl Contribution {
    pub(super) fn of(facts: &Facts, settings: &FoldSettings) -> Self {
        let talk_ms = facts.talk_ms();
        Self {
            dialed: facts.dialed_at().map_or_else(Increment::default, |at| Increment {
                at,
                counters: bit(Counter::Attempts),
                talk_ms: 0,
            }),
            answered: answered(facts, settings),
            ended: ended(facts, settings),
            talk_ms,
            post_dial_ms: span(facts.dialing_at(), facts.ringing_at()),
            ring_ms: span(facts.ringing_at(), facts.answered_at()),
            wait_ms: span(facts.answered_at().filter(|_| facts.may_be_human()), facts.bridged_at()),
        }
    }
}

fn answered(facts: &Facts, settings: &FoldSettings) -> Increment {
    let Some(at) = facts.answered_at() else { return Increment::default() };
    let mut counters = bit(Counter::Answered);
    let mut count = |counter, yes: bool| counters |= if yes { bit(counter) } else { 0 };
    let human = facts.may_be_human();
    let bridged = facts.bridged_at();
    count(Counter::Human, human);
    count(Counter::Machine, !human);
    count(Counter::Unsure, facts.amd == Some(Amd::Unsure));
    count(Counter::Classified, facts.amd.is_some());
    count(Counter::Bridged, bridged.is_some());
    count(Counter::BridgedInTime, human && bridged.is_some_and(|bridged| bridged - at <= settings.agent_wait_ms));
    count(Counter::MachineBridged, !human && bridged.is_some());
    count(Counter::Converted, facts.converted());
    count(Counter::OptOut, facts.opted_out());
    count(Counter::Abandoned, facts.abandoned(settings));
    count(Counter::EarlyHangup, facts.hung_up_early(settings));
    Increment { at, counters, talk_ms: 0 }
}

fn ended(facts: &Facts, settings: &FoldSettings) -> Increment {
    let (Some(end), Some(result), Some(outcome)) = (facts.end, facts.result(), facts.outcome(settings)) else {
        return Increment::default();
    };
    let mut counters = bit(Counter::of_outcome(outcome));
    counters |= match result {
        CallResult::Lost => bit(Counter::Lost),
        CallResult::Answered => bit(Counter::Completed),
        CallResult::Busy => bit(Counter::Completed) | bit(Counter::Busy),
        CallResult::NoAnswer => bit(Counter::Completed) | bit(Counter::NoAnswer),
        CallResult::Canceled => bit(Counter::Completed) | bit(Counter::Canceled),
        CallResult::Failed(_) => bit(Counter::Completed) | bit(Counter::Failed),
    };
    let unanswered = facts.answered_at().is_none() && !end.lost && end.by == EndedBy::Us;
    if unanswered && facts.ringing_at().is_some_and(|ringing| end.at - ringing < settings.min_ring_ms) {
        counters |= bit(Counter::MinRingBreach);
    }
    Increment { at: end.at, counters, talk_ms: facts.talk_ms().unwrap_or(0) }
}

/// Returns the time between two known times; zero if clocks disagree.
fn span(from: Option<i64>, to: Option<i64>) -> Option<i64> {
    Some((to? - from?).max(0))
}
