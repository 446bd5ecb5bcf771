//! Turns changes into publications: the only place that encodes live frames.
//!
//! A partition's worker collects changes here while it folds. [`Publisher::take_events`] turns them into event
//! publications, in batches per room. [`Publisher::take_states`] encodes the newest state of whatever is due.

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

/// Calls per frame at most.
/// A burst becomes several frames, because a phone has to parse each one.
const CALLS_PER_FRAME: usize = 200;

/// The unpublished changes of one partition.
pub(crate) struct Publisher {
    partition: Partition,
    partitions: u16,
    calls: BTreeMap<(TenantId, CampaignId), Vec<CallChange>>,
    singles: Vec<(RoomId, &'static str, bytes::Bytes)>,
    alerts_changed: BTreeSet<TenantId>,
    changed: Changed,
    /// When the oldest unpublished event was received.
    oldest: Option<Timestamp>,
    /// Each owner publishes the directories once, then on change.
    /// They are long and seldom change.
    directories_published: bool,
}

/// State that changed since it was last published.
#[derive(Default)]
struct Changed {
    campaigns: BTreeMap<TenantId, BTreeSet<CampaignId>>,
    metrics: BTreeSet<TenantId>,
    hosts: BTreeSet<TenantId>,
    directories: BTreeSet<TenantId>,
}

/// Which state to publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Only what changed.
    Changed,
    /// All state, changed or not.
    /// So a viewer can tell a quiet system from a broken one.
    All,
}

impl Publisher {
    /// Creates the publisher of one of `partitions` partitions.
    pub(crate) fn new(partition: Partition, partitions: u16) -> Self {
        Self {
            partition,
            partitions,
            calls: BTreeMap::new(),
            singles: Vec::new(),
            alerts_changed: BTreeSet::new(),
            changed: Changed::default(),
            oldest: None,
            directories_published: false,
        }
    }

    /// Collects the changes of a log entry.
    /// If an earlier owner published it, its events are dropped.
    pub(crate) fn collect(&mut self, changes: &mut Changes, received: Timestamp, published_before: bool) {
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

    /// Whether any events are unpublished.
    pub(crate) fn has_events(&self) -> bool {
        !self.calls.is_empty() || !self.singles.is_empty()
    }

    /// Takes the unpublished events as publications.
    ///
    /// Each carries the receipt time of the oldest event, so that a client can tell its age, however long log, fold and
    /// network took.
    pub(crate) fn take_events(&mut self, fold: &Fold, position: Position) -> Vec<Publication> {
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

    /// Encodes the newest state of whatever is due.
    /// Charts grow once a tick, so not every round includes them.
    pub(crate) fn take_states(
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
            // Partitions with a campaign of the tenant know the tenant too, but only its home has the directory.
            let is_home = Partition::of(tenant, None, self.partitions) == self.partition;
            if is_home && (!self.directories_published || changed.directories.contains(tenant)) {
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
        self.directories_published = true;
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
