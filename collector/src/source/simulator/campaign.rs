//! The nine campaigns: their profiles, and their current state.

use std::collections::VecDeque;

use ringside_model::{CampaignId, CampaignStatus, Gauges, Timestamp};

use super::agent::Agents;
use super::dice::Dice;

/// The fixed properties of a campaign.
#[derive(Debug)]
pub(super) struct Profile {
    /// The id, which begins with `demo-`.
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    /// Dials per second, at a rate of 1.
    pub(super) dials_per_s: f64,
    /// Share of dials that a person or a machine picks up.
    pub(super) answered: f64,
    /// Share of those picked up by a machine.
    pub(super) machine: f64,
    /// Median talk time.
    pub(super) talk_s: f64,
    /// Share of conversations that convert.
    pub(super) converts: f64,
    /// The revenue of a conversion, in EUR.
    pub(super) worth: f64,
    /// Whether its numbers are in the United States; else in the United Kingdom.
    pub(super) us: bool,
    /// Whether its source sends `call.queued` before it dials.
    pub(super) reports_queued: bool,
    pub(super) list_total: i64,
    pub(super) list_attempted: i64,
    /// Its phases: seconds since the start of the simulation, status, reason.
    pub(super) plan: &'static [(i64, CampaignStatus, &'static str)],
    /// The period after which the plan repeats; 0 for never.
    pub(super) plan_repeats_s: i64,
}

use CampaignStatus::{Draining, Paused, Pausing, Running, Stopped};

/// Dials all day.
const RUNS: &[(i64, CampaignStatus, &str)] = &[(-86_400, Running, "")];

#[rustfmt::skip]
pub(super) const PROFILES: [Profile; 9] = [
    Profile { id: "demo-solar-spring", name: "Solar Spring", dials_per_s: 2.1, answered: 0.36, machine: 0.34, talk_s: 92.0, converts: 0.06,
        worth: 24.0, us: false, reports_queued: true, list_total: 48_200, list_attempted: 19_400, plan: RUNS, plan_repeats_s: 0 },
    Profile { id: "demo-fibre-winback", name: "Fibre Win-back", dials_per_s: 1.7, answered: 0.31, machine: 0.38, talk_s: 78.0, converts: 0.09,
        worth: 18.0, us: false, reports_queued: true, list_total: 31_500, list_attempted: 22_100, plan: RUNS, plan_repeats_s: 0 },
    Profile { id: "demo-energy-renewal", name: "Energy Renewal", dials_per_s: 1.5, answered: 0.39, machine: 0.29, talk_s: 104.0, converts: 0.12,
        worth: 12.0, us: false, reports_queued: true, list_total: 26_800, list_attempted: 7_300, plan: RUNS, plan_repeats_s: 0 },
    Profile { id: "demo-home-cover", name: "Home Cover", dials_per_s: 1.3, answered: 0.28, machine: 0.42, talk_s: 118.0, converts: 0.04,
        worth: 36.0, us: true, reports_queued: true, list_total: 54_000, list_attempted: 41_700, plan: RUNS, plan_repeats_s: 0 },
    Profile { id: "demo-meter-appointments", name: "Meter Appointments", dials_per_s: 1.1, answered: 0.40, machine: 0.25, talk_s: 46.0,
        converts: 0.11, worth: 0.0, us: false, reports_queued: false, list_total: 12_400, list_attempted: 5_200, plan: RUNS, plan_repeats_s: 0 },
    Profile { id: "demo-donor-thanks", name: "Donor Thanks", dials_per_s: 0.7, answered: 0.34, machine: 0.36, talk_s: 61.0, converts: 0.08,
        worth: 9.0, us: true, reports_queued: false, list_total: 8_900, list_attempted: 3_600, plan: RUNS, plan_repeats_s: 0 },
    Profile { id: "demo-card-reactivation", name: "Card Reactivation", dials_per_s: 1.0, answered: 0.30, machine: 0.35, talk_s: 170.0,
        converts: 0.05, worth: 15.0, us: true, reports_queued: true, list_total: 17_300, list_attempted: 16_900,
        plan: &[(-1_440, Running, "New leads"), (-240, Draining, "The list is through"), (900, Stopped, "The list is through")], plan_repeats_s: 2_640 },
    Profile { id: "demo-pulse-survey", name: "Pulse Survey", dials_per_s: 0.8, answered: 0.27, machine: 0.40, talk_s: 132.0, converts: 0.10,
        worth: 0.0, us: true, reports_queued: false, list_total: 9_600, list_attempted: 4_100,
        plan: &[(-3_600, Running, ""), (-1_500, Pausing, "Outside its calling hours"), (-1_320, Paused, "Outside its calling hours")], plan_repeats_s: 5_400 },
    Profile { id: "demo-insurance-review", name: "Insurance Review", dials_per_s: 0.8, answered: 0.33, machine: 0.33, talk_s: 190.0, converts: 0.03,
        worth: 60.0, us: false, reports_queued: false, list_total: 14_700, list_attempted: 9_800,
        plan: &[(-86_400, Running, ""), (-1_500, Draining, "Stopped by an operator"), (-900, Stopped, "Stopped by an operator")], plan_repeats_s: 0 },
];

/// The deviation of talk times.
pub(super) const TALK_SIGMA: f64 = 0.6;
/// The shortest and longest wrap-up.
pub(super) const WRAP_MS: (i64, i64) = (5_000, 22_000);
/// The leads added to a list that runs dry.
const REFILL: i64 = 8_000;

/// The current state of a campaign.
#[derive(Debug)]
pub(super) struct Campaign {
    pub(super) profile: &'static Profile,
    pub(super) id: CampaignId,
    pub(super) status: CampaignStatus,
    /// The next phase of its plan, counted through the repetitions.
    pub(super) next_phase: usize,
    pub(super) agents: Agents,
    /// Calls with a person waiting for an agent, the longest first.
    pub(super) waiting: VecDeque<u64>,
    /// Whether its trunk refuses most calls.
    pub(super) trunk_fails: bool,
    /// Whether its dialer doesn't slow down while people wait.
    pub(super) pushes: bool,
    rate: f64,
    queue_depth: i64,
    list_total: i64,
    list_attempted: i64,
}

impl Campaign {
    pub(super) fn new(profile: &'static Profile, rate: f64) -> Self {
        let talk_s = profile.talk_s * (TALK_SIGMA * TALK_SIGMA / 2.0).exp();
        let wrap_s = (WRAP_MS.0 + WRAP_MS.1) as f64 / 2_000.0;
        let persons_per_s = profile.dials_per_s * rate * profile.answered * (1.0 - profile.machine);
        Self {
            profile,
            id: CampaignId::parse(profile.id).expect("a profile has a valid id"),
            status: CampaignStatus::Unknown,
            next_phase: 0,
            agents: Agents::for_load(persons_per_s * (talk_s + wrap_s)),
            waiting: VecDeque::new(),
            trunk_fails: false,
            pushes: false,
            rate,
            queue_depth: profile.list_total - profile.list_attempted,
            list_total: profile.list_total,
            list_attempted: profile.list_attempted,
        }
    }

    pub(super) fn dials(&self) -> bool {
        self.status == Running
    }

    /// Returns the time until the next dial.
    ///
    /// The rate varies a little, and is lower while few agents are free: a call that rings now needs one in ten
    /// seconds.
    pub(super) fn pause_ms(&self, at: Timestamp, dice: &mut Dice) -> i64 {
        let phase = self.id.as_str().len() as f64;
        let variation = 1.0 + 0.06 * (at.millis() as f64 / 1_000.0 / 410.0 * std::f64::consts::TAU + phase).sin();
        let scarce = self.agents.counts().ready * 8 < i64::from(self.agents.total());
        let restraint = if scarce && !self.pushes { 0.35 } else { 1.0 };
        let dials_per_s = (self.profile.dials_per_s * self.rate * variation * restraint).max(1e-6);
        dice.exponential_ms(1_000.0 / dials_per_s).clamp(1, 600_000)
    }

    /// Takes a lead from the list.
    pub(super) fn draw_lead(&mut self, dice: &mut Dice) {
        self.queue_depth -= 1;
        // Some are second attempts at a lead.
        if dice.chance(0.85) {
            self.list_attempted = (self.list_attempted + 1).min(self.list_total);
        }
        if self.queue_depth < 50 {
            self.queue_depth += REFILL;
            self.list_total += REFILL;
        }
    }

    pub(super) fn gauges(&self) -> Gauges {
        let wanted = (self.profile.dials_per_s * self.rate * 100.0).round() / 100.0;
        Gauges {
            queue_depth: Some(self.queue_depth),
            target_rate: Some(if self.dials() { wanted } else { 0.0 }),
            max_lines: Some(i64::from(self.agents.total()) * 3),
            list_total: Some(self.list_total),
            list_attempted: Some(self.list_attempted),
            agents: Some(self.agents.counts()),
        }
    }

    /// Returns the time of the next phase of the plan, if there is one.
    pub(super) fn next_phase_at(&self, live: Timestamp) -> Option<Timestamp> {
        let plan = self.profile.plan;
        let round = self.next_phase / plan.len();
        if round > 0 && self.profile.plan_repeats_s == 0 {
            return None;
        }
        let (from_s, ..) = plan[self.next_phase % plan.len()];
        Some(live.plus_millis((from_s + round as i64 * self.profile.plan_repeats_s) * 1_000))
    }

    /// Enters the next phase of the plan; returns its reason.
    pub(super) fn enter_phase(&mut self) -> Option<Box<str>> {
        let (_, status, reason) = self.profile.plan[self.next_phase % self.profile.plan.len()];
        self.next_phase += 1;
        self.status = status;
        (!reason.is_empty()).then(|| reason.into())
    }
}
