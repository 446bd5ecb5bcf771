//! The fold: every rule of the domain, as a pure function of the log.
//!
//! `apply` takes an event, `tick` advances time. There is no clock, no I/O, no randomness and no error in here. Time is
//! an event's `at`, its `received_at`, and ticks. All of these come from the log, so a replay produces the same state
//! and the same bytes. Anomalous events are counted in [`Oddities`](ringside_model::Oddities).
//!
//! ```text
//! event ─▶ facts of its call (call, live, ledger) ─▶ contribution ─▶ buckets (window) ─▶ metrics, series (view)
//!   tick ─▶ closed seconds (levels) · silent calls expired · ended calls packed (ledger) · rules (alert)
//! ```
//!
//! One [`Fold`] holds one partition of the log: its campaigns, and for tenants whose home it is, their metrics,
//! notifications, alerts and campaign directory. Events for another partition leave as derived events in [`Changes`];
//! a replay produces them with the same ids.
//!
//! [`Fold::take_dirty`] returns the changed state for a checkpoint, and [`Fold::restore`] reads it back.

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

/// An event from further in the future is placed at its receipt.
const FUTURE_MS: i64 = 5_000;

/// Returns the source id of derived events.
pub(crate) fn ringside_source() -> SourceId {
    SourceId::parse("ringside").expect("a valid source id")
}

/// The state of one partition of the log.
#[derive(Debug, Clone)]
pub struct Fold {
    settings: Arc<FoldSettings>,
    tenants: BTreeMap<TenantId, Tenant>,
    last_tick: Option<i64>,
    newest_receipt: Option<i64>,
    closed_seconds: ClosedSeconds,
    dirty_clock: bool,
}

impl Fold {
    /// Creates an empty fold.
    pub fn new(settings: Arc<FoldSettings>) -> Self {
        Self {
            settings,
            tenants: BTreeMap::new(),
            last_tick: None,
            newest_receipt: None,
            closed_seconds: ClosedSeconds::default(),
            dirty_clock: false,
        }
    }

    /// Applies the next event of the log.
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
        let tenant = self.tenants.get_mut(&event.tenant).expect("the tenant was just inserted");
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
                EventKind::Derived(derived) => tenant.apply_derived(event, times, derived, changes),
                EventKind::Call(_) | EventKind::Campaign(..) => unreachable!("events of a campaign have its id"),
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
            EventKind::Campaign(_, campaign_event) => campaign.apply_event(&context, times, campaign_event, changes),
            EventKind::Metric(_) | EventKind::Notification(_) | EventKind::Derived(_) => {
                unreachable!("events of a tenant have no campaign id")
            }
        }
    }

    /// Advances time to `now`.
    /// A tick that is not after the last one comes from a slower clock and does nothing.
    pub fn tick(&mut self, now: Timestamp, changes: &mut Changes) {
        let now = now.millis();
        if self.last_tick.is_some_and(|last| last >= now) {
            return;
        }
        let closed = self.closed_seconds.close(self.last_tick, now);
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

    /// Returns the newest tick or receipt, which never decreases.
    fn now(&self) -> i64 {
        self.last_tick.max(self.newest_receipt).unwrap_or(0)
    }

    fn read_at(&self) -> ReadContext<'_> {
        let now = self.last_tick.or(self.newest_receipt).unwrap_or(0);
        ReadContext { settings: &self.settings, closed_seconds: &self.closed_seconds, now, as_of: self.now() }
    }

    /// Returns the campaigns of this partition.
    pub fn campaigns(&self) -> impl Iterator<Item = (&TenantId, &CampaignId)> {
        self.tenants.iter().flat_map(|(tenant, state)| state.campaigns.keys().map(move |id| (tenant, id)))
    }

    /// Returns the tenants with any state in this partition.
    pub fn tenants(&self) -> impl Iterator<Item = &TenantId> {
        self.tenants.keys()
    }

    /// Returns the metrics of a campaign.
    pub fn campaign_metrics(&self, tenant: &TenantId, campaign: &CampaignId) -> Option<CampaignMetrics> {
        let state = self.tenants.get(tenant)?.campaigns.get(campaign)?;
        Some(state.metrics(campaign, self.read_at()))
    }

    /// Returns the charts of a campaign.
    pub fn campaign_series(&self, tenant: &TenantId, campaign: &CampaignId) -> Option<CampaignSeries> {
        Some(self.tenants.get(tenant)?.campaigns.get(campaign)?.series(self.read_at()))
    }

    /// Returns a tenant's metrics, in key order.
    pub fn metrics(&self, tenant: &TenantId) -> Vec<MetricStats> {
        let metrics = self.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.metrics);
        metrics.filter_map(|(key, series)| series.stats(key)).collect()
    }

    /// Returns the rolling windows of a tenant's metrics, oldest sample first.
    pub fn metric_points(&self, tenant: &TenantId) -> Vec<(MetricKey, Vec<(Timestamp, f64)>)> {
        let metrics = self.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.metrics);
        metrics.map(|(key, series)| (key.clone(), series.points())).collect()
    }

    /// Returns a tenant's hosts, by name.
    pub fn hosts(&self, tenant: &TenantId) -> Vec<HostHealth> {
        self.tenants.get(tenant).map_or_else(Vec::new, |tenant| host::hosts(&tenant.metrics))
    }

    /// Returns the firing alerts, most severe and newest first.
    pub fn open_alerts(&self, tenant: &TenantId) -> Vec<Alert> {
        let mut open: Vec<Alert> =
            self.tenants.get(tenant).map_or_else(Vec::new, |tenant| tenant.alerts.open.values().cloned().collect());
        let order = |alert: &Alert| (std::cmp::Reverse((alert.severity, alert.since)), alert.fingerprint.clone());
        open.sort_by_key(order);
        open
    }

    /// Returns the latest alert transitions, oldest first.
    pub fn recent_alerts(&self, tenant: &TenantId) -> Vec<Alert> {
        self.tenants.get(tenant).map_or_else(Vec::new, |tenant| tenant.alerts.recent.iter().cloned().collect())
    }

    /// Returns the campaigns of a tenant in all partitions.
    /// Only the tenant's home partition knows them.
    pub fn directory(&self, tenant: &TenantId) -> Vec<(CampaignId, Box<str>, CampaignStatus)> {
        let entries = self.tenants.get(tenant).into_iter().flat_map(|tenant| &tenant.directory);
        entries.map(|(id, entry)| (id.clone(), entry.name.clone(), entry.status)).collect()
    }

    /// Returns the anomalies of a tenant's own events.
    pub fn tenant_oddities(&self, tenant: &TenantId) -> TenantOddities {
        self.tenants.get(tenant).map_or_else(TenantOddities::default, |tenant| tenant.oddities)
    }

    /// Returns the severity of a tenant's worst alert.
    pub fn worst_alert(&self, tenant: &TenantId) -> Option<Severity> {
        self.tenants.get(tenant)?.alerts.open.values().map(|alert| alert.severity).max()
    }

    /// Returns how many calls the ledgers hold, and how many are live.
    pub fn call_counts(&self) -> (usize, usize) {
        let campaigns = self.tenants.values().flat_map(|tenant| tenant.campaigns.values());
        campaigns.fold((0, 0), |(closed, live), campaign| (closed + campaign.ledger.len(), live + campaign.live.len()))
    }

    /// Returns the approximate bytes of a campaign, and of its ledger.
    pub fn campaign_bytes(&self, tenant: &TenantId, campaign: &CampaignId) -> Option<(usize, usize)> {
        let state = self.tenants.get(tenant)?.campaigns.get(campaign)?;
        let windows = &state.windows;
        let tiers = windows.seconds.heap_bytes() + windows.minutes.heap_bytes() + windows.hours.heap_bytes();
        Some((size_of::<Campaign>() + tiers + state.live.heap_bytes(), state.ledger.heap_bytes()))
    }

    /// Returns the newest tick.
    pub fn last_tick(&self) -> Option<Timestamp> {
        self.last_tick.map(Timestamp::from_millis)
    }
}

fn minute_of(millis: i64) -> i64 {
    millis.div_euclid(MINUTE_MS)
}
