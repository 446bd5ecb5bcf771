//! The fold: every rule of the domain, as a pure function of the log.
//!
//! `apply` takes an event, `tick` lets time pass. There is no clock, no I/O, no randomness and no error in here: time
//! is an event's `at`, its `received_at`, and ticks, all of which come from the log, so a replay arrives at the same
//! state and the same bytes. A strange event is counted in [`Oddities`](ringside_model::Oddities).
//!
//! ```text
//! event ─▶ facts of its call (call, live, ledger) ─▶ contribution ─▶ buckets (window) ─▶ metrics, series (view)
//!   tick ─▶ closed seconds (levels) · silent calls given up on · ended calls packed (ledger) · rules (alert)
//! ```
//!
//! One [`Fold`] holds one partition of the log: its campaigns, and for tenants whose own partition it is, their
//! metrics, notifications, alerts and the directory of their campaigns. What it has to say to another partition it
//! hands out as derived events in [`Changes`]; their ids are the same whenever a replay makes them again.
//!
//! [`Fold::take_dirty`] gives what changed since the last call, for a checkpoint, and [`Fold::restore`] reads it back.

mod alert;
mod call;
mod campaign;
mod changes;
mod checkpoint;
mod contribution;
pub mod day;
mod fingerprint;
mod gauges;
mod host;
mod ledger;
mod levels;
mod live;
mod lww;
mod measure;
mod metric;
mod rule;
mod settings;
mod tenant;
mod view;
mod window;

pub use changes::Changes;
pub use checkpoint::{DamagedState, Dirty};
pub use measure::{FoldSpeed, measure};
pub use rule::{Rule, RuleTarget, Statistic, WatchedRatio};
pub use settings::{CallLimits, FoldSettings};
pub use tenant::TenantOddities;
pub use view::CampaignSeries;

use std::collections::BTreeMap;
use std::sync::Arc;

use campaign::{Campaign, FoldContext, Times};
use levels::ClosedSeconds;
use ringside_model::{
    Alert, CampaignId, CampaignMetrics, CampaignStatus, Event, EventKind, HostHealth, MetricKey, MetricStats, Severity,
    SourceId, TenantId, Timestamp,
};
use tenant::Tenant;
use view::ReadContext;
use window::MINUTE_MS;

/// An event that claims to be from further in the future than this is placed at its receipt.
const FUTURE_MS: i64 = 5_000;

/// The source that derived events come from.
pub(crate) fn ringside_source() -> SourceId {
    SourceId::parse("ringside").expect("a name")
}

/// What has been learned from one partition of the log.
#[derive(Debug, Clone)]
pub struct Fold {
    settings: Arc<FoldSettings>,
    tenants: BTreeMap<TenantId, Tenant>,
    last_tick: Option<i64>,
    newest_receipt: Option<i64>,
    watched: ClosedSeconds,
    dirty_clock: bool,
}

impl Fold {
    /// A fold that has seen nothing.
    pub fn new(settings: Arc<FoldSettings>) -> Self {
        Self {
            settings,
            tenants: BTreeMap::new(),
            last_tick: None,
            newest_receipt: None,
            watched: ClosedSeconds::default(),
            dirty_clock: false,
        }
    }

    /// Takes the next event of the log.
    pub fn apply(&mut self, event: &Event, changes: &mut Changes) {
        let received_at = event.received_at.millis();
        self.newest_receipt = self.newest_receipt.max(Some(received_at));
        self.dirty_clock = true;
        let from_future = event.at.millis() > received_at + FUTURE_MS;
        let at = if from_future { received_at } else { event.at.millis() };
        let times = Times { at, received_at };
        let too_old = at < received_at - self.settings.dedupe_horizon_ms;
        let now = self.now();
        if !self.tenants.contains_key(&event.tenant) {
            self.tenants.insert(event.tenant.clone(), Tenant::default());
        }
        let tenant = self.tenants.get_mut(&event.tenant).expect("it was put there");
        let Some(id) = event.campaign() else {
            if from_future {
                tenant.count_oddity(|oddities| oddities.from_future += 1);
            }
            match &event.kind {
                _ if too_old => tenant.count_too_old(),
                EventKind::Metric(sample) => tenant.apply_metric(&self.settings, event, times, sample, changes),
                EventKind::Notification(notification) => {
                    tenant.apply_notification(event, times, notification, changes);
                }
                EventKind::Derived(word) => tenant.apply_derived(event, times, word, changes),
                EventKind::Call(_) | EventKind::Campaign(..) => unreachable!("these name a campaign"),
            }
            return;
        };
        let context = FoldContext { settings: &self.settings, tenant: &event.tenant, campaign: id, now };
        let campaign = if let Some(campaign) = tenant.campaigns.get_mut(id) {
            campaign
        } else {
            let mut campaign = Campaign::new(&self.settings);
            self.last_tick.into_iter().for_each(|tick| campaign.windows.evict(minute_of(tick) * MINUTE_MS));
            campaign.update_directory(&context, changes);
            tenant.campaigns.entry(id.clone()).or_insert(campaign)
        };
        campaign.oddities.from_future += i64::from(from_future);
        match &event.kind {
            _ if too_old => campaign.count_too_old(),
            EventKind::Call(call) => campaign.apply_call(&context, times, call, changes),
            EventKind::Campaign(_, said) => campaign.apply_event(&context, times, said, changes),
            EventKind::Metric(_) | EventKind::Notification(_) | EventKind::Derived(_) => {
                unreachable!("these name no campaign")
            }
        }
    }

    /// Lets time pass up to `now`. A tick that is not after the last one is one of a slower clock and does nothing.
    pub fn tick(&mut self, now: Timestamp, changes: &mut Changes) {
        let now = now.millis();
        if self.last_tick.is_some_and(|last| last >= now) {
            return;
        }
        let closed = self.watched.close(self.last_tick, now);
        let minute = Some(minute_of(now)).filter(|minute| self.last_tick.map(minute_of) != Some(*minute));
        self.last_tick = Some(now);
        self.dirty_clock = true;
        for (tenant_id, tenant) in &mut self.tenants {
            for (id, campaign) in &mut tenant.campaigns {
                let context = FoldContext { settings: &self.settings, tenant: tenant_id, campaign: id, now };
                campaign.tick(&context, closed, minute, changes);
            }
            tenant.tick(&self.settings, tenant_id, now, minute, changes);
        }
    }

    /// The newest tick or receipt. It only grows.
    fn now(&self) -> i64 {
        self.last_tick.max(self.newest_receipt).unwrap_or(0)
    }

    fn read_at(&self) -> ReadContext<'_> {
        let now = self.last_tick.or(self.newest_receipt).unwrap_or(0);
        ReadContext { settings: &self.settings, watched: &self.watched, now, as_of: self.now() }
    }

    /// The campaigns of this partition.
    pub fn campaigns(&self) -> impl Iterator<Item = (&TenantId, &CampaignId)> {
        self.tenants.iter().flat_map(|(tenant, state)| state.campaigns.keys().map(move |id| (tenant, id)))
    }

    /// The tenants that this partition knows anything of.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    /// Everything that is shown of a campaign.
    pub fn campaign_metrics(&self, tenant: &TenantId, campaign: &CampaignId) -> Option<CampaignMetrics> {
        let state = self.tenants.get(tenant)?.campaigns.get(campaign)?;
        Some(state.metrics(campaign, self.read_at()))
    }

    /// A campaign's charts.
    pub fn campaign_series(&self, tenant: &TenantId, campaign: &CampaignId) -> Option<CampaignSeries> {
        Some(self.tenants.get(tenant)?.campaigns.get(campaign)?.series(self.read_at()))
    }

    /// A tenant's metrics, in the order of their keys.
    pub fn metrics(&self, tenant: &TenantId) -> Vec<MetricStats> {
        let metrics = self.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.metrics);
        metrics.filter_map(|(key, series)| series.stats(key)).collect()
    }

    /// The rolling windows of a tenant's metrics, oldest sample first.
    pub fn metric_points(&self, tenant: &TenantId) -> Vec<(MetricKey, Vec<(Timestamp, f64)>)> {
        let metrics = self.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.metrics);
        metrics.map(|(key, series)| (key.clone(), series.points())).collect()
    }

    /// A tenant's machines, by name.
    pub fn hosts(&self, tenant: &TenantId) -> Vec<HostHealth> {
        self.tenants.get(tenant).map_or_else(Vec::new, |tenant| host::hosts(&tenant.metrics))
    }

    /// The alerts that fire now, worst and newest first.
    pub fn open_alerts(&self, tenant: &TenantId) -> Vec<Alert> {
        let mut open: Vec<Alert> =
            self.tenants.get(tenant).map_or_else(Vec::new, |tenant| tenant.alerts.open.values().cloned().collect());
        let order = |alert: &Alert| (std::cmp::Reverse((alert.severity, alert.since)), alert.fingerprint.clone());
        open.sort_by_key(order);
        open
    }

    /// The newest transitions of alerts, oldest first.
    pub fn recent_alerts(&self, tenant: &TenantId) -> Vec<Alert> {
        self.tenants.get(tenant).map_or_else(Vec::new, |tenant| tenant.alerts.recent.iter().cloned().collect())
    }

    /// All campaigns of a tenant, of whatever partition; known to the tenant's own partition only.
    pub fn directory(&self, tenant: &TenantId) -> Vec<(CampaignId, Box<str>, CampaignStatus)> {
        let listed = self.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.directory);
        listed.map(|(id, listed)| (id.clone(), listed.name.clone(), listed.status)).collect()
    }

    /// What was strange about a tenant's own events.
    pub fn tenant_oddities(&self, tenant: &TenantId) -> TenantOddities {
        self.tenants.get(tenant).map_or_else(TenantOddities::default, |tenant| tenant.oddities)
    }

    /// How bad the worst alert of a tenant is.
    pub fn worst_alert(&self, tenant: &TenantId) -> Option<Severity> {
        self.tenants.get(tenant)?.alerts.open.values().map(|alert| alert.severity).max()
    }

    /// How many calls the ledgers hold, and how many are live.
    pub fn call_counts(&self) -> (usize, usize) {
        let campaigns = self.tenants.values().flat_map(|tenant| tenant.campaigns.values());
        campaigns.fold((0, 0), |(closed, live), campaign| (closed + campaign.ledger.len(), live + campaign.live.len()))
    }

    /// About how many bytes a campaign takes in memory: without its ledger, and its ledger.
    pub fn campaign_bytes(&self, tenant: &TenantId, campaign: &CampaignId) -> Option<(usize, usize)> {
        let state = self.tenants.get(tenant)?.campaigns.get(campaign)?;
        let windows = &state.windows;
        let tiers = windows.seconds.heap_bytes() + windows.minutes.heap_bytes() + windows.hours.heap_bytes();
        Some((size_of::<Campaign>() + tiers + state.live.heap_bytes(), state.ledger.heap_bytes()))
    }

    /// The newest tick.
    pub fn last_tick(&self) -> Option<Timestamp> {
        self.last_tick.map(Timestamp::from_millis)
    }
}

fn minute_of(millis: i64) -> i64 {
    millis.div_euclid(MINUTE_MS)
}
