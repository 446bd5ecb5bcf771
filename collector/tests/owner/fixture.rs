//! An embedded engine with one tenant and one campaign, and owners on it.

use std::sync::Arc;
use std::time::Duration;

use ringside_collector::fold::FoldSettings;
use ringside_collector::owner::{OwnerSettings, Progress, own_partitions};
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_engine::{Engine, Partition, ReadFrom, RoomId};
use ringside_model::{
    CallEvent, CallFact, CallId, CampaignId, Event, EventId, EventKind, Room, SourceId, TenantId, Timestamp,
};
use ringside_wire::{CallsBody, CampaignBody, Record};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// The length of a lease, short enough for a test to wait until it expires.
pub(crate) const LEASE: Duration = Duration::from_secs(1);
pub(crate) const PARTITIONS: u16 = 4;

/// An embedded engine for any number of owners.
pub(crate) struct Fixture {
    pub(crate) engine: Arc<dyn Engine>,
    _folder: TempDir,
}

impl Fixture {
    pub(crate) fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = EmbeddedSettings { partitions: PARTITIONS, ..EmbeddedSettings::default() };
        let engine = Arc::new(Embedded::open(&folder.path().join("data"), settings).unwrap());
        Self { engine, _folder: folder }
    }

    /// Starts an owner.
    pub(crate) fn own(&self, holder: &str, checkpoint_every: Duration) -> (JoinHandle<()>, CancellationToken) {
        let (_, owners, stop) = self.own_through(self.engine.clone(), holder, checkpoint_every);
        (owners, stop)
    }

    /// Starts an owner on another engine, such as a faulty one.
    pub(crate) fn own_through(
        &self,
        engine: Arc<dyn Engine>,
        holder: &str,
        checkpoint_every: Duration,
    ) -> (Progress, JoinHandle<()>, CancellationToken) {
        self.own_with_lease(LEASE, engine, holder, checkpoint_every)
    }

    /// Starts an owner on another engine, with leases of another length.
    pub(crate) fn own_with_lease(
        &self,
        lease: Duration,
        engine: Arc<dyn Engine>,
        holder: &str,
        checkpoint_every: Duration,
    ) -> (Progress, JoinHandle<()>, CancellationToken) {
        let stop = CancellationToken::new();
        let mut settings = OwnerSettings::new(Arc::new(FoldSettings::default()), holder.into());
        settings.checkpoint_every = checkpoint_every;
        settings.lease = lease;
        settings.rebalance_every = Duration::from_millis(50);
        let progress = settings.progress.clone();
        (progress, tokio::spawn(own_partitions(engine, settings, stop.clone())), stop)
    }

    pub(crate) async fn dial(&self, calls: impl IntoIterator<Item = usize>) {
        let records = calls.into_iter().map(|call| {
            let event = dialing(call);
            (Partition::of(&event.tenant, event.campaign(), PARTITIONS), Record::Event(event).encode())
        });
        self.engine.append(records.collect()).await.unwrap();
    }

    /// Returns the calls published in the campaign's room, in order.
    pub(crate) async fn published_calls(&self) -> Vec<String> {
        let room = RoomId::new(tenant(), Room::Calls(campaign()));
        let view = self.engine.read_room(&room, ReadFrom::Newest(100_000)).await.unwrap();
        view.events
            .iter()
            .flat_map(|frame| serde_json::from_slice::<CallsBody>(&frame.body).unwrap().calls)
            .map(|call| call.call_id.into())
            .collect()
    }

    /// Waits until the campaign's published state has this many attempts.
    pub(crate) async fn until_attempts(&self, attempts: i64) {
        let room = RoomId::new(tenant(), Room::Campaign(campaign()));
        let mut news = self.engine.subscribe(room.home(PARTITIONS)).await.unwrap();
        loop {
            let view = self.engine.read_room(&room, ReadFrom::Newest(0)).await.unwrap();
            if let Some(state) = view.state {
                let body: CampaignBody = serde_json::from_slice(&state.body).unwrap();
                if body.campaign.totals.counters.attempts == attempts {
                    return;
                }
            }
            assert_ne!(news.next().await, None, "the engine was closed");
        }
    }
}

pub(crate) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

pub(crate) fn campaign() -> CampaignId {
    CampaignId::parse("alpha").unwrap()
}

fn dialing(call: usize) -> Event {
    let now = Timestamp::now();
    Event {
        tenant: tenant(),
        source: SourceId::parse("test").unwrap(),
        id: EventId::parse(&format!("e{call}")).unwrap(),
        at: now,
        received_at: now,
        kind: EventKind::Call(CallEvent {
            campaign: campaign(),
            call: CallId::parse(&format!("c{call}")).unwrap(),
            fact: CallFact::Dialing,
            to_masked: None,
            lead: None,
            agent: None,
        }),
    }
}

pub(crate) fn names(calls: std::ops::Range<usize>) -> Vec<String> {
    calls.map(|call| format!("c{call}")).collect()
}

/// Polls a condition until it holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(30);
    while !condition() {
        assert!(tokio::time::Instant::now() < deadline, "timed out: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
