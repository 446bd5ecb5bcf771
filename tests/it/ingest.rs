//! Sending: twice, shuffled, and through a SIGKILL.

use std::collections::BTreeSet;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::app::{KEY, TestApp};

const QUIET: (&[&str], &[(&str, &str)]) = (&["--simulate", "false"], &[("RINGSIDE_HOST", "false")]);

/// Call `number` of a floor whose totals are plain to see: every second one answered, every tenth converted.
fn call(number: usize, start_ms: i64) -> Vec<Value> {
    let id = format!("c{number}");
    let at = |offset: i64| {
        let moment = jiff::Timestamp::from_millisecond(start_ms + number as i64 * 20 + offset).expect("a moment");
        moment.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    };
    let event = |what: &str, offset: i64, more: Value| {
        let mut event = json!({"id": format!("{id}-{what}"), "type": format!("call.{what}"), "at": at(offset),
            "campaign": "alpha", "callId": id});
        event.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        event
    };
    let mut events = vec![event("dialing", 0, json!({})), event("ringing", 800, json!({}))];
    if number.is_multiple_of(2) {
        events.push(event("answered", 9_000, json!({})));
        events.push(event("bridged", 9_500, json!({"agent": "a1"})));
        events.push(event("ended", 60_000, json!({"cause": 16, "by": "them"})));
        if number.is_multiple_of(10) {
            events.push(event("disposition", 61_000, json!({"outcome": "converted"})));
        }
    } else {
        events.push(event("ended", 30_000, json!({"cause": 19})));
    }
    events
}

fn start_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond() - 600_000
}

#[tokio::test]
async fn ten_thousand_events_sent_twice_and_shuffled_count_once() {
    let app = TestApp::quiet();
    let start = start_ms();
    // Ten calls are 41 events.
    let calls = 2_440;
    let mut events: Vec<Value> = (0..calls).flat_map(|number| call(number, start)).collect();
    assert_eq!(events.len(), 10_004);
    events.extend(events.clone());
    events.shuffle(&mut StdRng::seed_from_u64(7));
    let mut told = 0;
    for batch in events.chunks(500) {
        let receipt = app.post_events(batch).await;
        assert_eq!(receipt["rejected"], json!([]));
        told += receipt["accepted"].as_i64().expect("a count") + receipt["duplicates"].as_i64().expect("a count");
    }
    assert_eq!(told, 20_008);

    let token = app.login().await;
    let count = |name: &str, metrics: &Value| metrics["counters"][name].as_u64().map(|count| count as usize);
    let all =
        |metrics: &Value| count("completed", metrics) == Some(calls) && count("converted", metrics) == Some(calls / 10);
    let metrics = app.metrics_when(&token, "alpha", all).await;
    assert_eq!(count("attempts", &metrics), Some(calls));
    assert_eq!(count("answered", &metrics), Some(calls / 2));
    assert_eq!(count("noAnswer", &metrics), Some(calls / 2));
    let outcomes: i64 = metrics["outcomes"].as_object().expect("tiles").values().filter_map(Value::as_i64).sum();
    assert_eq!(outcomes, calls as i64, "the tiles add up");
}

#[tokio::test]
async fn every_event_acknowledged_before_a_sigkill_is_in_the_totals_after_it() {
    let folder = TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let mut random = StdRng::seed_from_u64(11);
    let mut acknowledged = BTreeSet::new();
    let mut next = 0;
    for _ in 0..3 {
        let mut app = TestApp::on(&data, QUIET.0, QUIET.1);
        let (url, kill_after) = (app.url("/ingest/events"), random.random_range(5..40));
        let http = reqwest::Client::new();
        // Four senders at once; the process is killed while their requests are under way.
        let mut posts = tokio::task::JoinSet::new();
        let mut answered = 0;
        loop {
            while posts.len() < 4 {
                let calls: Vec<usize> = (next..next + 10).collect();
                next += 10;
                let (http, url) = (http.clone(), url.clone());
                posts.spawn(async move {
                    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
                    let events: Vec<_> = calls
                        .iter()
                        .map(|call| json!({"id": format!("e{call}"), "type": "call.dialing", "at": at, "campaign": "alpha", "callId": format!("c{call}")}))
                        .collect();
                    let answer = http.post(url).bearer_auth(KEY).json(&events).send().await.ok()?;
                    let body: Value = answer.json().await.ok()?;
                    (body["accepted"].as_u64() == Some(10)).then_some(calls)
                });
            }
            let Some(done) = posts.join_next().await else { continue };
            let Some(calls) = done.expect("no sender panics") else { break };
            acknowledged.extend(calls);
            answered += 1;
            if answered == kill_after {
                app.kill();
            }
        }
        while let Some(done) = posts.join_next().await {
            acknowledged.extend(done.expect("no sender panics").into_iter().flatten());
        }
    }

    let app = TestApp::on(&data, QUIET.0, QUIET.1);
    let token = app.login().await;
    let least = acknowledged.len() as i64;
    let metrics = app
        .metrics_when(&token, "alpha", |metrics| {
            metrics["counters"]["attempts"].as_i64().is_some_and(|count| count >= least)
        })
        .await;
    let attempts = metrics["counters"]["attempts"].as_i64().expect("a count");
    assert!(attempts <= next as i64, "nothing is counted that was never sent");

    // Sent again, all of them: only those count that had not arrived.
    let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
    for chunk in (0..next).collect::<Vec<_>>().chunks(1_000) {
        let events: Vec<_> = chunk
            .iter()
            .map(|call| json!({"id": format!("e{call}"), "type": "call.dialing", "at": at, "campaign": "alpha", "callId": format!("c{call}")}))
            .collect();
        app.post_events(&events).await;
    }
    let all = next as i64;
    app.metrics_when(&token, "alpha", |metrics| metrics["counters"]["attempts"].as_i64() == Some(all)).await;
}

#[tokio::test]
async fn who_stops_in_the_middle_of_a_body_is_told_so() {
    let app = TestApp::quiet();
    let mut socket = TcpStream::connect(app.url("").trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "POST /ingest/events HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-length: 9\r\n\r\n[{{"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("body_timeout") {
        let mut piece = [0; 1024];
        let read = socket.read(&mut piece).await.unwrap();
        assert!(read > 0, "it ended with {answer}");
        answer.push_str(&String::from_utf8_lossy(&piece[..read]));
    }
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
}
