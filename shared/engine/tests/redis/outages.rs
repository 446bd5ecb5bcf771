//! Faults of a stand-alone Redis and of its connections.

use std::time::{Duration, Instant};

use ringside_engine::redis::RedisSettings;
use ringside_engine::{
    Batch, Engine, EngineError, EventLog, Leases, Partition, PartitionState, Position, Rooms, Signal,
};
use ringside_rig::{AppendFsync, FaultProxy, RedisOptions, RedisServer, until};

use crate::support::{LONG, SOON, at_last, bytes, connect, event, own, publish, receive, room_in, settings, view};

const PARTITION: Partition = Partition(3);

async fn server() -> RedisServer {
    RedisServer::start(RedisOptions::default()).await.expect("redis-server is installed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn subscriptions_report_each_cut_and_recover() {
    let server = server().await;
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    let engine = connect(settings(&proxy.url(), "cut")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut subscription = engine.subscribe(PARTITION).await.unwrap();
    for round in 0..3 {
        proxy.cut();
        let body = format!("after cut {round}");
        // Bypasses the proxy, so that it is published while the subscription is disconnected.
        let bypass = connect(settings(&server.url(), "cut")).await;
        publish(&bypass, token, &room, &body).await.unwrap();
        receive(&engine, &mut *subscription, &room, &body).await;
        let live = format!("live {round}");
        publish(&bypass, token, &room, &live).await.unwrap();
        receive(&engine, &mut *subscription, &room, &live).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_detected_and_callers_fail_fast() {
    let server = server().await;
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    // The connection counts as suspect after one second without an answer.
    let hasty = RedisSettings { response_timeout: Duration::from_secs(1), ..settings(&proxy.url(), "half") };
    let engine = connect(hasty).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut subscription = engine.subscribe(PARTITION).await.unwrap();
    proxy.pause();
    for _ in 0..3 {
        let began = Instant::now();
        let refused = engine.append(vec![(PARTITION, bytes("a"))]).await;
        assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
        assert!(began.elapsed() < SOON, "the append took {:?}", began.elapsed());
    }
    until("readiness turns red", SOON, async || engine.ping().await.is_err()).await.unwrap();
    let bypass = connect(settings(&server.url(), "half")).await;
    publish(&bypass, token, &room, "meanwhile").await.unwrap();
    // Existing connections stay half open; new ones are accepted.
    proxy.cut();
    proxy.heal();
    receive(&engine, &mut *subscription, &room, "meanwhile").await;
    at_last("readiness turns green", || engine.ping()).await;
    at_last("appending", || engine.append(vec![(PARTITION, bytes("b"))])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_turns_red_on_lost_canaries_and_recovers() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "canary")).await;
    at_last("readiness is green", || engine.ping()).await;
    // Publishing is paused while reads are answered: a health check by PING would not notice.
    let () = server.command("CLIENT PAUSE 60000 WRITE").await.unwrap();
    let red = async || engine.ping().await.is_err_and(|reason| reason.to_string().contains("does not come back"));
    until("readiness turns red and says why", SOON, red).await.unwrap();
    let () = server.command("CLIENT UNPAUSE").await.unwrap();
    at_last("readiness turns green", || engine.ping()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_voids_the_lease_and_the_epoch() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "flush")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    engine.append(vec![(PARTITION, bytes("a"))]).await.unwrap();
    publish(&engine, token, &room, "before").await.unwrap();
    let before = view(&engine, &room).await;
    let () = server.command("FLUSHALL").await.unwrap();
    let batch = Batch { expected_seq: 1, position: Position(2), publications: vec![event(&room, 2, "late")] };
    assert_eq!(engine.publish(token, batch).await, Err(EngineError::Fenced(token)));
    assert_eq!(engine.commit(token, Position(1), vec![], vec![]).await, Err(EngineError::Fenced(token)));
    assert_eq!(engine.renew(token, LONG).await, Ok(false));
    let after = view(&engine, &room).await;
    assert_eq!((after.head, after.events.len()), (0, 0));
    assert_ne!(after.epoch, before.epoch);
    let next = own(&engine, PARTITION).await;
    assert!(next.number > token.number, "{next:?} is not after {token:?}");
    publish(&engine, next, &room, "anew").await.unwrap();
    assert_eq!(view(&engine, &room).await.head, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_keeps_acknowledged_writes_and_voids_leases() {
    let mut server = RedisServer::start(RedisOptions::append_only(AppendFsync::Always)).await.unwrap();
    let engine = connect(settings(&server.url(), "kill")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut subscription = engine.subscribe(PARTITION).await.unwrap();
    engine.append((0..10).map(|n| (PARTITION, bytes(format!("{n}")))).collect()).await.unwrap();
    publish(&engine, token, &room, "before").await.unwrap();
    // The state reflects the whole log, so the log is empty at the kill.
    engine.commit(token, Position(10), vec![("k".into(), bytes("v"))], vec![]).await.unwrap();
    let before = view(&engine, &room).await;
    server.kill();
    let refused = engine.append(vec![(PARTITION, bytes("lost"))]).await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    server.restart().await.unwrap();

    at_last("appending", || engine.append(vec![(PARTITION, bytes("10"))])).await;
    let entries = engine.read_log(PARTITION, Position(10), 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.position.0).collect::<Vec<_>>(), [11], "positions continue");
    assert_eq!(engine.renew(token, LONG).await, Ok(false), "the newest writes may be lost");
    assert_eq!(engine.commit(token, Position(11), vec![], vec![]).await, Err(EngineError::Fenced(token)));
    let batch = Batch { expected_seq: 1, position: Position(11), publications: vec![] };
    assert_eq!(engine.publish(token, batch).await, Err(EngineError::Fenced(token)));
    let next =
        engine.acquire(PARTITION, "another", LONG).await.unwrap().expect("a void lease excludes no other holder");
    assert!(next.number > token.number);
    let after = view(&engine, &room).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!((after.head, after.events.len()), (before.head, before.events.len()));
    assert_eq!(engine.load(PARTITION).await.unwrap().entries, [("k".into(), bytes("v"))]);
    publish(&engine, next, &room, "after").await.unwrap();
    receive(&engine, &mut *subscription, &room, "after").await;
    at_last("readiness turns green", || engine.ping()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_subscription_reports_misses_in_bounded_memory() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "slow")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut slow = engine.subscribe(PARTITION).await.unwrap();
    let mut quick = engine.subscribe(PARTITION).await.unwrap();
    // 24 MiB, three times the bound of the queue.
    let body = "x".repeat(256 << 10);
    for _ in 0..96 {
        publish(&engine, token, &room, &body).await.unwrap();
        assert!(!receive(&engine, &mut *quick, &room, &body).await, "a quick subscription misses nothing");
    }
    publish(&engine, token, &room, "last").await.unwrap();
    receive(&engine, &mut *quick, &room, "last").await;
    assert_eq!(slow.next().await, Some(Signal::Missed));
    let mut waiting = 0;
    while let Ok(signal) = tokio::time::timeout(Duration::from_millis(500), slow.next()).await {
        if let Some(Signal::Frame(frame)) = signal {
            waiting += frame.body.len();
        }
    }
    assert!(waiting <= 8 << 20, "{waiting} bytes were waiting");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scripts_are_reloaded_after_a_script_flush() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "scripts")).await;
    let token = own(&engine, PARTITION).await;
    let () = server.command("SCRIPT FLUSH").await.unwrap();
    assert_eq!(engine.renew(token, LONG).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_append_wakes_the_owner_at_once() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "growth")).await;
    // The first wait subscribes; it may end for any reason.
    engine.wait_log(PARTITION, Position(0), SOON).await.unwrap();
    let mut times = Vec::new();
    for n in 0..20 {
        let waiting = async {
            engine.wait_log(PARTITION, Position(n), SOON).await.unwrap();
            Instant::now()
        };
        let appending = async {
            engine.append(vec![(PARTITION, bytes("a"))]).await.unwrap();
            Instant::now()
        };
        let (woken, appended) = tokio::join!(waiting, appending);
        times.push(woken.saturating_duration_since(appended));
    }
    times.sort();
    // A lost wake-up costs 250 ms: half of the waits would not be below that on any machine.
    assert!(times[10] < Duration::from_millis(240), "half of the waits took {:?} or more", times[10]);
}

/// A reconnect while everything is slow would fail all callers at once.
///
/// They would all retry together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_command_does_not_drop_a_live_connection() {
    let server = server().await;
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    let engine = connect(settings(&proxy.url(), "late")).await;
    // From here on the pub/sub connection is recognized by its subscription.
    let _subscription = engine.subscribe(PARTITION).await.unwrap();
    let commands = async || -> Vec<String> {
        let list: String = server.command("CLIENT LIST").await.unwrap();
        let ours = list.lines().filter(|line| line.contains(" ssub=0 ") && !line.contains(" cmd=client"));
        ours.filter_map(|line| line.split(' ').next().map(str::to_owned)).collect()
    };
    let append = async || engine.append(vec![(PARTITION, bytes("a"))]).await;
    append().await.unwrap();
    let before = commands().await;
    proxy.pause();
    let late = append().await;
    assert!(matches!(late, Err(EngineError::Unavailable(_))), "{late:?}");
    // Well within the five seconds in which the connection is checked.
    proxy.heal();
    append().await.unwrap();
    let after = commands().await;
    assert!(before.iter().any(|id| after.contains(id)), "{before:?} became {after:?}");
}
