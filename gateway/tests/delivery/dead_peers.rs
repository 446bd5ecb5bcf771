//! Dead peers: a peer that vanished is found, one that answers pings is kept, and
//! one that says too much is sent away.

use std::time::Duration;

use ringside_engine::Histories;
use ringside_gateway::DeliverySettings;
use ringside_rig::FaultProxy;
use tokio::net::TcpStream;

use crate::support::client::{Client, PATIENCE};
use crate::support::raw_websocket::{Bare, Came, FIN, PING, PONG, frame, short_ping, text};
use crate::support::test_gateway::{TestGateway, delivery_settings};

async fn pinging_floor() -> TestGateway {
    // An answer has to come within two fifths of it, also on a machine that is busy with something else.
    let settings =
        delivery_settings(DeliverySettings { ping_every: Duration::from_secs(2), ..DeliverySettings::default() });
    TestGateway::with(settings, Histories::default()).await
}

/// Somebody who hears pings and says nothing; returns once it was given up.
async fn is_given_up(floor: &TestGateway) {
    let mut deaf = Bare::open(floor).await;
    let given_up = async {
        loop {
            match deaf.reading.next().await {
                Came::Ping(_) => {}
                Came::End => return,
                came => panic!("{came:?}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, given_up).await.expect("who is silent is given up");
}

#[tokio::test]
async fn a_peer_that_vanished_without_a_word_is_found() {
    let floor = pinging_floor().await;
    let proxy = FaultProxy::start(floor.address).await.unwrap();
    let mut vanished = Client::connect(([127, 0, 0, 1], proxy.port()).into(), "/ws", &floor.token().await).await;
    vanished.subscribe("alerts").await;
    vanished.until("initial").await;
    // From now on nothing passes, in neither direction, and nobody is told.
    proxy.pause();
    // Those who come after it and are as silent are given up after as many pings: then it was its turn too.
    is_given_up(&floor).await;
    is_given_up(&floor).await;
    floor.alert(1, None).await;
    proxy.heal();
    // Bytes in flight still arrive, but the peer is gone.
    while let Ok(frame) = vanished.next().await {
        assert_ne!(frame["type"], "alert", "the gateway had given it up long before");
    }
}

#[tokio::test]
async fn who_answers_pings_is_kept_and_so_is_who_says_something_else() {
    let floor = pinging_floor().await;
    let mut answering = Bare::open(&floor).await;
    let mut talking = Bare::open(&floor).await;
    for _ in 0..4 {
        for (bare, answer) in [(&mut answering, None), (&mut talking, Some(text(short_ping())))] {
            loop {
                match bare.reading.next().await {
                    Came::Ping(payload) => {
                        bare.write(&answer.unwrap_or_else(|| frame(FIN | PONG, &payload))).await;
                        break;
                    }
                    Came::Said(what) => assert_eq!(what, "pong"),
                    came => panic!("{came:?}"),
                }
            }
        }
    }
    answering.write(&text(short_ping())).await;
    while answering.reading.next().await != Came::said("pong") {}
}

/// On one thread with its gateway, which stands still with it.
#[tokio::test(flavor = "current_thread")]
async fn who_has_answered_a_gateway_that_stood_still_is_kept() {
    let floor = pinging_floor().await;
    let mut answering = Bare::open(&floor).await;
    for _ in 0..2 {
        let came = answering.reading.next().await;
        let Came::Ping(payload) = came else { panic!("{came:?}") };
        answering.write(&frame(FIN | PONG, &payload)).await;
        std::thread::sleep(Duration::from_secs(1));
    }
    answering.write(&text(short_ping())).await;
    while answering.reading.next().await != Came::said("pong") {}
}

#[tokio::test]
async fn a_flood_of_control_frames_is_closed_with_4408() {
    let floor = TestGateway::start().await;
    let mut bystander = floor.client().await;
    bystander.subscribe("calls:alpha").await;
    bystander.until("initial").await;
    for (n, flood) in [frame(FIN | PING, b"again"), frame(FIN | PONG, b""), text(short_ping())].into_iter().enumerate()
    {
        let Bare { mut reading, mut writing } = Bare::open(&floor).await;
        let writer = tokio::spawn(async move {
            let many = flood.repeat(100);
            // Far more than anybody may say; who is refused need not get all of it away.
            for _ in 0..60 {
                if tokio::io::AsyncWriteExt::write_all(&mut writing, &many).await.is_err() {
                    break;
                }
            }
            writing
        });
        let mut answered = 0;
        let close = loop {
            match reading.next().await {
                Came::Pong(_) | Came::Said(_) => answered += 1,
                came => break came,
            }
        };
        assert_eq!(close, Came::Close(Some(4408)), "after {answered} answers");
        assert!(answered < 6_000, "not all of it was answered");
        writer.abort();
        floor.call("alpha", n as u64).await;
        bystander.until("call_event").await;
    }
}

#[tokio::test]
async fn a_handshake_that_never_ends_holds_nobody_up() {
    let floor = TestGateway::start().await;
    let mut idle = Vec::new();
    for _ in 0..50 {
        let stream = TcpStream::connect(floor.address).await.unwrap();
        stream.try_write(b"GET /ws HTTP/1.1\r\nhost: here\r\nconnection: Upg").unwrap();
        idle.push(stream);
    }
    let mut client = tokio::time::timeout(PATIENCE, floor.client()).await.expect("it is let in");
    client.subscribe("alerts").await;
    client.until("initial").await;
}
