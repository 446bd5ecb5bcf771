//! Counters of calls.
//!
//! They change only by deltas, so late and corrected facts are counted in the right place.

use std::ops::{AddAssign, Index, IndexMut, SubAssign};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// A count of calls.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Counter { $($(#[$doc])* $name),+ }

        impl Counter {
            /// All counters, in the order of storage.
            pub const ALL: &[Self] = &[$(Self::$name),+];
            /// The number of counters.
            pub const COUNT: usize = Self::ALL.len();
        }
    };
}

counters! {
    /// Calls dialed.
    Attempts,
    /// Calls with a reported end: answered + busy + no answer + canceled + failed.
    Completed,
    /// Picked up by a person or a machine.
    Answered,
    /// Ended busy.
    Busy,
    /// Ended without an answer.
    NoAnswer,
    /// Ended because the network or the number refused.
    Failed,
    /// Given up by the dialer before an answer.
    Canceled,
    /// Without a reported end.
    Lost,
    /// Answered, maybe by a person: the denominator of abandon, conversion and opt-out.
    Human,
    /// Answered by a machine or a fax.
    Machine,
    /// Answered, and the detector couldn't tell.
    Unsure,
    /// Answered calls with a verdict of a detector.
    Classified,
    /// Joined with an agent.
    Bridged,
    /// Joined with an agent within the time a person may wait.
    BridgedInTime,
    /// Machines joined with an agent: the correction of the UK estimate.
    MachineBridged,
    /// The goal was reached.
    Converted,
    /// Asked not to be called again.
    OptOut,
    /// A person answered and waited longer than allowed, or was dropped by our side.
    Abandoned,
    /// A person hung up within the time a person may wait.
    EarlyHangup,
    /// Unanswered calls ended by our side before 15 s of ringing.
    MinRingBreach,
    /// Milliseconds of talk, from answered or bridged to ended.
    TalkMs,
    /// The first of the disjoint outcome tiles, in order of [`super::Outcome::ALL`].
    OutcomeConverted,
    /// See [`super::Outcome::OptOut`].
    OutcomeOptOut,
    /// See [`super::Outcome::Abandoned`].
    OutcomeAbandoned,
    /// See [`super::Outcome::Machine`].
    OutcomeMachine,
    /// See [`super::Outcome::AnsweredOther`].
    OutcomeAnsweredOther,
    /// See [`super::Outcome::Busy`].
    OutcomeBusy,
    /// See [`super::Outcome::NoAnswer`].
    OutcomeNoAnswer,
    /// See [`super::Outcome::Canceled`].
    OutcomeCanceled,
    /// See [`super::Outcome::Failed`].
    OutcomeFailed,
    /// See [`super::Outcome::Lost`].
    OutcomeLost,
}

impl Counter {
    /// Returns the counter of an outcome's tile.
    pub fn of_outcome(outcome: super::Outcome) -> Self {
        Self::ALL[Self::OutcomeConverted as usize + outcome as usize]
    }
}

/// One value for each [`Counter`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counters([i64; Counter::COUNT]);

impl Default for Counters {
    fn default() -> Self {
        Self([0; Counter::COUNT])
    }
}

impl Counters {
    /// Returns the values in the order of [`Counter::ALL`].
    pub fn values(&self) -> &[i64] {
        &self.0
    }

    /// Builds counters from values in the order of [`Counter::ALL`].
    ///
    /// Missing ones are zero, surplus ones are ignored.
    pub fn from_values(values: &[i64]) -> Self {
        let mut counters = Self::default();
        for (slot, value) in counters.0.iter_mut().zip(values) {
            *slot = *value;
        }
        counters
    }

    /// Whether every count is zero.
    pub fn is_zero(&self) -> bool {
        self.0.iter().all(|value| *value == 0)
    }
}

impl Index<Counter> for Counters {
    type Output = i64;
    fn index(&self, counter: Counter) -> &i64 {
        &self.0[counter as usize]
    }
}

impl IndexMut<Counter> for Counters {
    fn index_mut(&mut self, counter: Counter) -> &mut i64 {
        &mut self.0[counter as usize]
    }
}

impl AddAssign<&Self> for Counters {
    fn add_assign(&mut self, other: &Self) {
        for (slot, value) in self.0.iter_mut().zip(other.0) {
            *slot += value;
        }
    }
}

impl SubAssign<&Self> for Counters {
    fn sub_assign(&mut self, other: &Self) {
        for (slot, value) in self.0.iter_mut().zip(other.0) {
            *slot -= value;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    #[test]
    fn every_outcome_has_the_tile_of_its_name() {
        for outcome in Outcome::ALL {
            assert_eq!(format!("{:?}", Counter::of_outcome(outcome)), format!("Outcome{outcome:?}"));
        }
    }
}
