//! Watching: what a socket is sent, how cursors add up, how a reader that was away catches up.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::{TestApp, cursor};

fn dialing(call: &str) -> Value {
    json!({"id": format!("{call}-d"), "type": "call.dialing", "at": now(), "campaign": "alpha", "callId": call})
}

fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[tokio::test]
async fn the_simulated_floor_moves_on_overview_and_campaign() {
    let app = TestApp::simulated();
    let token = app.login().await;
    let mut socket = app.socket(&token).await;
    socket.send(json!({"action": "subscribe", "room": "overview"})).await;
    socket.next_of("initial", "overview").await;
    let mut update = socket.next_of("metrics_update", "overview").await;
    while update["aggregate"]["campaigns"] != 9 || update["point"].is_null() {
        update = socket.next_of("metrics_update", "overview").await;
    }
    // A new client gets all rows and full charts at once.
    let mut late = app.socket(&token).await;
    late.send(json!({"action": "subscribe", "room": "overview"})).await;
    let initial = late.next_of("initial", "overview").await;
    assert_eq!(initial["campaigns"].as_array().map(Vec::len), Some(9), "nine campaigns");
    let points = initial["series"]["seconds"].as_array().expect("charts").len();
    assert!(points > 0 && points <= 60, "{points} points");
    let mut sums = BTreeSet::new();
    while sums.len() < 3 {
        let update = socket.next_of("metrics_update", "overview").await;
        sums.insert(update["aggregate"]["counters"]["attempts"].as_i64().expect("a count"));
    }

    socket.send(json!({"action": "subscribe", "campaignId": "demo-solar-spring"})).await;
    let initial = socket.next_of("initial", "campaign:demo-solar-spring").await;
    assert_eq!(initial["campaign"]["campaignId"], "demo-solar-spring");
    let mut at = cursor(&initial);
    for _ in 0..10 {
        let update = socket.next_of("metrics_update", "campaign:demo-solar-spring").await;
        let (epoch, offset) = cursor(&update);
        assert_eq!(epoch, at.0);
        assert_eq!(offset, at.1 + 1 + update["conflated"].as_u64().unwrap_or(0), "cursors add up: {update}");
        at.1 = offset;
    }
}

#[tokio::test]
async fn a_reader_that_was_away_gets_every_missed_event_in_order_and_then_the_newest_state() {
    let app = TestApp::quiet();
    let token = app.login().await;
    let mut socket = app.socket(&token).await;
    socket.send(json!({"action": "subscribe", "room": "calls:alpha"})).await;
    let mut place = cursor(&socket.next_of("initial", "calls:alpha").await);
    app.post_events(&[dialing("before")]).await;
    let seen = socket.next_of("call_event", "calls:alpha").await;
    assert_eq!(seen["calls"][0]["callId"], "before");
    place = (cursor(&seen).0, cursor(&seen).1.max(place.1));
    drop(socket);

    for batch in 0..20 {
        let events: Vec<_> = (0..5).map(|call| dialing(&format!("away-{batch:02}-{call}"))).collect();
        app.post_events(&events).await;
    }
    let mut socket = app.socket(&token).await;
    let resume = json!({"action": "subscribe", "room": "calls:alpha", "cursor": format!("{}:{}", place.0, place.1)});
    socket.send(resume).await;
    let mut calls = Vec::new();
    while calls.len() < 100 {
        let frame = socket.next_of("call_event", "calls:alpha").await;
        let (epoch, offset) = cursor(&frame);
        assert_eq!(epoch, place.0, "no new epoch");
        assert_eq!(offset, place.1 + 1 + frame["conflated"].as_u64().unwrap_or(0));
        place.1 = offset;
        let batch = frame["calls"].as_array().expect("calls");
        calls.extend(batch.iter().map(|call| call["callId"].as_str().expect("an id").to_owned()));
    }
    let expected: Vec<_> =
        (0..20).flat_map(|batch| (0..5).map(move |call| format!("away-{batch:02}-{call}"))).collect();
    assert_eq!(calls, expected);
}

#[tokio::test]
async fn cursors_survive_a_sigkill_of_the_process() {
    let folder = tempfile::TempDir::new().expect("a folder");
    let data = folder.path().join("data");
    let quiet: (&[&str], &[(&str, &str)]) = (&["--simulate", "false"], &[("RINGSIDE_HOST", "false")]);
    let mut app = TestApp::on(&data, quiet.0, quiet.1);
    let token = app.login().await;
    let mut socket = app.socket(&token).await;
    socket.send(json!({"action": "subscribe", "room": "calls:alpha"})).await;
    socket.next_of("initial", "calls:alpha").await;
    app.post_events(&[dialing("one")]).await;
    let place = cursor(&socket.next_of("call_event", "calls:alpha").await);
    app.kill();

    let app = TestApp::on(&data, quiet.0, quiet.1);
    app.post_events(&[dialing("two")]).await;
    // The login outlives the process: signing keys are kept.
    let mut socket = app.socket(&token).await;
    let resume = json!({"action": "subscribe", "room": "calls:alpha", "cursor": format!("{}:{}", place.0, place.1)});
    socket.send(resume).await;
    let frame = socket.next_of("call_event", "calls:alpha").await;
    assert_eq!(frame["calls"][0]["callId"], "two", "what was told before is not told again");
    assert_eq!(cursor(&frame), (place.0, place.1 + 1));
}

#[tokio::test]
async fn a_campaign_without_data_has_an_empty_initial_and_comes_alive_with_its_first_call() {
    let app = TestApp::quiet();
    let token = app.login().await;
    let mut socket = app.socket(&token).await;
    socket.send(json!({"action": "subscribe", "room": "campaign:later"})).await;
    let initial = socket.next_of("initial", "campaign:later").await;
    assert!(initial["campaign"].is_null(), "{initial}");
    let event = json!({"id": "e", "type": "call.dialing", "at": now(), "campaign": "later", "callId": "c"});
    app.post_events(&[event]).await;
    let update = socket.next_of("metrics_update", "campaign:later").await;
    assert_eq!(update["campaign"]["counters"]["attempts"], 1);
    assert!(update["campaign"]["queueDepth"].is_null(), "unknown is not zero");
}

#[tokio::test]
async fn a_broken_limit_becomes_an_alert_and_a_booking_a_notification() {
    let app = TestApp::quiet();
    let token = app.login().await;
    let mut socket = app.socket(&token).await;
    socket.send(json!({"action": "subscribe", "room": "alerts"})).await;
    socket.send(json!({"action": "subscribe", "room": "notifications"})).await;
    socket.next_of("initial", "alerts").await;
    socket.next_of("initial", "notifications").await;
    let booking = json!({"id": "b", "type": "notification", "at": now(), "category": "booking", "kind": "car",
        "status": "confirmed", "title": "Booking 8812 confirmed", "body": "7 days"});
    app.post_events(&[booking]).await;
    let frame = socket.next_of("notification", "notifications").await;
    assert_eq!(frame["notification"]["title"], "Booking 8812 confirmed");

    // A rule holds for some seconds of ticks, so the samples go on until it fires.
    let alert = async {
        loop {
            let frame = socket.next_of("alert", "alerts").await;
            if frame["alert"]["state"] == "firing" {
                return frame;
            }
        }
    };
    let samples = async {
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(500));
        for number in 0.. {
            pace.tick().await;
            let sample = json!({"id": format!("m{number}"), "type": "metric", "at": now(), "name": "cpu_usage",
                "unit": "%", "value": 97.0, "labels": {"host": "pbx-1"}});
            app.post_events(&[sample]).await;
        }
    };
    let frame = tokio::select! {
        frame = alert => frame,
        () = samples => unreachable!("samples never end"),
    };
    assert_eq!(frame["alert"]["severity"], "critical");
    assert_eq!(frame["alert"]["value"], 97.0);
    assert_eq!(frame["alert"]["threshold"], 90.0);
}
