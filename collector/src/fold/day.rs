//! A generated day of calls with known totals, for tests and benchmarks.
//!
//! Every call follows a [`Story`]. The story determines the events and, by a table of its own, their expected totals;
//! the fold's rules have no part in it. Events are ordered by receipt, each some milliseconds after it happened, and
//! some of them are duplicated. The same seed gives the same day.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ringside_model::{
    AgentId, Amd, CallEvent, CallFact, CallId, CampaignId, Counter, Counters, Disposition, EndedBy, Event, EventId,
    EventKind, SourceId, TenantId, Timestamp,
};

/// 2026-03-02, a Monday, at midnight UTC.
pub const START_MS: i64 = 1_772_409_600_000;
/// Length of a day.
pub const DAY_MS: i64 = 86_400_000;
/// Campaigns that the calls are spread over.
pub const CAMPAIGNS: u64 = 6;
/// One in this many events is duplicated.
const DUPLICATE_EACH: u64 = 50;

/// A generated day of calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Day {
    /// The same seed gives the same day.
    pub seed: u64,
    /// Number of calls.
    pub calls: u64,
}

/// The course of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    Served(Option<Disposition>),
    ServedLate,
    DroppedByUs,
    GaveUpWaiting,
    HungUpEarly,
    Machine,
    Fax,
    Busy,
    NoAnswer,
    NoAnswerTooSoon,
    Canceled,
    Rejected,
    Unreachable,
}

struct Call {
    number: u64,
    story: Story,
    unsure: bool,
    queued: bool,
    start: i64,
    post_dial_ms: i64,
    ring_ms: i64,
    wait_ms: i64,
    talk_ms: i64,
}

impl Day {
    /// Returns the tenant of all calls.
    pub fn tenant() -> TenantId {
        TenantId::parse("acme").expect("a valid id")
    }

    /// Returns one of the [`CAMPAIGNS`].
    pub fn campaign(number: u64) -> CampaignId {
        CampaignId::parse(&format!("campaign-{}", number % CAMPAIGNS)).expect("a valid id")
    }

    /// Returns the events, in the order of their receipt.
    pub fn events(self) -> impl Iterator<Item = Event> {
        Events { day: self, next: 0, waiting: BinaryHeap::new(), serial: 0 }
    }

    /// Returns the expected totals of the day.
    pub fn totals(self) -> Counters {
        let mut totals = Counters::default();
        for number in 0..self.calls {
            totals += &self.call(number).counters();
        }
        totals
    }

    /// Returns the expected totals of one campaign.
    pub fn campaign_totals(self, campaign: &CampaignId) -> Counters {
        let mut totals = Counters::default();
        for number in (0..self.calls).filter(|number| Self::campaign(*number) == *campaign) {
            totals += &self.call(number).counters();
        }
        totals
    }

    fn call(self, number: u64) -> Call {
        let mut dice = Dice(self.seed ^ number.wrapping_mul(0xd6e8_feb8_6659_fd93));
        let story = match dice.roll(1_000) {
            0..25 => Story::Served(Some(Disposition::Converted)),
            25..32 => Story::Served(Some(Disposition::OptOut)),
            32..120 => Story::Served(Some(Disposition::NotInterested)),
            120..160 => Story::Served(Some(Disposition::Callback)),
            160..200 => Story::Served(None),
            200..203 => Story::ServedLate,
            203..206 => Story::DroppedByUs,
            206..208 => Story::GaveUpWaiting,
            208..213 => Story::HungUpEarly,
            213..380 => Story::Machine,
            380..384 => Story::Fax,
            384..470 => Story::Busy,
            470..850 => Story::NoAnswer,
            850..855 => Story::NoAnswerTooSoon,
            855..885 => Story::Canceled,
            885..910 => Story::Rejected,
            _ => Story::Unreachable,
        };
        let between = |dice: &mut Dice, low: i64, high: i64| low + dice.roll((high - low) as u64) as i64;
        Call {
            number,
            story,
            unsure: dice.roll(10) == 0,
            queued: dice.roll(2) == 0,
            // The last ones end before midnight.
            start: START_MS + ((DAY_MS - 600_000) as u64 * number / self.calls.max(1)) as i64,
            post_dial_ms: between(&mut dice, 300, 4_000),
            ring_ms: match story {
                Story::NoAnswer => between(&mut dice, 20_000, 45_000),
                Story::NoAnswerTooSoon => between(&mut dice, 3_000, 15_000),
                Story::Canceled => between(&mut dice, 16_000, 30_000),
                _ => between(&mut dice, 2_000, 20_000),
            },
            wait_ms: match story {
                Story::Served(_) => between(&mut dice, 100, 2_001),
                Story::ServedLate | Story::GaveUpWaiting => between(&mut dice, 2_001, 9_000),
                _ => between(&mut dice, 200, 1_900),
            },
            talk_ms: between(&mut dice, 5_000, 240_000),
        }
    }
}

impl Call {
    /// Returns the expected counters, by the story and not by the fold's rules.
    fn counters(&self) -> Counters {
        use Counter as C;
        let person = [C::Answered, C::Human, C::Classified, C::Completed];
        let machine = [C::Answered, C::Machine, C::Classified, C::Completed, C::OutcomeMachine];
        let (parts, talk_ms): (Vec<C>, i64) = match self.story {
            Story::Served(disposition) => {
                let outcome = match disposition {
                    Some(Disposition::Converted) => vec![C::Converted, C::OutcomeConverted],
                    Some(Disposition::OptOut) => vec![C::OptOut, C::OutcomeOptOut],
                    _ => vec![C::OutcomeAnsweredOther],
                };
                let parts = [&person[..], &[C::Bridged, C::BridgedInTime], &outcome].concat();
                (parts, self.talk_ms)
            }
            Story::ServedLate => {
                ([&person[..], &[C::Bridged, C::Abandoned, C::OutcomeAbandoned]].concat(), self.talk_ms)
            }
            Story::DroppedByUs | Story::GaveUpWaiting => {
                ([&person[..], &[C::Abandoned, C::OutcomeAbandoned]].concat(), self.wait_ms)
            }
            Story::HungUpEarly => ([&person[..], &[C::EarlyHangup, C::OutcomeAnsweredOther]].concat(), self.wait_ms),
            Story::Machine | Story::Fax => (machine.to_vec(), self.wait_ms),
            Story::Busy => (vec![C::Completed, C::Busy, C::OutcomeBusy], 0),
            Story::NoAnswer => (vec![C::Completed, C::NoAnswer, C::OutcomeNoAnswer], 0),
            Story::NoAnswerTooSoon => (vec![C::Completed, C::NoAnswer, C::OutcomeNoAnswer, C::MinRingBreach], 0),
            Story::Canceled => (vec![C::Completed, C::Canceled, C::OutcomeCanceled], 0),
            Story::Rejected | Story::Unreachable => (vec![C::Completed, C::Failed, C::OutcomeFailed], 0),
        };
        let mut counters = Counters::default();
        counters[C::Attempts] = 1;
        counters[C::TalkMs] = talk_ms;
        for part in parts {
            counters[part] += 1;
        }
        if self.unsure && counters[C::Human] == 1 {
            counters[C::Unsure] = 1;
        }
        counters
    }

    /// Returns the facts of this call, with their times.
    fn facts(&self) -> Vec<(i64, CallFact)> {
        let ended = |cause, by| CallFact::Ended { cause: Some(cause), by };
        let mut facts = Vec::with_capacity(8);
        if self.queued {
            facts.push((self.start - 5_000, CallFact::Queued));
        }
        facts.push((self.start, CallFact::Dialing));
        let ringing = self.start + self.post_dial_ms;
        let answered = ringing + self.ring_ms;
        if self.story == Story::Unreachable {
            facts.push((ringing, ended(1, EndedBy::Them)));
            return facts;
        }
        facts.push((ringing, CallFact::Ringing));
        match self.story {
            Story::Busy => facts.push((answered, ended(17, EndedBy::Them))),
            Story::NoAnswer | Story::NoAnswerTooSoon => facts.push((answered, ended(19, EndedBy::Us))),
            Story::Canceled => facts.push((answered, ended(16, EndedBy::Us))),
            Story::Rejected => facts.push((answered, ended(21, EndedBy::Them))),
            _ => facts.extend(self.answered_facts(answered)),
        }
        facts
    }

    fn answered_facts(&self, answered: i64) -> Vec<(i64, CallFact)> {
        let ended = |by| CallFact::Ended { cause: Some(16), by };
        let person = if self.unsure { Amd::Unsure } else { Amd::Human };
        let detected = answered + 150;
        let after_wait = answered + self.wait_ms;
        let mut facts = vec![(answered, CallFact::Answered)];
        match self.story {
            Story::Machine => facts.extend([(detected, CallFact::Amd(Amd::Machine)), (after_wait, ended(EndedBy::Us))]),
            Story::Fax => facts.extend([(detected, CallFact::Amd(Amd::Fax)), (after_wait, ended(EndedBy::Us))]),
            Story::Served(disposition) => {
                let over = after_wait + self.talk_ms;
                facts.extend([(detected, CallFact::Amd(person)), (after_wait, CallFact::Bridged)]);
                facts.push((over, ended(EndedBy::Them)));
                // Agents set the disposition later; for one in ten, long after the call is in the ledger.
                let wrap_ms = if self.number.is_multiple_of(10) { 200_000 } else { 20_000 };
                facts.extend(disposition.map(|disposition| (over + wrap_ms, CallFact::Disposition(disposition))));
            }
            Story::ServedLate => {
                facts.extend([(detected, CallFact::Amd(person)), (after_wait, CallFact::Bridged)]);
                facts.push((after_wait + self.talk_ms, ended(EndedBy::Us)));
            }
            Story::DroppedByUs => {
                facts.extend([(detected, CallFact::Amd(person)), (after_wait, ended(EndedBy::Us))]);
            }
            _ => facts.extend([(detected, CallFact::Amd(person)), (after_wait, ended(EndedBy::Them))]),
        }
        facts
    }
}

/// Iterates over a day's events in the order of receipt.
struct Events {
    day: Day,
    next: u64,
    waiting: BinaryHeap<Reverse<Waiting>>,
    serial: u64,
}

/// A future event: receipt, serial number, time, fact, number of the call.
/// The serial number makes the order total.
type Waiting = (i64, u64, i64, CallFact, u64);

impl Events {
    fn start_call(&mut self) {
        let call = self.day.call(self.next);
        let mut dice = Dice(self.day.seed ^ !self.next);
        for (at, fact) in call.facts() {
            let copies = if dice.roll(DUPLICATE_EACH) == 0 { 2 } else { 1 };
            for _ in 0..copies {
                let received = at + 5 + dice.roll(400) as i64;
                self.waiting.push(Reverse((received, self.serial, at, fact, self.next)));
                self.serial += 1;
            }
        }
        self.next += 1;
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        // A call's first event is at most five seconds before its start.
        while self.next < self.day.calls
            && self
                .waiting
                .peek()
                .is_none_or(|Reverse((received, ..))| *received > self.day.call(self.next).start - 5_000)
        {
            self.start_call();
        }
        let Reverse((received, _, at, fact, number)) = self.waiting.pop()?;
        let bridged = fact == CallFact::Bridged;
        let agent = bridged.then(|| AgentId::parse(&format!("agent-{}", number % 40)).expect("a valid id"));
        Some(Event {
            tenant: Day::tenant(),
            source: SourceId::parse("day").expect("a valid id"),
            id: EventId::parse(&format!("{number}-{at}-{}", kind_of(fact))).expect("printable ASCII"),
            at: Timestamp::from_millis(at),
            received_at: Timestamp::from_millis(received),
            kind: EventKind::Call(CallEvent {
                campaign: Day::campaign(number),
                call: CallId::parse(&format!("call-{number}")).expect("a valid id"),
                fact,
                to_masked: Some(format!("+44 16•• ••{:02}", number % 100).into()),
                lead: None,
                agent,
            }),
        })
    }
}

fn kind_of(fact: CallFact) -> &'static str {
    match fact {
        CallFact::Queued => "queued",
        CallFact::Dialing => "dialing",
        CallFact::Ringing => "ringing",
        CallFact::Answered => "answered",
        CallFact::Amd(_) => "amd",
        CallFact::Bridged => "bridged",
        CallFact::Ended { .. } => "ended",
        CallFact::Disposition(_) => "disposition",
    }
}

/// A `SplitMix64` random generator, with the same numbers on every platform.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % sides
    }
}
