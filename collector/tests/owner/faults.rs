//! An engine that is slow, full, silent or away: the owner knows when to go on and when to stop.

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
async fn an_owner_whose_renewals_get_no_answer_stops_when_its_lease_has_lapsed() {
    let fixture = Fixture::open();
    let engine = FaultyEngine::new(fixture.engine.clone());
    engine.ignores_renewals.store(true, Ordering::SeqCst);
    let began = Instant::now();
    let (_progress, _task, _stop) = fixture.own_through(engine.clone(), "mute", NEVER);
    until("all were taken", || engine.acquired.load(Ordering::SeqCst) >= usize::from(PARTITIONS)).await;
    until("all were given up", || engine.released.load(Ordering::SeqCst) >= usize::from(PARTITIONS)).await;
    assert!(began.elapsed() >= LEASE, "it held them for as long as it could");
    assert_eq!(engine.renewed.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_replay_that_takes_longer_than_the_lease_does_not_lose_it() {
    // So long that it lapses on no machine that only lets everybody wait for a moment.
    const LONG_LEASE: Duration = Duration::from_secs(4);
    let fixture = Fixture::open();
    fixture.dial(0..6_000).await;
    let engine = FaultyEngine::new(fixture.engine.clone());
    // Seven pages of a thousand: more than two leases.
    engine.page_ms.store(1_300, Ordering::SeqCst);
    let began = Instant::now();
    let (progress, _task, _stop) = fixture.own_with_lease(LONG_LEASE, engine.clone(), "slow", NEVER);
    // Another one waits for its chance.
    let home = Partition::of(&tenant(), Some(&campaign()), PARTITIONS);
    until("it has all", || progress.held() == usize::from(PARTITIONS)).await;
    while progress.trouble().is_some() {
        assert_eq!(fixture.engine.acquire(home, "vulture", LONG_LEASE).await.unwrap(), None, "the lease lapsed");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(began.elapsed() < Duration::from_secs(60));
    }
    assert!(began.elapsed() > LONG_LEASE * 2, "it was a long replay");
    assert_eq!(engine.acquired.load(Ordering::SeqCst), usize::from(PARTITIONS), "each was taken once");
    fixture.until_attempts(6_000).await;
}

#[tokio::test]
async fn an_engine_that_was_away_is_gone_on_with_and_nothing_is_told_twice() {
    let fixture = Fixture::open();
    let engine = FaultyEngine::new(fixture.engine.clone());
    let (progress, _task, _stop) = fixture.own_through(engine.clone(), "one", OFTEN);
    fixture.dial(0..30).await;
    fixture.until_attempts(30).await;
    engine.is_away.store(true, Ordering::SeqCst);
    until("it notices", || progress.trouble().is_some()).await;
    fixture.dial(30..60).await;
    engine.is_away.store(false, Ordering::SeqCst);
    let back = Instant::now();
    fixture.until_attempts(60).await;
    assert!(back.elapsed() < Duration::from_secs(20), "healed after {:?}", back.elapsed());
    until("it is ready again", || progress.trouble().is_none()).await;
    assert_eq!(fixture.published_calls().await, names(0..60));
}

/// The campaigns that the tenant knows of.
async fn directory(fixture: &Fixture) -> Vec<String> {
    let room = RoomId::new(tenant(), Room::Directory);
    let view = fixture.engine.read_room(&room, ReadFrom::Newest(0)).await.unwrap();
    view.state.map_or_else(Vec::new, |state| {
        let body: DirectoryBody = serde_json::from_slice(&state.body).unwrap();
        body.campaigns.iter().map(|entry| entry.id.to_string()).collect()
    })
}

#[tokio::test]
async fn derived_events_that_a_full_log_did_not_take_survive_their_owner_and_come_when_there_is_room() {
    let fixture = Fixture::open();
    let home = Partition::of(&tenant(), None, PARTITIONS);
    assert_ne!(
        home,
        Partition::of(&tenant(), Some(&campaign()), PARTITIONS),
        "the campaign announces itself elsewhere"
    );
    let engine = FaultyEngine::new(fixture.engine.clone());
    *engine.full.lock() = Some(home);
    let (_, owners, _stop) = fixture.own_through(engine.clone(), "one", OFTEN);
    fixture.dial(0..10).await;
    fixture.until_attempts(10).await;
    until("the announcement was refused", || engine.refused.load(Ordering::SeqCst) > 0).await;
    // The checkpoint goes on, with what waits in it: nothing of the log is needed any more.
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
    until("the next one has all", || progress.held() == usize::from(PARTITIONS)).await;
    let deadline = Instant::now() + Duration::from_secs(30);
    while directory(&fixture).await != ["alpha"] {
        assert!(Instant::now() < deadline, "the campaign was never announced");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    loop {
        let checkpoint = fixture.engine.load(partition).await.unwrap();
        if !checkpoint.entries.iter().any(|(key, _)| &**key == "/outbox") {
            return;
        }
        assert!(Instant::now() < deadline, "what was sent still waits");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
