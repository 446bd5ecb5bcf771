//! A gateway that goes away tells its clients to move, a few at a time, and nobody loses anything on the way.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_gateway::{DeliverySettings, GatewaySettings};
use ringside_model::Cursor;
use ringside_rig::until;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::client::{Client, PATIENCE, calls};
use crate::support::roaming_client::{DOORS, Door};
use crate::support::room_reader::Visitor;
use crate::support::stream::Stream;
use crate::support::test_gateway::{TestGateway, delivery_settings, serve};

fn leaving_over(drain_over: Duration) -> GatewaySettings {
    delivery_settings(DeliverySettings { drain_over, ..DeliverySettings::default() })
}

/// Watches until it is told to go; then goes elsewhere with its cursor, through a door of its own choice, until it has seen
/// the last call. Returns when it was told to go, when to come back, and all calls that it saw.
async fn moves_on(
    mut visitor: Visitor,
    (elsewhere, door): (SocketAddr, Door),
    token: Arc<str>,
    last: String,
) -> (Instant, u64, Vec<String>) {
    let mut seen = Vec::new();
    let (told, retry_ms) = loop {
        let frame = visitor.next().await;
        match frame["type"].as_str().unwrap() {
            "call_event" => seen.extend(calls(&frame)),
            "bye" => break (Instant::now(), frame["retryMs"].as_u64().unwrap()),
            other => panic!("{other}"),
        }
    };
    visitor.ends().await;
    let cursor = visitor.reached().unwrap();
    let mut visitor = Visitor::enter(door, elsewhere, &token, "calls:alpha", Some(cursor)).await;
    while seen.last() != Some(&last) {
        let frame = visitor.next().await;
        assert_eq!(frame["type"], "call_event", "{frame}");
        seen.extend(calls(&frame));
    }
    (told, retry_ms, seen)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_at_all_doors_move_to_another_gateway_in_turns_and_miss_nothing() {
    const CLIENTS: usize = 500;
    const CALLS: u64 = 300;
    let floor = Arc::new(TestGateway::start().await);
    let (old, address) = serve(floor.engine.clone(), leaving_over(Duration::from_secs(2))).await;
    let token: Arc<str> = floor.token().await.into();
    floor.call("alpha", 0).await;
    let mut clients = JoinSet::new();
    for n in 0..CLIENTS {
        // Most are sockets, as in life; they change doors on their way in every combination.
        let (door, next) = (DOORS[[0, 0, 1, 0, 2][n % 5]], DOORS[n / 5 % 3]);
        let mut visitor = Visitor::enter(door, address, &token, "calls:alpha", None).await;
        assert_eq!(visitor.next().await["type"], "initial");
        let to = (floor.address, next);
        let moved = moves_on(visitor, to, token.clone(), format!("c{CALLS}"));
        clients.spawn(async move { (door, moved.await) });
    }
    let publisher = {
        let floor = floor.clone();
        tokio::spawn(async move {
            // Longer than the drain takes.
            for n in 1..=CALLS {
                floor.call("alpha", n).await;
                tokio::time::sleep(Duration::from_millis(8)).await;
            }
        })
    };
    let began = Instant::now();
    old.drain().await;
    publisher.await.unwrap();
    let expected: Vec<String> = (1..=CALLS).map(|n| format!("c{n}")).collect();
    let (mut told, mut retries) = (Vec::new(), Vec::new());
    while let Some(moved) = clients.join_next().await {
        let (door, (at, retry_ms, seen)) = moved.unwrap();
        assert_eq!(seen, expected, "each call once and in order, here or there");
        // Polls are answered at once; connections that stay open go in turns.
        told.extend((door != Door::Poll).then_some(at - began));
        retries.push(retry_ms);
    }
    told.sort();
    // At most 25 each 100 ms; a busy machine may be late, never early.
    for (n, at) in told.iter().enumerate() {
        assert!(*at >= Duration::from_millis(100) * (n / 25) as u32, "number {n} was told after {at:?}");
    }
    retries.sort_unstable();
    retries.dedup();
    assert!(retries.len() > CLIENTS / 2 && retries[0] >= 250 && *retries.last().unwrap() < 2_500, "{retries:?}");
}

#[tokio::test]
async fn a_stream_is_told_when_to_come_back_and_goes_on_elsewhere_from_its_last_event() {
    let floor = TestGateway::start().await;
    let (old, address) = serve(floor.engine.clone(), GatewaySettings::default()).await;
    let token = floor.token().await;
    let mut stream = Stream::open_at(&format!("http://{address}/events?rooms=calls:alpha"), &token, None).await;
    let (_, id) = stream.until("initial").await;
    let drained = tokio::spawn(async move { old.drain().await });
    let (bye, _) = stream.until("bye").await;
    assert!(bye["retryMs"].as_u64().is_some());
    assert!(stream.next().await.is_none(), "it ends after the goodbye");
    assert_eq!(stream.retry_ms(), bye["retryMs"].as_u64(), "browsers go by the field, not by the frame");
    drained.await.unwrap();
    floor.call("alpha", 1).await;
    let before = stream.checker.reached("calls:alpha").unwrap();
    let mut stream = Stream::open(&floor, "/events?rooms=calls:alpha", id.as_deref()).await;
    stream.checker.resume("calls:alpha", before);
    assert_eq!(calls(&stream.until("call_event").await.0), ["c1"]);
}

#[tokio::test]
async fn who_holds_a_poll_is_answered_at_once_and_who_comes_is_sent_elsewhere() {
    let (floor, faulty) = TestGateway::faulty().await;
    // Long enough that the answers below can't come from the end of the drain.
    let (old, address) = serve(floor.engine.clone(), leaving_over(Duration::from_secs(600))).await;
    let token = floor.token().await;
    floor.call("alpha", 1).await;
    let head: Cursor = floor.head("calls:alpha").await;
    let poll = |wait: u64, offset: u64| {
        let cursor = Cursor { offset, ..head };
        let url = format!("http://{address}/poll?rooms=calls:alpha@{cursor}&wait={wait}");
        reqwest::Client::new().get(url).bearer_auth(&token).send()
    };
    let mut sockets = Vec::new();
    for _ in 0..11 {
        sockets.push(Client::connect(address, "/ws", &token).await);
    }
    let followed = faulty.subscriptions();
    let held = tokio::spawn(poll(50, head.offset));
    // It is held once its room is followed, which nobody else watches.
    until("the poll is held", PATIENCE, async || faulty.subscriptions() > followed).await.unwrap();
    let draining = old.clone();
    let drained = tokio::spawn(async move { draining.drain().await });
    let answer = held.await.unwrap().unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["connection"].to_str().unwrap()), (200, "close"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!((body["frames"].as_array().unwrap().len(), &body["frames"][0]["type"]), (1, &"bye".into()), "{body}");
    assert_eq!(body["cursor"], format!("calls:alpha@{head}"), "the place is kept");
    let answer: Value = poll(50, head.offset - 1).await.unwrap().json().await.unwrap();
    let kinds: Vec<&str> = answer["frames"].as_array().unwrap().iter().map(|f| f["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["call_event", "bye"], "what there is comes along");
    for path in ["/ws", "/events?rooms=alerts"] {
        let mut asked = reqwest::Client::new().get(format!("http://{address}{path}")).bearer_auth(&token);
        if path == "/ws" {
            asked = asked.header("connection", "upgrade").header("upgrade", "websocket");
            asked = asked.header("sec-websocket-version", "13").header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
        }
        let answer = asked.send().await.unwrap();
        assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (503, "2"), "{path}");
    }
    drained.abort();
}
