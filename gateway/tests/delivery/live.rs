//! What comes over a socket while things happen.

use std::time::Duration;

use ringside_engine::{Histories, Lane};
use ringside_gateway::DeliverySettings;
use ringside_model::Timestamp;
use ringside_wire::frame_kind;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::client::{Client, PATIENCE, calls};
use crate::support::test_gateway::{TestGateway, delivery_settings, room};

#[tokio::test]
async fn late_subscriber_gets_initial_then_what_comes() {
    let floor = TestGateway::start().await;
    floor.numbers("alpha", 3, 10).await;
    floor.call("alpha", 1).await;
    floor.call("alpha", 2).await;
    floor.status("alpha", "paused").await;

    let mut client = floor.client().await;
    client.send(json!({ "action": "subscribe", "campaignId": "alpha" })).await;
    let subscribed =
        [client.until("subscribed").await["room"].clone(), client.until("subscribed").await["room"].clone()];
    assert_eq!(subscribed, ["campaign:alpha", "calls:alpha"]);
    let campaign = client.until_that(|f| f["type"] == "initial" && f["room"] == "campaign:alpha").await;
    assert_eq!(campaign["campaign"]["activeCalls"], 3);
    assert_eq!(campaign["series"]["seconds"].as_array().unwrap().len(), 1);
    assert_eq!(campaign["statuses"][0]["to"], "paused");
    assert_eq!(campaign["cursor"], floor.head("campaign:alpha").await.to_string());
    let initial = client.until_that(|f| f["type"] == "initial").await;
    assert_eq!(calls(&initial), ["c1", "c2"]);

    floor.call("alpha", 3).await;
    assert_eq!(calls(&client.until("call_event").await), ["c3"]);
    floor.numbers("alpha", 4, 11).await;
    assert_eq!(client.until("metrics_update").await["campaign"]["activeCalls"], 4);
}

#[tokio::test]
async fn a_campaign_without_data_has_an_empty_initial() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    client.subscribe("campaign:nobody").await;
    let initial = client.until("initial").await;
    assert!(initial["campaign"].is_null() && initial["statuses"] == json!([]), "{initial}");
    floor.numbers("nobody", 1, 1).await;
    assert_eq!(client.until("metrics_update").await["campaign"]["campaignId"], "nobody");
}

#[tokio::test]
async fn slow_client_is_told_what_it_skips_and_delays_nobody() {
    let floor = TestGateway::start().await;
    let mut slow = floor.client().await;
    slow.subscribe("calls:alpha").await;
    slow.until("initial").await;
    let mut fast = floor.client().await;
    fast.subscribe("calls:alpha").await;
    fast.until("initial").await;

    // More than sockets hold on their way; `slow` reads nothing of it until all is published.
    let filler = "x".repeat(100_000);
    for n in 0..60 {
        let body = json!({ "calls": [{ "callId": format!("c{n}"), "to": filler }] });
        floor.event("calls:alpha", frame_kind::CALL_EVENT, body).await;
        assert_eq!(calls(&fast.until("call_event").await), [format!("c{n}")]);
    }
    let mut seen = 0;
    let mut skipped = 0;
    loop {
        let frame = slow.next().await.expect("a slow client is not thrown out while it reads again");
        match frame["type"].as_str().unwrap() {
            "skipped" => skipped += frame["count"].as_u64().unwrap(),
            "call_event" => seen += 1,
            other => panic!("{other}"),
        }
        if frame["calls"][0]["callId"] == "c59" {
            break;
        }
    }
    assert!(skipped > 0, "it was told");
    assert_eq!(seen + skipped, 60, "everything was delivered or counted");
}

#[tokio::test]
async fn metrics_room_is_cut_to_the_names_that_were_asked_for() {
    let floor = TestGateway::start().await;
    let metric = |name: &str, value: f64| {
        json!({ "name": name, "unit": "%", "value": value, "at": "x", "count": 1, "avg": value, "min": value, "max": value,
            "p50": value, "p95": value, "trend": "flat", "change": null })
    };
    let body = |value| json!({ "metrics": [metric("cpu_usage", value), metric("revenue", value)] });
    let series = json!({ "series": [
        { "name": "cpu_usage", "points": [[1, 1.0]] }, { "name": "revenue", "points": [[1, 2.0], [2, 3.0]] }] });
    floor.state("metrics", frame_kind::METRICS_UPDATE, body(1.0), Some(series)).await;

    let mut one = floor.client().await;
    one.send(json!({ "action": "subscribe", "room": "metrics", "metrics": ["revenue"] })).await;
    let initial = one.until("initial").await;
    assert_eq!(initial["metrics"].as_array().unwrap().len(), 1);
    assert_eq!((&initial["metrics"][0]["name"], &initial["series"][0]["name"]), (&json!("revenue"), &json!("revenue")));
    assert!(initial["cursor"].is_null());
    // The other door to the same room joins it by itself, whole.
    let mut all = Client::connect(floor.address, "/ws/metrics", &floor.token().await).await;
    assert_eq!(all.until("initial").await["metrics"].as_array().unwrap().len(), 2);

    floor.state("metrics", frame_kind::METRICS_UPDATE, body(2.0), None).await;
    let update = one.until("metrics_update").await;
    assert_eq!((update["metrics"].as_array().unwrap().len(), &update["metrics"][0]["value"]), (1, &json!(2.0)));
    assert_eq!(all.until("metrics_update").await["metrics"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn overview_sums_what_is_in_scope_and_says_what_changed() {
    let floor = TestGateway::start().await;
    floor.directory(&["alpha", "beta", "gamma"]).await;
    floor.numbers("alpha", 3, 10).await;
    floor.numbers("beta", 4, 10).await;
    floor.numbers("gamma", 100, 10).await;

    let mut all = floor.client().await;
    all.subscribe("overview").await;
    let initial = all.until("initial").await;
    assert_eq!(initial["campaigns"].as_array().unwrap().len(), 3);
    assert_eq!(initial["aggregate"]["totalActiveCalls"], 107);
    assert_eq!(initial["series"]["seconds"][0]["active"], 107);
    let token = floor.sign(&TestGateway::claims(Some(&["alpha", "beta"]))).await;
    let mut two = Client::connect(floor.address, "/ws", &token).await;
    two.subscribe("overview").await;
    let initial = two.until("initial").await;
    assert_eq!(initial["aggregate"]["totalActiveCalls"], 7, "the sums of two campaigns are of two campaigns");
    assert_eq!(initial["campaigns"].as_array().unwrap().len(), 2);

    floor.numbers("beta", 5, 11).await;
    for (client, sum) in [(&mut all, 108), (&mut two, 8)] {
        let update = client.until_that(|f| f["campaigns"].as_array().is_some_and(|rows| !rows.is_empty())).await;
        assert_eq!(update["campaigns"].as_array().unwrap().len(), 1, "only the row that changed");
        assert_eq!(update["campaigns"][0]["campaignId"], "beta");
        assert_eq!(update["aggregate"]["totalActiveCalls"], sum);
    }
    // Changed or not, it is told that the numbers are alive.
    assert_eq!(two.until("metrics_update").await["campaigns"], json!([]));
    floor.directory(&["alpha", "beta", "gamma", "delta"]).await;
    floor.numbers("delta", 1, 10).await;
    all.until_that(|f| f["aggregate"]["totalActiveCalls"] == 109).await;
}

#[tokio::test]
async fn a_campaign_that_is_gone_leaves_the_overview_with_an_initial() {
    let floor = TestGateway::start().await;
    floor.directory(&["alpha", "beta"]).await;
    floor.numbers("alpha", 3, 10).await;
    floor.numbers("beta", 4, 10).await;
    let mut client = floor.client().await;
    client.subscribe("overview").await;
    assert_eq!(client.until("initial").await["aggregate"]["totalActiveCalls"], 7);
    floor.directory(&["beta"]).await;
    let initial = client.until("initial").await;
    assert_eq!(initial["campaigns"].as_array().unwrap().len(), 1);
    assert_eq!(
        (&initial["campaigns"][0]["campaignId"], &initial["aggregate"]["totalActiveCalls"]),
        (&json!("beta"), &json!(4))
    );
    // Nobody listens to it any more, until it is back.
    floor.numbers("alpha", 50, 11).await;
    floor.numbers("beta", 5, 11).await;
    client.until_that(|frame| frame["aggregate"]["totalActiveCalls"] == 5).await;
    floor.directory(&["alpha", "beta"]).await;
    client.until_that(|frame| frame["aggregate"]["totalActiveCalls"] == 55).await;
}

#[tokio::test]
async fn more_than_a_hundred_campaigns_are_published_once_a_second_and_only_what_changed() {
    let floor = TestGateway::start().await;
    let ids: Vec<String> = (0..=100).map(|n| format!("c{n:03}")).collect();
    for id in &ids {
        floor.numbers(id, 1, 1).await;
    }
    floor.directory(&ids.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut client = floor.client().await;
    client.subscribe("overview").await;
    let initial = client.until("initial").await;
    assert_eq!(initial["campaigns"].as_array().unwrap().len(), 101);
    assert_eq!(initial["aggregate"]["totalActiveCalls"], 101);
    let mut told: Vec<i64> = Vec::new();
    let mut changes = 1;
    while changes < 4 {
        floor.numbers("c007", changes, changes + 1).await;
        let update = client.until("metrics_update").await;
        let rows = update["campaigns"].as_array().unwrap();
        assert!(rows.len() <= 1 && rows.iter().all(|row| row["campaignId"] == "c007"), "{update}");
        told.push(Timestamp::parse_rfc3339(update["timestamp"].as_str().unwrap()).unwrap().millis());
        if rows.iter().any(|row| row["activeCalls"] == changes) {
            changes += 1;
        }
    }
    assert!(told.windows(2).all(|pair| pair[1] - pair[0] >= 900), "once a second, not more often: {told:?}");
}

#[tokio::test]
async fn who_answers_no_ping_is_gone_and_who_does_stays() {
    let settings =
        delivery_settings(DeliverySettings { ping_every: Duration::from_secs(2), ..DeliverySettings::default() });
    let floor = TestGateway::with(settings, Histories::default()).await;
    let mut answering = floor.client().await;
    let mut deaf = tokio::net::TcpStream::connect(floor.address).await.unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        floor.address,
        floor.token().await
    );
    deaf.write_all(request.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    tokio::select! {
        read = tokio::time::timeout(PATIENCE, deaf.read_to_end(&mut said)) => read.expect("it is closed").map(|_| ()).unwrap(),
        // Reading is what answers pings.
        frame = answering.next() => panic!("nobody said anything, but {frame:?}"),
    }
    let head = said.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap() + 4;
    assert!(said.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&said));
    assert_eq!(said[head..], [0x89, 0], "it is asked once, and then believed to be gone");
    answering.send(json!({ "action": "ping" })).await;
    answering.until("pong").await;
}

#[tokio::test]
async fn ping_is_answered_and_a_bad_frame_kills_nothing() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    client.send(json!({ "action": "ping" })).await;
    client.until("pong").await;
    for (text, code) in [
        ("not json", "bad_frame"),
        (r#"{"action":"dance","requestId":"r1"}"#, "unknown_action"),
        (r#"{"action":"subscribe","room":"kitchen"}"#, "unknown_room"),
        (r#"{"action":"subscribe","room":"directory"}"#, "unknown_room"),
        (r#"{"action":"subscribe","room":"alerts","cursor":"yesterday"}"#, "bad_cursor"),
        (r#"{"action":"refresh","room":"alerts"}"#, "not_subscribed"),
    ] {
        client.send_text(text.to_owned()).await;
        let error = client.until("error").await;
        assert_eq!(error["code"], code, "{error}");
    }
    client.send(json!({ "action": "dance", "requestId": "r2" })).await;
    assert_eq!(client.until("error").await["requestId"], "r2");
    client.send(json!({ "type": "ping" })).await;
    client.until("pong").await;
}

#[tokio::test]
async fn a_flood_is_closed_with_4408() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    for _ in 0..150 {
        client.send_text("nonsense".to_owned()).await;
    }
    assert_eq!(client.close_code().await, 4408);
}

#[tokio::test]
async fn refresh_repeats_the_newest_state_but_not_all_the_time() {
    let floor = TestGateway::start().await;
    floor.numbers("alpha", 3, 10).await;
    floor.status("alpha", "paused").await;
    let mut client = floor.client().await;
    client.subscribe("campaign:alpha").await;
    let initial = client.until("initial").await;
    client.send(json!({ "action": "refresh", "room": "campaign:alpha" })).await;
    let again = client.until("metrics_update").await;
    assert_eq!((&again["cursor"], &again["campaign"]), (&initial["cursor"], &initial["campaign"]));
    client.send(json!({ "action": "refresh", "room": "campaign:alpha" })).await;
    assert_eq!(client.until("error").await["code"], "throttled");
}

#[tokio::test]
async fn who_left_a_room_hears_nothing_of_it() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    client.send(json!({ "action": "unsubscribe", "room": "calls:alpha" })).await;
    client.until("unsubscribed").await;
    client.subscribe("calls:beta").await;
    client.until("initial").await;
    floor.call("alpha", 1).await;
    floor.call("beta", 2).await;
    let event = client.until("call_event").await;
    assert_eq!((&event["room"], calls(&event)), (&json!("calls:beta"), vec!["c2".to_owned()]));
}

#[tokio::test]
async fn drain_says_when_to_come_back_and_turns_readiness_red() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    assert_eq!(floor.ask("/readyz", "").await.0, 200);
    let gateway = floor.gateway.clone();
    let drained = tokio::spawn(async move { gateway.drain().await });
    let bye = client.until("bye").await;
    assert!((250..2_500).contains(&bye["retryMs"].as_u64().unwrap()), "{bye}");
    assert_eq!(client.close_code().await, 4503);
    drained.await.unwrap();
    let (status, body) = floor.ask("/readyz", "").await;
    assert_eq!((status, &body["reasons"]), (503, &json!(["draining"])));
}

#[tokio::test]
async fn states_and_events_of_a_busy_room_keep_their_arithmetic() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    client.subscribe("campaign:alpha").await;
    client.until("initial").await;
    for n in 0..200 {
        floor.numbers("alpha", n, n).await;
        if n % 7 == 0 {
            floor.status("alpha", "paused").await;
        }
    }
    // The checker has looked at each frame on the way.
    let last = client.until_that(|f| f["campaign"]["activeCalls"] == 199).await;
    assert_eq!(last["cursor"], floor.head("campaign:alpha").await.to_string());
    floor.publish(&room("campaign:alpha"), Lane::Event, "annotation", "{}".into(), None).await;
    client.until("annotation").await;
}
