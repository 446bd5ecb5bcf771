//! One client, three doors, two gateways: it changes them in mid-stream, and loses nothing and gets nothing twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringside_engine::redis::{Redis, RedisSettings};
use ringside_gateway::GatewaySettings;
use ringside_model::Cursor;
use ringside_rig::{RedisOptions, RedisServer};
use ringside_wire::frame_kind;
use serde_json::json;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::client::PATIENCE;
use crate::support::roaming_client::{DOORS, Door, Mover};
use crate::support::test_gateway::{TestGateway, serve};

const ROOMS: [&str; 3] = ["alerts", "calls:alpha", "campaign:alpha"];

/// The newest event and state of each room.
type Published = BTreeMap<&'static str, (u64, u64)>;

/// Where all rooms are, after each has something in it that nobody will look for.
async fn beginnings(floor: &TestGateway) -> Vec<(&'static str, Cursor)> {
    floor.alert(0, None).await;
    floor.call("alpha", 0).await;
    floor.numbers("alpha", 0, 1).await;
    let mut places = Vec::new();
    for room in ROOMS {
        places.push((room, floor.head(room).await));
    }
    places
}

/// Publishes events to all rooms and states between them, in bursts and with pauses.
async fn publish_all(floor: &TestGateway, calls: u64, seed: u64) -> Published {
    let mut dice = StdRng::seed_from_u64(seed);
    let (mut alerts, mut statuses, mut states) = (0, 0, 0);
    for n in 1..=calls {
        floor.call("alpha", n).await;
        if dice.random_bool(0.25) {
            statuses += 1;
            floor.status("alpha", &format!("s{statuses}")).await;
        }
        // Several in a row: all but the last are superseded for most.
        for _ in 0..[0, 0, 1, 4][dice.random_range(0..4)] {
            states += 1;
            floor.numbers("alpha", states, states).await;
        }
        if dice.random_bool(0.25) {
            alerts += 1;
            floor.alert(alerts, None).await;
        }
        if dice.random_bool(0.3) {
            tokio::time::sleep(Duration::from_millis(dice.random_range(0..40))).await;
        }
    }
    [("alerts", (alerts, 0)), ("calls:alpha", (calls, 0)), ("campaign:alpha", (statuses, states as u64))].into()
}

/// Moves about until it has all that was published; then nobody has anything left for it.
async fn moves(
    mut mover: Mover,
    gateways: [SocketAddr; 2],
    most: usize,
    mut published: watch::Receiver<Option<Published>>,
) -> u64 {
    let mut legs = 0;
    let has_all = |mover: &Mover, published: &Published| {
        let has = |(room, (event, state)): (&&str, &(u64, u64))| {
            let reached = mover.rooms[room];
            (reached.event, reached.state) == (*event, *state)
        };
        published.iter().all(has)
    };
    while !published.borrow_and_update().as_ref().is_some_and(|published| has_all(&mover, published)) {
        mover.goes_anywhere(&gateways, most).await;
        legs += 1;
    }
    for at in gateways {
        let before = mover.rooms.clone();
        mover.goes(Door::Poll, at, usize::MAX, Duration::ZERO).await;
        assert_eq!(mover.rooms, before, "all was there already");
    }
    legs
}

/// Runs so many plans beside one stream of publications.
async fn run_plans(floor: TestGateway, gateways: [SocketAddr; 2], plans: std::ops::Range<u64>, calls: u64) {
    let places = beginnings(&floor).await;
    let token: Arc<str> = floor.token().await.into();
    let (tell, published) = watch::channel(None);
    let mut movers = JoinSet::new();
    for seed in plans.clone() {
        let mover = Mover::new(token.clone(), seed, places.clone());
        let moved = moves(mover, gateways, 30, published.clone());
        // A plan that fails has said what is wrong; this says which one it was.
        movers.spawn(async move { (seed, tokio::time::timeout(3 * PATIENCE, tokio::spawn(moved)).await) });
    }
    tell.send_replace(Some(publish_all(&floor, calls, plans.start).await));
    let mut legs = 0;
    while let Some(moved) = movers.join_next().await {
        let (seed, moved) = moved.unwrap();
        legs += moved
            .unwrap_or_else(|_| panic!("plan {seed} never has everything"))
            .unwrap_or_else(|_| panic!("plan {seed}"));
    }
    let least = calls / 30 * (plans.end - plans.start);
    assert!(legs > least, "{legs} ways in are too few to have changed doors in mid-stream");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_changes_doors_and_gateways_in_mid_stream_loses_nothing_and_gets_nothing_twice() {
    let floor = TestGateway::start().await;
    let (_other, address) = serve(floor.engine.clone(), GatewaySettings::default()).await;
    let gateways = [floor.address, address];
    run_plans(floor, gateways, 0..30, 150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_the_same_where_each_gateway_has_its_own_way_to_a_redis() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let connect = async || {
        let settings = RedisSettings { partitions: 16, ..RedisSettings::new(server.url()) };
        Arc::new(Redis::connect(settings).await.unwrap())
    };
    let floor = TestGateway::over(connect().await, GatewaySettings::default(), TempDir::new().unwrap()).await;
    let (_other, address) = serve(connect().await, GatewaySettings::default()).await;
    let gateways = [floor.address, address];
    run_plans(floor, gateways, 100..110, 150).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_doors_in_the_middle_of_the_pages_of_history_loses_nothing() {
    let floor = TestGateway::start().await;
    let (_other, address) = serve(floor.engine.clone(), GatewaySettings::default()).await;
    let gateways = [floor.address, address];
    let places = beginnings(&floor).await;
    // Three times what a gateway has in memory, and so long that a page is cut into several batches.
    let missed = 1_600;
    let long_call = async |n: u64| {
        let body = json!({ "calls": [{ "callId": format!("c{n}"), "to": "x".repeat(300) }] });
        floor.event("calls:alpha", frame_kind::CALL_EVENT, body).await;
    };
    for n in 1..=missed {
        long_call(n).await;
    }
    let token: Arc<str> = floor.token().await.into();
    let mut movers = JoinSet::new();
    let (tell, published) = watch::channel(None);
    for seed in 200..208 {
        let mover = Mover::new(token.clone(), seed, places.iter().copied().filter(|(room, _)| *room == "calls:alpha"));
        movers.spawn(tokio::time::timeout(3 * PATIENCE, moves(mover, gateways, 400, published.clone())));
    }
    // It goes on while they read what was.
    for n in missed + 1..=missed + 100 {
        long_call(n).await;
    }
    tell.send_replace(Some([("calls:alpha", (missed + 100, 0))].into()));
    while let Some(moved) = movers.join_next().await {
        moved.unwrap().expect("it has everything in time");
    }
}

#[tokio::test]
async fn a_history_that_was_trimmed_is_told_at_every_door_and_nothing_is_missing_silently() {
    let floor = TestGateway::with(GatewaySettings::default(), TestGateway::short_histories()).await;
    let token: Arc<str> = floor.token().await.into();
    let mut newest = 0;
    for (seed, (door, frames)) in
        DOORS.into_iter().flat_map(|door| [1, 2, 3, 50].map(|frames| (door, frames))).enumerate()
    {
        floor.call("alpha", newest).await;
        let place = floor.head("calls:alpha").await;
        let mut mover = Mover::new(token.clone(), seed as u64, [("calls:alpha", place)]);
        mover.rooms.get_mut("calls:alpha").expect("it is there").event = newest;
        for _ in 0..40 {
            newest += 1;
            floor.call("alpha", newest).await;
        }
        // One that nobody was on has no memory of the room either.
        let (_fresh, address) = serve(floor.engine.clone(), GatewaySettings::default()).await;
        let patience = Duration::from_millis(300);
        // It is told, whether it breaks off between the reset and the `initial` or goes on; if a busy machine lets it
        // wait for longer than it stays, it is told when it comes again.
        let told = async {
            while mover.rooms["calls:alpha"].resets == 0 {
                mover.goes(door, address, frames, patience).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.expect("it is told");
        for next in DOORS {
            newest += 1;
            floor.call("alpha", newest).await;
            let arrived = async {
                while mover.rooms["calls:alpha"].event < newest {
                    mover.goes(next, address, 50, patience).await;
                }
            };
            tokio::time::timeout(PATIENCE, arrived).await.expect("it goes on from there");
        }
        newest += 1;
    }
}
