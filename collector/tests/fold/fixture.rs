//! A fold with short methods for events and ticks.

use std::sync::Arc;

use ringside_collector::fold::{Changes, Dirty, Fold, FoldSettings};
use ringside_model::{
    Amd, CallEvent, CallFact, CallId, CampaignEvent, CampaignId, CampaignMetrics, EndedBy, Event, EventId, EventKind,
    MetricSample, SourceId, TenantId, Timestamp,
};

/// 2026-03-02 12:00:00 UTC.
pub(crate) const NOON: i64 = 1_772_452_800_000;

pub(crate) fn ms(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

pub(crate) fn alpha() -> CampaignId {
    CampaignId::parse("alpha").unwrap()
}

pub(crate) fn ended(cause: u16, by: EndedBy) -> CallFact {
    CallFact::Ended { cause: Some(cause), by }
}

pub(crate) const HUMAN: CallFact = CallFact::Amd(Amd::Human);

pub(crate) fn event(id: &str, at: i64, received_at: i64, kind: EventKind) -> Event {
    Event {
        tenant: tenant(),
        source: SourceId::parse("test").unwrap(),
        id: EventId::parse(id).unwrap(),
        at: ms(at),
        received_at: ms(received_at),
        kind,
    }
}

pub(crate) fn call_event(call: &str, at: i64, fact: CallFact) -> Event {
    let kind = EventKind::Call(CallEvent {
        campaign: alpha(),
        call: CallId::parse(call).unwrap(),
        fact,
        to_masked: None,
        lead: None,
        agent: None,
    });
    event(&format!("{call}-{at}-{fact:?}"), at, at, kind)
}

pub(crate) fn campaign_event(at: i64, change: CampaignEvent) -> Event {
    event(&format!("campaign-{at}"), at, at, EventKind::Campaign(alpha(), change))
}

pub(crate) fn metric_event(name: &str, labels: &[(&str, &str)], unit: &str, at: i64, value: f64) -> Event {
    let labels = labels.iter().map(|(label, value)| ((*label).into(), (*value).into())).collect();
    let sample = MetricSample { name: name.into(), unit: unit.into(), value, labels };
    event(&format!("{name}-{at}-{value}"), at, at, EventKind::Metric(sample))
}

/// A fold and all its changes so far.
pub(crate) struct Fixture {
    pub(crate) fold: Fold,
    pub(crate) changes: Changes,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(FoldSettings::default())
    }

    pub(crate) fn with(settings: FoldSettings) -> Self {
        Self { fold: Fold::new(Arc::new(settings)), changes: Changes::default() }
    }

    pub(crate) fn apply(&mut self, event: &Event) -> &mut Self {
        self.fold.apply(event, &mut self.changes);
        self
    }

    pub(crate) fn call(&mut self, call: &str, at: i64, fact: CallFact) -> &mut Self {
        self.apply(&call_event(call, at, fact))
    }

    /// Applies a whole call: facts at offsets from a time.
    pub(crate) fn story(&mut self, call: &str, start: i64, facts: &[(i64, CallFact)]) -> &mut Self {
        for (offset, fact) in facts {
            self.call(call, start + offset, *fact);
        }
        self
    }

    pub(crate) fn tick(&mut self, at: i64) -> &mut Self {
        self.fold.tick(ms(at), &mut self.changes);
        self
    }

    /// Ticks each second in `from..=to`, and feeds derived events back like an owner.
    pub(crate) fn ticks(&mut self, from: i64, to: i64) -> &mut Self {
        for at in (from..=to).step_by(1_000) {
            self.tick(at);
            self.feed_back();
        }
        self
    }

    /// Applies the derived events, as this is the tenant's home partition.
    pub(crate) fn feed_back(&mut self) {
        for event in std::mem::take(&mut self.changes.derived) {
            self.fold.apply(&event, &mut self.changes);
        }
    }

    pub(crate) fn metrics(&self) -> CampaignMetrics {
        self.fold.campaign_metrics(&tenant(), &alpha()).unwrap()
    }
}

/// The stored state after some checkpoints, as an engine would hold it.
#[derive(Default, Clone, PartialEq, Debug)]
pub(crate) struct Store(pub(crate) std::collections::BTreeMap<Box<str>, bytes::Bytes>);

impl Store {
    pub(crate) fn commit(&mut self, dirty: Dirty) {
        self.0.extend(dirty.puts);
        for key in dirty.deletes {
            self.0.remove(&key);
        }
    }

    pub(crate) fn restore(&self) -> Fold {
        let entries: Vec<_> = self.0.iter().map(|(key, bytes)| (key.clone(), bytes.clone())).collect();
        Fold::restore(Arc::new(FoldSettings::default()), &entries).unwrap()
    }
}
