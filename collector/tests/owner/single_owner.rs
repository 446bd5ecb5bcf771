//! One owner at a time: every event is published once, across crashes.

use std::time::Duration;

use ringside_engine::{Partition, Position, RoomId, Signal};
use ringside_model::Room;
use ringside_wire::{DirectoryBody, frame_kind};

use crate::fixture::{Fixture, PARTITIONS, campaign, names, tenant};

#[tokio::test]
async fn appended_events_are_published_and_fill_the_directory() {
    let fixture = Fixture::open();
    let directory = RoomId::new(tenant(), Room::Directory);
    let mut news = fixture.engine.subscribe(directory.home(PARTITIONS)).await.unwrap();
    let (_owners, _stop) = fixture.own("one", Duration::from_secs(60));
    fixture.dial(0..50).await;
    fixture.until_attempts(50).await;
    assert_eq!(fixture.published_calls().await, names(0..50));
    loop {
        match news.next().await.expect("the engine stays open") {
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
async fn an_owner_dead_before_its_checkpoint_publishes_exactly_once() {
    let fixture = Fixture::open();
    for life in 0..4 {
        // No checkpoint is due, so the next owner replays everything.
        let (owners, _stop) = fixture.own(&format!("life {life}"), Duration::from_secs(3600));
        fixture.dial(life * 30..(life + 1) * 30).await;
        fixture.until_attempts((life as i64 + 1) * 30).await;
        owners.abort();
        assert!(owners.await.unwrap_err().is_cancelled());
        // The leases are not released: the next owner acquires them once they expire.
        let position =
            fixture.engine.load(Partition::of(&tenant(), Some(&campaign()), PARTITIONS)).await.unwrap().position;
        assert_eq!(position, Position(0), "there is no checkpoint");
    }
    assert_eq!(fixture.published_calls().await, names(0..120));
}

#[tokio::test]
async fn a_clean_stop_folds_and_checkpoints_the_rest() {
    let fixture = Fixture::open();
    let (owners, stop) = fixture.own("one", Duration::from_secs(3600));
    fixture.dial(0..10).await;
    fixture.until_attempts(10).await;
    fixture.dial(10..20).await;
    stop.cancel();
    owners.await.unwrap();
    assert_eq!(fixture.published_calls().await, names(0..20));
    let partition = Partition::of(&tenant(), Some(&campaign()), PARTITIONS);
    let checkpoint = fixture.engine.load(partition).await.unwrap();
    let rest = fixture.engine.read_log(partition, checkpoint.position, 10).await.unwrap();
    assert_eq!(rest, [], "nothing is left to replay");
    let token = fixture.engine.acquire(partition, "next", Duration::from_secs(5)).await.unwrap();
    assert!(token.is_some(), "the lease was released at once");
}

#[tokio::test]
async fn a_partition_moves_to_the_next_owner() {
    let fixture = Fixture::open();
    let (first, stop_first) = fixture.own("first", Duration::from_millis(50));
    fixture.dial(0..10).await;
    fixture.until_attempts(10).await;
    stop_first.cancel();
    first.await.unwrap();
    let (_second, _stop) = fixture.own("second", Duration::from_millis(50));
    fixture.dial(5..20).await;
    fixture.until_attempts(20).await;
    assert_eq!(fixture.published_calls().await, names(0..20), "five duplicates count once");
}
