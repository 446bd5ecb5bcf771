//! Frames, as RFC 6455 wants them taken: after sections 1 to 5 and 9 of the Autobahn test suite, whose numbers stand
//! before the rows. There is no echo here, so a `ping` message of the length in question takes its place.

use std::time::Duration;

use ringside_engine::Histories;
use ringside_gateway::DeliverySettings;
use tokio::io::AsyncWriteExt;

use crate::support::client::PATIENCE;
use crate::support::raw_websocket::{
    BINARY, Bare, CLOSE, CONTINUATION, Came, FIN, PING, PONG, Row, TEXT, check, frame, head, ping, short_ping, text,
    unmasked,
};
use crate::support::test_gateway::{TestGateway, delivery_settings};

fn pong() -> Came {
    Came::said("pong")
}

fn bad_frame() -> Came {
    Came::said("bad_frame")
}

/// A message in pieces of so many bytes.
fn fragments(message: &[u8], bytes: usize) -> Vec<Vec<u8>> {
    let last = message.len().div_ceil(bytes) - 1;
    let first = |n: usize| if n == 0 { TEXT } else { CONTINUATION } | if n == last { FIN } else { 0 };
    message.chunks(bytes).enumerate().map(|(n, piece)| frame(first(n), piece)).collect()
}

/// Two halves of a message that is answered with a `pong`.
fn halves() -> (Vec<u8>, Vec<u8>) {
    let message = short_ping();
    (message[..9].to_vec(), message[9..].to_vec())
}

#[tokio::test]
async fn messages_of_each_length_are_heard_or_refused() {
    let mut rows = vec![
        Row::lives("1.1.1 an empty text", &[text("")], &[bad_frame()]),
        Row::lives("1.2.1 an empty binary message", &[frame(FIN | BINARY, b"")], &[bad_frame()]),
    ];
    for bytes in [125, 126, 127, 128, 16 << 10] {
        rows.push(Row::lives(format!("1.1 a text of {bytes} bytes"), &[text(ping(bytes))], &[pong()]));
    }
    for bytes in [(16 << 10) + 1, 65_535, 65_536] {
        rows.push(Row::lives(format!("1.1 a text of {bytes} bytes"), &[text(ping(bytes))], &[bad_frame()]));
    }
    for bytes in [125, 126, 127, 128, 65_535, 65_536] {
        let binary = frame(FIN | BINARY, &vec![0xfe; bytes]);
        rows.push(Row::lives(format!("1.2 {bytes} binary bytes"), &[binary], &[bad_frame()]));
    }
    rows.push(Row::lives("1.1.8 a text of 65536 bytes", &[text(ping(65_536))], &[bad_frame()]).chopped(997));
    rows.push(Row::lives("1.1 a text of 16 KiB", &[text(ping(16 << 10))], &[pong()]).chopped(1));
    rows.push(Row::closes("a text of 65537 bytes", &[text(ping(65_537))], &[], Some(4408)));
    rows.push(Row::closes("65537 binary bytes", &[frame(FIN | BINARY, &[0; 65_537])], &[], Some(4408)));
    check(rows).await;
}

#[tokio::test]
async fn what_is_announced_too_long_is_refused_before_it_comes() {
    let announced = |length: u64| [head(FIN | TEXT, 0x80, length).as_slice(), &[0; 4]].concat();
    let mut rows: Vec<Row> = [65_537, 1 << 20, u64::from(u32::MAX), 1 << 32, (1 << 63) - 1]
        .into_iter()
        .map(|length| Row::closes(format!("{length} bytes are announced"), &[announced(length)], &[], Some(4408)))
        .collect();
    // Its highest bit is always zero; whether that or its size is found first is all the same.
    for length in [1 << 63, u64::MAX] {
        let name = format!("{length} bytes are announced");
        rows.push(Row::closes(name, &[announced(length)], &[], Some(4408)));
    }
    let (large, more) = (vec![b'x'; 40 << 10], vec![b'x'; 30 << 10]);
    let parts = [frame(TEXT, &large), frame(FIN, &more)];
    rows.push(Row::closes("fragments of 70 KiB", &parts, &[], Some(4408)));
    rows.push(Row::closes(
        "fragments of 70 KiB that do not end",
        &[frame(TEXT, &large), frame(0, &more)],
        &[],
        Some(4408),
    ));
    let endless: Vec<Vec<u8>> = (0..80).map(|n| frame(if n == 0 { BINARY } else { 0 }, &[0; 1024])).collect();
    rows.push(Row::closes("80 KiB in binary fragments", &endless, &[], Some(4408)));
    check(rows).await;
}

#[tokio::test]
async fn pings_are_answered_with_what_they_carry_and_pongs_are_not() {
    let sent = |payload: &[u8]| frame(FIN | PING, payload);
    let back = |payload: &[u8]| Came::Pong(payload.to_vec());
    let many = |payload: &dyn Fn(u8) -> Vec<u8>| -> (Vec<Vec<u8>>, Vec<Came>) {
        (0..10).map(|n| (sent(&payload(n)), back(&payload(n)))).unzip()
    };
    let (ten, answers) = many(&|n| format!("payload-{n}").into_bytes());
    let binary = [0x00, 0xff, 0xfe, 0xfd, 0xfc, 0xfb, 0x00, 0xff];
    let longest = [0xfe; 125];
    check(vec![
        Row::lives("2.1 a ping without a payload", &[sent(b"")], &[back(b"")]),
        Row::lives("2.2 a ping with text", &[sent(b"Hello, world!")], &[back(b"Hello, world!")]),
        Row::lives("2.3 a ping with bytes", &[sent(&binary)], &[back(&binary)]),
        Row::lives("2.4 a ping of 125 bytes", &[sent(&longest)], &[back(&longest)]),
        Row::fails("2.5 a ping of 126 bytes", &[sent(&[0xfe; 126])], &[], 1002),
        Row::lives("2.6 a ping of 125 bytes", &[sent(&longest)], &[back(&longest)]).chopped(1),
        Row::lives("2.7 a pong that nobody asked for", &[frame(FIN | PONG, b"")], &[]),
        Row::lives("2.8 a pong with a payload that nobody asked for", &[frame(FIN | PONG, b"unsolicited")], &[]),
        Row::lives("2.9 a pong, then a ping", &[frame(FIN | PONG, b"unsolicited"), sent(b"ping")], &[back(b"ping")]),
        Row::lives("2.10 ten pings", &ten, &answers),
        Row::lives("2.11 ten pings", &ten, &answers).chopped(1),
        Row::fails("a pong of 126 bytes", &[frame(FIN | PONG, &[0; 126])], &[], 1002),
    ])
    .await;
}

#[tokio::test]
async fn reserved_bits_and_opcodes_end_the_connection_after_what_came_before() {
    let mut rows = Vec::new();
    for bits in 1..=7_u8 {
        let first = FIN | bits << 4;
        for (what, bad) in [
            ("a text", frame(first | TEXT, &short_ping())),
            ("a binary message", frame(first | BINARY, b"x")),
            ("a ping", frame(first | PING, b"x")),
            ("a pong", frame(first | PONG, b"x")),
            ("a close", frame(first | CLOSE, &1000_u16.to_be_bytes())),
        ] {
            let name = format!("3.{bits} {what} with reserved bits {bits:03b}");
            rows.push(Row::fails(&name, &[text(short_ping()), bad.clone()], &[pong()], 1002));
            rows.push(Row::fails(&name, &[text(short_ping()), bad], &[pong()], 1002).chopped(1));
        }
    }
    for opcode in [3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf] {
        for payload in [&b""[..], b"reserved opcode payload"] {
            let name = format!("4 opcode {opcode:x} with {} bytes", payload.len());
            let frames = [text(short_ping()), frame(FIN | opcode, payload), frame(FIN | PING, b"")];
            rows.push(Row::fails(name, &frames, &[pong()], 1002));
        }
    }
    for (what, first) in [("text", TEXT), ("ping", PING), ("close", CLOSE)] {
        let bare = unmasked(FIN | first, if first == TEXT { br#"{"action":"ping"}"# } else { b"" });
        rows.push(Row::fails(format!("{what} without a mask"), &[text(short_ping()), bare], &[pong()], 1002));
    }
    check(rows).await;
}

#[tokio::test]
async fn fragments_make_one_message_and_control_frames_go_between_them() {
    let (one, two) = halves();
    let whole = [frame(TEXT, &one), frame(FIN, &two)];
    let between = [frame(TEXT, &one), frame(FIN | PING, b"between"), frame(FIN, &two)];
    let answers = [Came::Pong(b"between".to_vec()), pong()];
    let mut rows = Vec::new();
    for pieces in [usize::MAX, 5, 1] {
        rows.push(Row::lives("5.3 a text in two fragments", &whole, &[pong()]).chopped(pieces));
        rows.push(Row::lives("5.6 a ping between two fragments", &between, &answers).chopped(pieces));
    }
    let each = short_ping();
    let apart: Vec<Vec<u8>> = fragments(&each, 1);
    let pings = apart.iter().enumerate().flat_map(|(n, part)| [part.clone(), frame(FIN | PING, &[n as u8])]);
    let pongs = (0..each.len()).map(|n| Came::Pong(vec![n as u8]));
    // The last ping comes after the message, but the answer to the message is the gateway's and may be later.
    let pings: Vec<Vec<u8>> = pings.take(2 * each.len() - 1).collect();
    let answers: Vec<Came> = pongs.take(each.len() - 1).chain([pong()]).collect();
    rows.extend([
        Row::lives("5.19 a ping after each byte of a text", &pings, &answers),
        Row::lives("5.20 a ping after each byte of a text", &pings, &answers).chopped(1),
        Row::lives("a byte a frame", &fragments(&ping(2_000), 1), &[pong()]),
        Row::lives(
            "a pong between two fragments",
            &[whole[0].clone(), frame(FIN | PONG, b""), whole[1].clone()],
            &[pong()],
        ),
        Row::lives("6.1.2 three empty fragments", &[frame(TEXT, b""), frame(0, b""), frame(FIN, b"")], &[bad_frame()]),
        Row::lives(
            "6.1.3 empty fragments around one",
            &[frame(TEXT, b""), frame(0, &each), frame(FIN, b"")],
            &[pong()],
        ),
        Row::lives("9.3 16 KiB in fragments of 64 bytes", &fragments(&ping(16 << 10), 64), &[pong()]),
        Row::lives("9.3 64 KiB in fragments of 256 bytes", &fragments(&ping(64 << 10), 256), &[bad_frame()]),
        Row::lives("binary fragments", &[frame(BINARY, b"ab"), frame(FIN, b"cd")], &[bad_frame()]),
        Row::lives("two messages in fragments", &[whole.concat(), whole.concat()], &[pong(), pong()]),
    ]);
    check(rows).await;
}

#[tokio::test]
async fn fragments_out_of_order_end_the_connection() {
    let (one, two) = halves();
    let rest = [frame(FIN, &two)];
    let mut rows = vec![
        Row::fails("5.1 a ping in two fragments", &[frame(PING, b"a"), frame(FIN, b"b")], &[], 1002),
        Row::fails("5.2 a pong in two fragments", &[frame(PONG, b"a"), frame(FIN, b"b")], &[], 1002),
        Row::fails("a close in two fragments", &[frame(CLOSE, b""), frame(FIN, b"")], &[], 1002),
    ];
    for (name, first) in [("5.9 a last fragment of nothing", FIN), ("5.12 a fragment of nothing", 0)] {
        for pieces in [usize::MAX, 1] {
            let frames = [frame(first, b"non-continuation payload"), text(short_ping())];
            rows.push(Row::fails(name, &frames, &[], 1002).chopped(pieces));
        }
    }
    let whole = [frame(TEXT, &one), frame(FIN, &two)].concat();
    for first in [FIN, 0] {
        let frames = [whole.clone(), frame(first, b"x"), text(short_ping())];
        rows.push(Row::fails(format!("5.15 a fragment {first:x} after a message"), &frames, &[pong()], 1002));
    }
    for (name, first) in [
        ("5.18 a text within a text", FIN | TEXT),
        ("a first fragment within a text", TEXT),
        ("a binary message within a text", FIN | BINARY),
    ] {
        let frames = [&[frame(TEXT, &one), frame(first, &two)][..], &rest].concat();
        rows.push(Row::fails(name, &frames, &[], 1002));
    }
    check(rows).await;
}

#[tokio::test]
async fn what_comes_along_with_the_handshake_is_heard() {
    let floor = TestGateway::start().await;
    let token = floor.token().await;
    for pieces in [1, 3] {
        let at_once = [text(short_ping()), frame(FIN | PING, b"early")].concat();
        let cut = at_once.len() * (pieces - 1) / pieces;
        // All of it, or its beginning, in the packet of the request.
        let mut bare = Bare::open_at(floor.address, &token, &at_once[..at_once.len() - cut]).await;
        bare.write(&at_once[at_once.len() - cut..]).await;
        let mut came = [bare.reading.next().await, bare.reading.next().await];
        came.sort_by_key(|came| *came != pong());
        assert_eq!(came, [pong(), Came::Pong(b"early".to_vec())]);
    }
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_of_a_frame_is_ended() {
    let floor = TestGateway::start().await;
    let whole = text(ping(300));
    for cut in [0, 1, 3, 5, 8, 20, whole.len() - 1] {
        let mut bare = Bare::open(&floor).await;
        bare.write(&whole[..cut]).await;
        bare.writing.shutdown().await.unwrap();
        while bare.reading.next().await != Came::End {}
    }
}

#[tokio::test]
async fn half_a_frame_is_no_sign_of_life() {
    let settings =
        delivery_settings(DeliverySettings { ping_every: Duration::from_millis(200), ..DeliverySettings::default() });
    let floor = TestGateway::with(settings, Histories::default()).await;
    let mut bare = Bare::open(&floor).await;
    bare.write(&text(ping(300))[..20]).await;
    let given_up = async {
        loop {
            match bare.reading.next().await {
                Came::Ping(_) => {}
                came => return came,
            }
        }
    };
    let came = tokio::time::timeout(PATIENCE, given_up).await.expect("who says nothing is given up");
    assert_eq!(came, Came::End);
}
