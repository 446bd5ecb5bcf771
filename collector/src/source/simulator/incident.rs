//! What goes wrong, and when: a trunk that fails, agents who leave while the dialer pushes on, a slow service.

use super::campaign::PROFILES;
use super::dice::Dice;

/// A kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Agents leave and the dialer does not slow down: people wait, and some are dropped.
    AgentsLeave,
    /// A trunk refuses most calls with 34 or 38.
    TrunkFails,
    /// The service behind it all answers slowly.
    SlowService,
}

pub(super) const TROUBLES: [Trouble; 3] = [Trouble::AgentsLeave, Trouble::TrunkFails, Trouble::SlowService];

/// One occurrence of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) trouble: Trouble,
    /// Which campaign has it.
    pub(super) campaign: usize,
    pub(super) lasts_ms: i64,
}

impl Trouble {
    /// When it happens in the history before the simulation is live, in seconds from then.
    pub(super) fn in_history_s(self) -> i64 {
        match self {
            Self::AgentsLeave => -2_400,
            Self::TrunkFails => -1_260,
            Self::SlowService => -1_900,
        }
    }

    /// When it first happens live, in milliseconds. Who has just opened the page sees an alert within minutes.
    pub(super) fn first_ms(self, dice: &mut Dice) -> i64 {
        match self {
            Self::AgentsLeave => dice.between(60_000, 80_000),
            Self::TrunkFails => dice.between(240_000, 330_000),
            Self::SlowService => dice.between(400_000, 480_000),
        }
    }

    /// How long until it happens again, in milliseconds.
    pub(super) fn again_ms(self, dice: &mut Dice) -> i64 {
        match self {
            Self::AgentsLeave => dice.between(14 * 60_000, 22 * 60_000),
            Self::TrunkFails => dice.between(10 * 60_000, 16 * 60_000),
            Self::SlowService => dice.between(9 * 60_000, 15 * 60_000),
        }
    }

    /// What comes over whom this time; the first live one is over the campaign at the top.
    pub(super) fn occur(self, first_live: bool, dice: &mut Dice) -> Incident {
        let busy = PROFILES.iter().take(5).filter(|profile| profile.dials_per_s > 1.2).count();
        let campaign =
            if first_live && self == Self::AgentsLeave { 0 } else { dice.between(0, busy as i64 - 1) as usize };
        let lasts_ms = match self {
            Self::AgentsLeave => dice.between(95_000, 125_000),
            Self::TrunkFails => dice.between(60_000, 130_000),
            Self::SlowService => dice.between(40_000, 70_000),
        };
        Incident { trouble: self, campaign, lasts_ms }
    }
}
