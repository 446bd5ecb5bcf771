//! Anything at all, sent to an open WebSocket: it ends that connection or it does not, and nobody else notices.

use std::cell::RefCell;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestRunner};
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::task::JoinSet;

use crate::support::client::calls;
use crate::support::raw_websocket::{BINARY, Bare, CLOSE, Came, FIN, PING, PONG, TEXT, frame, head, short_ping};
use crate::support::test_gateway::TestGateway;

/// Connections at once, and rounds.
const CROWD: usize = 24;
const CROWDS: u32 = 20;

/// What somebody might send who means it.
fn sensible() -> impl Strategy<Value = Vec<u8>> {
    let messages = prop::sample::select(vec![
        short_ping(),
        json!({ "action": "subscribe", "room": "calls:alpha" }).to_string().into_bytes(),
        json!({ "action": "subscribe", "room": "calls:alpha", "cursor": "1:1" }).to_string().into_bytes(),
        json!({ "action": "subscribe", "campaignId": "alpha" }).to_string().into_bytes(),
        json!({ "action": "refresh" }).to_string().into_bytes(),
        json!({ "action": "auth", "token": "e30.e30.e30" }).to_string().into_bytes(),
        "κόσμε".into(),
    ]);
    let first = prop_oneof![
        6 => Just(FIN | TEXT),
        2 => Just(TEXT),
        2 => Just(FIN),
        1 => Just(0),
        1 => Just(FIN | BINARY),
        2 => Just(FIN | PING),
        1 => Just(FIN | PONG),
        1 => Just(FIN | CLOSE),
    ];
    (first, messages).prop_map(|(first, message)| frame(first, &message))
}

/// The same with a few bytes changed, cut, doubled or in between.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let mutation = (0..4_u8, any::<prop::sample::Index>(), any::<u8>());
    (sensible(), prop::collection::vec(mutation, 1..4)).prop_map(|(mut bytes, mutations)| {
        for (kind, at, byte) in mutations {
            if bytes.is_empty() {
                break;
            }
            let at = at.index(bytes.len());
            match kind {
                0 => bytes[at] ^= 1 << (byte % 8),
                1 => bytes.insert(at, byte),
                2 => bytes.truncate(at),
                _ => bytes.extend_from_within(at..),
            }
        }
        bytes
    })
}

fn anything() -> impl Strategy<Value = Vec<u8>> {
    let announced = (any::<u8>(), any::<u64>()).prop_map(|(first, length)| head(first, 0x80, length));
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    let piece = prop_oneof![4 => sensible(), 4 => mutated(), 2 => noise, 1 => announced];
    prop::collection::vec(piece, 1..8).prop_map(|pieces| pieces.concat())
}

/// Sends all of it and hangs up; looks at all that comes back, which must be frames and an end.
async fn babble(bare: Bare, bytes: Vec<u8>) {
    let Bare { mut reading, mut writing } = bare;
    let writer = tokio::spawn(async move {
        // A rejected client may fail to send the rest.
        let _ = writing.write_all(&bytes).await;
        let _ = writing.shutdown().await;
        writing
    });
    let mut closed = false;
    loop {
        let came = reading.next().await;
        if came == Came::End {
            break;
        }
        assert!(!closed, "{came:?} after the close");
        closed = matches!(came, Came::Close(_));
    }
    let _ = writer.await;
}

#[test]
fn no_bytes_that_a_client_can_send_harm_anybody_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (floor, mut bystander) = runtime.block_on(async {
        let floor = TestGateway::start().await;
        let mut client = floor.client().await;
        client.subscribe("calls:beta").await;
        client.until("initial").await;
        (floor, client)
    });
    let token = runtime.block_on(floor.token());
    let config =
        ProptestConfig { cases: CROWDS, max_shrink_iters: 60, failure_persistence: None, ..ProptestConfig::default() };
    let crowds = prop::collection::vec(anything(), CROWD);
    let others = RefCell::new((0, &mut bystander));
    TestRunner::new(config)
        .run(&crowds, |crowd| {
            let (published, bystander) = &mut *others.borrow_mut();
            runtime.block_on(async {
                let mut babbling = JoinSet::new();
                for bytes in crowd {
                    babbling.spawn(babble(Bare::open_at(floor.address, &token, &[]).await, bytes));
                }
                while let Some(babbled) = babbling.join_next().await {
                    babbled.map_err(|wrong| TestCaseError::fail(wrong.to_string()))?;
                    *published += 1;
                    floor.call("beta", *published).await;
                    let event = bystander.until("call_event").await;
                    prop_assert_eq!(calls(&event), [format!("c{published}")], "others get everything meanwhile");
                }
                Ok(())
            })
        })
        .unwrap();
}
