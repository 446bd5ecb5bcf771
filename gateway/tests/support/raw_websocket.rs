//! A WebSocket without a library: every byte that goes out is the test's own, and every byte that comes back is looked at.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;

use crate::support::client::PATIENCE;
use crate::support::test_gateway::TestGateway;

pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;
/// The bit of a message's last frame.
pub(crate) const FIN: u8 = 0x80;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
/// How many rows run at once.
const ROWS_AT_ONCE: usize = 16;

/// A frame as a client has to send it; `first` is its first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = head(first, 0x80, payload.len() as u64);
    frame.extend(MASK);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    frame
}

/// A frame as only a server may send it.
pub(crate) fn unmasked(first: u8, payload: &[u8]) -> Vec<u8> {
    [head(first, 0, payload.len() as u64).as_slice(), payload].concat()
}

/// A whole text message.
pub(crate) fn text(text: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FIN | TEXT, text.as_ref())
}

/// A frame's head without the mask: its length in the shortest form.
pub(crate) fn head(first: u8, masked: u8, length: u64) -> Vec<u8> {
    match length {
        0..=125 => vec![first, masked | length as u8],
        126..=0xffff => [&[first, masked | 126][..], &(length as u16).to_be_bytes()].concat(),
        _ => [&[first, masked | 127][..], &length.to_be_bytes()].concat(),
    }
}

/// A message that is answered with a `pong`, of so many bytes.
pub(crate) fn ping(bytes: usize) -> Vec<u8> {
    let (before, after) = (br#"{"action":"ping","x":""#, br#""}"#);
    let filler = vec![b'x'; bytes.checked_sub(before.len() + after.len()).expect("so much is needed")];
    [&before[..], &filler, after].concat()
}

/// The shortest message that is answered with a `pong`.
pub(crate) fn short_ping() -> Vec<u8> {
    br#"{"action":"ping"}"#.to_vec()
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Came {
    /// A frame of the protocol: its type, and its code where it is an error.
    Said(String),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(Option<u16>),
    /// The connection's end.
    End,
}

impl Came {
    pub(crate) fn said(what: &str) -> Self {
        Self::Said(what.to_owned())
    }
}

/// One connection.
pub(crate) struct Bare {
    pub(crate) reading: Reading,
    pub(crate) writing: OwnedWriteHalf,
}

/// Its way in.
pub(crate) struct Reading {
    half: OwnedReadHalf,
    bytes: Vec<u8>,
}

impl Bare {
    /// Opens it at the front door.
    pub(crate) async fn open(floor: &TestGateway) -> Self {
        Self::open_at(floor.address, &floor.token().await, &[]).await
    }

    /// Opens it, and sends this at once, before the handshake is answered.
    pub(crate) async fn open_at(address: SocketAddr, token: &str, at_once: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self::over(stream, token, at_once).await
    }

    /// The same, on a connection that was made already.
    pub(crate) async fn over(stream: TcpStream, token: &str, at_once: &[u8]) -> Self {
        let request = format!(
            "GET /ws HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            stream.peer_addr().unwrap(),
        );
        let (half, mut writing) = stream.into_split();
        writing.write_all(&[request.as_bytes(), at_once].concat()).await.unwrap();
        let mut reading = Reading { half, bytes: Vec::new() };
        let head = loop {
            if let Some(end) = reading.bytes.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break String::from_utf8(reading.bytes.drain(..end + 4).collect()).unwrap();
            }
            assert!(reading.more().await, "the handshake is answered: {:?}", reading.bytes);
        };
        let told = head.to_ascii_lowercase();
        assert!(told.starts_with("http/1.1 101") && head.contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "{head}");
        assert!(!told.contains("sec-websocket-extensions"), "nothing was offered: {head}");
        Self { reading, writing }
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        self.writing.write_all(bytes).await.unwrap();
    }
}

impl Reading {
    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.half.read_buf(&mut self.bytes)).await.expect("bytes in time");
        // A reset is an end too.
        read.is_ok_and(|count| count > 0)
    }

    async fn bytes(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.bytes.len() < count {
            if !self.more().await {
                return None;
            }
        }
        Some(self.bytes.drain(..count).collect())
    }

    /// The next frame; panics where a server may not send it.
    pub(crate) async fn next(&mut self) -> Came {
        let Some(head) = self.bytes(2).await else { return Came::End };
        assert_eq!(head[0] & 0xf0, FIN, "whole, and without an extension that nobody offered");
        assert_eq!(head[1] & 0x80, 0, "a server's frames are not masked");
        let length = match head[1] {
            126 => self.bytes(2).await.map(|bytes| u64::from(u16::from_be_bytes(bytes.try_into().unwrap()))),
            127 => self.bytes(8).await.map(|bytes| u64::from_be_bytes(bytes.try_into().unwrap())),
            short => Some(u64::from(short)),
        };
        let Some(length) = length else { return Came::End };
        assert!(head[0] & 0x8 == 0 || length <= 125, "control frames are short");
        let Some(payload) = self.bytes(length as usize).await else { return Came::End };
        match head[0] & 0xf {
            TEXT => {
                let frame: Value = serde_json::from_slice(&payload).expect("each frame is one JSON object");
                let kind = frame["code"].as_str().or(frame["type"].as_str()).expect("every frame has a type");
                Came::said(kind)
            }
            CLOSE => {
                assert_ne!(payload.len(), 1, "half a close code");
                assert!(payload.len() < 2 || str::from_utf8(&payload[2..]).is_ok(), "reasons are UTF-8");
                Came::Close(payload.first_chunk().map(|code| u16::from_be_bytes(*code)))
            }
            PING => Came::Ping(payload),
            PONG => Came::Pong(payload),
            other => panic!("no server sends {other:x}"),
        }
    }
}

/// What has to become of a connection after the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// It lives.
    Lives,
    /// A close frame with this code, and its end.
    Closes(Option<u16>),
    /// Its end. A close frame before it is not needed after a violation, but where there is one it has this code.
    Fails(u16),
}

/// A row of a table: what is sent, and what has to come back.
pub(crate) struct Row {
    name: String,
    bytes: Vec<u8>,
    pieces: usize,
    answers: Vec<Came>,
    then: Then,
}

impl Row {
    fn new(name: impl fmt::Display, bytes: &[Vec<u8>], answers: &[Came], then: Then) -> Self {
        Self { name: name.to_string(), bytes: bytes.concat(), pieces: usize::MAX, answers: answers.to_vec(), then }
    }

    /// These frames get these answers, and the connection lives.
    pub(crate) fn lives(name: impl fmt::Display, frames: &[Vec<u8>], answers: &[Came]) -> Self {
        Self::new(name, frames, answers, Then::Lives)
    }

    /// The connection is closed with this code after these answers.
    pub(crate) fn closes(name: impl fmt::Display, frames: &[Vec<u8>], answers: &[Came], code: Option<u16>) -> Self {
        Self::new(name, frames, answers, Then::Closes(code))
    }

    /// The connection ends after these answers.
    pub(crate) fn fails(name: impl fmt::Display, frames: &[Vec<u8>], answers: &[Came], code: u16) -> Self {
        Self::new(name, frames, answers, Then::Fails(code))
    }

    /// The same, written in pieces of so many bytes.
    pub(crate) fn chopped(mut self, bytes: usize) -> Self {
        self.name = format!("{}, {bytes} bytes at a time", self.name);
        self.pieces = bytes;
        self
    }

    /// The fault, if any.
    async fn run(self, address: SocketAddr, token: Arc<str>) -> Option<String> {
        let Bare { mut reading, mut writing } = Bare::open_at(address, &token, &[]).await;
        let mut bytes = self.bytes;
        let mut expected = self.answers;
        if self.then == Then::Lives {
            bytes.extend(text(short_ping()));
            expected.push(Came::said("pong"));
        }
        let writer = tokio::spawn(async move {
            for piece in bytes.chunks(self.pieces.min(bytes.len())) {
                // A rejected client may fail to send the rest.
                if writing.write_all(piece).await.is_err() {
                    break;
                }
                tokio::task::yield_now().await;
            }
            writing
        });
        let mut came = Vec::new();
        while came.last() != Some(&Came::End) && !(self.then == Then::Lives && came.len() == expected.len()) {
            match tokio::time::timeout(PATIENCE / 2, reading.next()).await {
                Ok(next) => came.push(next),
                Err(_) => return Some(format!("{}: nothing comes any more after {came:?}", self.name)),
            }
        }
        writer.abort();
        let tail = match self.then {
            Then::Lives => vec![vec![]],
            Then::Closes(code) => vec![vec![Came::Close(code), Came::End]],
            Then::Fails(code) => vec![vec![Came::End], vec![Came::Close(Some(code)), Came::End]],
        };
        let right = tail.iter().any(|tail| came == [expected.as_slice(), tail].concat());
        (!right).then(|| format!("{}: expected {expected:?}, then {:?}, but got {came:?}", self.name, self.then))
    }
}

/// Runs a table, each row on a connection of its own, and tells all that is wrong.
pub(crate) async fn check(rows: Vec<Row>) {
    let floor = TestGateway::start().await;
    let token: Arc<str> = floor.token().await.into();
    let mut rows = rows.into_iter();
    let mut running = JoinSet::new();
    let mut wrong = Vec::new();
    loop {
        while running.len() < ROWS_AT_ONCE
            && let Some(row) = rows.next()
        {
            running.spawn(row.run(floor.address, token.clone()));
        }
        match running.join_next().await {
            Some(row) => wrong.extend(row.unwrap()),
            None => break,
        }
    }
    wrong.sort();
    assert!(wrong.is_empty(), "{} rows:\n{}", wrong.len(), wrong.join("\n"));
}
