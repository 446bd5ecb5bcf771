//! After its last word nothing more comes to a client; and one that waits for rooms is still listened to.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::Histories;
use ringside_gateway::DeliverySettings;
use serde_json::json;
use tokio::task::JoinSet;

use crate::support::client::{Client, PATIENCE};
use crate::support::faulty_engine::Away;
use crate::support::raw_websocket::{Bare, CLOSE, Came, FIN, frame, text};
use crate::support::test_gateway::{TestGateway, delivery_settings};

/// Calls for the room, as fast as they go, until it is dropped.
fn publishing(floor: &Arc<TestGateway>) -> JoinSet<()> {
    let (floor, mut publisher) = (floor.clone(), JoinSet::new());
    publisher.spawn(async move {
        for n in 1.. {
            floor.call("alpha", n).await;
            tokio::task::yield_now().await;
        }
    });
    publisher
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_after_a_close_but_the_end() {
    let floor = Arc::new(TestGateway::start().await);
    let mut bare = Bare::open(&floor).await;
    bare.write(&text(r#"{"action":"subscribe","room":"calls:alpha"}"#)).await;
    while bare.reading.next().await != Came::said("initial") {}
    let _publisher = publishing(&floor);
    while bare.reading.next().await != Came::said("call_event") {}
    bare.write(&frame(FIN | CLOSE, &1000_u16.to_be_bytes())).await;
    while !matches!(bare.reading.next().await, Came::Close(_)) {}
    assert_eq!(bare.reading.next().await, Came::End);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_goodbye_is_the_last_frame_of_all() {
    let max_age = Duration::from_millis(200);
    let settings =
        delivery_settings(DeliverySettings { max_age, connects_per_second: 100_000, ..DeliverySettings::default() });
    let floor = Arc::new(TestGateway::with(settings, Histories::default()).await);
    floor.call("alpha", 0).await;
    let _publisher = publishing(&floor);
    let token: Arc<str> = floor.token().await.into();
    let mut clients = JoinSet::new();
    for _ in 0..20 {
        let (address, token) = (floor.address, token.clone());
        clients.spawn(async move {
            for _ in 0..5 {
                let mut client = Client::connect(address, "/ws", &token).await;
                client.subscribe("calls:alpha").await;
                client.until("bye").await;
                let after = client.next().await;
                assert!(after.is_err(), "after the goodbye: {after:?}");
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_rooms_that_nobody_can_read_is_still_heard() {
    let (floor, faulty) = TestGateway::faulty().await;
    let mut client = floor.client().await;
    faulty.be_away(Away::Hangs);
    for n in 0..200 {
        client.subscribe(&format!("calls:c{n}")).await;
    }
    client.send(json!({ "action": "ping" })).await;
    // In turn, two hundred rooms would take longer than anybody waits.
    let mut refused = 0;
    let heard = async {
        while client.next().await.is_ok_and(|frame| frame["type"] != "pong") {
            refused += 1;
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("it is heard");
    assert!(refused < 400, "all rooms were waited for first");
}
