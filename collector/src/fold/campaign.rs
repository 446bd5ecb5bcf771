//! One campaign: its calls, its counters, what its source says of it.

use std::collections::BTreeMap;

use ringside_model::{
    AgentCounts, CallChange, CallEvent, CallFact, CallPhase, CampaignEvent, CampaignId, CampaignStatus, DerivedEvent,
    Event, EventId, EventKind, Gauges, Histogram, Oddities, StatusChange, TenantId, Timestamp,
};
use serde::{Deserialize, Serialize};

use super::alert::{Reading, Subject, Watch};
use super::call::{Facts, OpenCall};
use super::contribution::{Contribution, Share};
use super::fingerprint::fingerprint;
use super::ledger::Ledger;
use super::levels::{Level, Levels};
use super::live::LiveCalls;
use super::metric::Heard;
use super::rule::RuleTarget;
use super::window::{MINUTE_MS, Windows};
use super::{Changes, FoldSettings, ringside};

/// Chunks of the ledger stay a little longer than the horizon, because ticks and receipts come from different clocks.
const LEDGER_SLACK_MINUTES: i64 = 5;
/// A campaign of which nobody says what it does is taken to run until its calls have been over for so long.
const QUIET_MS: i64 = 5 * MINUTE_MS;

/// Something a source said, and when. Of two, the later holds; of two at the same time, the greater.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Said<T> {
    pub(super) at: i64,
    pub(super) what: T,
}

fn hear<T: PartialOrd>(slot: &mut Option<Said<T>>, at: i64, what: T) -> Heard {
    let heard = match slot {
        None => Heard::News,
        Some(known) if at < known.at => Heard::Outdated,
        Some(known) if at == known.at && what == known.what => Heard::Known,
        Some(known) if at == known.at && what < known.what => Heard::Outdated,
        Some(_) => Heard::News,
    };
    if heard == Heard::News {
        *slot = Some(Said { at, what });
    }
    heard
}

/// The gauges that sources gave, each with its own time.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct SaidGauges {
    pub(super) queue_depth: Option<Said<i64>>,
    pub(super) target_rate: Option<Said<f64>>,
    pub(super) max_lines: Option<Said<i64>>,
    pub(super) list_total: Option<Said<i64>>,
    pub(super) list_attempted: Option<Said<i64>>,
    pub(super) agents: Option<Said<[i64; 6]>>,
}

impl SaidGauges {
    fn hear(&mut self, at: i64, gauges: &Gauges) -> Vec<Heard> {
        let agents = gauges.agents.map(|AgentCounts { ready, ringing, incall, wrap, paused, offline }| {
            [ready, ringing, incall, wrap, paused, offline]
        });
        [
            gauges.queue_depth.map(|what| hear(&mut self.queue_depth, at, what)),
            gauges.target_rate.map(|what| hear(&mut self.target_rate, at, what)),
            gauges.max_lines.map(|what| hear(&mut self.max_lines, at, what)),
            gauges.list_total.map(|what| hear(&mut self.list_total, at, what)),
            gauges.list_attempted.map(|what| hear(&mut self.list_attempted, at, what)),
            agents.map(|what| hear(&mut self.agents, at, what)),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// What there is to know around an event or a tick.
pub(super) struct Moment<'a> {
    pub(super) settings: &'a FoldSettings,
    pub(super) tenant: &'a TenantId,
    pub(super) campaign: &'a CampaignId,
    /// The tick's own time; for an event, the newest tick or receipt.
    pub(super) now: i64,
}

/// When things happened and when the intake took them, as the fold uses them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) at: i64,
    pub(super) received_at: i64,
}

/// The state of one campaign.
#[derive(Debug, Clone)]
pub(super) struct Campaign {
    pub(super) name: Option<Said<Box<str>>>,
    pub(super) status: Option<Said<(CampaignStatus, Option<Box<str>>)>>,
    /// Since when its calls show that it runs, while nobody says what it does.
    pub(super) seen_running: Option<i64>,
    pub(super) gauges: SaidGauges,
    /// Its source tells of calls in the queue.
    pub(super) queue_seen: bool,
    pub(super) started_at: Option<i64>,
    pub(super) last_event_at: Option<i64>,
    pub(super) windows: Windows,
    pub(super) durations: [Histogram; 4],
    pub(super) live: LiveCalls,
    pub(super) ledger: Ledger,
    pub(super) levels: Levels,
    pub(super) watches: BTreeMap<Box<str>, Watch>,
    pub(super) oddities: Oddities,
    /// The time of the newest word to the directory.
    pub(super) announced_at: Option<i64>,
    pub(super) dirty_head: bool,
    pub(super) dirty_levels: bool,
}

/// Places in [`Campaign::durations`].
pub(super) const TALK: usize = 0;
pub(super) const POST_DIAL: usize = 1;
pub(super) const RING: usize = 2;
pub(super) const WAIT: usize = 3;

impl Campaign {
    pub(super) fn new(settings: &FoldSettings) -> Self {
        Self {
            name: None,
            status: None,
            seen_running: None,
            gauges: SaidGauges::default(),
            queue_seen: false,
            started_at: None,
            last_event_at: None,
            windows: Windows::new(settings.window_points),
            durations: Default::default(),
            live: LiveCalls::default(),
            ledger: Ledger::default(),
            levels: Levels::default(),
            watches: BTreeMap::new(),
            oddities: Oddities::default(),
            announced_at: None,
            dirty_head: true,
            dirty_levels: false,
        }
    }

    pub(super) fn name<'a>(&'a self, id: &'a CampaignId) -> &'a str {
        self.name.as_ref().map_or(id.as_str(), |name| &name.what)
    }

    /// What it does: as a source said, or else as its calls show.
    pub(super) fn status(&self) -> CampaignStatus {
        match (&self.status, self.seen_running) {
            (Some(said), _) => said.what.0,
            (None, Some(_)) => CampaignStatus::Running,
            (None, None) => CampaignStatus::Unknown,
        }
    }

    /// Takes an event about the campaign itself.
    pub(super) fn hear_event(
        &mut self,
        moment: &Moment<'_>,
        times: Times,
        event: &CampaignEvent,
        changes: &mut Changes,
    ) {
        let Times { at, .. } = times;
        self.note_event(at);
        let heard = match event {
            CampaignEvent::Gauges(gauges) => self.gauges.hear(at, gauges),
            CampaignEvent::State { name, status, reason } => {
                let before = (self.name.clone(), self.status());
                let name = name.as_ref().map(|name| hear(&mut self.name, at, name.clone()));
                let status = status.map(|status| hear(&mut self.status, at, (status, reason.clone())));
                self.note_status(moment, before.1, at, changes);
                if before.0.as_ref().map(|name| &name.what) != self.name.as_ref().map(|name| &name.what)
                    || before.1 != self.status()
                {
                    self.announce(moment, changes);
                }
                [name, status].into_iter().flatten().collect()
            }
        };
        for heard in heard {
            match heard {
                Heard::News => {}
                Heard::Known => self.oddities.duplicates += 1,
                Heard::Outdated => self.oddities.outdated += 1,
            }
        }
        changes.touch_campaign(moment.tenant, moment.campaign);
    }

    /// Takes a fact of one of its calls.
    pub(super) fn hear_call(&mut self, moment: &Moment<'_>, times: Times, event: &CallEvent, changes: &mut Changes) {
        let Times { at, received_at } = times;
        self.note_event(at);
        let key = fingerprint(&[event.call.as_str()]);
        let fact = Facts::of(event.fact, at);
        let closed = if self.live.get(key).is_none() { self.ledger.get(key) } else { None };
        let (before, heard_before) = match (self.live.get(key), closed) {
            (Some(call), _) => (call.facts, call.received_at),
            (None, Some((facts, minute))) => (facts, minute * MINUTE_MS),
            (None, None) => (Facts::NONE, i64::MIN),
        };
        let after = before.merge(&fact);
        changes.touch_campaign(moment.tenant, moment.campaign);
        if after == before {
            self.oddities.duplicates += 1;
            // What is no news of a closed call moves it only where it is younger than what the ledger has.
            if closed.is_some_and(|(_, minute)| at.div_euclid(MINUTE_MS) <= minute) {
                return;
            }
        } else {
            self.note_oddities(&before, &after, event.fact);
            self.count(&before, &after, moment.settings);
        }
        self.live.learn(key, event, after, received_at.max(heard_before), moment.settings.patience());
        if after != before {
            let call = self.live.get(key).expect("it was put there");
            changes.calls.push((moment.tenant.clone(), change_of(moment, call, at)));
        }
        self.queue_seen |= event.fact == CallFact::Queued;
        let dials = !matches!(event.fact, CallFact::Queued | CallFact::Amd(_) | CallFact::Disposition(_));
        if self.seen_running.is_none() && self.status.is_none() && dials && moment.now - at < QUIET_MS {
            self.seen_running = Some(at);
            self.note_status(moment, CampaignStatus::Unknown, at, changes);
            self.announce(moment, changes);
        }
    }

    /// Refuses an event that is older than what can be known again.
    pub(super) fn refuse(&mut self) {
        self.oddities.too_old += 1;
        self.dirty_head = true;
    }

    fn note_event(&mut self, at: i64) {
        self.started_at = Some(self.started_at.map_or(at, |started| started.min(at)));
        self.last_event_at = self.last_event_at.max(Some(at));
        self.dirty_head = true;
    }

    fn note_oddities(&mut self, before: &Facts, after: &Facts, fact: CallFact) {
        let phase = match fact {
            CallFact::Queued => Some(CallPhase::Queued),
            CallFact::Dialing => Some(CallPhase::Dialing),
            CallFact::Ringing => Some(CallPhase::Ringing),
            CallFact::Answered => Some(CallPhase::Answered),
            CallFact::Bridged => Some(CallPhase::Bridged),
            CallFact::Amd(_) | CallFact::Ended { .. } | CallFact::Disposition(_) => None,
        };
        if phase.is_some() && phase < before.phase() {
            self.oddities.reordered += 1;
        }
        let found = before.end.is_some_and(|end| end.lost) && after.end.is_some_and(|end| !end.lost);
        if found {
            self.oddities.ends_found += 1;
        }
        let replaced = (before.end.is_some() && before.end != after.end)
            || (before.amd.is_some() && before.amd != after.amd)
            || (before.disposition.is_some() && before.disposition != after.disposition);
        if before.end.is_some() && replaced && !found {
            self.oddities.corrected += 1;
        }
    }

    /// Takes back what a call added and adds what it adds now.
    fn count(&mut self, before: &Facts, after: &Facts, settings: &FoldSettings) {
        let (old, new) = (Contribution::of(before, settings), Contribution::of(after, settings));
        let mut replace = |old: &Share, new: &Share| {
            if old != new {
                self.windows.add(old, -1);
                self.windows.add(new, 1);
            }
        };
        replace(&old.dialed, &new.dialed);
        replace(&old.answered, &new.answered);
        replace(&old.ended, &new.ended);
        let durations = [
            (old.talk_ms, new.talk_ms),
            (old.post_dial_ms, new.post_dial_ms),
            (old.ring_ms, new.ring_ms),
            (old.wait_ms, new.wait_ms),
        ];
        for (histogram, (old, new)) in self.durations.iter_mut().zip(durations) {
            if old != new {
                old.into_iter().for_each(|value| histogram.record(value, -1));
                new.into_iter().for_each(|value| histogram.record(value, 1));
            }
        }
        self.dirty_head = true;
    }

    fn note_status(&mut self, moment: &Moment<'_>, from: CampaignStatus, at: i64, changes: &mut Changes) {
        let to = self.status();
        if from == to {
            return;
        }
        let reason = self.status.as_ref().and_then(|said| said.what.1.clone());
        let change =
            StatusChange { campaign: moment.campaign.clone(), from, to, reason, at: Timestamp::from_millis(at) };
        changes.statuses.push((moment.tenant.clone(), change));
    }

    /// Tells the tenant's partition that this campaign exists and what it is called and does.
    ///
    /// The word's time is the fold's and grows with every word, because the directory keeps the latest.
    pub(super) fn announce(&mut self, moment: &Moment<'_>, changes: &mut Changes) {
        let at = self.announced_at.map_or(moment.now, |last| moment.now.max(last + 1));
        self.announced_at = Some(at);
        self.dirty_head = true;
        let status = self.status();
        let word = DerivedEvent::Campaign {
            campaign: moment.campaign.clone(),
            name: self.name(moment.campaign).into(),
            status,
        };
        let id = format!("campaign/{}/{at}/{}", moment.campaign, format!("{status:?}").to_lowercase());
        changes.derived.push(derived(moment.tenant, &id, at, word));
    }

    /// Lets time pass. `closed` are the seconds that this tick closes, `minute` is set on the first tick of a minute.
    pub(super) fn tick(
        &mut self,
        moment: &Moment<'_>,
        closed: Option<(i64, i64)>,
        minute: Option<i64>,
        changes: &mut Changes,
    ) {
        self.give_up_silent_calls(moment, changes);
        if let Some(minute) = minute {
            self.settle(minute);
            self.windows.evict(minute * MINUTE_MS);
            let horizon_minutes = moment.settings.dedupe_horizon_ms / MINUTE_MS;
            self.ledger.evict(minute - horizon_minutes - LEDGER_SLACK_MINUTES);
            self.stop_where_quiet(moment, changes);
        }
        if let Some((first, last)) = closed {
            let level = self.level();
            if self.levels.note(first, last, level, moment.settings.window_points) {
                self.dirty_levels = true;
                changes.touch_campaign(moment.tenant, moment.campaign);
            }
        }
        if !self.windows.seconds.is_empty() {
            changes.touch_campaign(moment.tenant, moment.campaign);
        }
        self.look_at_rules(moment, changes);
    }

    /// The gauges that charts draw.
    pub(super) fn level(&self) -> Level {
        Level { active: self.live.active().total(), queue: self.queue_depth() }
    }

    /// Leads waiting: as the source says, or else as its calls show.
    pub(super) fn queue_depth(&self) -> Option<i64> {
        let said = self.gauges.queue_depth.as_ref().map(|said| said.what);
        said.or(self.queue_seen.then(|| self.live.queued()))
    }

    fn give_up_silent_calls(&mut self, moment: &Moment<'_>, changes: &mut Changes) {
        let patience = moment.settings.patience();
        for key in self.live.overdue(moment.now, patience) {
            let Some(mut call) = self.live.take(key) else { continue };
            if matches!(call.facts.phase(), None | Some(CallPhase::Queued)) {
                continue; // It was never dialed, so nothing of it is counted.
            }
            let after = call.facts.merge(&Facts::lost(moment.now));
            self.count(&call.facts, &after, moment.settings);
            call.facts = after;
            self.oddities.ends_lost += 1;
            changes.calls.push((moment.tenant.clone(), change_of(moment, &call, moment.now)));
            self.live.put(key, call, patience);
            changes.touch_campaign(moment.tenant, moment.campaign);
        }
    }

    /// Packs the calls that ended and were not heard of for a whole minute.
    fn settle(&mut self, minute: i64) {
        let mut packed = None;
        for (received, key) in self.live.settled(minute - 1) {
            if let Some(call) = self.live.take(key) {
                self.ledger.put(key, &call.facts, received);
            }
            if packed.replace(received).is_some_and(|before| before != received) {
                self.ledger.settle(received);
            }
        }
        packed.into_iter().for_each(|received| self.ledger.settle(received));
    }

    fn stop_where_quiet(&mut self, moment: &Moment<'_>, changes: &mut Changes) {
        let quiet =
            self.live.active().total() == 0 && self.last_event_at.is_none_or(|last| moment.now - last >= QUIET_MS);
        if quiet && self.seen_running.take().is_some() {
            self.dirty_head = true;
            if self.status.is_none() {
                self.note_status(moment, CampaignStatus::Running, moment.now, changes);
                self.announce(moment, changes);
            }
        }
    }

    fn look_at_rules(&mut self, moment: &Moment<'_>, changes: &mut Changes) {
        for rule in &moment.settings.rules {
            let RuleTarget::CampaignRatio(which) = rule.target else { continue };
            let known = self.watches.get(&rule.id);
            if known.is_none_or(Watch::is_idle) && self.windows.seconds.is_empty() {
                continue;
            }
            let ratio = self.watched(which, moment.now);
            let reading = ratio.value().map(|value| Reading { value: value * 100.0, n: ratio.denominator });
            let mut watch = known.cloned().unwrap_or_default();
            let transition = watch.look(rule, moment.now, reading);
            if known.map_or(watch.is_idle(), |known| *known == watch) {
                continue;
            }
            if let Some(transition) = transition {
                let subject = Subject {
                    fingerprint: format!("{}/{}", rule.id, moment.campaign).into(),
                    name: self.name(moment.campaign).into(),
                    campaign: Some(moment.campaign),
                    metric: which.name(),
                    unit: "%",
                };
                let alert = watch.alert(rule, &subject, transition, moment.now);
                let id = format!("alert/{}/{}", alert.fingerprint, alert.transition);
                changes.derived.push(derived(moment.tenant, &id, moment.now, DerivedEvent::Alert(Box::new(alert))));
            }
            self.watches.insert(rule.id.clone(), watch);
            self.dirty_head = true;
        }
    }
}

/// An event for the tenant's own partition.
pub(super) fn derived(tenant: &TenantId, id: &str, at: i64, word: DerivedEvent) -> Event {
    let at = Timestamp::from_millis(at);
    let id = EventId::parse(id).or_else(|_| EventId::parse(&format!("{:016x}", fingerprint(&[id]))));
    Event {
        tenant: tenant.clone(),
        source: ringside(),
        id: id.expect("sixteen digits are an id"),
        at,
        received_at: at,
        kind: EventKind::Derived(word),
    }
}

fn change_of(moment: &Moment<'_>, call: &OpenCall, at: i64) -> CallChange {
    let facts = &call.facts;
    CallChange {
        campaign: moment.campaign.clone(),
        call: call.id.clone(),
        at: Timestamp::from_millis(at),
        phase: facts.phase().unwrap_or(CallPhase::Queued),
        result: facts.result(),
        outcome: facts.outcome(moment.settings),
        amd: facts.amd,
        cause: facts.end.and_then(|end| end.cause),
        to_masked: call.to_masked.clone(),
        agent: call.agent.clone(),
        elapsed_ms: facts.dialed_at().map(|dialed| (at - dialed).max(0)),
        talk_ms: facts.talk_ms(),
    }
}
