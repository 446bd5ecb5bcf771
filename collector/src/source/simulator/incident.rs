//! Incidents and their schedule: a failing trunk, missing agents, a slow service.

use super::campaign::PROFILES;
use super::dice::Dice;

/// A kind of incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IncidentKind {
    /// Agents leave and the dialer doesn't slow down: people wait, some are dropped.
    AgentsLeave,
    /// A trunk refuses most calls with the causes 34 and 38.
    TrunkFails,
    /// The business's service responds slowly.
    SlowService,
}

pub(super) const INCIDENT_KINDS: [IncidentKind; 3] =
    [IncidentKind::AgentsLeave, IncidentKind::TrunkFails, IncidentKind::SlowService];

/// One occurrence of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Incident {
    pub(super) kind: IncidentKind,
    /// The index of its campaign.
    pub(super) campaign: usize,
    pub(super) lasts_ms: i64,
}

impl IncidentKind {
    /// Returns its time in the history, in seconds from the start.
    pub(super) fn history_at_s(self) -> i64 {
        match self {
            Self::AgentsLeave => -2_400,
            Self::TrunkFails => -1_260,
            Self::SlowService => -1_900,
        }
    }

    /// Returns the time to its first live occurrence, in milliseconds.
    ///
    /// A new viewer should see an alert within minutes.
    pub(super) fn first_in_ms(self, dice: &mut Dice) -> i64 {
        match self {
            Self::AgentsLeave => dice.between(60_000, 80_000),
            Self::TrunkFails => dice.between(240_000, 330_000),
            Self::SlowService => dice.between(400_000, 480_000),
        }
    }

    /// Returns the time to its next occurrence, in milliseconds.
    pub(super) fn again_ms(self, dice: &mut Dice) -> i64 {
        match self {
            Self::AgentsLeave => dice.between(14 * 60_000, 22 * 60_000),
            Self::TrunkFails => dice.between(10 * 60_000, 16 * 60_000),
            Self::SlowService => dice.between(9 * 60_000, 15 * 60_000),
        }
    }

    /// Draws an occurrence.
    ///
    /// The first live one hits the campaign at the top of the page.
    pub(super) fn occur(self, first_live: bool, dice: &mut Dice) -> Incident {
        let busy = PROFILES.iter().take(5).filter(|profile| profile.dials_per_s > 1.2).count();
        let campaign =
            if first_live && self == Self::AgentsLeave { 0 } else { dice.between(0, busy as i64 - 1) as usize };
        let lasts_ms = match self {
            Self::AgentsLeave => dice.between(95_000, 125_000),
            Self::TrunkFails => dice.between(60_000, 130_000),
            Self::SlowService => dice.between(40_000, 70_000),
        };
        Incident { kind: self, campaign, lasts_ms }
    }
}
