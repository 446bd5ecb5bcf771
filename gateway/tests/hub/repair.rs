//! What the gateway does when the news of a publication does not arrive: the room has the truth.

use std::time::Duration;

use serde_json::json;

use crate::support::client::{Client, calls};
use crate::support::faulty_engine::Faulty;
use crate::support::test_gateway::{TestGateway, serve};

/// Less than it takes until a silent room is looked at anyway: what comes within it was repaired for its own reason.
const AT_ONCE: Duration = Duration::from_secs(7);

async fn at_once<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(AT_ONCE, work).await.expect("it is repaired at once")
}

/// The calls that come next; the client has checked that nothing is missing, doubled or out of order.
async fn next_calls(client: &mut Client, count: usize) -> Vec<String> {
    let mut seen = Vec::new();
    while seen.len() < count {
        let frame = client.next().await.unwrap();
        assert_eq!(frame["type"], "call_event", "{frame}");
        seen.extend(calls(&frame));
    }
    seen
}

async fn watching_calls(floor: &TestGateway) -> Client {
    let mut client = floor.client().await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    client
}

/// A floor with a client that has seen the first call.
async fn beginning() -> (TestGateway, std::sync::Arc<Faulty>, Client) {
    let (floor, faulty) = TestGateway::faulty().await;
    let mut client = watching_calls(&floor).await;
    floor.call("alpha", 1).await;
    assert_eq!(next_calls(&mut client, 1).await, ["c1"]);
    (floor, faulty, client)
}

#[tokio::test]
async fn what_a_subscription_says_it_missed_comes_once_and_in_order() {
    let (floor, faulty, mut client) = beginning().await;
    faulty.lose("calls:alpha", 2..=3);
    floor.call("alpha", 2).await;
    floor.call("alpha", 3).await;
    faulty.lost(2).await;
    faulty.say_missed().await;
    assert_eq!(at_once(next_calls(&mut client, 2)).await, ["c2", "c3"]);
    floor.call("alpha", 4).await;
    assert_eq!(next_calls(&mut client, 1).await, ["c4"]);
}

#[tokio::test]
async fn a_gap_in_the_offsets_is_filled_before_what_came_after_it() {
    let (floor, faulty, mut client) = beginning().await;
    faulty.lose("calls:alpha", 2..=3);
    for n in 2..=5 {
        floor.call("alpha", n).await;
    }
    assert_eq!(at_once(next_calls(&mut client, 4)).await, ["c2", "c3", "c4", "c5"]);
    assert_eq!(client.checker.reached("calls:alpha"), Some(floor.head("calls:alpha").await));
}

#[tokio::test]
async fn a_gap_of_states_and_events_brings_every_event_and_the_newest_state() {
    let (floor, faulty) = TestGateway::faulty().await;
    let mut client = floor.client().await;
    client.subscribe("campaign:alpha").await;
    client.until("initial").await;
    faulty.lose("campaign:alpha", 2..=5);
    for n in 1..=3 {
        floor.numbers("alpha", n, n).await;
        floor.status("alpha", &format!("s{n}")).await;
    }
    let mut statuses = Vec::new();
    let mut active = 0;
    at_once(async {
        while statuses.len() < 3 || active < 3 {
            let frame = client.next().await.unwrap();
            match frame["type"].as_str().unwrap() {
                "metrics_update" => {
                    let newer = frame["campaign"]["activeCalls"].as_i64().unwrap();
                    assert!(newer > active, "a state never goes back: {frame}");
                    active = newer;
                }
                "campaign_status_change" => statuses.push(frame["to"].as_str().unwrap().to_owned()),
                other => panic!("{other}"),
            }
        }
    })
    .await;
    assert_eq!(statuses, ["s1", "s2", "s3"]);
}

#[tokio::test]
async fn a_subscription_that_ends_is_taken_up_again_and_repaired() {
    let (floor, faulty, mut client) = beginning().await;
    faulty.go_away();
    floor.call("alpha", 2).await;
    floor.call("alpha", 3).await;
    let not_ready = async {
        loop {
            let (status, body) = floor.ask("/readyz", "").await;
            if status == 503 {
                return body["reasons"][0].as_str().unwrap().to_owned();
            }
        }
    };
    assert_eq!(at_once(not_ready).await, "1 subscriptions are being restored");
    faulty.refuse(false);
    assert_eq!(at_once(next_calls(&mut client, 2)).await, ["c2", "c3"]);
    floor.call("alpha", 4).await;
    assert_eq!(next_calls(&mut client, 1).await, ["c4"]);
    assert_eq!(floor.ask("/readyz", "").await.0, 200);
}

#[tokio::test]
async fn another_life_of_a_room_resets_its_watchers_and_begins_with_an_initial() {
    let (floor, faulty, mut client) = beginning().await;
    let mut other = watching_calls(&floor).await;
    let before = floor.head("calls:alpha").await;
    while other.checker.reached("calls:alpha") != Some(before) {
        // Its initial may have been made before the first call.
        other.next().await.unwrap();
    }
    faulty.change_epochs();
    floor.call("alpha", 2).await;
    for client in [&mut client, &mut other] {
        let reset = at_once(client.next()).await.unwrap();
        assert_eq!((&reset["type"], &reset["reason"]), (&json!("reset"), &json!("other_epoch")), "{reset}");
        let initial = at_once(client.next()).await.unwrap();
        assert_eq!((&initial["type"], calls(&initial)), (&json!("initial"), vec!["c1".to_owned(), "c2".to_owned()]));
        let head = floor.head("calls:alpha").await;
        assert_ne!(head.epoch, before.epoch);
        assert_eq!(initial["cursor"], head.to_string());
    }
    floor.call("alpha", 3).await;
    for client in [&mut client, &mut other] {
        assert_eq!(next_calls(client, 1).await, ["c3"], "and goes on live, without a second reset");
    }
    // Also where nothing is published in the new life: who took the subscription up again asks.
    faulty.change_epochs();
    faulty.say_missed().await;
    assert_eq!(at_once(client.next()).await.unwrap()["type"], "reset");
    assert_eq!(calls(&at_once(client.next()).await.unwrap()), ["c1", "c2", "c3"]);
}

#[tokio::test]
async fn a_room_that_goes_back_and_on_in_the_same_epoch_is_a_reset_and_no_silent_gap() {
    // As a failover to a replica that had not got the last two calls yet.
    for (published, hears_of_it) in [(1, true), (4, true), (0, false)] {
        let (floor, faulty, mut client) = beginning().await;
        for n in 2..=5 {
            floor.call("alpha", n).await;
        }
        assert_eq!(next_calls(&mut client, 4).await, ["c2", "c3", "c4", "c5"]);
        let head = floor.head("calls:alpha").await;
        faulty.rewind(head.offset - 2, 2);
        for n in 6..6 + published {
            floor.call("alpha", n).await;
        }
        if !hears_of_it {
            faulty.say_missed().await;
        }
        let reset = at_once(client.next()).await.unwrap();
        assert_eq!((&reset["type"], &reset["room"]), (&json!("reset"), &json!("calls:alpha")), "{reset}");
        let initial = at_once(client.until("initial")).await;
        assert_eq!(calls(&initial)[..3], ["c1", "c2", "c3"], "the lost ones are gone");
        assert!(!calls(&initial).contains(&"c5".to_owned()));
        floor.call("alpha", 99).await;
        at_once(client.until_that(|frame| calls(frame) == ["c99"])).await;
        assert_eq!(client.checker.reached("calls:alpha"), Some(floor.head("calls:alpha").await));
    }
}

#[tokio::test]
async fn an_overview_outlives_the_life_of_its_rooms() {
    let (floor, faulty) = TestGateway::faulty().await;
    floor.directory(&["alpha", "beta"]).await;
    floor.numbers("alpha", 1, 1).await;
    floor.numbers("beta", 2, 1).await;
    let mut client = floor.client().await;
    client.subscribe("overview").await;
    assert_eq!(client.until("initial").await["aggregate"]["totalActiveCalls"], 3);
    faulty.change_epochs();
    floor.numbers("alpha", 10, 2).await;
    at_once(client.until_that(|frame| frame["aggregate"]["totalActiveCalls"] == 12)).await;
    floor.numbers("beta", 20, 2).await;
    at_once(client.until_that(|frame| frame["aggregate"]["totalActiveCalls"] == 30)).await;
}

#[tokio::test]
async fn what_is_missed_while_a_repair_reads_is_repaired_too() {
    let (floor, faulty, mut client) = beginning().await;
    faulty.lose("calls:alpha", 2..=3);
    faulty.hold_answers(true);
    floor.call("alpha", 2).await;
    faulty.lost(1).await;
    faulty.say_missed().await;
    // The repair has read the room and waits for the answer, in which the third call is not.
    faulty.held(1).await;
    floor.call("alpha", 3).await;
    faulty.lost(2).await;
    faulty.say_missed().await;
    faulty.hold_answers(false);
    assert_eq!(at_once(next_calls(&mut client, 2)).await, ["c2", "c3"]);
}

#[tokio::test]
async fn a_repair_goes_on_until_the_engine_answers() {
    let (floor, faulty, mut client) = beginning().await;
    faulty.lose("calls:alpha", 2..=2);
    faulty.fail_reads(true);
    let tried = faulty.reads("calls:alpha");
    floor.call("alpha", 2).await;
    floor.call("alpha", 3).await;
    let mut late = floor.client().await;
    late.subscribe("calls:beta").await;
    assert_eq!(late.until("error").await["code"], "unavailable");
    let tried_again = async {
        while faulty.reads("calls:alpha") < tried + 3 {
            tokio::task::yield_now().await;
        }
    };
    at_once(tried_again).await;
    faulty.fail_reads(false);
    assert_eq!(at_once(next_calls(&mut client, 2)).await, ["c2", "c3"]);
    assert_eq!(at_once(late.until("initial")).await["room"], "calls:beta", "a room is tried again by itself");
}

#[tokio::test]
async fn a_room_that_fell_silent_is_compared_with_the_engine() {
    let (floor, faulty, mut client) = beginning().await;
    faulty.lose("calls:alpha", 2..=2);
    floor.call("alpha", 2).await;
    faulty.lost(1).await;
    // Nobody says that anything was missed, and nothing comes after it.
    assert_eq!(next_calls(&mut client, 1).await, ["c2"]);
}

#[tokio::test]
async fn many_who_come_back_at_once_cost_a_room_one_read() {
    let (floor, faulty) = TestGateway::faulty().await;
    let rooms = ["calls:alpha", "calls:beta", "alerts"];
    for n in 1..=20 {
        floor.call("alpha", n).await;
        floor.call("beta", n).await;
        floor.alert(n, None).await;
    }
    // A gateway that nobody was on, as after a restart.
    let (_fresh, address) = serve(floor.engine.clone(), ringside_gateway::GatewaySettings::default()).await;
    let before = rooms.map(|room| faulty.reads(room));
    let mut cursors = Vec::new();
    for room in rooms {
        let head = floor.head(room).await;
        cursors.push(ringside_model::Cursor { offset: head.offset - 5, ..head });
    }
    let by_head = rooms.map(|room| faulty.reads(room));
    assert_eq!(by_head, before.map(|reads| reads + 1), "reads are counted");
    faulty.hold_answers(true);
    let token = floor.token().await;
    let mut clients = Vec::new();
    for _ in 0..30 {
        let mut client = Client::connect(address, "/ws", &token).await;
        for (room, cursor) in rooms.iter().zip(&cursors) {
            client.resume(room, *cursor).await;
        }
        clients.push(client);
    }
    faulty.held(1).await;
    faulty.hold_answers(false);
    for client in &mut clients {
        for _ in 0..15 {
            client.until_that(|frame| frame["type"] == "call_event" || frame["type"] == "alert").await;
        }
    }
    assert_eq!(rooms.map(|room| faulty.reads(room)), by_head.map(|reads| reads + 1), "one read each, for all of them");
}

#[tokio::test]
async fn many_who_were_away_for_long_share_the_pages_of_history() {
    let (floor, faulty) = TestGateway::faulty().await;
    floor.call("alpha", 0).await;
    let cursor = floor.head("calls:alpha").await;
    for n in 1..=1_400 {
        floor.call("alpha", n).await;
    }
    let before = faulty.reads("calls:alpha");
    let mut clients = Vec::new();
    faulty.hold_answers(true);
    for _ in 0..20 {
        let mut client = floor.client().await;
        client.resume("calls:alpha", cursor).await;
        clients.push(client);
    }
    faulty.held(1).await;
    faulty.hold_answers(false);
    let read = clients.into_iter().map(|mut client| {
        tokio::spawn(async move {
            for n in 1..=1_400 {
                assert_eq!(calls(&client.until("call_event").await), [format!("c{n}")]);
            }
        })
    });
    for reader in read.collect::<Vec<_>>() {
        reader.await.unwrap();
    }
    // The room itself, and two pages until its newest 512 events take over; a straggler may have read one again.
    let reads = faulty.reads("calls:alpha") - before;
    assert!((3..=8).contains(&reads), "{reads} reads for 20 clients");
}
