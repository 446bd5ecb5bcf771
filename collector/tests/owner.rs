//! The owner on a real engine: what it folds is told once, whatever ends it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on says where")]

use std::sync::Arc;
use std::time::Duration;

use ringside_collector::fold::FoldSettings;
use ringside_collector::owner::{OwnerSettings, own_partitions};
use ringside_shared::engine::embedded::{Embedded, EmbeddedSettings};
use ringside_shared::engine::{Engine, Partition, Position, ReadFrom, Room, RoomId, Signal};
use ringside_shared::model::{
    CallEvent, CallFact, CallId, CampaignId, Event, EventId, EventKind, SourceId, TenantId, Timestamp,
};
use ringside_shared::wire::{CallsBody, CampaignBody, DirectoryBody, Record, frame_kind};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PARTITIONS: u16 = 4;

struct Floor {
    engine: Arc<dyn Engine>,
    _folder: TempDir,
}

impl Floor {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let settings = EmbeddedSettings { partitions: PARTITIONS, ..EmbeddedSettings::default() };
        let engine = Arc::new(Embedded::open(&folder.path().join("data"), settings).unwrap());
        Self { engine, _folder: folder }
    }

    fn own(&self, holder: &str, checkpoint_every: Duration) -> (JoinHandle<()>, CancellationToken) {
        let stop = CancellationToken::new();
        let mut settings = OwnerSettings::new(Arc::new(FoldSettings::default()), holder.into());
        settings.checkpoint_every = checkpoint_every;
        settings.lease = Duration::from_secs(1);
        (tokio::spawn(own_partitions(self.engine.clone(), settings, stop.clone())), stop)
    }

    async fn dial(&self, calls: impl IntoIterator<Item = usize>) {
        let records = calls.into_iter().map(|call| {
            let event = dialing(call);
            (Partition::of(&event.tenant, event.campaign(), PARTITIONS), Record::Event(event).encode())
        });
        self.engine.append(records.collect()).await.unwrap();
    }

    /// The calls that were told in the campaign's room, in order.
    async fn told(&self) -> Vec<String> {
        let room = RoomId::new(tenant(), Room::Calls(campaign()));
        let view = self.engine.read_room(&room, ReadFrom::Newest(100_000)).await.unwrap();
        view.events
            .iter()
            .flat_map(|frame| serde_json::from_slice::<CallsBody>(&frame.body).unwrap().calls)
            .map(|call| call.call_id.into())
            .collect()
    }

    /// Watches the campaign's partition until its state says so many attempts.
    async fn until_attempts(&self, attempts: i64) {
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
            assert_ne!(news.next().await, None, "the engine is open");
        }
    }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn campaign() -> CampaignId {
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

fn names(calls: std::ops::Range<usize>) -> Vec<String> {
    calls.map(|call| format!("c{call}")).collect()
}

#[tokio::test]
async fn what_was_appended_is_folded_and_told_and_the_tenant_learns_of_its_campaign() {
    let floor = Floor::open();
    let directory = RoomId::new(tenant(), Room::Directory);
    let mut news = floor.engine.subscribe(directory.home(PARTITIONS)).await.unwrap();
    let (_owners, _stop) = floor.own("one", Duration::from_secs(60));
    floor.dial(0..50).await;
    floor.until_attempts(50).await;
    assert_eq!(floor.told().await, names(0..50));
    loop {
        match news.next().await.expect("the engine is open") {
            Signal::Frame(frame) if frame.kind.as_ref() == frame_kind::DIRECTORY => {
                let body: DirectoryBody = serde_json::from_slice(&frame.body).unwrap();
                if body.campaigns.iter().any(|entry| &*entry.id == "alpha") {
                    return;
                }
            }
            Signal::Frame(_) | Signal::Missed => {}
        }
    }
}

#[tokio::test]
async fn an_owner_that_dies_before_its_checkpoint_leaves_nothing_untold_and_nothing_told_twice() {
    let floor = Floor::open();
    for life in 0..4 {
        // No checkpoint comes in such a life: the next owner replays all of it.
        let (owners, _stop) = floor.own(&format!("life {life}"), Duration::from_secs(3600));
        floor.dial(life * 30..(life + 1) * 30).await;
        floor.until_attempts((life as i64 + 1) * 30).await;
        owners.abort();
        assert!(owners.await.unwrap_err().is_cancelled());
        // Nobody gives up its leases: the next life gets them when they lapse.
        let position =
            floor.engine.load(Partition::of(&tenant(), Some(&campaign()), PARTITIONS)).await.unwrap().position;
        assert_eq!(position, Position(0), "there was no checkpoint");
    }
    assert_eq!(floor.told().await, names(0..120));
}

#[tokio::test]
async fn a_clean_stop_folds_the_rest_and_checkpoints_all_of_it() {
    let floor = Floor::open();
    let (owners, stop) = floor.own("one", Duration::from_secs(3600));
    floor.dial(0..10).await;
    floor.until_attempts(10).await;
    floor.dial(10..20).await;
    stop.cancel();
    owners.await.unwrap();
    assert_eq!(floor.told().await, names(0..20));
    let partition = Partition::of(&tenant(), Some(&campaign()), PARTITIONS);
    let checkpoint = floor.engine.load(partition).await.unwrap();
    let rest = floor.engine.read_log(partition, checkpoint.position, 10).await.unwrap();
    assert_eq!(rest, [], "nothing is left to replay");
    let token = floor.engine.acquire(partition, "next", Duration::from_secs(5)).await.unwrap();
    assert!(token.is_some(), "the partition was given up at once");
}

#[tokio::test]
async fn a_partition_taken_by_another_is_given_up() {
    let floor = Floor::open();
    let (first, stop_first) = floor.own("first", Duration::from_millis(50));
    floor.dial(0..10).await;
    floor.until_attempts(10).await;
    stop_first.cancel();
    first.await.unwrap();
    let (_second, _stop) = floor.own("second", Duration::from_millis(50));
    floor.dial(5..20).await;
    floor.until_attempts(20).await;
    assert_eq!(floor.told().await, names(0..20), "five came twice and count once");
}
