//! The fold's state as bytes: small values under stable keys.
//!
//! So a checkpoint writes only the changed values.
//!
//! ```text
//! clock                       the newest tick and receipt, the closed seconds
//! {tenant}/c/{campaign}/head  scalars; /levels, and by number: /open/ /s/ /m/ /h/ (buckets) /l/ (ledger)
//! {tenant}/metric/{fingerprint}, {tenant}/directory/{campaign}, {tenant}/notified/{hour}, {tenant}/alerts, {tenant}/oddities
//! ```
//!
//! The same state always has the same bytes. Domain types have no serde: their stored counterparts are here, so the
//! stored form never changes by accident.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use ringside_model::{
    AgentId, Alert, AlertState, CallId, CampaignId, CampaignStatus, Comparison, Counters, Histogram, MetricKey,
    Oddities, Severity, TenantId, Timestamp,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::alert::Watch;
use super::call::{Facts, OpenCall};
use super::campaign::Campaign;
use super::fingerprint::fingerprint;
use super::gauges::ReportedGauges;
use super::levels::{ClosedSeconds, Levels};
use super::lww::Lww;
use super::metric::Series;
use super::tenant::{DirectoryEntry, Tenant, key_fingerprint};
use super::window::{MINUTE_MS, Tally, Tier};
use super::{Fold, FoldSettings, minute_of};

/// The state that changed since the last checkpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// New values, by key.
    pub puts: Vec<(Box<str>, Bytes)>,
    /// Keys without a value from now on.
    pub deletes: Vec<Box<str>>,
}

/// A stored value is damaged, or written by a newer version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored state under {key} can't be read: {reason}")]
pub struct DamagedState {
    /// The key of the value.
    pub key: Box<str>,
    /// Why it is unreadable.
    pub reason: Box<str>,
}

#[derive(Serialize, Deserialize)]
struct StoredClock {
    last_tick: Option<i64>,
    newest_receipt: Option<i64>,
    closed_seconds: ClosedSeconds,
}

#[derive(Serialize, Deserialize)]
struct StoredHead {
    name: Option<Lww<Box<str>>>,
    status: Option<Lww<(u8, Option<Box<str>>)>>,
    seen_running: Option<i64>,
    gauges: ReportedGauges,
    queue_seen: bool,
    started_at: Option<i64>,
    last_event_at: Option<i64>,
    totals: Vec<i64>,
    durations: [Vec<(i16, i64)>; 4],
    watches: BTreeMap<Box<str>, Watch>,
    oddities: [i64; 8],
    listed_at: Option<i64>,
}

#[derive(Serialize, Deserialize)]
struct StoredCall {
    id: Box<str>,
    facts: Vec<u8>,
    received_at: i64,
    to_masked: Option<Box<str>>,
    agent: Option<Box<str>>,
}

/// A bucket: its index, a mask of the counts that are not zero, and those counts.
type StoredBucket = (i64, u32, Vec<i64>);

#[derive(Serialize, Deserialize)]
struct StoredSeries {
    name: Box<str>,
    labels: BTreeMap<Box<str>, Box<str>>,
    series: Series,
}

#[derive(Serialize, Deserialize)]
struct StoredAlerts {
    open: Vec<StoredAlert>,
    recent: Vec<StoredAlert>,
    known: BTreeMap<Box<str>, (u32, i64)>,
}

#[derive(Serialize, Deserialize)]
struct StoredAlert {
    fingerprint: Box<str>,
    transition: u32,
    rule: Box<str>,
    severity: u8,
    firing: bool,
    title: Box<str>,
    campaign: Option<Box<str>>,
    metric: Box<str>,
    unit: Box<str>,
    above: bool,
    threshold: f64,
    value: f64,
    n: Option<i64>,
    since: i64,
    at: i64,
}

const STATUSES: [CampaignStatus; 9] = [
    CampaignStatus::Unknown,
    CampaignStatus::Draft,
    CampaignStatus::Running,
    CampaignStatus::Pausing,
    CampaignStatus::Paused,
    CampaignStatus::Draining,
    CampaignStatus::Completed,
    CampaignStatus::Stopped,
    CampaignStatus::Failed,
];

const SEVERITIES: [Severity; 3] = [Severity::Info, Severity::Warning, Severity::Critical];

impl Fold {
    /// Returns the state that changed since it was last called.
    /// After [`Fold::new`] that is all state.
    pub fn take_dirty(&mut self) -> Dirty {
        let mut dirty = Dirty::default();
        if std::mem::take(&mut self.dirty_clock) {
            let clock = StoredClock {
                last_tick: self.last_tick,
                newest_receipt: self.newest_receipt,
                closed_seconds: self.closed_seconds.clone(),
            };
            dirty.put("clock".into(), &clock);
        }
        for (tenant_id, tenant) in &mut self.tenants {
            for (id, campaign) in &mut tenant.campaigns {
                dirty.take_campaign(&format!("{tenant_id}/c/{id}"), campaign);
            }
            dirty.take_tenant(tenant_id, tenant);
        }
        dirty
    }

    /// Restores a fold from the stored values of all keys, in key order.
    pub fn restore(settings: Arc<FoldSettings>, entries: &[(Box<str>, Bytes)]) -> Result<Self, DamagedState> {
        let mut fold = Self::new(settings);
        // The ledger's chunks must be restored in time order, and everything after the clock.
        let mut chunks = BTreeMap::new();
        if let Some((key, bytes)) = entries.iter().find(|(key, _)| &**key == "clock") {
            let clock: StoredClock = read(key, bytes)?;
            fold.last_tick = clock.last_tick;
            fold.newest_receipt = clock.newest_receipt;
            fold.closed_seconds = clock.closed_seconds;
        }
        // Keys with a leading slash belong to the owner.
        for (key, bytes) in entries.iter().filter(|(key, _)| &**key != "clock" && !key.starts_with('/')) {
            let parts: Vec<&str> = key.split('/').collect();
            let tenant = TenantId::parse(parts[0]).map_err(|_| damaged(key, "the tenant id is invalid"))?;
            let tenant = fold.tenants.entry(tenant).or_default();
            match parts[1..] {
                ["c", campaign, "l", minute] => {
                    let minute: u32 = number(key, minute)?;
                    chunks.insert((parts[0], campaign, minute), (key, bytes));
                }
                ["c", campaign, ref rest @ ..] => {
                    let id = CampaignId::parse(campaign).map_err(|_| damaged(key, "the campaign id is invalid"))?;
                    let settings = &fold.settings;
                    let campaign = tenant.campaigns.entry(id).or_insert_with(|| {
                        let mut campaign = Campaign::new(settings);
                        fold.last_tick.into_iter().for_each(|tick| campaign.windows.evict(minute_of(tick) * MINUTE_MS));
                        campaign.dirty_head = false;
                        campaign
                    });
                    restore_campaign(campaign, settings, rest, key, bytes)?;
                }
                ref rest => restore_tenant(tenant, rest, key, bytes)?,
            }
        }
        for ((tenant, campaign, minute), (key, bytes)) in chunks {
            let tenant = fold.tenants.get_mut(tenant).expect("the tenant was inserted with the key");
            let campaign = tenant.campaigns.get_mut(campaign);
            let campaign = campaign.ok_or_else(|| damaged(key, "its campaign has no other state"))?;
            if !campaign.ledger.restore(minute, bytes) {
                return Err(damaged(key, "the last record is incomplete"));
            }
        }
        for campaign in fold.tenants.values_mut().flat_map(|tenant| tenant.campaigns.values_mut()) {
            // A restore is not a change.
            campaign.live.take_dirty().for_each(drop);
            campaign.windows.take_dirty();
        }
        Ok(fold)
    }
}

impl Dirty {
    fn put(&mut self, key: String, value: &impl Serialize) {
        let bytes = postcard::to_allocvec(value).expect("plain data is serializable");
        self.puts.push((key.into(), bytes.into()));
    }

    fn take_campaign(&mut self, prefix: &str, campaign: &mut Campaign) {
        if std::mem::take(&mut campaign.dirty_head) {
            self.put(format!("{prefix}/head"), &StoredHead::of(campaign));
        }
        if std::mem::take(&mut campaign.dirty_levels) {
            self.put(format!("{prefix}/levels"), &campaign.levels);
        }
        for shard in campaign.live.take_dirty() {
            let calls: Vec<StoredCall> = campaign.live.shard(shard).into_iter().map(StoredCall::of).collect();
            let key = format!("{prefix}/open/{shard}");
            if calls.is_empty() { self.deletes.push(key.into()) } else { self.put(key, &calls) }
        }
        self.take_tier(&format!("{prefix}/s"), &mut campaign.windows.seconds);
        self.take_tier(&format!("{prefix}/m"), &mut campaign.windows.minutes);
        self.take_tier(&format!("{prefix}/h"), &mut campaign.windows.hours);
        let (chunks, evicted) = campaign.ledger.take_dirty();
        self.deletes.extend(evicted.into_iter().map(|minute| format!("{prefix}/l/{minute}").into()));
        self.puts.extend(chunks.into_iter().map(|(minute, bytes)| (format!("{prefix}/l/{minute}").into(), bytes)));
    }

    fn take_tier<T: Tally>(&mut self, prefix: &str, tier: &mut Tier<T>) {
        let (dirty, evicted) = tier.take_dirty();
        self.deletes.extend(evicted.into_iter().map(|chunk| format!("{prefix}/{chunk}").into()));
        for chunk in dirty {
            let buckets: Vec<StoredBucket> =
                tier.chunk(chunk).map(|(index, tally)| stored_bucket(index, tally)).collect();
            self.put(format!("{prefix}/{chunk}"), &buckets);
        }
    }

    fn take_tenant(&mut self, id: &TenantId, tenant: &mut Tenant) {
        for key in std::mem::take(&mut tenant.dirty.evicted_metrics) {
            self.deletes.push(format!("{id}/metric/{:016x}", key_fingerprint(&key)).into());
        }
        for key in std::mem::take(&mut tenant.dirty.metrics) {
            let series = tenant.metrics[&key].clone();
            let stored = StoredSeries { name: key.name.clone(), labels: key.labels.clone(), series };
            self.put(format!("{id}/metric/{:016x}", key_fingerprint(&key)), &stored);
        }
        for campaign in std::mem::take(&mut tenant.dirty.directory) {
            let entry = &tenant.directory[&campaign];
            let stored = (entry.at, &entry.name, entry.status as u8);
            self.put(format!("{id}/directory/{campaign}"), &stored);
        }
        for hour in std::mem::take(&mut tenant.dirty.notified) {
            let key = format!("{id}/notified/{hour}");
            match tenant.notified.get(&hour) {
                Some(known) => self.put(key, known),
                None => self.deletes.push(key.into()),
            }
        }
        if std::mem::take(&mut tenant.alerts.dirty) {
            let stored = StoredAlerts {
                open: tenant.alerts.open.values().map(StoredAlert::of).collect(),
                recent: tenant.alerts.recent.iter().map(StoredAlert::of).collect(),
                known: tenant.alerts.known.clone(),
            };
            self.put(format!("{id}/alerts"), &stored);
        }
        if std::mem::take(&mut tenant.dirty.oddities) {
            let stored = (oddity_counts(&tenant.oddities.events), tenant.oddities.refused_samples);
            self.put(format!("{id}/oddities"), &stored);
        }
    }
}

fn restore_campaign(
    campaign: &mut Campaign,
    settings: &FoldSettings,
    rest: &[&str],
    key: &str,
    bytes: &[u8],
) -> Result<(), DamagedState> {
    match rest {
        ["head"] => read::<StoredHead>(key, bytes)?.restore(campaign),
        ["levels"] => {
            campaign.levels = read::<Levels>(key, bytes)?;
            Some(())
        }
        ["open", _] => {
            for stored in read::<Vec<StoredCall>>(key, bytes)? {
                let call = stored.call().ok_or_else(|| damaged(key, "a call has invalid facts"))?;
                campaign.live.put(fingerprint(&[call.id.as_str()]), call, settings);
            }
            Some(())
        }
        ["s", _] => restore_tier(&mut campaign.windows.seconds, key, bytes)?,
        ["m", _] => restore_tier(&mut campaign.windows.minutes, key, bytes)?,
        ["h", _] => restore_tier(&mut campaign.windows.hours, key, bytes)?,
        _ => None,
    }
    .ok_or_else(|| damaged(key, "this version stores no such value"))
}

fn restore_tier<T: Tally>(tier: &mut Tier<T>, key: &str, bytes: &[u8]) -> Result<Option<()>, DamagedState> {
    for (index, mask, counts) in read::<Vec<StoredBucket>>(key, bytes)? {
        let mut counts = counts.into_iter();
        let values: Vec<i64> =
            (0..32).map(|slot| if mask & 1 << slot == 0 { 0 } else { counts.next().unwrap_or(0) }).collect();
        tier.restore(index, T::from_values(&values));
    }
    Ok(Some(()))
}

fn stored_bucket<T: Tally>(index: i64, tally: &T) -> StoredBucket {
    let values = tally.values();
    let mask = values.iter().enumerate().fold(0, |mask, (slot, value)| mask | u32::from(*value != 0) << slot);
    (index, mask, values.into_iter().filter(|value| *value != 0).collect())
}

fn restore_tenant(tenant: &mut Tenant, rest: &[&str], key: &str, bytes: &[u8]) -> Result<(), DamagedState> {
    match rest {
        ["metric", _] => {
            let stored: StoredSeries = read(key, bytes)?;
            tenant.metrics.insert(MetricKey { name: stored.name, labels: stored.labels }, stored.series);
        }
        ["directory", campaign] => {
            let id = CampaignId::parse(campaign).map_err(|_| damaged(key, "the campaign id is invalid"))?;
            let (at, name, status): (i64, Box<str>, u8) = read(key, bytes)?;
            let status = *STATUSES.get(usize::from(status)).ok_or_else(|| damaged(key, "the status is unknown"))?;
            tenant.directory.insert(id, DirectoryEntry { at, name, status });
        }
        ["notified", hour] => {
            let known: BTreeSet<u64> = read(key, bytes)?;
            tenant.notified.insert(number(key, hour)?, known);
        }
        ["alerts"] => {
            let stored: StoredAlerts = read(key, bytes)?;
            let alerts = |stored: Vec<StoredAlert>| -> Option<VecDeque<Alert>> {
                stored.into_iter().map(StoredAlert::alert).collect()
            };
            let bad = || damaged(key, "an alert is invalid");
            let open = alerts(stored.open).ok_or_else(bad)?;
            tenant.alerts.open = open.into_iter().map(|alert| (alert.fingerprint.clone(), alert)).collect();
            tenant.alerts.recent = alerts(stored.recent).ok_or_else(bad)?;
            tenant.alerts.known = stored.known;
        }
        ["oddities"] => {
            let (counts, refused): ([i64; 8], i64) = read(key, bytes)?;
            tenant.oddities.events = oddities_of(counts);
            tenant.oddities.refused_samples = refused;
        }
        _ => return Err(damaged(key, "this version stores no such value")),
    }
    Ok(())
}

impl StoredHead {
    fn of(campaign: &Campaign) -> Self {
        let status = campaign.status.as_ref();
        Self {
            name: campaign.name.clone(),
            status: status.map(|status| Lww { at: status.at, value: (status.value.0 as u8, status.value.1.clone()) }),
            seen_running: campaign.seen_running,
            gauges: campaign.gauges.clone(),
            queue_seen: campaign.queue_seen,
            started_at: campaign.started_at,
            last_event_at: campaign.last_event_at,
            totals: campaign.windows.totals.values().to_vec(),
            durations: campaign.durations.each_ref().map(|histogram| histogram.buckets().collect()),
            watches: campaign.watches.clone(),
            oddities: oddity_counts(&campaign.oddities),
            listed_at: campaign.listed_at,
        }
    }

    fn restore(self, campaign: &mut Campaign) -> Option<()> {
        campaign.name = self.name;
        campaign.status = match self.status {
            Some(Lww { at, value: (status, reason) }) => {
                Some(Lww { at, value: (*STATUSES.get(usize::from(status))?, reason) })
            }
            None => None,
        };
        campaign.seen_running = self.seen_running;
        campaign.gauges = self.gauges;
        campaign.queue_seen = self.queue_seen;
        campaign.started_at = self.started_at;
        campaign.last_event_at = self.last_event_at;
        campaign.windows.totals = Counters::from_values(&self.totals);
        campaign.durations = self.durations.map(|buckets| {
            let mut histogram = Histogram::default();
            buckets.into_iter().for_each(|(bucket, count)| histogram.add_bucket(bucket, count));
            histogram
        });
        campaign.watches = self.watches;
        campaign.oddities = oddities_of(self.oddities);
        campaign.listed_at = self.listed_at;
        Some(())
    }
}

impl StoredCall {
    fn of((_, call): (u64, &OpenCall)) -> Self {
        let mut facts = Vec::new();
        call.facts.pack(call.received_at, &mut facts);
        Self {
            id: call.id.as_str().into(),
            facts,
            received_at: call.received_at,
            to_masked: call.to_masked.clone(),
            agent: call.agent.as_ref().map(|agent| agent.as_str().into()),
        }
    }

    fn call(self) -> Option<OpenCall> {
        let (facts, _) = Facts::unpack(&self.facts, self.received_at)?;
        let agent = match self.agent {
            Some(agent) => Some(AgentId::parse(&agent).ok()?),
            None => None,
        };
        let id = CallId::parse(&self.id).ok()?;
        Some(OpenCall { id, facts, received_at: self.received_at, to_masked: self.to_masked, agent })
    }
}

impl StoredAlert {
    fn of(alert: &Alert) -> Self {
        Self {
            fingerprint: alert.fingerprint.clone(),
            transition: alert.transition,
            rule: alert.rule.clone(),
            severity: alert.severity as u8,
            firing: alert.state == AlertState::Firing,
            title: alert.title.clone(),
            campaign: alert.campaign.as_ref().map(|campaign| campaign.as_str().into()),
            metric: alert.metric.clone(),
            unit: alert.unit.clone(),
            above: alert.comparison == Comparison::Above,
            threshold: alert.threshold,
            value: alert.value,
            n: alert.n,
            since: alert.since.millis(),
            at: alert.at.millis(),
        }
    }

    fn alert(self) -> Option<Alert> {
        let campaign = match self.campaign {
            Some(campaign) => Some(CampaignId::parse(&campaign).ok()?),
            None => None,
        };
        Some(Alert {
            fingerprint: self.fingerprint,
            transition: self.transition,
            rule: self.rule,
            severity: *SEVERITIES.get(usize::from(self.severity))?,
            state: if self.firing { AlertState::Firing } else { AlertState::Resolved },
            title: self.title,
            campaign,
            metric: self.metric,
            unit: self.unit,
            comparison: if self.above { Comparison::Above } else { Comparison::Below },
            threshold: self.threshold,
            value: self.value,
            n: self.n,
            since: Timestamp::from_millis(self.since),
            at: Timestamp::from_millis(self.at),
        })
    }
}

fn oddity_counts(oddities: &Oddities) -> [i64; 8] {
    let Oddities { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated } =
        *oddities;
    [duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated]
}

fn oddities_of(counts: [i64; 8]) -> Oddities {
    let [duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated] = counts;
    Oddities { duplicates, reordered, corrected, too_old, from_future, ends_lost, ends_found, outdated }
}

fn read<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T, DamagedState> {
    postcard::from_bytes(bytes).map_err(|error| damaged(key, &error.to_string()))
}

fn number<T: std::str::FromStr>(key: &str, text: &str) -> Result<T, DamagedState> {
    text.parse().map_err(|_| damaged(key, "the last part of the key is not a number"))
}

fn damaged(key: &str, reason: &str) -> DamagedState {
    DamagedState { key: key.into(), reason: reason.into() }
}
