//! A discrete-event simulation: an agenda of steps, performed in order of time.
//!
//! It has no clock. [`Simulation::advance`] moves it to a time and returns the events that arrived until then. The
//! number of calls to get there makes no difference.

mod call;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use hashbrown::HashMap;
use ringside_intake::IncomingEvent;
use ringside_model::{CampaignEvent, EventId, EventKind, Timestamp};

use call::{Call, CallStep};

use super::agent::Agent;
use super::booking::Booking;
use super::campaign::{Campaign, PROFILES};
use super::dice::Dice;
use super::incident::{INCIDENT_KINDS, Incident, IncidentKind};
use super::metric::Business;
use super::noise::NoisyChannel;

/// The default length of the history before the start.
pub const BACKFILL_MS: i64 = 3_600_000;

const GAUGES_MS: i64 = 1_500;

/// A step of the simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// A campaign dials its next lead.
    Lead(usize),
    /// A call takes its next step.
    Call(u64, CallStep),
    /// An agent has finished the wrap-up of a call.
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
    /// An incident begins; live ones recur.
    Begin(IncidentKind, Occasion),
    /// An incident ends.
    End(Incident),
}

/// The occurrence of an incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Occasion {
    History,
    FirstLive,
    Later,
}

/// A simulated call floor with nine campaigns, from a seed.
pub struct Simulation {
    dice: Dice,
    run: String,
    campaigns: Vec<Campaign>,
    calls: HashMap<u64, Call>,
    calls_begun: u64,
    business: Business,
    now: Timestamp,
    live: Timestamp,
    agenda: BinaryHeap<Reverse<(Timestamp, u64, Entry)>>,
    planned: u64,
    events: u64,
    bookings: u64,
    channel: NoisyChannel,
}

/// A step in the agenda. All are equal: time and number before it decide the order.
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
    /// Creates a simulation with an hour of history before `start`.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        Self::with(seed, start, BACKFILL_MS, 1.0)
    }

    /// Creates a simulation with another length of history and dialing rate.
    pub fn with(seed: u64, start: Timestamp, backfill_ms: i64, rate: f64) -> Self {
        let begin = start.plus_millis(-backfill_ms.clamp(0, 12 * BACKFILL_MS));
        let rate = if rate.is_finite() { rate.clamp(0.01, 100.0) } else { 1.0 };
        let mut simulation = Self {
            dice: Dice::new(seed),
            // Ids have the time of the start in them, because a later run with the same seed must not repeat them.
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
            channel: NoisyChannel::default(),
        };
        simulation.plan_start();
        simulation
    }

    fn plan_start(&mut self) {
        let begin = self.now;
        for campaign in 0..self.campaigns.len() {
            // It starts in the last phase of its plan that has begun.
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
        for kind in INCIDENT_KINDS {
            let in_history = self.live.plus_millis(kind.history_at_s() * 1_000);
            if in_history >= begin {
                self.plan(in_history, Step::Begin(kind, Occasion::History));
            }
            let first_in_ms = kind.first_in_ms(&mut self.dice);
            self.plan(self.live.plus_millis(first_in_ms), Step::Begin(kind, Occasion::FirstLive));
        }
    }

    /// Returns the simulated time.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Advances to a time; returns the events that arrived, in order of arrival.
    pub fn advance(&mut self, to: Timestamp) -> Vec<IncomingEvent> {
        while self.agenda.peek().is_some_and(|Reverse((at, ..))| *at <= to) {
            if let Some(Reverse((at, _, Entry(step)))) = self.agenda.pop() {
                self.perform(step, at);
            }
        }
        self.now = self.now.max(to);
        self.channel.arrived(to)
    }

    fn plan(&mut self, at: Timestamp, step: Step) {
        self.planned += 1;
        self.agenda.push(Reverse((at, self.planned, Entry(step))));
    }

    fn emit(&mut self, at: Timestamp, kind: EventKind) {
        let id = self.next_id();
        self.channel.send(IncomingEvent { id, at, kind }, &mut self.dice);
    }

    fn next_id(&mut self) -> EventId {
        self.events += 1;
        EventId::parse(&format!("{}-{:x}", self.run, self.events)).expect("a run with a number is a valid event id")
    }

    fn plan_in(&mut self, at: Timestamp, low_ms: i64, high_ms: i64, step: Step) {
        let in_ms = self.dice.between(low_ms, high_ms);
        self.plan(at.plus_millis(in_ms), step);
    }

    fn perform(&mut self, step: Step, at: Timestamp) {
        match step {
            Step::Lead(campaign) => {
                // A campaign that doesn't dial now plans its next lead when it enters a running phase.
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
                self.channel.send(IncomingEvent { id, at, kind }, &mut self.dice);
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
                self.channel.send(IncomingEvent { id, at, kind }, &mut self.dice);
            }
            Step::Begin(kind, occasion) => self.begin_incident(kind, occasion, at),
            Step::End(incident) => self.end_incident(incident, at),
        }
    }

    fn plan_lead(&mut self, campaign: usize, at: Timestamp) {
        let pause_ms = self.campaigns[campaign].pause_ms(at, &mut self.dice);
        self.plan(at.plus_millis(pause_ms), Step::Lead(campaign));
    }

    fn enter_phase(&mut self, campaign: usize, at: Timestamp) {
        let dialed = self.campaigns[campaign].dials();
        let entering = &mut self.campaigns[campaign];
        let reason = entering.enter_phase();
        let state =
            CampaignEvent::State { name: Some(entering.profile.name.into()), status: Some(entering.status), reason };
        let (id, dials, next) = (entering.id.clone(), entering.dials(), entering.next_phase_at(self.live));
        self.emit(at, EventKind::Campaign(id, state));
        if dials && !dialed {
            self.plan_lead(campaign, at);
        }
        if let Some(next) = next {
            self.plan(next, Step::Phase(campaign));
        }
    }

    fn begin_incident(&mut self, kind: IncidentKind, occasion: Occasion, at: Timestamp) {
        let incident = kind.occur(occasion == Occasion::FirstLive, &mut self.dice);
        let campaign = &mut self.campaigns[incident.campaign];
        match kind {
            IncidentKind::AgentsLeave => {
                campaign.agents.leave(0.42);
                campaign.pushes = true;
            }
            IncidentKind::TrunkFails => campaign.trunk_fails = true,
            IncidentKind::SlowService => self.business.slow = true,
        }
        self.plan(at.plus_millis(incident.lasts_ms), Step::End(incident));
        if occasion != Occasion::History {
            let again_ms = kind.again_ms(&mut self.dice);
            self.plan(at.plus_millis(again_ms), Step::Begin(kind, Occasion::Later));
        }
    }

    fn end_incident(&mut self, incident: Incident, at: Timestamp) {
        let campaign = &mut self.campaigns[incident.campaign];
        match incident.kind {
            IncidentKind::AgentsLeave => {
                campaign.agents.come_back();
                campaign.pushes = false;
                self.serve_waiting(incident.campaign, at);
            }
            IncidentKind::TrunkFails => campaign.trunk_fails = false,
            IncidentKind::SlowService => self.business.slow = false,
        }
    }
}
