//! How a WebSocket is closed by its client: after section 7 of the Autobahn test suite, whose numbers stand before the rows.

use crate::support::raw_websocket::{CLOSE, Came, FIN, PING, Row, TEXT, check, frame, short_ping, text, unmasked};

/// A close frame with a code and a reason.
fn close(code: u16, reason: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | CLOSE, &[&code.to_be_bytes(), reason.as_ref()].concat())
}

fn pong() -> Came {
    Came::said("pong")
}

#[tokio::test]
async fn a_close_is_answered_and_nothing_after_it_is_heard() {
    let normal = || close(1000, "");
    let (one, two) = (frame(TEXT, &short_ping()[..9]), frame(FIN, &short_ping()[9..]));
    let empty = frame(FIN | CLOSE, b"");
    check(vec![
        Row::closes("7.1.1 a message and a close", &[text(short_ping()), normal()], &[pong()], Some(1000)),
        Row::closes("7.1.2 two closes", &[normal(), normal()], &[], Some(1000)),
        Row::closes("7.1.3 a ping after the close", &[normal(), frame(FIN | PING, b"")], &[], Some(1000)),
        Row::closes("7.1.4 a text after the close", &[normal(), text(short_ping())], &[], Some(1000)),
        Row::closes("7.1.5 a close between fragments", &[one, normal(), two], &[], Some(1000)),
        Row::closes("7.3.1 a close without a code", std::slice::from_ref(&empty), &[], None),
        Row::closes("7.3.1 a close without a code", &[empty], &[], None).chopped(1),
        Row::closes("7.3.3 a close with a code", &[normal()], &[], Some(1000)).chopped(1),
        Row::closes("7.3.4 a close with a reason", &[close(1000, "Hello World!")], &[], Some(1000)),
        Row::closes("7.3.5 a close with the longest reason", &[close(1000, [b'*'; 123])], &[], Some(1000)),
    ])
    .await;
}

#[tokio::test]
async fn a_close_with_any_code_that_may_be_sent_is_answered_with_it() {
    let codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999];
    check(codes.map(|code| Row::closes(format!("7.7 {code}"), &[close(code, "")], &[], Some(code))).into()).await;
}

#[tokio::test]
async fn a_close_that_breaks_the_rules_ends_the_connection_without_being_agreed_to() {
    let codes = [0, 999, 1004, 1005, 1006, 1016, 1100, 2000, 2999, 5000, 65_535];
    let mut rows: Vec<Row> = Vec::new();
    for code in codes {
        rows.push(Row::fails(format!("7.9 {code}"), &[close(code, "")], &[], 1002));
        rows.push(Row::fails(format!("7.9 {code} with a reason"), &[close(code, "why")], &[], 1002));
    }
    rows.extend([
        Row::fails("7.3.2 half a code", &[frame(FIN | CLOSE, &[3])], &[], 1002),
        Row::fails("7.3.6 a reason of 124 bytes", &[close(1000, [b'*'; 124])], &[], 1002),
        Row::fails("7.5.1 a reason that is not UTF-8", &[close(1000, b"\xce\xba\xed\xa0\x80")], &[], 1007),
        Row::fails("7.5.1 a reason that ends within a character", &[close(1000, b"\xce")], &[], 1007),
        Row::fails("a close without a mask", &[unmasked(FIN | CLOSE, &[3, 232])], &[], 1002),
    ]);
    check(rows).await;
}
