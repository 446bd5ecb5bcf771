//! Text that is UTF-8 and text that is not: after section 6 of the Autobahn test suite, whose numbers stand before the rows.
//!
//! Each row goes out whole, cut in two frames at every byte (so in the middle of each character too), and a byte a frame.

use serde_json::json;

use crate::support::raw_websocket::{Came, FIN, Row, TEXT, check, frame, text};

/// A message with this in it, which is answered with a `pong`.
fn around(inside: &[u8]) -> Vec<u8> {
    [br#"{"action":"ping","x":""#, inside, br#""}"#].concat()
}

/// The same message as one frame, as two frames in every possible way, and as a frame per byte.
fn each_way(message: &[u8]) -> Vec<(String, Vec<Vec<u8>>)> {
    let mut ways = vec![("whole".to_owned(), vec![text(message)])];
    for cut in 0..=message.len() {
        let halves = vec![frame(TEXT, &message[..cut]), frame(FIN, &message[cut..])];
        ways.push((format!("cut at {cut}"), halves));
    }
    let last = message.len() - 1;
    let byte =
        |(n, byte): (usize, &u8)| frame(if n == 0 { TEXT } else { 0 } | if n == last { FIN } else { 0 }, &[*byte]);
    ways.push(("a byte a frame".to_owned(), message.iter().enumerate().map(byte).collect()));
    ways
}

const VALID: &[(&str, &[u8])] = &[
    ("6.2.1 letters of several lengths", "Hello-µ@ßöäüàá-UTF-8!!".as_bytes()),
    ("6.5.1 Greek", "κόσμε".as_bytes()),
    ("6.7.2 the first of two bytes", b"\xc2\x80"),
    ("6.7.3 the first of three bytes", b"\xe0\xa0\x80"),
    ("6.7.4 the first of four bytes", b"\xf0\x90\x80\x80"),
    ("6.9.1 the last of one byte", b"\x7f"),
    ("6.9.2 the last of two bytes", b"\xdf\xbf"),
    ("6.9.3 the last of three bytes", b"\xef\xbf\xbf"),
    ("6.9.4 the last of four bytes", b"\xf4\x8f\xbf\xbf"),
    ("6.11.1 the last before the surrogates", b"\xed\x9f\xbf"),
    ("6.11.2 the first after the surrogates", b"\xee\x80\x80"),
    ("6.11.3 the replacement character", b"\xef\xbf\xbd"),
    ("6.22 no characters, but in range", b"\xef\xbf\xbe\xf0\x9f\xbf\xbf\xf4\x8f\xbf\xbe"),
    ("6.23 specials", b"\xef\xbf\xb9\xef\xbf\xba\xef\xbf\xbb"),
];

const INVALID: &[(&str, &[u8])] = &[
    ("6.3.1 a surrogate after valid text", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80edited"),
    ("6.4.1 beyond the last character", b"\xce\xba\xf4\x90\x80\x80edited"),
    ("6.6.2 half of two bytes", b"\xce"),
    ("6.6.4 one of three bytes", b"\xe1"),
    ("6.6.5 two of three bytes", b"\xe1\xbd"),
    ("6.6 three of four bytes", b"\xf0\x90\x80"),
    ("6.8.1 the first of five bytes", b"\xf8\x88\x80\x80\x80"),
    ("6.8.2 the first of six bytes", b"\xfc\x84\x80\x80\x80\x80"),
    ("6.10.1 the last of four bytes as it was once", b"\xf7\xbf\xbf\xbf"),
    ("6.10.2 the last of five bytes", b"\xfb\xbf\xbf\xbf\xbf"),
    ("6.10.3 the last of six bytes", b"\xfd\xbf\xbf\xbf\xbf\xbf"),
    ("6.11.5 the first beyond Unicode", b"\xf4\x90\x80\x80"),
    ("6.12.1 a continuation alone", b"\x80"),
    ("6.12.2 the last continuation alone", b"\xbf"),
    ("6.12.3 continuations alone", b"\x80\xbf\x80\xbf\x80\xbf"),
    ("6.13.1 a start of two alone", b"\xc3 "),
    ("6.13.2 a start of three alone", b"\xe2 "),
    ("6.13.3 a start of four alone", b"\xf3 "),
    ("6.14.1 the last of two bytes is missing", b"\xc3"),
    ("6.14.4 the last of five bytes is missing", b"\xf8\x80\x80\x80"),
    ("6.15.1 one after the other with the last missing", b"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80"),
    ("6.16.1 impossible", b"\xfe"),
    ("6.16.2 impossible too", b"\xff"),
    ("6.17.1 a slash in two bytes", b"\xc0\xaf"),
    ("6.17.2 a slash in three bytes", b"\xe0\x80\xaf"),
    ("6.17.3 a slash in four bytes", b"\xf0\x80\x80\xaf"),
    ("6.18.2 the last that is too long in three", b"\xe0\x9f\xbf"),
    ("6.19.1 zero in two bytes", b"\xc0\x80"),
    ("6.20.1 the first surrogate", b"\xed\xa0\x80"),
    ("6.20.7 the last surrogate", b"\xed\xbf\xbf"),
    ("6.21.1 a pair of surrogates", b"\xed\xa0\x80\xed\xb0\x80"),
];

#[tokio::test]
async fn text_may_be_cut_anywhere_also_within_a_character() {
    let mut rows = Vec::new();
    for (name, valid) in VALID {
        let message = around(valid);
        for (way, frames) in each_way(&message) {
            rows.push(Row::lives(format!("{name}, {way}"), &frames, &[Came::said("pong")]));
        }
    }
    // Raw control characters are UTF-8, but JSON wants them escaped.
    let zero = json!({ "action": "ping", "x": "\0\u{1}" }).to_string();
    rows.push(Row::lives("6.7.1 zero, escaped", &[text(zero)], &[Came::said("pong")]));
    rows.push(Row::lives("6.7.1 zero, as it is", &[text(around(b"\0"))], &[Came::said("bad_frame")]));
    check(rows).await;
}

#[tokio::test]
async fn text_that_is_not_utf8_ends_the_connection_however_it_is_cut() {
    let mut rows = Vec::new();
    for (n, (name, invalid)) in INVALID.iter().enumerate() {
        // Each ending costs the gateway a moment of waiting for who does not take the goodbye: not every row each way.
        let message = around(invalid);
        let ways = each_way(&message);
        let (first, last) = (22, 22 + invalid.len());
        for (at, (way, frames)) in ways.iter().enumerate() {
            let within = (first + 1..=last).contains(&(at.wrapping_sub(1)));
            if at == 0 || at == ways.len() - 1 || (within && at % 3 == n % 3) {
                rows.push(Row::closes(format!("{name}, {way}"), frames, &[], Some(1007)));
            }
        }
    }
    rows.push(Row::closes("text that ends within a character", &[text(b"\xce\xba\xe1\xbd")], &[], Some(1007)));
    check(rows).await;
}
