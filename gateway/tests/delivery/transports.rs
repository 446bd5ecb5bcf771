//! Streams and polls, and going from one door to another.

use ringside_model::Cursor;
use serde_json::{Value, json};

use crate::support::client::calls;
use crate::support::stream::Stream;
use crate::support::test_gateway::TestGateway;

#[tokio::test]
async fn a_stream_resumes_all_its_rooms_from_the_last_event_id() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 1).await;
    let mut stream = Stream::open(&floor, "/events?rooms=calls:alpha,alerts", None).await;
    stream.until("initial").await;
    stream.until("initial").await;
    floor.call("alpha", 2).await;
    let (_, _) = stream.until("call_event").await;
    floor.alert(1, None).await;
    let (_, id) = stream.until("alert").await;
    let id = id.expect("frames with a cursor have an id");
    let (calls_head, alerts_head) = (floor.head("calls:alpha").await, floor.head("alerts").await);
    assert_eq!(id, format!("calls:alpha@{calls_head},alerts@{alerts_head}"), "the id has both rooms");
    drop(stream);
    floor.call("alpha", 3).await;
    floor.alert(2, None).await;
    let mut again = Stream::open(&floor, "/events?rooms=calls:alpha,alerts", Some(&id)).await;
    again.checker.resume("calls:alpha", calls_head);
    again.checker.resume("alerts", alerts_head);
    let mut missed = Vec::new();
    for _ in 0..2 {
        missed.push(again.next().await.unwrap().0["type"].as_str().unwrap().to_owned());
    }
    missed.sort();
    assert_eq!(missed, ["alert", "call_event"], "what was missed, once, and no initial");
}

#[tokio::test]
async fn the_alerts_stream_needs_no_rooms_and_ends_with_a_goodbye() {
    let floor = TestGateway::start().await;
    let mut stream = Stream::open(&floor, "/events/alerts", None).await;
    assert_eq!(stream.until("initial").await.0["room"], "alerts");
    let gateway = floor.gateway.clone();
    let drained = tokio::spawn(async move { gateway.drain().await });
    stream.until("bye").await;
    assert!(stream.next().await.is_none(), "the stream ends");
    drained.await.unwrap();
}

#[tokio::test]
async fn polls_go_on_from_their_cursor_and_wait_for_news() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 1).await;
    floor.numbers("alpha", 1, 1).await;
    let token = floor.token().await;
    let (status, first) = floor.ask("/poll?rooms=calls:alpha,campaign:alpha&wait=0", &token).await;
    assert_eq!((status, first["frames"].as_array().unwrap().len()), (200, 2));
    let cursor = first["cursor"].as_str().unwrap().to_owned();
    let (_, nothing) = floor.ask(&format!("/poll?rooms={cursor}&wait=0"), &token).await;
    assert_eq!(nothing, json!({ "frames": [], "cursor": cursor }));

    // Whether the poll or the publication is first, the poll gets it.
    let waiting = floor.ask_later(&format!("/poll?rooms={cursor}&wait=25"), &token);
    floor.call("alpha", 2).await;
    let (_, second) = waiting.await.unwrap();
    assert_eq!(calls(&second["frames"][0]), ["c2"]);
    floor.call("alpha", 3).await;
    floor.call("alpha", 4).await;
    let cursor = second["cursor"].as_str().unwrap();
    let (_, third) = floor.ask(&format!("/poll?rooms={cursor}"), &token).await;
    let seen: Vec<String> = third["frames"].as_array().unwrap().iter().flat_map(calls).collect();
    assert_eq!(seen, ["c3", "c4"]);
    for (path, code) in
        [("/poll", "bad_request"), ("/poll?rooms=kitchen", "bad_request"), ("/poll?rooms=alerts@x", "bad_request")]
    {
        assert_eq!(floor.ask(path, &token).await.1["code"], code, "{path}");
    }
}

#[tokio::test]
async fn polls_of_rooms_without_cursors_get_all_once_and_then_what_is_new() {
    let floor = TestGateway::start().await;
    floor.directory(&["alpha"]).await;
    floor.numbers("alpha", 1, 1).await;
    let hosts = |at: &str| json!({ "hosts": [{ "host": "h", "at": at }] });
    floor.state("system", "system_health_update", hosts("one"), None).await;
    let token = floor.token().await;
    let (_, first) = floor.ask("/poll?rooms=overview,system", &token).await;
    let kinds: Vec<&Value> = first["frames"].as_array().unwrap().iter().map(|frame| &frame["type"]).collect();
    assert_eq!(kinds, ["initial", "initial"]);
    assert!(first["frames"][0]["cursor"].is_null(), "frames of the overview carry no cursor");
    floor.state("system", "system_health_update", hosts("two"), None).await;
    floor.numbers("alpha", 2, 2).await;
    let mut cursor = first["cursor"].as_str().unwrap().to_owned();
    let (mut system, mut overview) = (false, false);
    while !(system && overview) {
        let (_, next) = floor.ask(&format!("/poll?rooms={cursor}&wait=5"), &token).await;
        cursor = next["cursor"].as_str().unwrap().to_owned();
        for frame in next["frames"].as_array().unwrap() {
            assert_ne!(frame["type"], "initial");
            system |= frame["hosts"][0]["at"] == "two";
            overview |= frame["campaigns"][0]["activeCalls"] == 2;
        }
    }
}

#[tokio::test]
async fn changing_doors_loses_nothing_and_doubles_nothing() {
    let floor = TestGateway::start().await;
    floor.call("alpha", 0).await;
    let mut seen = Vec::new();
    let mut published = 0;
    let mut client = floor.client().await;
    client.subscribe("calls:alpha").await;
    let mut cursor: Cursor = client.until("initial").await["cursor"].as_str().unwrap().parse().unwrap();
    drop(client);
    for round in 0..9 {
        // Two while away, one while there.
        for _ in 0..2 {
            published += 1;
            floor.call("alpha", published).await;
        }
        match round % 3 {
            0 => {
                let mut stream = Stream::open(&floor, &format!("/events?rooms=calls:alpha@{cursor}"), None).await;
                stream.checker.resume("calls:alpha", cursor);
                published += 1;
                floor.call("alpha", published).await;
                for _ in 0..3 {
                    seen.extend(calls(&stream.until("call_event").await.0));
                }
                cursor = stream.checker.reached("calls:alpha").unwrap();
            }
            1 => {
                let mut client = floor.client().await;
                client.resume("calls:alpha", cursor).await;
                published += 1;
                floor.call("alpha", published).await;
                for _ in 0..3 {
                    seen.extend(calls(&client.until("call_event").await));
                }
                cursor = client.checker.reached("calls:alpha").unwrap();
            }
            _ => {
                published += 1;
                floor.call("alpha", published).await;
                let path = format!("/poll?rooms=calls:alpha@{cursor}");
                let (_, answer) = floor.ask(&path, &floor.token().await).await;
                for frame in answer["frames"].as_array().unwrap() {
                    seen.extend(calls(frame));
                }
                cursor = answer["cursor"].as_str().unwrap().strip_prefix("calls:alpha@").unwrap().parse().unwrap();
            }
        }
    }
    let all: Vec<String> = (1..=published).map(|n| format!("c{n}")).collect();
    assert_eq!(seen, all);
}
