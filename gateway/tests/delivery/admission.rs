//! Admission of live connections, by the rate of connects and by memory.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Response;
use ringside_engine::Histories;
use ringside_gateway::{DeliverySettings, GatewaySettings};
use ringside_rig::until;
use serde_json::Value;

use crate::support::client::{PATIENCE, calls};
use crate::support::stream::Stream;
use crate::support::test_gateway::{TestGateway, delivery_settings};

async fn ask(floor: &TestGateway, path: &str, token: &str) -> Response {
    reqwest::Client::new().get(floor.url(path)).bearer_auth(token).send().await.unwrap()
}

/// The code and the seconds of a refusal.
async fn refusal(answer: Response) -> (String, u64) {
    assert_eq!(
        (answer.status().as_u16(), &answer.headers()["content-type"]),
        (503, &"application/problem+json".parse().unwrap())
    );
    let retry_secs = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    let body: Value = answer.json().await.unwrap();
    assert!(body["detail"].as_str().unwrap().contains(&format!("{retry_secs} second")), "{body}");
    (body["code"].as_str().unwrap().to_owned(), retry_secs)
}

#[tokio::test]
async fn who_comes_above_the_rate_is_told_to_come_back_each_at_a_time_of_its_own() {
    let settings = delivery_settings(DeliverySettings { connects_per_second: 1, ..DeliverySettings::default() });
    let floor = TestGateway::with(settings, Histories::default()).await;
    let token = floor.token().await;
    let mut retries = BTreeSet::new();
    let refused = async || {
        // One is let in each second, whoever comes then.
        loop {
            let answer = ask(&floor, "/events?rooms=alerts", &token).await;
            if answer.status() != 200 {
                return refusal(answer).await;
            }
        }
    };
    until("refusals with several times to come back", PATIENCE, async || {
        let (code, retry_secs) = tokio::time::timeout(PATIENCE, refused()).await.expect("somebody is refused");
        assert!(code == "too_many_connects" && (1..=5).contains(&retry_secs), "{code}, {retry_secs} s");
        retries.insert(retry_secs);
        retries.len() >= 3
    })
    .await
    .unwrap();
    for path in ["/poll?rooms=alerts", "/analytics/metrics", "/auth/me"] {
        for _ in 0..5 {
            assert_eq!(ask(&floor, path, &token).await.status(), 200, "{path} is a question, not a connection");
        }
    }
    until("there is room again", PATIENCE, async || ask(&floor, "/events?rooms=alerts", &token).await.status() == 200)
        .await
        .unwrap();
}

#[tokio::test]
async fn strangers_take_nobodys_place() {
    let settings = delivery_settings(DeliverySettings { connects_per_second: 1, ..DeliverySettings::default() });
    let floor = TestGateway::with(settings, Histories::default()).await;
    let token = floor.token().await;
    for _ in 0..20 {
        for (path, token, status) in [
            ("/events?rooms=alerts", "no token at all", 401),
            ("/ws", "no token at all", 401),
            ("/ws", token.as_str(), 426),
            ("/events?rooms=no:such:room", token.as_str(), 400),
        ] {
            assert_eq!(ask(&floor, path, token).await.status(), status, "{path}");
        }
    }
    assert_eq!(ask(&floor, "/events?rooms=alerts", &token).await.status(), 200);
}

#[tokio::test]
async fn a_gateway_that_is_short_of_memory_is_red_and_lets_nobody_in_until_it_has_enough_again() {
    const LIMIT: u64 = 1_000 << 20;
    let used = Arc::new(AtomicU64::new(LIMIT / 2));
    let reading = used.clone();
    let settings = GatewaySettings {
        memory_limit: Some(LIMIT),
        memory_reading: Arc::new(move || Some(reading.load(Ordering::Relaxed))),
        ..GatewaySettings::default()
    };
    let floor = TestGateway::with(settings, Histories::default()).await;
    let token = floor.token().await;
    let readiness = async |status: u16| {
        until("readiness turns", PATIENCE, async || floor.ask("/readyz", "").await.0 == status).await.unwrap();
        floor.ask("/readyz", "").await.1
    };
    readiness(200).await;
    let mut stream = Stream::open(&floor, "/events?rooms=calls:alpha", None).await;
    stream.until("initial").await;
    used.store(LIMIT * 9 / 10, Ordering::Relaxed);
    let body = readiness(503).await;
    assert_eq!(body["reasons"][0], "memory is short: 900 of 1000 MB are taken");
    assert_eq!(refusal(ask(&floor, "/events?rooms=alerts", &token).await).await.0, "full");
    assert_eq!(ask(&floor, "/poll?rooms=alerts", &token).await.status(), 200, "a question holds nothing");
    floor.call("alpha", 1).await;
    stream.until("call_event").await; // who is connected stays
    used.store(LIMIT * 82 / 100, Ordering::Relaxed);
    assert_eq!(refusal(ask(&floor, "/events?rooms=alerts", &token).await).await.0, "full", "not yet enough");
    used.store(LIMIT * 7 / 10, Ordering::Relaxed);
    readiness(200).await;
    assert_eq!(ask(&floor, "/events?rooms=alerts", &token).await.status(), 200);
}

#[tokio::test]
async fn a_stream_that_has_lasted_long_enough_comes_back_at_once_and_misses_nothing() {
    let settings =
        delivery_settings(DeliverySettings { max_age: Duration::from_secs(1), ..DeliverySettings::default() });
    let floor = TestGateway::with(settings, Histories::default()).await;
    let mut stream = Stream::open(&floor, "/events?rooms=calls:alpha", None).await;
    let (_, mut id) = stream.until("initial").await;
    let mut seen = Vec::new();
    let (mut lives, mut n) = (0, 0);
    while lives < 3 {
        n += 1;
        floor.call("alpha", n).await;
        loop {
            let Some((frame, at)) = stream.next().await else { panic!("it ends with a goodbye") };
            id = at.or(id);
            match frame["type"].as_str().unwrap() {
                "call_event" => {
                    seen.extend(calls(&frame));
                    break;
                }
                "bye" => {
                    assert!(frame["retryMs"].as_u64().unwrap() < 500, "now: {frame}");
                    assert!(stream.next().await.is_none(), "it ends after the goodbye");
                    let reached = stream.checker.reached("calls:alpha").unwrap();
                    stream = Stream::open(&floor, "/events?rooms=calls:alpha", id.as_deref()).await;
                    stream.checker.resume("calls:alpha", reached);
                    lives += 1;
                }
                other => panic!("{other}"),
            }
        }
    }
    assert_eq!(seen, (1..=n).map(|n| format!("c{n}")).collect::<Vec<_>>());
}
