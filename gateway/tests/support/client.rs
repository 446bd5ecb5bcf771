//! A client that checks what every client may rely on: no frame lost, none twice, none out of order, unless it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use ringside_model::Cursor;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything here takes, shorter than anybody's patience.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Where a client is in its rooms, by the protocol's arithmetic.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    reached: HashMap<String, Cursor>,
    announced: HashMap<String, u64>,
}

impl Checker {
    /// The client says that it is there.
    pub(crate) fn resume(&mut self, room: &str, cursor: Cursor) {
        self.reached.insert(room.to_owned(), cursor);
    }

    pub(crate) fn reached(&self, room: &str) -> Option<Cursor> {
        self.reached.get(room).copied()
    }

    /// Takes a frame; panics where it breaks a promise.
    pub(crate) fn check(&mut self, frame: &Value) {
        let kind = frame["type"].as_str().expect("every frame has a type");
        assert!(frame["timestamp"].as_str().is_some_and(|at| at.ends_with('Z')), "every frame has a time: {frame}");
        let Some(room) = frame["room"].as_str() else { return };
        if kind == "reset" {
            self.reached.remove(room);
            self.announced.remove(room);
        }
        if kind == "skipped" {
            *self.announced.entry(room.to_owned()).or_default() += frame["count"].as_u64().expect("a count");
        }
        let Some(cursor) = frame["cursor"].as_str() else { return };
        let cursor: Cursor = cursor.parse().unwrap();
        if kind != "initial" {
            let before = self.reached.get(room).unwrap_or_else(|| panic!("{kind} came before initial: {frame}"));
            assert_eq!(before.epoch, cursor.epoch, "another epoch without a reset: {frame}");
            let conflated = frame["conflated"].as_u64().unwrap_or(0);
            if cursor == *before {
                assert!(kind == "metrics_update" && conflated == 0, "only states may repeat a cursor: {frame}");
                return;
            }
            let announced = self.announced.remove(room).unwrap_or(0);
            assert_eq!(cursor.offset, before.offset + 1 + conflated + announced, "a silent gap: {frame}");
        }
        self.reached.insert(room.to_owned(), cursor);
    }
}

/// A socket with a checker.
pub(crate) struct Client {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    pub(crate) checker: Checker,
}

impl Client {
    pub(crate) async fn connect(address: SocketAddr, path: &str, token: &str) -> Self {
        Self::try_connect(address, path, &[("authorization", &format!("Bearer {token}"))]).await.unwrap()
    }

    /// The status of the refusal, where there is one.
    pub(crate) async fn try_connect(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Result<Self, u16> {
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            let name = http::HeaderName::from_bytes(name.as_bytes()).unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        match connect_async(request).await {
            Ok((socket, _)) => Ok(Self { socket, checker: Checker::default() }),
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.send_text(message.to_string()).await;
    }

    pub(crate) async fn send_text(&mut self, text: String) {
        self.socket.send(Message::Text(text.into())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, room: &str) {
        self.send(json!({ "action": "subscribe", "room": room })).await;
    }

    pub(crate) async fn resume(&mut self, room: &str, cursor: Cursor) {
        self.checker.resume(room, cursor);
        self.send(json!({ "action": "subscribe", "room": room, "cursor": cursor.to_string() })).await;
    }

    /// The next frame, or the close code.
    pub(crate) async fn next(&mut self) -> Result<Value, u16> {
        loop {
            let message = tokio::time::timeout(PATIENCE, self.socket.next()).await.expect("a frame in time");
            match message {
                Some(Ok(Message::Text(text))) => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    self.checker.check(&frame);
                    return Ok(frame);
                }
                Some(Ok(Message::Close(close))) => return Err(close.map_or(1005, |close| close.code.into())),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(1006),
            }
        }
    }

    /// The next frame of this type; others before it are checked and dropped.
    pub(crate) async fn until(&mut self, kind: &str) -> Value {
        self.until_that(|frame| frame["type"] == kind).await
    }

    /// The next frame that is as described.
    pub(crate) async fn until_that(&mut self, described: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let frame = self.next().await.expect("the connection stays");
                if described(&frame) {
                    return frame;
                }
            }
        };
        // States come for ever; the one that is waited for may not.
        tokio::time::timeout(2 * PATIENCE, found).await.expect("such a frame in time")
    }

    /// The code that the connection ends with.
    pub(crate) async fn close_code(&mut self) -> u16 {
        loop {
            if let Err(code) = self.next().await {
                return code;
            }
        }
    }
}

/// The ids of the calls of a `call_event` or an `initial`.
pub(crate) fn calls(frame: &Value) -> Vec<String> {
    let calls = frame["calls"].as_array().cloned().unwrap_or_default();
    calls.iter().map(|call| call["callId"].as_str().unwrap().to_owned()).collect()
}
