//! A tenant's own state: metrics, alerts, notifications, campaign directory.

use std::collections::{BTreeMap, BTreeSet};

use ringside_model::{
    Alert, AlertState, CampaignId, CampaignStatus, DerivedEvent, Event, MetricKey, MetricSample, Notification,
    Oddities, TenantId, Timestamp,
};

use super::alert::{Subject, TenantAlerts};
use super::campaign::{Campaign, Times, derived};
use super::changes::touch;
use super::fingerprint::fingerprint;
use super::host::host_of;
use super::lww::Merged;
use super::metric::{Sample, Series};
use super::rule::RuleTarget;
use super::window::{DAY_MS, HOUR_MS, MINUTE_MS};
use super::{Changes, FoldSettings};

/// Retention of a metric without samples, and of notification ids.
const RETENTION_MS: i64 = DAY_MS;

/// Anomalies in a tenant's own events.
/// Those of its campaigns are counted per campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantOddities {
    /// Anomalies of metrics, notifications and derived events.
    pub events: Oddities,
    /// Samples rejected because the tenant has the most metric series allowed.
    pub refused_samples: i64,
}

/// A campaign's entry in the directory.
/// The greater entry holds: later, then by content.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DirectoryEntry {
    pub(super) at: i64,
    pub(super) name: Box<str>,
    pub(super) status: CampaignStatus,
}

/// The state of one tenant in one partition.
#[derive(Debug, Clone, Default)]
pub(super) struct Tenant {
    pub(super) campaigns: BTreeMap<CampaignId, Campaign>,
    pub(super) metrics: BTreeMap<MetricKey, Series>,
    pub(super) directory: BTreeMap<CampaignId, DirectoryEntry>,
    pub(super) alerts: TenantAlerts,
    /// Fingerprints of the notifications of the last day, by the hour of their receipt.
    pub(super) notified: BTreeMap<i64, BTreeSet<u64>>,
    pub(super) oddities: TenantOddities,
    pub(super) dirty: TenantDirty,
}

/// A tenant's state that changed since the last checkpoint.
#[derive(Debug, Clone, Default)]
pub(super) struct TenantDirty {
    pub(super) metrics: BTreeSet<MetricKey>,
    pub(super) evicted_metrics: BTreeSet<MetricKey>,
    pub(super) directory: BTreeSet<CampaignId>,
    pub(super) notified: BTreeSet<i64>,
    pub(super) oddities: bool,
}

impl Tenant {
    pub(super) fn apply_metric(
        &mut self,
        settings: &FoldSettings,
        event: &Event,
        times: Times,
        sample: &MetricSample,
        changes: &mut Changes,
    ) {
        if !sample.value.is_finite() {
            return; // The intake rejects such values already; statistics over one would be meaningless.
        }
        let key = MetricKey { name: sample.name.clone(), labels: sample.labels.clone() };
        if !self.metrics.contains_key(&key) && self.metrics.len() >= settings.max_series {
            self.oddities.refused_samples += 1;
            self.dirty.oddities = true;
            return;
        }
        let id = fingerprint(&[event.source.as_str(), event.id.as_str()]);
        let series = self.metrics.entry(key.clone()).or_default();
        let sample_at = Sample { at: times.at, id, value: sample.value };
        match series.merge(sample_at, &sample.unit, settings.window_points) {
            Merged::Changed => {
                touch(&mut changes.dirty_metrics, &event.tenant);
                if host_of(&key).is_some() {
                    touch(&mut changes.dirty_hosts, &event.tenant);
                }
                self.dirty.evicted_metrics.remove(&key);
                self.dirty.metrics.insert(key);
            }
            Merged::Duplicate => self.count_oddity(|oddities| oddities.duplicates += 1),
            Merged::Outdated => self.count_oddity(|oddities| oddities.outdated += 1),
        }
    }

    pub(super) fn apply_notification(
        &mut self,
        event: &Event,
        times: Times,
        notification: &Notification,
        changes: &mut Changes,
    ) {
        let id = fingerprint(&[event.source.as_str(), event.id.as_str()]);
        if self.notified.values().any(|known| known.contains(&id)) {
            self.count_oddity(|oddities| oddities.duplicates += 1);
            return;
        }
        let hour = times.received_at.div_euclid(HOUR_MS);
        self.notified.entry(hour).or_default().insert(id);
        self.dirty.notified.insert(hour);
        changes.notifications.push((event.tenant.clone(), notification.clone()));
    }

    pub(super) fn apply_derived(&mut self, event: &Event, times: Times, derived: &DerivedEvent, changes: &mut Changes) {
        match derived {
            DerivedEvent::Campaign { campaign, name, status } => {
                let entry = DirectoryEntry { at: times.at, name: name.clone(), status: *status };
                match self.directory.get(campaign) {
                    Some(known) if *known == entry => return self.count_oddity(|oddities| oddities.duplicates += 1),
                    Some(known) if *known > entry => return self.count_oddity(|oddities| oddities.outdated += 1),
                    _ => {}
                }
                self.directory.insert(campaign.clone(), entry);
                self.dirty.directory.insert(campaign.clone());
                touch(&mut changes.dirty_directory, &event.tenant);
            }
            DerivedEvent::Alert(alert) => {
                if self.alerts.apply(alert) {
                    changes.alerts.push((event.tenant.clone(), (**alert).clone()));
                } else {
                    self.count_oddity(|oddities| oddities.duplicates += 1);
                }
            }
        }
    }

    /// Counts an event that is older than the dedupe horizon.
    pub(super) fn count_too_old(&mut self) {
        self.count_oddity(|oddities| oddities.too_old += 1);
    }

    pub(super) fn count_oddity(&mut self, count: impl FnOnce(&mut Oddities)) {
        count(&mut self.oddities.events);
        self.dirty.oddities = true;
    }

    /// Advances time for everything but the campaigns.
    pub(super) fn tick(
        &mut self,
        settings: &FoldSettings,
        tenant: &TenantId,
        now: i64,
        minute: Option<i64>,
        changes: &mut Changes,
    ) {
        if minute.is_some() {
            self.evict(tenant, now, changes);
            self.resolve_orphaned_alerts(settings, tenant, now, changes);
        }
        let small = settings.window_points <= 60;
        let check_s = (settings.alert_check_ms / 1_000).max(1);
        if small || now.div_euclid(1_000) % check_s == 0 {
            self.evaluate_rules(settings, tenant, now, changes);
        }
    }

    fn evict(&mut self, tenant: &TenantId, now: i64, changes: &mut Changes) {
        let dirty = &mut self.dirty;
        self.metrics.retain(|key, series| {
            let fresh = series.newest().is_some_and(|newest| now - newest.at < RETENTION_MS);
            if !fresh {
                dirty.metrics.remove(key);
                dirty.evicted_metrics.insert(key.clone());
                touch(&mut changes.dirty_metrics, tenant);
                if host_of(key).is_some() {
                    touch(&mut changes.dirty_hosts, tenant);
                }
            }
            fresh
        });
        // Hours that end before the retention, with some slack for clocks that differ.
        let oldest = (now - RETENTION_MS - 5 * MINUTE_MS).div_euclid(HOUR_MS);
        while let Some(entry) = self.notified.first_entry()
            && *entry.key() < oldest
        {
            dirty.notified.insert(entry.remove_entry().0);
        }
        self.alerts.evict(now);
    }

    /// Resolves alerts whose rule was removed from the configuration.
    fn resolve_orphaned_alerts(&mut self, settings: &FoldSettings, tenant: &TenantId, now: i64, changes: &mut Changes) {
        let has_rule = |alert: &Alert| settings.rules.iter().any(|rule| rule.id == alert.rule);
        let orphaned: Vec<Alert> = self.alerts.open.values().filter(|alert| !has_rule(alert)).cloned().collect();
        for mut alert in orphaned {
            alert.transition += 1;
            alert.state = AlertState::Resolved;
            alert.title = format!("The rule {} was removed", alert.rule).into();
            alert.at = Timestamp::from_millis(now);
            self.alerts.apply(&alert);
            changes.alerts.push((tenant.clone(), alert));
        }
    }

    fn evaluate_rules(&mut self, settings: &FoldSettings, tenant: &TenantId, now: i64, changes: &mut Changes) {
        for rule in &settings.rules {
            let RuleTarget::Metric { name, statistic } = &rule.target else { continue };
            let first = MetricKey { name: name.clone(), labels: BTreeMap::new() };
            for (key, series) in self.metrics.range_mut(first..).take_while(|(key, _)| key.name == *name) {
                let reading = series.reading(*statistic, now);
                let known = series.watches.get(&rule.id);
                let mut watch = known.cloned().unwrap_or_default();
                let transition = watch.evaluate(rule, now, reading);
                if known.map_or(watch.is_idle(), |known| *known == watch) {
                    continue;
                }
                if let Some(transition) = transition {
                    let labels: Vec<&str> = key.labels.values().map(|value| &**value).collect();
                    let subject = Subject {
                        fingerprint: format!("{}/{:016x}", rule.id, key_fingerprint(key)).into(),
                        name: if labels.is_empty() { key.name.clone() } else { labels.join(", ").into() },
                        campaign: None,
                        metric: &key.name,
                        unit: &series.unit,
                    };
                    let alert = watch.alert(rule, &subject, transition, now);
                    let id = format!("alert/{}/{}", alert.fingerprint, alert.transition);
                    changes.derived.push(derived(tenant, &id, now, DerivedEvent::Alert(Box::new(alert))));
                }
                series.watches.insert(rule.id.clone(), watch);
                self.dirty.metrics.insert(key.clone());
            }
        }
    }
}

/// Returns the fingerprint of a metric's name and labels.
pub(super) fn key_fingerprint(key: &MetricKey) -> u64 {
    let mut parts: Vec<&str> = vec![&key.name];
    parts.extend(key.labels.iter().flat_map(|(label, value)| [&**label, &**value]));
    fingerprint(&parts)
}
