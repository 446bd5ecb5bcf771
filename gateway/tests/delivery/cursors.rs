//! Every kind of cursor at every door: what can't be served is told, what can't be read is refused, nothing is guessed.

use std::net::SocketAddr;

use ringside_gateway::GatewaySettings;
use ringside_model::{Cursor, Epoch};
use serde_json::{Value, json};

use crate::support::client::{Client, calls};
use crate::support::faulty_engine::Faulty;
use crate::support::roaming_client::{DOORS, Door};
use crate::support::room_reader::{Visitor, said};
use crate::support::stream::Stream;
use crate::support::test_gateway::TestGateway;

#[tokio::test]
async fn a_cursor_that_can_not_be_served_is_reset_at_every_door_and_goes_on_from_the_initial() {
    let floor = TestGateway::with(GatewaySettings::default(), TestGateway::short_histories()).await;
    let token = floor.token().await;
    floor.call("alpha", 0).await;
    let old = floor.head("calls:alpha").await;
    for n in 1..=50 {
        floor.call("alpha", n).await;
    }
    let mut newest = 50;
    for door in DOORS {
        let head = floor.head("calls:alpha").await;
        for (cursor, reason) in [
            (Cursor { offset: 0, ..old }, "too_old"),
            (Cursor { offset: old.offset - 1, ..old }, "too_old"),
            (Cursor { epoch: Epoch(head.epoch.0 ^ 1), ..head }, "other_epoch"),
            (Cursor { epoch: Epoch(head.epoch.0 ^ 1), offset: 0 }, "other_epoch"),
            (Cursor { offset: head.offset + 1_000, ..head }, "from_future"),
            (Cursor { offset: u64::MAX, ..head }, "from_future"),
        ] {
            let mut visitor = Visitor::enter(door, floor.address, &token, "calls:alpha", Some(cursor)).await;
            let reset = visitor.next().await;
            assert_eq!(said(&reset), format!("reset {reason}"), "{door:?} {cursor}");
            assert!(reset["cursor"].is_null(), "{reset}");
            let initial = visitor.next().await;
            assert_eq!(said(&initial), "initial", "{door:?} {cursor}");
            newest += 1;
            floor.call("alpha", newest).await;
            // It may have been made for somebody a moment ago; then what came since follows.
            let shown: u64 = calls(&initial).last().expect("it shows calls")[1..].parse().unwrap();
            for n in shown + 1..=newest {
                assert_eq!(said(&visitor.next().await), format!("call_event c{n}"), "{door:?} {cursor}");
            }
            assert_eq!(visitor.reached(), Some(floor.head("calls:alpha").await), "{door:?} {cursor}");
        }
    }
}

#[tokio::test]
async fn a_place_that_can_be_served_gets_what_comes_after_it_at_every_door() {
    let floor = TestGateway::start().await;
    let token = floor.token().await;
    let mut places = Vec::new();
    for n in 0..=3 {
        floor.call("alpha", n).await;
        places.push(floor.head("calls:alpha").await);
    }
    for door in DOORS {
        for (n, place) in places.iter().enumerate() {
            let mut visitor = Visitor::enter(door, floor.address, &token, "calls:alpha", Some(*place)).await;
            for missed in n + 1..=3 {
                assert_eq!(said(&visitor.next().await), format!("call_event c{missed}"), "{door:?} {place}");
            }
            assert_eq!(visitor.reached(), places.last().copied(), "{door:?} {place}");
        }
    }
}

const GARBAGE: [&str; 14] = [
    "",
    "x",
    "yesterday",
    "1",
    ":",
    "f3a1:",
    ":5",
    "f3a1:-1",
    "f3a1:+1",
    "f3a1:1e3",
    "g1:1",
    "100000000:1",
    "1:18446744073709551616",
    "1:1:1",
];

async fn problem(url: &str, token: &str) -> (u16, Value) {
    let response = reqwest::Client::new().get(url).bearer_auth(token).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn a_cursor_that_can_not_be_read_is_refused_at_every_door() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 1).await;
    let token = floor.token().await;
    let mut client = floor.client().await;
    for garbage in GARBAGE {
        let message = json!({ "action": "subscribe", "room": "calls:alpha", "cursor": garbage, "requestId": garbage });
        client.send(message).await;
        let error = client.next().await.unwrap();
        assert_eq!((said(&error), &error["requestId"]), ("error bad_cursor".to_owned(), &json!(garbage)), "{garbage}");
        for door in ["events", "poll"] {
            let url = floor.url(&format!("/{door}?rooms=alerts,calls:alpha@{}", garbage.replace('+', "%2B")));
            let (status, problem) = problem(&url, &token).await;
            assert_eq!((status, &problem["code"]), (400, &json!("bad_request")), "{door} {garbage}");
            assert!(problem["detail"].as_str().unwrap().contains(garbage), "it says which one: {problem}");
        }
    }
    // None of these joined the room.
    client.send(json!({ "action": "refresh", "room": "calls:alpha" })).await;
    assert_eq!(said(&client.next().await.unwrap()), "error not_subscribed");
}

#[tokio::test]
async fn an_event_id_that_can_not_be_read_is_as_if_there_were_none() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 1).await;
    let before = floor.head("calls:alpha").await;
    floor.call("alpha", 2).await;
    for id in ["yesterday", "calls:alpha@x", "kitchen@1:1", "", "1:1"] {
        let mut fresh = Stream::open(&floor, "/events?rooms=calls:alpha", Some(id)).await;
        assert_eq!(said(&fresh.next().await.unwrap().0), "initial", "{id}");
        let mut placed = Stream::open(&floor, &format!("/events?rooms=calls:alpha@{before}"), Some(id)).await;
        placed.checker.resume("calls:alpha", before);
        assert_eq!(said(&placed.next().await.unwrap().0), "call_event c2", "{id}: the query's place is the next best");
    }
    // One that can be read wins, also where it says less than the query.
    let id = format!("calls:alpha@{before}");
    let now = floor.head("calls:alpha").await;
    let mut stream = Stream::open(&floor, &format!("/events?rooms=calls:alpha@{now}"), Some(&id)).await;
    stream.checker.resume("calls:alpha", before);
    assert_eq!(said(&stream.next().await.unwrap().0), "call_event c2");
}

#[tokio::test]
async fn a_place_in_a_room_that_needs_none_is_never_a_reason_for_a_reset() {
    let floor = TestGateway::start().await;
    let token = floor.token().await;
    floor.directory(&["alpha"]).await;
    floor.numbers("alpha", 1, 1).await;
    floor.state("system", "system_health_update", json!({ "hosts": [{ "host": "h" }] }), None).await;
    let head = floor.head("system").await;
    for door in DOORS {
        for room in ["system", "overview"] {
            for place in [
                Cursor { epoch: Epoch(head.epoch.0 ^ 1), ..head },
                Cursor { offset: head.offset + 1_000_000, ..head },
                Cursor { offset: u64::MAX, ..head },
            ] {
                let mut visitor = Visitor::enter(door, floor.address, &token, room, Some(place)).await;
                assert_eq!(said(&visitor.next().await), "initial", "{door:?} {room}@{place}");
            }
        }
    }
}

/// A visitor at each door who has seen the first call.
async fn visitors(at: SocketAddr, floor: &TestGateway) -> Vec<(Door, Visitor)> {
    let token = floor.token().await;
    floor.call("alpha", 0).await;
    let place = floor.head("calls:alpha").await;
    floor.call("alpha", 1).await;
    let mut visitors = Vec::new();
    for door in DOORS {
        let mut visitor = Visitor::enter(door, at, &token, "calls:alpha", Some(place)).await;
        assert_eq!(said(&visitor.next().await), "call_event c1");
        visitors.push((door, visitor));
    }
    visitors
}

#[tokio::test]
async fn a_gap_in_the_news_is_filled_at_every_door() {
    let (floor, faulty) = TestGateway::faulty().await;
    let mut visitors = visitors(floor.address, &floor).await;
    let head = floor.head("calls:alpha").await;
    faulty.lose("calls:alpha", [head.offset + 1, head.offset + 2]);
    for n in 2..=5 {
        floor.call("alpha", n).await;
    }
    for (door, visitor) in &mut visitors {
        for n in 2..=5 {
            assert_eq!(said(&visitor.next().await), format!("call_event c{n}"), "{door:?}");
        }
    }
}

#[tokio::test]
async fn another_life_of_a_room_resets_whoever_is_there_at_every_door() {
    let change_epoch: &dyn Fn(&Faulty, Cursor) = &|faulty, _| faulty.change_epochs();
    // As a failover to a replica that had not got the last two calls yet.
    let rewind: &dyn Fn(&Faulty, Cursor) = &|faulty, head| faulty.rewind(head.offset - 2, 2);
    for fault in [change_epoch, rewind] {
        let (floor, faulty) = TestGateway::faulty().await;
        let mut visitors = visitors(floor.address, &floor).await;
        fault(&faulty, floor.head("calls:alpha").await);
        floor.call("alpha", 2).await;
        for (door, visitor) in &mut visitors {
            let reset = visitor.next().await;
            assert_eq!((&reset["type"], &reset["cursor"]), (&json!("reset"), &Value::Null), "{door:?}: {reset}");
            assert_eq!(said(&visitor.next().await), "initial", "{door:?}");
            assert_eq!(visitor.reached(), Some(floor.head("calls:alpha").await), "{door:?}");
        }
        floor.call("alpha", 3).await;
        for (door, visitor) in &mut visitors {
            assert_eq!(said(&visitor.next().await), "call_event c3", "{door:?}: and no second reset");
        }
    }
}

#[tokio::test]
async fn a_cursor_that_is_no_text_is_told_what_one_looks_like() {
    let floor = TestGateway::start().await;
    let mut client: Client = floor.client().await;
    for cursor in [json!(5), json!(["f3a1:1"]), json!({ "epoch": "f3a1", "offset": 1 }), json!(true)] {
        client.send(json!({ "action": "subscribe", "room": "calls:alpha", "cursor": cursor })).await;
        let error = client.next().await.unwrap();
        assert!(["error bad_frame", "error bad_cursor"].contains(&said(&error).as_str()), "{error}");
    }
    client.send(json!({ "action": "ping" })).await;
    client.until("pong").await;
}
