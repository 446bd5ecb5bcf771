//! From what changed to what is published: the one place that encodes live frames.
//!
//! The owner of a partition collects changes here while it folds. [`Publisher::events`] turns them into event
//! publications, in batches per room; [`Publisher::states`] encodes the newest state of what is due.

use std::collections::{BTreeMap, BTreeSet};

use ringside_engine::{Lane, Partition, Position, Publication, RoomId};
use ringside_model::{CallChange, CampaignId, Room, TenantId, Timestamp};
use ringside_wire::{
    AlertJson, AlertsBody, AlertsSnapshot, CallChangeJson, CallsBody, CampaignBody, CampaignJson, CampaignSnapshot,
    DirectoryBody, DirectoryEntryJson, HostJson, MetricJson, MetricPointJson, MetricsBody, MetricsSnapshot,
    NotificationBody, NotificationJson, SeriesJson, SeriesPointJson, StatusChangeBody, SystemBody, body_bytes,
    frame_kind, status_text,
};

use crate::fold::{Changes, Fold};

/// Calls in one frame at most: a burst becomes several frames, not one that no phone wants to parse.
const CALLS_PER_FRAME: usize = 200;

/// What waits to be published of one partition.
pub(crate) struct Publisher {
    partition: Partition,
    partitions: u16,
    calls: BTreeMap<(TenantId, CampaignId), Vec<CallChange>>,
    singles: Vec<(RoomId, &'static str, bytes::Bytes)>,
    alerts_changed: BTreeSet<TenantId>,
    changed: Changed,
    /// When the oldest of the events that wait was received.
    oldest: Option<Timestamp>,
    /// Directories are told once by each owner and then when they change: they are long and seldom move.
    directories_told: bool,
}

/// Whose state has changed since it was last published.
#[derive(Default)]
struct Changed {
    campaigns: BTreeMap<TenantId, BTreeSet<CampaignId>>,
    metrics: BTreeSet<TenantId>,
    hosts: BTreeSet<TenantId>,
    directories: BTreeSet<TenantId>,
}

/// Which states to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Only those that changed.
    Changed,
    /// All, changed or not: silence must never look like calm.
    All,
}

impl Publisher {
    /// Of a partition of so many, with nothing to tell yet.
    pub(crate) fn new(partition: Partition, partitions: u16) -> Self {
        Self {
            partition,
            partitions,
            calls: BTreeMap::new(),
            singles: Vec::new(),
            alerts_changed: BTreeSet::new(),
            changed: Changed::default(),
            oldest: None,
            directories_told: false,
        }
    }

    /// Takes what an entry changed that was received then. Of entries that were published in an earlier life, only the
    /// states count.
    pub(crate) fn take(&mut self, changes: &mut Changes, received: Timestamp, published_before: bool) {
        for (tenant, mut campaigns) in std::mem::take(&mut changes.dirty_campaigns) {
            self.changed.campaigns.entry(tenant).or_default().append(&mut campaigns);
        }
        self.changed.metrics.append(&mut changes.dirty_metrics);
        self.changed.hosts.append(&mut changes.dirty_hosts);
        self.changed.directories.append(&mut changes.dirty_directory);
        if !published_before {
            for (tenant, change) in changes.calls.drain(..) {
                self.calls.entry((tenant, change.campaign.clone())).or_default().push(change);
            }
            for (tenant, change) in changes.statuses.drain(..) {
                let room = RoomId::new(tenant, Room::Campaign(change.campaign.clone()));
                let body = body_bytes(&StatusChangeBody::from(&change));
                self.singles.push((room, frame_kind::CAMPAIGN_STATUS_CHANGE, body));
            }
            for (tenant, alert) in changes.alerts.drain(..) {
                self.alerts_changed.insert(tenant.clone());
                let body = body_bytes(&AlertsBody { alert: AlertJson::from(&alert) });
                self.singles.push((RoomId::new(tenant, Room::Alerts), frame_kind::ALERT, body));
            }
            for (tenant, notification) in changes.notifications.drain(..) {
                let body = body_bytes(&NotificationBody { notification: NotificationJson::from(&notification) });
                self.singles.push((RoomId::new(tenant, Room::Notifications), frame_kind::NOTIFICATION, body));
            }
        }
        changes.clear();
        if self.has_events() {
            self.oldest.get_or_insert(received);
        }
    }

    /// True where events wait.
    pub(crate) fn has_events(&self) -> bool {
        !self.calls.is_empty() || !self.singles.is_empty()
    }

    /// The waiting events as publications. Each says when the oldest of what waited was received: however long log, fold
    /// and network take, whoever gets it knows how old it is.
    pub(crate) fn events(&mut self, fold: &Fold, position: Position) -> Vec<Publication> {
        let Some(at) = self.oldest.take() else { return Vec::new() };
        let mut publications = Vec::new();
        for ((tenant, campaign), changes) in std::mem::take(&mut self.calls) {
            let room = RoomId::new(tenant, Room::Calls(campaign));
            for chunk in changes.chunks(CALLS_PER_FRAME) {
                let body = body_bytes(&CallsBody { calls: chunk.iter().map(CallChangeJson::from).collect() });
                publications.push(Publication {
                    room: room.clone(),
                    position,
                    lane: Lane::Event,
                    kind: frame_kind::CALL_EVENT,
                    at,
                    body,
                    snapshot: None,
                });
            }
        }
        let alerts_changed = std::mem::take(&mut self.alerts_changed);
        let open: BTreeMap<_, _> =
            alerts_changed.into_iter().map(|tenant| (tenant.clone(), open_alerts(fold, &tenant))).collect();
        for (room, kind, body) in self.singles.drain(..) {
            let snapshot = if kind == frame_kind::ALERT { open.get(&room.tenant).cloned() } else { None };
            publications.push(Publication { room, position, lane: Lane::Event, kind, at, body, snapshot });
        }
        publications
    }

    /// The newest states that are due. Charts go with them once for each tick, as that is how often they grow.
    pub(crate) fn states(
        &mut self,
        fold: &Fold,
        due: Due,
        with_charts: bool,
        position: Position,
        at: Timestamp,
    ) -> Vec<Publication> {
        let changed = std::mem::take(&mut self.changed);
        let mut publications = Vec::new();
        let mut state = |room: RoomId, kind: &'static str, body: bytes::Bytes, snapshot: Option<bytes::Bytes>| {
            publications.push(Publication { room, position, lane: Lane::State, kind, at, body, snapshot });
        };
        for (tenant, campaign) in fold.campaigns() {
            let has_changed = changed.campaigns.get(tenant).is_some_and(|changed| changed.contains(campaign));
            if due == Due::Changed && !has_changed {
                continue;
            }
            let Some(metrics) = fold.campaign_metrics(tenant, campaign) else { continue };
            let body = body_bytes(&CampaignBody { campaign: CampaignJson::from(&metrics) });
            let snapshot = if with_charts { fold.campaign_series(tenant, campaign) } else { None };
            let snapshot = snapshot.map(|series| {
                let points = |points: &[_]| points.iter().map(SeriesPointJson::from).collect();
                let series = SeriesJson { seconds: points(&series.seconds), minutes: points(&series.minutes) };
                body_bytes(&CampaignSnapshot { series })
            });
            let room = RoomId::new(tenant.clone(), Room::Campaign(campaign.clone()));
            state(room, frame_kind::METRICS_UPDATE, body, snapshot);
        }
        for tenant in fold.tenants() {
            if due == Due::All || changed.metrics.contains(tenant) {
                let metrics: Vec<_> = fold.metrics(tenant).iter().map(MetricJson::from).collect();
                if !metrics.is_empty() {
                    let snapshot = with_charts.then(|| metric_points(fold, tenant));
                    let body = body_bytes(&MetricsBody { metrics });
                    state(RoomId::new(tenant.clone(), Room::Metrics), frame_kind::METRICS_UPDATE, body, snapshot);
                }
            }
            if due == Due::All || changed.hosts.contains(tenant) {
                let hosts: Vec<_> = fold.hosts(tenant).iter().map(HostJson::from).collect();
                if !hosts.is_empty() {
                    let body = body_bytes(&SystemBody { hosts });
                    state(RoomId::new(tenant.clone(), Room::System), frame_kind::SYSTEM_HEALTH_UPDATE, body, None);
                }
            }
            // Other partitions know the tenant too, by its campaigns, but only its own has the directory.
            let is_home = Partition::of(tenant, None, self.partitions) == self.partition;
            if is_home && (!self.directories_told || changed.directories.contains(tenant)) {
                let campaigns = fold
                    .directory(tenant)
                    .into_iter()
                    .map(|(id, name, status)| DirectoryEntryJson {
                        id: id.as_str().into(),
                        name,
                        status: status_text(status).into(),
                    })
                    .collect();
                let body = body_bytes(&DirectoryBody { campaigns });
                state(RoomId::new(tenant.clone(), Room::Directory), frame_kind::DIRECTORY, body, None);
            }
        }
        self.directories_told = true;
        publications
    }
}

fn open_alerts(fold: &Fold, tenant: &TenantId) -> bytes::Bytes {
    body_bytes(&AlertsSnapshot { open: fold.open_alerts(tenant).iter().map(AlertJson::from).collect() })
}

fn metric_points(fold: &Fold, tenant: &TenantId) -> bytes::Bytes {
    let series = fold
        .metric_points(tenant)
        .into_iter()
        .map(|(key, points)| MetricPointJson {
            name: key.name,
            labels: key.labels,
            points: points.into_iter().map(|(at, value)| (at.millis(), value)).collect(),
        })
        .collect();
    body_bytes(&MetricsSnapshot { series })
}
