//! Engine faults: a slow, full, silent or unreachable engine.

use std::sync::atomic::Ordering;
use std::time::Duration;

use ringside_engine::{Partition, ReadFrom, RoomId};
use ringside_model::Room;
use ringside_wire::DirectoryBody;
use tokio::time::Instant;

use crate::faulty_engine::FaultyEngine;
use crate::fixture::{Fixture, LEASE, PARTITIONS, campaign, names, tenant, until};

const OFTEN: Duration = Duration::from_millis(50);
const NEVER: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn an_owner_without_renewals_stops_when_its_lease_expires() {
    let fixture = Fixture::open();
    let engine = FaultyEngine::new(fixture.engine.clone());
    engine.ignores_renewals.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let (_progress, _task, _stop) = fixture.own_through(engine.clone(), "silent", NEVER);
    until("all partitions are acquired", || engine.acquired.load(Ordering::SeqCst) >= usize::from(PARTITIONS)).await;
    until("all partitions are released", || engine.released.load(Ordering::SeqCst) >= usize::from(PARTITIONS)).await;
    assert!(began.elapsed() >= LEASE, "the owner stopped before its leases expired");
    assert_eq!(engine.renewed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_replay_longer_than_the_lease_does_not_lose_it() {
    // Long enough not to expire on a machine that is merely busy.
    const LONG_LEASE: Duration = Duration::from_secs(4);
    let fixture = Fixture::open();
    fixture.dial(0..6_000).await;
    let engine = FaultyEngine::new(fixture.engine.clone());
    // Seven pages of a thousand: more than two leases.
    engine.page_ms.store(1_300, Ordering::SeqCst);
    let began = Instant::now();
    let (progress, _task, _stop) = fixture.own_with_lease(LONG_LEASE, engine.clone(), "slow", NEVER);
    // Another holder tries to acquire the partition during the replay.
    let home = Partition::of(&tenant(), Some(&campaign()), PARTITIONS);
    until("the owner holds all partitions", || progress.held() == usize::from(PARTITIONS)).await;
    while progress.trouble().is_some() {
        assert_eq!(fixture.engine.acquire(home, "other", LONG_LEASE).await.unwrap(), None, "the lease expired");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    assert!(began.elapsed() > LONG_LEASE * 2, "the replay was too short for this test");
    assert_eq!(engine.acquired.load(Ordering::SeqCst), usize::from(PARTITIONS), "each partition is acquired once");
    fixture.until_attempts(6_000).await;
}

#[tokio::test]
async fn an_engine_outage_publishes_nothing_twice() {
    let fixture = Fixture::open();
    let engine = FaultyEngine::new(fixture.engine.clone());
    let (progress, _task, _stop) = fixture.own_through(engine.clone(), "one", OFTEN);
    fixture.dial(0..30).await;
    fixture.until_attempts(30).await;
    engine.is_unavailable.store(true, Ordering::SeqCst);
    until("the owner notices the outage", || progress.trouble().is_some()).await;
    fixture.dial(30..60).await;
    engine.is_unavailable.store(false, Ordering::SeqCst);
    let back = Instant::now();
    fixture.until_attempts(60).await;
    assert!(back.elapsed() < Duration::from_secs(20), "recovered after {:?}", back.elapsed());
    until("the owner is ready again", || progress.trouble().is_none()).await;
    assert_eq!(fixture.published_calls().await, names(0..60));
}

/// Returns the campaigns in the tenant's directory.
async fn directory(fixture: &Fixture) -> Vec<String> {
    let room = RoomId::new(tenant(), Room::Directory);
    let view = fixture.engine.read_room(&room, ReadFrom::Newest(0)).await.unwrap();
    view.state.map_or_else(Vec::new, |state| {
        let body: DirectoryBody = serde_json::from_slice(&state.body).unwrap();
        body.campaigns.iter().map(|entry| entry.id.to_string()).collect()
    })
}

#[tokio::test]
async fn derived_events_survive_a_full_log_and_a_dead_owner() {
    let fixture = Fixture::open();
    let home = Partition::of(&tenant(), None, PARTITIONS);
    assert_ne!(home, Partition::of(&tenant(), Some(&campaign()), PARTITIONS), "the directory is in another partition");
    let engine = FaultyEngine::new(fixture.engine.clone());
    *engine.full.lock() = Some(home);
    let (_, owners, _stop) = fixture.own_through(engine.clone(), "one", OFTEN);
    fixture.dial(0..10).await;
    fixture.until_attempts(10).await;
    until("the derived event is rejected", || engine.rejected.load(Ordering::SeqCst) > 0).await;
    // The checkpoint advances and contains the outbox, so the log is no longer needed.
    let partition = Partition::of(&tenant(), Some(&campaign()), PARTITIONS);
    loop {
        let checkpoint = fixture.engine.load(partition).await.unwrap();
        if checkpoint.position.0 >= 10 && checkpoint.entries.iter().any(|(key, _)| &**key == "/outbox") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(directory(&fixture).await, Vec::<String>::new());
    owners.abort();
    assert!(owners.await.unwrap_err().is_cancelled());

    let engine = FaultyEngine::new(fixture.engine.clone());
    let (progress, _owners, _stop) = fixture.own_through(engine, "two", OFTEN);
    until("the next owner holds all partitions", || progress.held() == usize::from(PARTITIONS)).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while directory(&fixture).await != ["alpha"] {
        assert!(Instant::now() < deadline, "the campaign never reached the directory");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    loop {
        let checkpoint = fixture.engine.load(partition).await.unwrap();
        if !checkpoint.entries.iter().any(|(key, _)| &**key == "/outbox") {
            return;
        }
        assert!(Instant::now() < deadline, "the outbox is still stored");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
