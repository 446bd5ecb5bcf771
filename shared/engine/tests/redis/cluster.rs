//! Faults of a cluster: dropped connections, a migrating slot, a failed master.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ringside_engine::redis::RedisSettings;
use ringside_engine::{Engine, EngineError, EventLog, Leases, Partition, PartitionState, Position, Rooms, Signal};
use ringside_rig::{ClusterOptions, RedisCluster, until};

use crate::support::{LONG, SOON, at_last, bytes, connect, own, publish, receive, room_in, settings, view};

/// The client library's own subscriptions don't survive this.
///
/// It subscribes to all slots in one command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twelve_rooms_in_twelve_slots_survive_dropped_connections() {
    let options = ClusterOptions { proxied: true, node_timeout_ms: 30_000, ..ClusterOptions::default() };
    let cluster = RedisCluster::start_with(options).await.unwrap();
    let twelve = RedisSettings { partitions: 12, ..settings(&cluster.url(), "twelve") };
    let engine = connect(twelve).await;
    let mut rooms = Vec::new();
    for partition in (0..12).map(Partition) {
        let token = own(&engine, partition).await;
        let subscription = engine.subscribe(partition).await.unwrap();
        rooms.push((token, room_in(partition, 12), subscription));
    }
    for round in 0..2 {
        cluster.proxies().iter().for_each(|proxy| proxy.cut());
        for (token, room, subscription) in &mut rooms {
            // The first signal reports the gap; later publications are delivered live.
            let signal = tokio::time::timeout(SOON, subscription.next()).await.expect("the subscription recovers");
            assert_eq!(signal, Some(Signal::Missed), "round {round}, {room}");
            let body = format!("round {round}");
            at_last("publishing", || publish(&engine, *token, room, &body)).await;
            receive(&engine, &mut **subscription, room, &body).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_migrating_slot_keeps_subscriptions_and_leases() {
    let cluster = RedisCluster::start(3, 0).await.unwrap();
    let engine = connect(settings(&cluster.url(), "moves")).await;
    let partition = Partition(2);
    let room = room_in(partition, engine.partitions());
    let token = own(&engine, partition).await;
    let mut subscription = engine.subscribe(partition).await.unwrap();
    publish(&engine, token, &room, "before").await.unwrap();
    receive(&engine, &mut *subscription, &room, "before").await;
    let epoch = view(&engine, &room).await.epoch;
    let slot = cluster.slot_of("moves:{2}:meta").await.unwrap();
    let from = cluster.owner_of(slot).await.unwrap();
    for to in (0..3).filter(|node| *node != from).chain([from]) {
        cluster.migrate_slot(slot, to).await.unwrap();
        let body = format!("at node {to}");
        publish(&engine, token, &room, &body).await.unwrap();
        receive(&engine, &mut *subscription, &room, &body).await;
        assert_eq!(engine.renew(token, LONG).await, Ok(true), "a migration loses nothing");
        engine.append(vec![(partition, bytes("a"))]).await.unwrap();
    }
    assert_eq!(engine.commit(token, Position(3), vec![], vec![]).await, Ok(()));
    let after = view(&engine, &room).await;
    assert_eq!((after.epoch, after.head), (epoch, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_masters_failover_heals_and_changes_the_epoch() {
    let options = ClusterOptions { masters: 3, replicas: 1, node_timeout_ms: 1_000, ..ClusterOptions::default() };
    let mut cluster = RedisCluster::start_with(options).await.unwrap();
    let engine = connect(settings(&cluster.url(), "dies")).await;
    let partition = Partition(2);
    let room = room_in(partition, engine.partitions());
    let token = own(&engine, partition).await;
    let mut subscription = engine.subscribe(partition).await.unwrap();
    publish(&engine, token, &room, "before").await.unwrap();
    receive(&engine, &mut *subscription, &room, "before").await;
    let epoch = view(&engine, &room).await.epoch;
    let slot = cluster.slot_of("dies:{2}:meta").await.unwrap();
    let master = cluster.owner_of(slot).await.unwrap();
    cluster.wait_for_replica(master).await.unwrap();
    cluster.failover(master).await.unwrap();
    let renewed = at_last("renewing", || engine.renew(token, LONG)).await;
    assert!(!renewed, "the new master may lack the newest writes");
    let late = publish(&engine, token, &room, "late").await;
    assert_eq!(late, Err(EngineError::Fenced(token)));
    let next = own(&engine, partition).await;
    publish(&engine, next, &room, "after").await.unwrap();
    receive(&engine, &mut *subscription, &room, "after").await;
    let after = view(&engine, &room).await;
    assert_ne!(after.epoch, epoch);
    assert_eq!(after.head, 2);
    until("readiness is green", Duration::from_secs(20), async || engine.ping().await.is_ok()).await.unwrap();
}

/// A script whose keys are on both nodes is refused for a moment and retried.
///
/// Callers do not notice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_continue_during_slot_migration_and_arrive_once() {
    let cluster = RedisCluster::start(3, 0).await.unwrap();
    let engine = connect(settings(&cluster.url(), "load")).await;
    let partition = Partition(5);
    let room = room_in(partition, engine.partitions());
    let token = own(&engine, partition).await;
    let mut subscription = engine.subscribe(partition).await.unwrap();
    let slot = cluster.slot_of("load:{5}:meta").await.unwrap();
    let is_moved = AtomicBool::new(false);
    let writing = async {
        let mut written = 0;
        while !is_moved.load(Ordering::Acquire) {
            engine.append(vec![(partition, bytes("a"))]).await.unwrap();
            publish(&engine, token, &room, &format!("{written}")).await.unwrap();
            written += 1;
            engine.commit(token, Position(written), vec![("k".into(), bytes("v"))], vec![]).await.unwrap();
        }
        publish(&engine, token, &room, "last").await.unwrap();
        written
    };
    let moving = async {
        for _ in 0..6 {
            let from = cluster.owner_of(slot).await.unwrap();
            cluster.migrate_slot(slot, (from + 1) % 3).await.unwrap();
        }
        is_moved.store(true, Ordering::Release);
    };
    let receiving = receive(&engine, &mut *subscription, &room, "last");
    let (written, (), _) = tokio::join!(writing, moving, receiving);
    assert_eq!(view(&engine, &room).await.head, written + 1);
    assert_eq!(engine.load(partition).await.unwrap().position, Position(written));
}
