//! The world of the simulator: an agenda of things to happen, worked off in the order of their time.
//!
//! It has no clock. [`Simulation::advance`] moves it to a moment and tells what arrived on the way there; in how many
//! steps one gets there makes no difference.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use ringside_intake::IncomingEvent;
use ringside_model::{CampaignEvent, EventId, EventKind, Timestamp};

use super::agent::Agent;
use super::booking::Booking;
use super::call::{Call, CallStep};
use super::campaign::{Campaign, PROFILES};
use super::dice::Dice;
use super::incident::{Incident, TROUBLES, Trouble};
use super::metric::Business;
use super::noise::Wire;

/// How much history there is when the simulation is live.
pub const BACKFILL_MS: i64 = 3_600_000;

const GAUGES_MS: i64 = 1_500;

/// What can happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A campaign takes a lead.
    Lead(usize),
    /// A call goes on.
    Call(u64, CallStep),
    /// An agent has written a call up.
    AgentFree(usize, Agent),
    /// A campaign enters the next phase of its plan.
    Phase(usize),
    /// A campaign's gauges are due.
    Gauges(usize),
    /// The generic metrics are due.
    Metrics,
    /// A booking comes in.
    Booking,
    /// A booking is decided.
    Decided(Booking),
    /// Trouble begins; live ones come again.
    Begin(Trouble, Occasion),
    /// Trouble ends.
    End(Incident),
}

/// Which occurrence of a trouble it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Occasion {
    History,
    FirstLive,
    Later,
}

/// A simulated floor with nine campaigns, from a seed.
pub struct Simulation {
    pub(super) dice: Dice,
    pub(super) run: String,
    pub(super) campaigns: Vec<Campaign>,
    pub(super) calls: HashMap<u64, Call>,
    pub(super) calls_begun: u64,
    pub(super) business: Business,
    now: Timestamp,
    live: Timestamp,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, Entry)>>,
    planned: u64,
    events: u64,
    bookings: u64,
    wire: Wire,
}

/// A step in the agenda. Its order is decided before it comes to comparing steps.
struct Entry(Step);

impl PartialEq for Entry {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, _: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

impl Simulation {
    /// A floor that is live at `start` and has an hour of history before it.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        Self::with(seed, start, BACKFILL_MS, 1.0)
    }

    /// One with so much history, that dials `rate` times as much as usual.
    pub fn with(seed: u64, start: Timestamp, backfill_ms: i64, rate: f64) -> Self {
        let begin = start.plus_millis(-backfill_ms.clamp(0, 12 * BACKFILL_MS));
        let rate = if rate.is_finite() { rate.clamp(0.01, 100.0) } else { 1.0 };
        let mut simulation = Self {
            dice: Dice::new(seed),
            // Ids must not come again in a later run of the same seed, so they carry when this one began.
            run: format!("d{:x}", begin.millis()),
            campaigns: PROFILES.iter().map(|profile| Campaign::new(profile, rate)).collect(),
            calls: HashMap::new(),
            calls_begun: 0,
            business: Business::new(begin),
            now: begin,
            live: start,
            agenda: BinaryHeap::new(),
            planned: 0,
            events: 0,
            bookings: 8_000 + begin.millis().rem_euclid(1_000).unsigned_abs(),
            wire: Wire::default(),
        };
        simulation.set_out();
        simulation
    }

    fn set_out(&mut self) {
        let begin = self.now;
        for campaign in 0..self.campaigns.len() {
            // It stands where its plan has brought it by now: in the last phase that has begun.
            while let Some(first) = self.campaigns[campaign].next_phase_at(self.live) {
                self.campaigns[campaign].next_phase += 1;
                let has_second =
                    self.campaigns[campaign].next_phase_at(self.live).is_some_and(|second| second <= begin);
                if first > begin || !has_second {
                    self.campaigns[campaign].next_phase -= 1;
                    break;
                }
            }
            self.plan(begin, Step::Phase(campaign));
            let stagger_ms = self.dice.between(0, GAUGES_MS);
            self.plan(begin.plus_millis(stagger_ms), Step::Gauges(campaign));
        }
        self.plan(begin, Step::Metrics);
        self.plan_in(begin, 2_000, 9_000, Step::Booking);
        for trouble in TROUBLES {
            let in_history = self.live.plus_millis(trouble.in_history_s() * 1_000);
            if in_history >= begin {
                self.plan(in_history, Step::Begin(trouble, Occasion::History));
            }
            let first_ms = trouble.first_ms(&mut self.dice);
            self.plan(self.live.plus_millis(first_ms), Step::Begin(trouble, Occasion::FirstLive));
        }
    }

    /// How far it has come.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Lets time pass until `to`; returns what arrived by then, in the order of its arrival.
    pub fn advance(&mut self, to: Timestamp) -> Vec<IncomingEvent> {
        while self.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= to) {
            if let Some(Reverse((at, _, Entry(step)))) = self.agenda.pop() {
                self.happen(step, at);
            }
        }
        self.now = self.now.max(to);
        self.wire.arrived(to)
    }

    pub(super) fn plan(&mut self, at: Timestamp, step: Step) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, Entry(step))));
    }

    pub(super) fn emit(&mut self, at: Timestamp, kind: EventKind) {
        let id = self.next_id();
        self.wire.send(IncomingEvent { id, at, kind }, &mut self.dice);
    }

    fn next_id(&mut self) -> EventId {
        self.events += 1;
        EventId::parse(&format!("{}-{:x}", self.run, self.events)).expect("a run and a number are printable")
    }

    fn plan_in(&mut self, at: Timestamp, low_ms: i64, high_ms: i64, step: Step) {
        let in_ms = self.dice.between(low_ms, high_ms);
        self.plan(at.plus_millis(in_ms), step);
    }

    fn happen(&mut self, step: Step, at: Timestamp) {
        match step {
            Step::Lead(campaign) => {
                // A campaign that no longer dials takes this up again with its next running phase.
                if self.campaigns[campaign].dials() {
                    self.begin_call(campaign, at);
                    self.plan_lead(campaign, at);
                }
            }
            Step::Call(number, step) => self.step_call(number, step, at),
            Step::AgentFree(campaign, agent) => {
                self.campaigns[campaign].agents.finish(agent);
                self.serve_waiting(campaign, at);
            }
            Step::Phase(campaign) => self.enter_phase(campaign, at),
            Step::Gauges(campaign) => {
                let (id, gauges) = (self.campaigns[campaign].id.clone(), self.campaigns[campaign].gauges());
                self.emit(at, EventKind::Campaign(id, CampaignEvent::Gauges(gauges)));
                self.plan(at.plus_millis(GAUGES_MS), step);
            }
            Step::Metrics => {
                for sample in self.business.sample(at, &mut self.dice) {
                    self.emit(at, EventKind::Metric(sample));
                }
                self.plan(at.plus_millis(1_000), step);
            }
            Step::Booking => {
                self.bookings += 1;
                let booking = Booking::new(self.bookings, &mut self.dice);
                let id = self.next_id();
                let kind = EventKind::Notification(booking.made(&id, at, &mut self.dice));
                self.wire.send(IncomingEvent { id, at, kind }, &mut self.dice);
                self.plan_in(at, 5_000, 10_000, Step::Decided(booking));
                self.plan_in(at, 8_000, 15_000, Step::Booking);
            }
            Step::Decided(booking) => {
                let confirmed = self.dice.chance(0.8);
                if confirmed {
                    self.business.book(&mut self.dice);
                }
                let id = self.next_id();
                let kind = EventKind::Notification(booking.decided(&id, at, confirmed));
                self.wire.send(IncomingEvent { id, at, kind }, &mut self.dice);
            }
            Step::Begin(trouble, occasion) => self.begin_trouble(trouble, occasion, at),
            Step::End(incident) => self.end_trouble(incident, at),
        }
    }

    fn plan_lead(&mut self, campaign: usize, at: Timestamp) {
        let pause_ms = self.campaigns[campaign].pause_ms(at, &mut self.dice);
        self.plan(at.plus_millis(pause_ms), Step::Lead(campaign));
    }

    fn enter_phase(&mut self, campaign: usize, at: Timestamp) {
        let dialed = self.campaigns[campaign].dials();
        let standing = &mut self.campaigns[campaign];
        let reason = standing.enter_phase();
        let state =
            CampaignEvent::State { name: Some(standing.profile.name.into()), status: Some(standing.status), reason };
        let (id, dials, next) = (standing.id.clone(), standing.dials(), standing.next_phase_at(self.live));
        self.emit(at, EventKind::Campaign(id, state));
        if dials && !dialed {
            self.plan_lead(campaign, at);
        }
        if let Some(next) = next {
            self.plan(next, Step::Phase(campaign));
        }
    }

    fn begin_trouble(&mut self, trouble: Trouble, occasion: Occasion, at: Timestamp) {
        let incident = trouble.occur(occasion == Occasion::FirstLive, &mut self.dice);
        let campaign = &mut self.campaigns[incident.campaign];
        match trouble {
            Trouble::AgentsLeave => {
                campaign.agents.leave(0.42);
                campaign.pushes = true;
            }
            Trouble::TrunkFails => campaign.trunk_fails = true,
            Trouble::SlowService => self.business.slow = true,
        }
        self.plan(at.plus_millis(incident.lasts_ms), Step::End(incident));
        if occasion != Occasion::History {
            let again_ms = trouble.again_ms(&mut self.dice);
            self.plan(at.plus_millis(again_ms), Step::Begin(trouble, Occasion::Later));
        }
    }

    fn end_trouble(&mut self, incident: Incident, at: Timestamp) {
        let campaign = &mut self.campaigns[incident.campaign];
        match incident.trouble {
            Trouble::AgentsLeave => {
                campaign.agents.come_back();
                campaign.pushes = false;
                self.serve_waiting(incident.campaign, at);
            }
            Trouble::TrunkFails => campaign.trunk_fails = false,
            Trouble::SlowService => self.business.slow = false,
        }
    }
}
