//! Counts that only ever move by deltas, so that late and corrected facts land where they belong.

use std::ops::{AddAssign, Index, IndexMut, SubAssign};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// What is counted of calls.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Counter { $($(#[$doc])* $name),+ }

        impl Counter {
            /// All of them, in the order they are kept in.
            pub const ALL: &[Self] = &[$(Self::$name),+];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();
        }
    };
}

counters! {
    /// Calls dialed.
    Attempts,
    /// Calls ended whose end was seen: answered + busy + no answer + canceled + failed.
    Completed,
    /// Picked up by anybody or anything.
    Answered,
    /// Ended busy.
    Busy,
    /// Ended with nobody picking up.
    NoAnswer,
    /// Ended by a refusing network or number.
    Failed,
    /// Given up by us before an answer.
    Canceled,
    /// Never seen to end.
    Lost,
    /// Answered by what may be a person: the denominator of abandon, conversion and opt-out.
    Human,
    /// Answered by a machine or a fax.
    Machine,
    /// Answered, and the detector could not tell.
    Unsure,
    /// Answered calls that any detector spoke about.
    Classified,
    /// Joined with an agent.
    Bridged,
    /// Joined with an agent within the time a person may wait.
    BridgedInTime,
    /// Agent-answered machines: what the UK estimate corrects with.
    MachineBridged,
    /// The goal was reached.
    Converted,
    /// Asked not to be called again.
    OptOut,
    /// A person answered and waited longer than allowed, or was dropped by us.
    Abandoned,
    /// A person hung up before they had waited too long.
    EarlyHangup,
    /// Unanswered calls that we ended before 15 s of ringing.
    MinRingBreach,
    /// Milliseconds talked, answered or bridged to ended.
    TalkMs,
    /// Outcome tiles, disjoint, in the order of [`super::Outcome::ALL`].
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
    /// The tile that an outcome is counted under.
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
    /// The values in the order of [`Counter::ALL`].
    pub fn values(&self) -> &[i64] {
        &self.0
    }

    /// Counters from values in the order of [`Counter::ALL`]; missing ones are zero, surplus ones are ignored.
    pub fn from_values(values: &[i64]) -> Self {
        let mut counters = Self::default();
        for (slot, value) in counters.0.iter_mut().zip(values) {
            *slot = *value;
        }
        counters
    }

    /// True when every count is zero.
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
    use super::super::Outcome;
    use super::*;

    #[test]
    fn every_outcome_has_the_tile_of_its_name() {
        for outcome in Outcome::ALL {
            assert_eq!(format!("{:?}", Counter::of_outcome(outcome)), format!("Outcome{outcome:?}"));
        }
    }
}
