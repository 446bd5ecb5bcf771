//! Simulated calls.
//!
//! The far end's reaction is drawn at dialing; whether an agent is free in time is not.

use ringside_model::{
    AgentId, Amd, CallEvent, CallFact, CallId, Disposition, EndedBy, EventKind, Timestamp, mask_phone_number,
};

use super::super::agent::Agent;
use super::super::campaign::{Profile, TALK_SIGMA, WRAP_MS};
use super::super::dice::Dice;
use super::{Simulation, Step};

/// A call that is up.
pub(super) struct Call {
    campaign: usize,
    id: CallId,
    lead: Box<str>,
    to_masked: Box<str>,
    fate: Fate,
    agent: Option<Agent>,
}

/// The reaction of the far end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Refused before ringing.
    Refused(u16),
    /// Rings without an answer.
    RingsOut(u16, EndedBy),
    /// Canceled early by the dialer.
    Canceled,
    /// Picked up by a person or a machine.
    PickedUp(Amd),
    /// Picked up by a person who hangs up at once.
    HungUp,
}

/// A step in the life of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallStep {
    Dial,
    Ring,
    Answer,
    Detect(Amd),
    /// The person stops waiting, unless an agent was joined.
    GiveUp,
    Bridge,
    End(u16, EndedBy),
    Disposition(Disposition),
}

impl Fate {
    fn of(profile: &Profile, trunk_fails: bool, dice: &mut Dice) -> Self {
        if trunk_fails && dice.chance(0.7) {
            return Self::Refused(if dice.chance(0.75) { 34 } else { 38 });
        }
        if dice.chance(profile.answered) {
            return Self::PickedUp(match dice.unit() {
                share if share < profile.machine - 0.007 => Amd::Machine,
                share if share < profile.machine => Amd::Fax,
                _ if dice.chance(0.02) => return Self::HungUp,
                _ if dice.chance(0.03) => Amd::Unsure,
                _ => Amd::Human,
            });
        }
        match dice.unit() {
            share if share < 0.15 => Self::Refused(17),
            share if share < 0.18 => Self::Canceled,
            share if share < 0.30 => Self::Refused(*dice.pick(&[1, 1, 1, 1, 21, 21, 28, 27, 41, 34])),
            share if share < 0.38 => Self::RingsOut(18, EndedBy::Them),
            share if share < 0.42 => Self::RingsOut(20, EndedBy::Them),
            _ => Self::RingsOut(19, EndedBy::Us),
        }
    }
}

impl Simulation {
    /// Begins a call to the campaign's next lead.
    pub(super) fn begin_call(&mut self, campaign: usize, at: Timestamp) {
        self.calls_begun += 1;
        let number = self.calls_begun;
        let profile = self.campaigns[campaign].profile;
        self.campaigns[campaign].draw_lead(&mut self.dice);
        let call = Call {
            campaign,
            id: CallId::parse(&format!("{}-{number}", self.run)).expect("a run with a number is a valid call id"),
            lead: format!("L{}", 100_000 + self.dice.between(0, 899_999)).into(),
            to_masked: mask_phone_number(&fictional_number(profile.us, &mut self.dice)),
            fate: Fate::of(profile, self.campaigns[campaign].trunk_fails, &mut self.dice),
            agent: None,
        };
        self.calls.insert(number, call);
        if profile.reports_queued {
            self.report(number, at, CallFact::Queued);
            let wait_ms = self.dice.between(1_500, 6_000);
            self.plan(at.plus_millis(wait_ms), Step::Call(number, CallStep::Dial));
        } else {
            self.step_call(number, CallStep::Dial, at);
        }
    }

    /// Performs a step of a call.
    pub(super) fn step_call(&mut self, number: u64, step: CallStep, at: Timestamp) {
        let Some(call) = self.calls.get(&number) else { return };
        let (campaign, fate) = (call.campaign, call.fate);
        match step {
            CallStep::Dial => {
                self.report(number, at, CallFact::Dialing);
                let (next, low, high) = match fate {
                    Fate::Refused(17) => (CallStep::End(17, EndedBy::Them), 1_500, 4_000),
                    Fate::Refused(cause) => (CallStep::End(cause, EndedBy::Them), 700, 3_500),
                    _ => (CallStep::Ring, 600, 2_500),
                };
                self.then(number, at, next, low, high);
            }
            CallStep::Ring => {
                self.report(number, at, CallFact::Ringing);
                match fate {
                    Fate::Canceled => self.then(number, at, CallStep::End(16, EndedBy::Us), 3_000, 10_000),
                    Fate::RingsOut(cause, EndedBy::Us) => {
                        self.then(number, at, CallStep::End(cause, EndedBy::Us), 25_000, 31_000);
                    }
                    Fate::RingsOut(cause, by) => self.then(number, at, CallStep::End(cause, by), 8_000, 22_000),
                    Fate::PickedUp(Amd::Machine | Amd::Fax) => self.then(number, at, CallStep::Answer, 12_000, 22_000),
                    Fate::PickedUp(_) | Fate::HungUp | Fate::Refused(_) => {
                        let rings_ms = self.dice.log_normal_ms(8_000.0, 0.5).clamp(1_500, 27_000);
                        self.plan(at.plus_millis(rings_ms), Step::Call(number, CallStep::Answer));
                    }
                }
            }
            CallStep::Answer => {
                self.report(number, at, CallFact::Answered);
                match fate {
                    Fate::PickedUp(amd @ (Amd::Machine | Amd::Fax)) => {
                        self.then(number, at, CallStep::Detect(amd), 1_800, 4_200);
                    }
                    Fate::PickedUp(amd) => self.then(number, at, CallStep::Detect(amd), 400, 1_300),
                    _ => self.then(number, at, CallStep::End(16, EndedBy::Them), 300, 1_400),
                }
            }
            CallStep::Detect(amd) => {
                self.report(number, at, CallFact::Amd(amd));
                if amd.may_be_human() {
                    self.campaigns[campaign].waiting.push_back(number);
                    self.then(number, at, CallStep::GiveUp, 2_600, 9_000);
                    self.serve_waiting(campaign, at);
                } else {
                    self.then(number, at, CallStep::End(16, EndedBy::Us), 300, 900);
                }
            }
            CallStep::GiveUp => {
                let waiting = &mut self.campaigns[campaign].waiting;
                if let Some(index) = waiting.iter().position(|waits| *waits == number) {
                    waiting.remove(index);
                    let by = if self.dice.chance(0.6) { EndedBy::Them } else { EndedBy::Us };
                    self.step_call(number, CallStep::End(16, by), at);
                }
            }
            CallStep::Bridge => {
                self.report(number, at, CallFact::Bridged);
                let median_ms = self.campaigns[campaign].profile.talk_s * 1_000.0;
                let talk_ms = self.dice.log_normal_ms(median_ms, TALK_SIGMA).clamp(6_000, 1_500_000);
                let by = if self.dice.chance(0.65) { EndedBy::Them } else { EndedBy::Us };
                self.plan(at.plus_millis(talk_ms), Step::Call(number, CallStep::End(16, by)));
            }
            CallStep::End(cause, by) => {
                self.report(number, at, CallFact::Ended { cause: Some(cause), by });
                match self.calls.get(&number).and_then(|call| call.agent) {
                    Some(agent) => self.wrap_up(number, campaign, agent, at),
                    None => {
                        self.calls.remove(&number);
                    }
                }
            }
            CallStep::Disposition(disposition) => {
                self.report(number, at, CallFact::Disposition(disposition));
                self.calls.remove(&number);
            }
        }
    }

    /// Joins free agents with the people waiting, the longest first.
    pub(super) fn serve_waiting(&mut self, campaign: usize, at: Timestamp) {
        while !self.campaigns[campaign].waiting.is_empty()
            && let Some(agent) = self.campaigns[campaign].agents.assign()
        {
            let number = self.campaigns[campaign].waiting.pop_front().expect("the queue is not empty");
            let call = self.calls.get_mut(&number).expect("a waiting person has a call");
            call.agent = Some(agent);
            self.then(number, at, CallStep::Bridge, 80, 350);
        }
    }

    fn wrap_up(&mut self, number: u64, campaign: usize, agent: Agent, at: Timestamp) {
        self.campaigns[campaign].agents.hang_up();
        let wrap_ms = self.dice.between(WRAP_MS.0, WRAP_MS.1);
        self.plan(at.plus_millis(wrap_ms), Step::AgentFree(campaign, agent));
        // A few calls never get a disposition.
        if self.dice.chance(0.06) {
            self.calls.remove(&number);
            return;
        }
        let profile = self.campaigns[campaign].profile;
        let disposition = match self.dice.unit() {
            share if share < profile.converts => {
                self.business.sell(profile.worth, &mut self.dice);
                Disposition::Converted
            }
            share if share < profile.converts + 0.025 => Disposition::OptOut,
            share if share < profile.converts + 0.145 => Disposition::Callback,
            share if share < 0.9 => Disposition::NotInterested,
            _ => Disposition::Other,
        };
        self.then(number, at, CallStep::Disposition(disposition), 2_000, 20_000);
    }

    fn then(&mut self, number: u64, at: Timestamp, step: CallStep, low_ms: i64, high_ms: i64) {
        let in_ms = self.dice.between(low_ms, high_ms);
        self.plan(at.plus_millis(in_ms), Step::Call(number, step));
    }

    fn report(&mut self, number: u64, at: Timestamp, fact: CallFact) {
        let Some(call) = self.calls.get(&number) else { return };
        let campaign = &self.campaigns[call.campaign];
        let short = campaign.profile.id.trim_start_matches("demo-");
        let first = matches!(fact, CallFact::Queued | CallFact::Dialing);
        let event = CallEvent {
            campaign: campaign.id.clone(),
            call: call.id.clone(),
            fact,
            to_masked: first.then(|| call.to_masked.clone()),
            lead: first.then(|| call.lead.clone()),
            agent: call.agent.filter(|_| fact == CallFact::Bridged).map(|agent| {
                AgentId::parse(&format!("{short}-{:02}", agent + 1)).expect("a name with a number is a valid agent id")
            }),
        };
        self.emit(at, EventKind::Call(event));
    }
}

/// Returns a number from the ranges that are reserved for fiction.
fn fictional_number(us: bool, dice: &mut Dice) -> String {
    if us {
        let area = dice.pick(&["212", "303", "312", "404", "415", "512", "617", "702", "813", "916"]);
        format!("+1{area}55501{:02}", dice.between(0, 99))
    } else {
        format!("+441632960{:03}", dice.between(0, 999))
    }
}
