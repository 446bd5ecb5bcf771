//! What a stand-alone Redis can go through: connections cut and held, a flush, a kill, a follower that is slow.

use std::time::{Duration, Instant};

use ringside_engine::redis::RedisSettings;
use ringside_engine::{
    Batch, Engine, EngineError, EventLog, Leases, Partition, PartitionState, Position, Rooms, Signal,
};
use ringside_rig::{AppendFsync, FaultProxy, RedisOptions, RedisServer, until};

use crate::support::{LONG, SOON, at_last, bytes, connect, event, hear, own, publish, room_in, settings, view};

const PARTITION: Partition = Partition(3);

async fn server() -> RedisServer {
    RedisServer::start(RedisOptions::default()).await.expect("redis-server is installed")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn followers_are_told_after_each_cut_and_hear_again() {
    let server = server().await;
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    let engine = connect(settings(&proxy.url(), "cut")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut subscription = engine.subscribe(PARTITION).await.unwrap();
    for round in 0..3 {
        proxy.cut();
        let body = format!("after cut {round}");
        // Beside the proxy, so that it is published while the follower is away.
        let beside = connect(settings(&server.url(), "cut")).await;
        publish(&beside, token, &room, &body).await.unwrap();
        hear(&engine, &mut *subscription, &room, &body).await;
        let live = format!("live {round}");
        publish(&beside, token, &room, &live).await.unwrap();
        hear(&engine, &mut *subscription, &room, &live).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_connection_is_found_and_callers_are_not_kept_waiting() {
    let server = server().await;
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    // From its first second without an answer on.
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
        assert!(began.elapsed() < SOON, "a door would wait {:?}", began.elapsed());
    }
    until("readiness turns red", SOON, async || engine.ping().await.is_err()).await.unwrap();
    let beside = connect(settings(&server.url(), "half")).await;
    publish(&beside, token, &room, "meanwhile").await.unwrap();
    // Those that were made before stay as they are: half open. New ones are welcome.
    proxy.cut();
    proxy.heal();
    hear(&engine, &mut *subscription, &room, "meanwhile").await;
    at_last("readiness turns green", || engine.ping()).await;
    at_last("appending", || engine.append(vec![(PARTITION, bytes("b"))])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_is_red_while_no_canary_comes_back_and_green_by_itself() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "canary")).await;
    at_last("readiness is green", || engine.ping()).await;
    // Publishing waits, everything that only reads is answered: the health check that asks PING sees nothing.
    let () = server.command("CLIENT PAUSE 60000 WRITE").await.unwrap();
    let red = async || engine.ping().await.is_err_and(|reason| reason.to_string().contains("does not come back"));
    until("readiness turns red and says why", SOON, red).await.unwrap();
    let () = server.command("CLIENT UNPAUSE").await.unwrap();
    at_last("readiness turns green", || engine.ping()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_ends_the_owners_right_and_the_epoch() {
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
async fn a_killed_redis_keeps_what_was_acknowledged_and_voids_leases_and_epochs() {
    let mut server = RedisServer::start(RedisOptions::append_only(AppendFsync::Always)).await.unwrap();
    let engine = connect(settings(&server.url(), "kill")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut subscription = engine.subscribe(PARTITION).await.unwrap();
    engine.append((0..10).map(|n| (PARTITION, bytes(format!("{n}")))).collect()).await.unwrap();
    publish(&engine, token, &room, "before").await.unwrap();
    // Everything is in the state, so the log is empty when it goes down.
    engine.commit(token, Position(10), vec![("k".into(), bytes("v"))], vec![]).await.unwrap();
    let before = view(&engine, &room).await;
    server.kill();
    let refused = engine.append(vec![(PARTITION, bytes("lost"))]).await;
    assert!(matches!(refused, Err(EngineError::Unavailable(_))), "{refused:?}");
    server.restart().await.unwrap();

    at_last("appending", || engine.append(vec![(PARTITION, bytes("10"))])).await;
    let entries = engine.read_log(PARTITION, Position(10), 10).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.position.0).collect::<Vec<_>>(), [11], "positions go on");
    assert_eq!(engine.renew(token, LONG).await, Ok(false), "its newest writes may be gone, for all the owner knows");
    assert_eq!(engine.commit(token, Position(11), vec![], vec![]).await, Err(EngineError::Fenced(token)));
    let batch = Batch { expected_seq: 1, position: Position(11), publications: vec![] };
    assert_eq!(engine.publish(token, batch).await, Err(EngineError::Fenced(token)));
    let next = engine.acquire(PARTITION, "another", LONG).await.unwrap().expect("a void lease holds nobody off");
    assert!(next.number > token.number);
    let after = view(&engine, &room).await;
    assert_ne!(after.epoch, before.epoch);
    assert_eq!((after.head, after.events.len()), (before.head, before.events.len()));
    assert_eq!(engine.load(PARTITION).await.unwrap().entries, [("k".into(), bytes("v"))]);
    publish(&engine, next, &room, "after").await.unwrap();
    hear(&engine, &mut *subscription, &room, "after").await;
    at_last("readiness turns green", || engine.ping()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_follower_is_told_that_it_missed_something_and_costs_bounded_memory() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "slow")).await;
    let room = room_in(PARTITION, engine.partitions());
    let token = own(&engine, PARTITION).await;
    let mut slow = engine.subscribe(PARTITION).await.unwrap();
    let mut quick = engine.subscribe(PARTITION).await.unwrap();
    // 24 MiB, thrice what may wait.
    let body = "x".repeat(256 << 10);
    for _ in 0..96 {
        publish(&engine, token, &room, &body).await.unwrap();
        assert!(!hear(&engine, &mut *quick, &room, &body).await, "a quick one misses nothing");
    }
    publish(&engine, token, &room, "last").await.unwrap();
    hear(&engine, &mut *quick, &room, "last").await;
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
async fn scripts_are_given_again_to_a_redis_that_forgot_them() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "scripts")).await;
    let token = own(&engine, PARTITION).await;
    let () = server.command("SCRIPT FLUSH").await.unwrap();
    assert_eq!(engine.renew(token, LONG).await, Ok(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_owner_hears_of_an_entry_at_once() {
    let server = server().await;
    let engine = connect(settings(&server.url(), "growth")).await;
    // The first wait makes the subscription; it may end for any reason.
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
        let (heard, appended) = tokio::join!(waiting, appending);
        times.push(heard.saturating_duration_since(appended));
    }
    times.sort();
    // A wake-up that never comes costs 250 ms: half of them would not be below that on any machine.
    assert!(times[10] < Duration::from_millis(240), "half of the waits took {:?} or more", times[10]);
}

/// A reconnect while everything is slow would refuse all callers at once, and they would begin anew all together.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_takes_too_long_ends_no_connection_that_still_answers() {
    let server = server().await;
    let proxy = FaultProxy::to_port(server.port()).await.unwrap();
    let engine = connect(settings(&proxy.url(), "late")).await;
    // From here on the connection for news is known by its subscription.
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
    // Well within the next five seconds, in which the connection is asked whether it lives.
    proxy.heal();
    append().await.unwrap();
    let after = commands().await;
    assert!(before.iter().any(|id| after.contains(id)), "{before:?} became {after:?}");
}
