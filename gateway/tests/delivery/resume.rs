//! Coming back with a cursor.

use std::time::Duration;

use ringside_engine::{Histories, History};
use ringside_gateway::GatewaySettings;
use ringside_model::{Cursor, Epoch};

use crate::support::client::{Client, calls};
use crate::support::test_gateway::{TestGateway, serve};

#[tokio::test]
async fn resume_brings_every_missed_event_in_order_and_ends_with_the_newest_state() {
    let floor = TestGateway::start().await;
    floor.numbers("alpha", 1, 1).await;
    floor.status("alpha", "s0").await;
    let cursor = floor.head("campaign:alpha").await;
    for n in 1..=5 {
        floor.numbers("alpha", n, n).await;
        floor.status("alpha", &format!("s{n}")).await;
    }
    let mut client = floor.client().await;
    client.resume("campaign:alpha", cursor).await;
    let mut statuses = Vec::new();
    loop {
        let frame = client.next().await.unwrap();
        match frame["type"].as_str().unwrap() {
            "subscribed" => {}
            "campaign_status_change" => statuses.push(frame["to"].as_str().unwrap().to_owned()),
            "metrics_update" => {
                assert_eq!(frame["campaign"]["activeCalls"], 5);
                break;
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(statuses, ["s1", "s2", "s3", "s4", "s5"], "all events, and the state after them");
    assert_eq!(client.checker.reached("campaign:alpha"), Some(floor.head("campaign:alpha").await));
    // A client that has seen everything still gets the state, which may have been in flight when the connection broke.
    client.resume("campaign:alpha", floor.head("campaign:alpha").await).await;
    assert_eq!(client.until("metrics_update").await["campaign"]["activeCalls"], 5);
}

#[tokio::test]
async fn resume_from_long_ago_reads_the_history_and_goes_on_live() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 0).await;
    let cursor = floor.head("calls:alpha").await;
    for n in 1..=1_400 {
        floor.call("alpha", n).await;
    }
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = floor.client().await;
        client.resume("calls:alpha", cursor).await;
        clients.push(client);
    }
    floor.call("alpha", 1_401).await;
    for client in &mut clients {
        for n in 1..=1_401 {
            assert_eq!(calls(&client.until("call_event").await), [format!("c{n}")]);
        }
    }
}

#[tokio::test]
async fn cursors_that_can_not_be_served_are_reset_and_followed_by_an_initial() {
    let floor = TestGateway::with(GatewaySettings::default(), TestGateway::short_histories()).await;
    floor.call("alpha", 0).await;
    let old = floor.head("calls:alpha").await;
    for n in 1..=50 {
        floor.call("alpha", n).await;
    }
    let head = floor.head("calls:alpha").await;
    // The engine may keep a little more than it promises, but not that much.
    for (cursor, reason) in [
        (Cursor { offset: old.offset - 1, ..old }, "too_old"),
        (Cursor { epoch: Epoch(head.epoch.0 ^ 1), ..head }, "other_epoch"),
        (Cursor { offset: head.offset + 1_000, ..head }, "from_future"),
    ] {
        let mut client = floor.client().await;
        client.resume("calls:alpha", cursor).await;
        client.until("subscribed").await;
        let reset = client.next().await.unwrap();
        assert_eq!((reset["type"].as_str(), reset["reason"].as_str()), (Some("reset"), Some(reason)), "{reset}");
        assert!(reset["cursor"].is_null());
        let initial = client.next().await.unwrap();
        assert_eq!((initial["type"].as_str(), &initial["cursor"]), (Some("initial"), &head.to_string().into()));
    }
}

#[tokio::test]
async fn a_cursor_is_good_on_every_gateway() {
    let floor = TestGateway::start().await;
    let (_other, address) = serve(floor.engine.clone(), GatewaySettings::default()).await;
    let token = floor.token().await;
    let mut client = floor.client().await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    floor.call("alpha", 1).await;
    let seen = client.until("call_event").await["cursor"].as_str().unwrap().parse().unwrap();
    floor.call("alpha", 2).await;
    let mut moved = Client::connect(address, "/ws", &token).await;
    moved.resume("calls:alpha", seen).await;
    assert_eq!(calls(&moved.until("call_event").await), ["c2"]);
    floor.call("alpha", 3).await;
    assert_eq!(calls(&moved.until("call_event").await), ["c3"]);
}

#[tokio::test]
async fn nothing_is_lost_between_subscribing_and_the_first_frame() {
    let kept = History { events: 10_000, age: Duration::from_secs(3600) };
    let floor =
        TestGateway::with(GatewaySettings::default(), Histories { calls: kept, alerts: kept, campaign: kept }).await;
    let floor = std::sync::Arc::new(floor);
    floor.call("alpha", 0).await;
    let publisher = {
        let floor = floor.clone();
        tokio::spawn(async move {
            for n in 1..=500 {
                floor.call("alpha", n).await;
            }
        })
    };
    // Each joins at another moment of the same stream.
    for _ in 0..10 {
        let mut client = floor.client().await;
        client.subscribe("calls:alpha").await;
        let initial = client.until("initial").await;
        let newest: u64 = calls(&initial).last().unwrap()[1..].parse().unwrap();
        for n in newest + 1..=500 {
            let event = client.until("call_event").await;
            assert_eq!(calls(&event), [format!("c{n}")]);
            if n > newest + 20 {
                break;
            }
        }
    }
    publisher.await.unwrap();
}
