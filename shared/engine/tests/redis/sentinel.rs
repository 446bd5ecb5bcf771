//! Failover of a Redis behind sentinels.

use ringside_engine::{Engine, EngineError, EventLog, Leases, Partition, Rooms};
use ringside_rig::RedisSentinel;

use crate::support::{LONG, at_last, connect, own, publish, receive, room_in, settings, view};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_promotion_heals_and_changes_the_epoch() {
    let mut sentinel = RedisSentinel::start().await.unwrap();
    let engine = connect(settings(&sentinel.url(), "promoted")).await;
    let partition = Partition(2);
    let room = room_in(partition, engine.partitions());
    let token = own(&engine, partition).await;
    let mut subscription = engine.subscribe(partition).await.unwrap();
    publish(&engine, token, &room, "before").await.unwrap();
    receive(&engine, &mut *subscription, &room, "before").await;
    let epoch = view(&engine, &room).await.epoch;
    sentinel.wait_for_replica().await.unwrap();
    sentinel.failover().await.unwrap();
    let renewed = at_last("renewing", || engine.renew(token, LONG)).await;
    assert!(!renewed, "the new master may lack the newest writes");
    assert_eq!(publish(&engine, token, &room, "late").await, Err(EngineError::Fenced(token)));
    let next = own(&engine, partition).await;
    publish(&engine, next, &room, "after").await.unwrap();
    receive(&engine, &mut *subscription, &room, "after").await;
    assert_ne!(view(&engine, &room).await.epoch, epoch);
    at_last("readiness turns green", || engine.ping()).await;
}
