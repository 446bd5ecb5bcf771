//! One owner at a time: what it folds is told once, whatever ends it.

use std::time::Duration;

use ringside_engine::{Partition, Position, RoomId, Signal};
use ringside_model::Room;
use ringside_wire::{DirectoryBody, frame_kind};

use crate::fixture::{Fixture, PARTITIONS, campaign, names, tenant};

#[tokio::test]
async fn what_was_appended_is_folded_and_told_and_the_tenant_learns_of_its_campaign() {
    let fixture = Fixture::open();
    let directory = RoomId::new(tenant(), Room::Directory);
    let mut news = fixture.engine.subscribe(directory.home(PARTITIONS)).await.unwrap();
    let (_owners, _stop) = fixture.own("one", Duration::from_secs(60));
    fixture.dial(0..50).await;
    fixture.until_attempts(50).await;
    assert_eq!(fixture.published_calls().await, names(0..50));
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
    let fixture = Fixture::open();
    for life in 0..4 {
        // No checkpoint comes in such a life: the next owner replays all of it.
        let (owners, _stop) = fixture.own(&format!("life {life}"), Duration::from_secs(3600));
        fixture.dial(life * 30..(life + 1) * 30).await;
        fixture.until_attempts((life as i64 + 1) * 30).await;
        owners.abort();
        assert!(owners.await.unwrap_err().is_cancelled());
        // Nobody gives up its leases: the next life gets them when they lapse.
        let position =
            fixture.engine.load(Partition::of(&tenant(), Some(&campaign()), PARTITIONS)).await.unwrap().position;
        assert_eq!(position, Position(0), "there was no checkpoint");
    }
    assert_eq!(fixture.published_calls().await, names(0..120));
}

#[tokio::test]
async fn a_clean_stop_folds_the_rest_and_checkpoints_all_of_it() {
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
    assert!(token.is_some(), "the partition was given up at once");
}

#[tokio::test]
async fn a_partition_taken_by_another_is_given_up() {
    let fixture = Fixture::open();
    let (first, stop_first) = fixture.own("first", Duration::from_millis(50));
    fixture.dial(0..10).await;
    fixture.until_attempts(10).await;
    stop_first.cancel();
    first.await.unwrap();
    let (_second, _stop) = fixture.own("second", Duration::from_millis(50));
    fixture.dial(5..20).await;
    fixture.until_attempts(20).await;
    assert_eq!(fixture.published_calls().await, names(0..20), "five came twice and count once");
}
