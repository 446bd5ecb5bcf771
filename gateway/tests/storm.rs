//! Many at once: what ten thousand clients cost the engine does not depend on how many they are.
//!
//! In a process of their own: they take all there is of a machine, and other tests have deadlines.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![expect(dead_code, reason = "the floor has more than is needed here")]

#[path = "support/mod.rs"]
mod support;

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::http::Request;
use futures_util::future::join_all;
use ringside_engine::redis::{Redis, RedisSettings};
use ringside_gateway::GatewaySettings;
use ringside_model::Cursor;
use ringside_rig::{RedisOptions, RedisServer};
use serde_json::Value;
use tempfile::TempDir;
use tower::ServiceExt;

use crate::support::client::{Client, PATIENCE, calls};
use crate::support::test_gateway::{TestGateway, serve};

async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let held = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(3 * PATIENCE, held).await.unwrap_or_else(|_| panic!("{what}"));
}

const CLIENTS: usize = 10_000;
const ROOMS: usize = 50;

/// Publishes three calls to each of fifty rooms; returns the places behind the first of them.
async fn fifty_rooms(floor: &TestGateway) -> Vec<String> {
    let mut places = Vec::new();
    for n in 0..ROOMS {
        let campaign = format!("c{n}");
        for call in 1..=3 {
            floor.call(&campaign, call).await;
        }
        let head = floor.head(&format!("calls:{campaign}")).await;
        places.push(format!("calls:{campaign}@{}", Cursor { offset: head.offset - 2, ..head }));
    }
    places
}

/// All clients come at once to a gateway that nobody was on, as after the death of another one. Without sockets: a process
/// has not that many.
/// All clients come to a fresh gateway at once. Returns how often one was told that a room could not be read in time: on
/// a slow machine that happens, and each of those may have cost a read.
async fn all_come_back(floor: &TestGateway, places: &[String]) -> usize {
    let (fresh, _) = serve(floor.engine.clone(), GatewaySettings::default()).await;
    let router = fresh.router();
    let token = floor.token().await;
    let comings = join_all((0..CLIENTS).map(|n| {
        let (router, token) = (router.clone(), token.clone());
        let mut rooms = format!("{},{}", places[n % ROOMS], places[(n + 17) % ROOMS]);
        async move {
            let mut missed = Vec::new();
            let mut refused = 0;
            loop {
                let request = Request::get(format!("/poll?wait=0&rooms={rooms}"));
                let request = request.header("authorization", format!("Bearer {token}")).body(Body::empty()).unwrap();
                let answer = router.clone().oneshot(request).await.unwrap();
                let body = axum::body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
                let body: Value = serde_json::from_slice(&body).unwrap();
                let frames = body["frames"].as_array().unwrap();
                missed.extend(frames.iter().flat_map(calls));
                // As any client would: a room that could not be read in time is asked for again.
                let unread = frames.iter().filter(|frame| frame["code"] == "unavailable").count();
                if unread == 0 {
                    return (missed, body, refused);
                }
                refused += unread;
                rooms = body["cursor"].as_str().unwrap().to_owned();
            }
        }
    }));
    let mut refused_in_all = 0;
    for (missed, last, refused) in comings.await {
        assert_eq!(missed, ["c2", "c3", "c2", "c3"], "exactly what was missed, none twice: {last}");
        refused_in_all += refused;
    }
    refused_in_all
}

/// A room that is silent for ten seconds is compared with the engine: on a slow machine that falls into this time.
fn at_most(began: Instant) -> usize {
    ROOMS * (1 + began.elapsed().as_secs() as usize / 10)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_come_back_to_fifty_rooms_cost_fifty_reads() {
    let (floor, faulty) = TestGateway::faulty().await;
    let places = fifty_rooms(&floor).await;
    let (before, began) = (faulty.all_reads(), Instant::now());
    faulty.hold_answers(true);
    let released = async {
        // All have asked before the first is answered.
        faulty.held(1).await;
        faulty.hold_answers(false);
    };
    let (refused, ()) = tokio::join!(all_come_back(&floor, &places), released);
    let reads = faulty.all_reads() - before;
    println!("{CLIENTS} clients, {ROOMS} rooms: {reads} reads in {:?}", began.elapsed());
    assert!((ROOMS..=at_most(began) + refused).contains(&reads), "{reads} reads, {refused} refusals");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_who_come_back_cost_a_real_redis_no_more_than_that() {
    let server = RedisServer::start(RedisOptions::default()).await.unwrap();
    let settings = RedisSettings { partitions: 16, ..RedisSettings::new(server.url()) };
    let engine = Arc::new(Redis::connect(settings).await.unwrap());
    let floor = TestGateway::over(engine, GatewaySettings::default(), TempDir::new().unwrap()).await;
    let places = fifty_rooms(&floor).await;
    server.command::<()>("CONFIG RESETSTAT").await.unwrap();
    let began = Instant::now();
    let refused = all_come_back(&floor, &places).await;
    // Nobody owns a partition here: every script is a read of a room.
    let stats = server.command::<String>("INFO commandstats").await.unwrap();
    let calls = |line: &str| -> usize { line.split(['=', ',']).nth(1).unwrap().parse().unwrap() };
    let scripts = stats.lines().filter(|line| line.starts_with("cmdstat_eval")).map(calls).sum::<usize>();
    println!("{CLIENTS} clients, {ROOMS} rooms: {scripts} scripts in {:?}", began.elapsed());
    assert!((ROOMS..=at_most(began) + ROOMS + refused).contains(&scripts), "{stats}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_of_sockets_that_come_at_once_share_their_reads_and_their_frames() {
    let (floor, faulty) = TestGateway::faulty().await;
    floor.call("alpha", 1).await;
    let (_fresh, address) = serve(floor.engine.clone(), GatewaySettings::default()).await;
    let token = floor.token().await;
    let before = faulty.all_reads();
    let mut clients = join_all((0..300).map(|_| async {
        let mut client = Client::connect(address, "/ws", &token).await;
        client.subscribe("calls:alpha").await;
        assert_eq!(calls(&client.until("initial").await), ["c1"]);
        client
    }))
    .await;
    // A snapshot is shared for a while and then made anew; a slow machine takes a few of those.
    let reads = faulty.all_reads() - before;
    assert!(reads <= 10, "{reads} reads for 300 sockets");
    floor.call("alpha", 2).await;
    for client in &mut clients {
        assert_eq!(calls(&client.until("call_event").await), ["c2"]);
    }
    assert!(faulty.all_reads() - before <= reads + 1, "what is new comes without a read");
}

#[tokio::test]
async fn partitions_are_joined_for_the_first_who_watches_and_left_after_the_last() {
    let (floor, faulty) = TestGateway::faulty().await;
    assert_eq!(faulty.subscriptions(), 0, "nobody watches");
    let partitions = usize::from(floor.engine.partitions());
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = floor.client().await;
        for n in 0..20 {
            client.subscribe(&format!("calls:c{n}")).await;
            client.until("initial").await;
        }
        clients.push(client);
        assert_eq!(faulty.subscriptions(), partitions, "one each, however many rooms and clients");
    }
    let mut one = floor.client().await;
    one.subscribe("calls:c1").await;
    one.until("initial").await;
    drop(clients);
    // Fifteen seconds for who reloads a page, and as long again for who comes back.
    eventually("the others are left", || faulty.subscriptions() == 1).await;
    floor.call("c1", 1).await;
    one.until("call_event").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_campaigns_are_overviewed_with_one_read_each() {
    const CAMPAIGNS: usize = 1_000;
    let (floor, faulty) = TestGateway::faulty().await;
    let ids: Vec<String> = (0..CAMPAIGNS).map(|n| format!("c{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        floor.numbers(id, n as i64 % 3, 1).await;
    }
    floor.directory(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let token = floor.token().await;
    let before = faulty.all_reads();
    let began = Instant::now();
    // Several at once, one of them with another scope.
    let some: Vec<&str> = ids[..400].iter().map(String::as_str).collect();
    let cut = floor.sign(&TestGateway::claims(Some(&some))).await;
    let asked = [&token, &token, &cut, &token].map(|token| floor.ask_later("/analytics/metrics", token));
    for (answer, count) in asked.into_iter().zip([CAMPAIGNS, CAMPAIGNS, 400, CAMPAIGNS]) {
        let (status, body) = answer.await.unwrap();
        assert_eq!((status, body["campaigns"].as_array().unwrap().len()), (200, count));
    }
    println!("{CAMPAIGNS} campaigns after {:?}", began.elapsed());
    // The directory, and each campaign once; snapshots that took longer than they are shared for are made again.
    let reads = faulty.all_reads() - before;
    let silences = began.elapsed().as_secs() as usize / 10;
    assert!((CAMPAIGNS..CAMPAIGNS * (1 + silences) + 500).contains(&reads), "{reads} reads, {silences} silences");
}
