//! One campaign: its calls, its counters, and its status as reported by its source.

use std::collections::BTreeMap;

use ringside_model::{
    CallChange, CallEvent, CallFact, CallPhase, CampaignEvent, CampaignId, CampaignStatus, DerivedEvent, Event,
    EventId, EventKind, Histogram, Oddities, StatusChange, TenantId, Timestamp,
};

use super::alert::{Reading, Subject, Watch};
use super::call::{Facts, OpenCall};
use super::contribution::{Contribution, Increment};
use super::fingerprint::fingerprint;
use super::gauges::ReportedGauges;
use super::ledger::Ledger;
use super::levels::{Level, Levels};
use super::live::LiveCalls;
use super::lww::{self, Lww, Merged};
use super::rule::RuleTarget;
use super::window::{MINUTE_MS, Windows};
use super::{Changes, FoldSettings, ringside_source};

/// Slack beyond the horizon before a ledger chunk is evicted.
/// Ticks and receipts come from different clocks.
const LEDGER_SLACK_MINUTES: i64 = 5;
/// Time without calls before a campaign no longer counts as running.
/// This applies only while no source reports its status.
const QUIET_MS: i64 = 5 * MINUTE_MS;

/// The context of an event or a tick.
pub(super) struct FoldContext<'a> {
    pub(super) settings: &'a FoldSettings,
    pub(super) tenant: &'a TenantId,
    pub(super) campaign: &'a CampaignId,
    /// The time of the tick; for an event, the newest tick or receipt.
    pub(super) now: i64,
}

/// The times of an event: when it happened, and when the intake accepted it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    pub(super) at: i64,
    pub(super) received_at: i64,
}

/// The state of one campaign.
#[derive(Debug, Clone)]
pub(super) struct Campaign {
    pub(super) name: Option<Lww<Box<str>>>,
    pub(super) status: Option<Lww<(CampaignStatus, Option<Box<str>>)>>,
    /// Since when its calls show that it runs, while no source reports a status.
    pub(super) seen_running: Option<i64>,
    pub(super) gauges: ReportedGauges,
    /// Whether its source reports queued calls.
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
    /// The timestamp of its last directory update.
    pub(super) listed_at: Option<i64>,
    pub(super) dirty_head: bool,
    pub(super) dirty_levels: bool,
}

/// Indexes into [`Campaign::durations`].
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
            gauges: ReportedGauges::default(),
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
            listed_at: None,
            dirty_head: true,
            dirty_levels: false,
        }
    }

    pub(super) fn name<'a>(&'a self, id: &'a CampaignId) -> &'a str {
        self.name.as_ref().map_or(id.as_str(), |name| &name.value)
    }

    /// Returns the status: as reported, or else inferred from calls.
    pub(super) fn status(&self) -> CampaignStatus {
        match (&self.status, self.seen_running) {
            (Some(status), _) => status.value.0,
            (None, Some(_)) => CampaignStatus::Running,
            (None, None) => CampaignStatus::Unknown,
        }
    }

    /// Applies an event about the campaign itself.
    pub(super) fn apply_event(
        &mut self,
        context: &FoldContext<'_>,
        times: Times,
        event: &CampaignEvent,
        changes: &mut Changes,
    ) {
        let Times { at, .. } = times;
        self.record_event_time(at);
        let merged = match event {
            CampaignEvent::Gauges(gauges) => self.gauges.merge(at, gauges),
            CampaignEvent::State { name, status, reason } => {
                let before = (self.name.clone(), self.status());
                let name = name.as_ref().map(|name| lww::merge(&mut self.name, at, name.clone()));
                let status = status.map(|status| lww::merge(&mut self.status, at, (status, reason.clone())));
                self.push_status_change(context, before.1, at, changes);
                if before.0.as_ref().map(|name| &name.value) != self.name.as_ref().map(|name| &name.value)
                    || before.1 != self.status()
                {
                    self.update_directory(context, changes);
                }
                [name, status].into_iter().flatten().collect()
            }
        };
        for merged in merged {
            match merged {
                Merged::Changed => {}
                Merged::Duplicate => self.oddities.duplicates += 1,
                Merged::Outdated => self.oddities.outdated += 1,
            }
        }
        changes.touch_campaign(context.tenant, context.campaign);
    }

    /// Applies a fact about one of its calls.
    pub(super) fn apply_call(
        &mut self,
        context: &FoldContext<'_>,
        times: Times,
        event: &CallEvent,
        changes: &mut Changes,
    ) {
        let Times { at, received_at } = times;
        self.record_event_time(at);
        let key = fingerprint(&[event.call.as_str()]);
        let fact = Facts::of(event.fact, at);
        let closed = if self.live.get(key).is_none() { self.ledger.get(key) } else { None };
        let (before, received_before) = match (self.live.get(key), closed) {
            (Some(call), _) => (call.facts, call.received_at),
            (None, Some((facts, minute))) => (facts, minute * MINUTE_MS),
            (None, None) => (Facts::NONE, i64::MIN),
        };
        let after = before.merge(&fact);
        changes.touch_campaign(context.tenant, context.campaign);
        if after == before {
            self.oddities.duplicates += 1;
            // A duplicate keeps a closed call in the ledger for longer only if it is newer than the ledger's record.
            if closed.is_some_and(|(_, minute)| at.div_euclid(MINUTE_MS) <= minute) {
                return;
            }
        } else {
            self.count_oddities(&before, &after, event.fact);
            self.count(&before, &after, context.settings);
        }
        self.live.update(key, event, after, received_at.max(received_before), context.settings);
        if after != before {
            let call = self.live.get(key).expect("the call was just updated");
            changes.calls.push((context.tenant.clone(), change_of(context, call, at)));
        }
        self.queue_seen |= event.fact == CallFact::Queued;
        let dials = !matches!(event.fact, CallFact::Queued | CallFact::Amd(_) | CallFact::Disposition(_));
        if self.seen_running.is_none() && self.status.is_none() && dials && context.now - at < QUIET_MS {
            self.seen_running = Some(at);
            self.push_status_change(context, CampaignStatus::Unknown, at, changes);
            self.update_directory(context, changes);
        }
    }

    /// Counts an event that is older than the dedupe horizon.
    pub(super) fn count_too_old(&mut self) {
        self.oddities.too_old += 1;
        self.dirty_head = true;
    }

    fn record_event_time(&mut self, at: i64) {
        self.started_at = Some(self.started_at.map_or(at, |started| started.min(at)));
        self.last_event_at = self.last_event_at.max(Some(at));
        self.dirty_head = true;
    }

    fn count_oddities(&mut self, before: &Facts, after: &Facts, fact: CallFact) {
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

    /// Replaces a call's old contribution by its new one.
    fn count(&mut self, before: &Facts, after: &Facts, settings: &FoldSettings) {
        let (old, new) = (Contribution::of(before, settings), Contribution::of(after, settings));
        let mut replace = |old: &Increment, new: &Increment| {
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

    fn push_status_change(&mut self, context: &FoldContext<'_>, from: CampaignStatus, at: i64, changes: &mut Changes) {
        let to = self.status();
        if from == to {
            return;
        }
        let reason = self.status.as_ref().and_then(|status| status.value.1.clone());
        let change =
            StatusChange { campaign: context.campaign.clone(), from, to, reason, at: Timestamp::from_millis(at) };
        changes.statuses.push((context.tenant.clone(), change));
    }

    /// Sends name and status to the directory in the tenant's home partition.
    ///
    /// The timestamp increases with every update, because the directory keeps the latest.
    pub(super) fn update_directory(&mut self, context: &FoldContext<'_>, changes: &mut Changes) {
        let at = self.listed_at.map_or(context.now, |last| context.now.max(last + 1));
        self.listed_at = Some(at);
        self.dirty_head = true;
        let status = self.status();
        let entry = DerivedEvent::Campaign {
            campaign: context.campaign.clone(),
            name: self.name(context.campaign).into(),
            status,
        };
        let id = format!("campaign/{}/{at}/{}", context.campaign, format!("{status:?}").to_lowercase());
        changes.derived.push(derived(context.tenant, &id, at, entry));
    }

    /// Advances time.
    /// `closed` are the seconds that this tick closes; `minute` is set on the first tick of a minute.
    pub(super) fn tick(
        &mut self,
        context: &FoldContext<'_>,
        closed: Option<(i64, i64)>,
        minute: Option<i64>,
        changes: &mut Changes,
    ) {
        self.expire_silent_calls(context, changes);
        if let Some(minute) = minute {
            self.pack_ended_calls(minute);
            self.windows.evict(minute * MINUTE_MS);
            let horizon_minutes = context.settings.dedupe_horizon_ms / MINUTE_MS;
            self.ledger.evict(minute - horizon_minutes - LEDGER_SLACK_MINUTES);
            self.stop_if_quiet(context, changes);
        }
        if let Some((first, last)) = closed {
            let level = self.level();
            if self.levels.record(first, last, level, context.settings.window_points) {
                self.dirty_levels = true;
                changes.touch_campaign(context.tenant, context.campaign);
            }
        }
        if !self.windows.seconds.is_empty() {
            changes.touch_campaign(context.tenant, context.campaign);
        }
        self.evaluate_rules(context, changes);
    }

    /// Returns the gauges that charts draw.
    pub(super) fn level(&self) -> Level {
        Level { active: self.live.active().total(), queue: self.queue_depth() }
    }

    /// Returns the leads waiting to be dialed: as reported, or else counted from calls.
    pub(super) fn queue_depth(&self) -> Option<i64> {
        let reported = lww::value(&self.gauges.queue_depth);
        reported.or(self.queue_seen.then(|| self.live.queued()))
    }

    fn expire_silent_calls(&mut self, context: &FoldContext<'_>, changes: &mut Changes) {
        for key in self.live.expired(context.now, context.settings) {
            let Some(mut call) = self.live.take(key) else { continue };
            if matches!(call.facts.phase(), None | Some(CallPhase::Queued)) {
                continue; // A call that was never dialed has no contribution.
            }
            let after = call.facts.merge(&Facts::lost(context.now));
            self.count(&call.facts, &after, context.settings);
            call.facts = after;
            self.oddities.ends_lost += 1;
            changes.calls.push((context.tenant.clone(), change_of(context, &call, context.now)));
            self.live.put(key, call, context.settings);
            changes.touch_campaign(context.tenant, context.campaign);
        }
    }

    /// Moves ended calls without an event for a whole minute into the ledger.
    fn pack_ended_calls(&mut self, minute: i64) {
        let mut packed = None;
        for (received, key) in self.live.ended_before(minute - 1) {
            if let Some(call) = self.live.take(key) {
                self.ledger.put(key, &call.facts, received);
            }
            if packed.replace(received).is_some_and(|before| before != received) {
                self.ledger.shrink(received);
            }
        }
        packed.into_iter().for_each(|received| self.ledger.shrink(received));
    }

    fn stop_if_quiet(&mut self, context: &FoldContext<'_>, changes: &mut Changes) {
        let quiet =
            self.live.active().total() == 0 && self.last_event_at.is_none_or(|last| context.now - last >= QUIET_MS);
        if quiet && self.seen_running.take().is_some() {
            self.dirty_head = true;
            if self.status.is_none() {
                self.push_status_change(context, CampaignStatus::Running, context.now, changes);
                self.update_directory(context, changes);
            }
        }
    }

    fn evaluate_rules(&mut self, context: &FoldContext<'_>, changes: &mut Changes) {
        for rule in &context.settings.rules {
            let RuleTarget::CampaignRatio(which) = rule.target else { continue };
            let known = self.watches.get(&rule.id);
            if known.is_none_or(Watch::is_idle) && self.windows.seconds.is_empty() {
                continue;
            }
            let ratio = self.ratio(which, context.now);
            let reading = ratio.value().map(|value| Reading { value: value * 100.0, n: ratio.denominator });
            let mut watch = known.cloned().unwrap_or_default();
            let transition = watch.evaluate(rule, context.now, reading);
            if known.map_or(watch.is_idle(), |known| *known == watch) {
                continue;
            }
            if let Some(transition) = transition {
                let subject = Subject {
                    fingerprint: format!("{}/{}", rule.id, context.campaign).into(),
                    name: self.name(context.campaign).into(),
                    campaign: Some(context.campaign),
                    metric: which.name(),
                    unit: "%",
                };
                let alert = watch.alert(rule, &subject, transition, context.now);
                let id = format!("alert/{}/{}", alert.fingerprint, alert.transition);
                changes.derived.push(derived(context.tenant, &id, context.now, DerivedEvent::Alert(Box::new(alert))));
            }
            self.watches.insert(rule.id.clone(), watch);
            self.dirty_head = true;
        }
    }
}

/// Creates an event for the tenant's home partition.
pub(super) fn derived(tenant: &TenantId, id: &str, at: i64, event: DerivedEvent) -> Event {
    let at = Timestamp::from_millis(at);
    let id = EventId::parse(id).or_else(|_| EventId::parse(&format!("{:016x}", fingerprint(&[id]))));
    Event {
        tenant: tenant.clone(),
        source: ringside_source(),
        id: id.expect("sixteen hex digits are a valid id"),
        at,
        received_at: at,
        kind: EventKind::Derived(event),
    }
}

fn change_of(context: &FoldContext<'_>, call: &OpenCall, at: i64) -> CallChange {
    let facts = &call.facts;
    CallChange {
        campaign: context.campaign.clone(),
        call: call.id.clone(),
        at: Timestamp::from_millis(at),
        phase: facts.phase().unwrap_or(CallPhase::Queued),
        result: facts.result(),
        outcome: facts.outcome(context.settings),
        amd: facts.amd,
        cause: facts.end.and_then(|end| end.cause),
        to_masked: call.to_masked.clone(),
        agent: call.agent.clone(),
        elapsed_ms: facts.dialed_at().map(|dialed| (at - dialed).max(0)),
        talk_ms: facts.talk_ms(),
    }
}
