//! The client's end of our own WebSocket: opens it with a token, joins rooms, hears frames; and how a client logs in.
//!
//! `tail.rs`, `torture/viewer.rs` and `bench/flow.rs` watch through it. What a frame means is theirs.

use anyhow::{Context, bail};
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// An open WebSocket.
pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

/// What comes in.
#[derive(Debug)]
pub(crate) enum Heard {
    /// A frame, as it was sent.
    Frame(Utf8Bytes),
    /// A sign of life.
    Alive,
    /// The server ends the connection; 1005 where it does not say why.
    Closed(u16, String),
}

impl Socket {
    /// Opens a socket at a gateway, such as `http://127.0.0.1:8080`.
    pub(crate) async fn open(gateway: &str, token: &str) -> Result<Self, Error> {
        let mut request = format!("{}/ws", gateway.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let (stream, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self { stream })
    }

    /// Joins a room, from a place in it where one is given.
    pub(crate) async fn subscribe(&mut self, room: &str, cursor: Option<&str>) -> anyhow::Result<()> {
        let mut message = json!({"action": "subscribe", "room": room, "requestId": room});
        if let Some(cursor) = cursor {
            message["cursor"] = json!(cursor);
        }
        self.say(&message).await
    }

    /// Says something.
    pub(crate) async fn say(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(self.stream.send(Message::text(message.to_string())).await?)
    }

    /// What comes next. Pings are answered meanwhile.
    pub(crate) async fn hear(&mut self) -> anyhow::Result<Heard> {
        match self.stream.next().await.context("the connection ended without a word")?? {
            Message::Text(text) => Ok(Heard::Frame(text)),
            Message::Close(Some(close)) => Ok(Heard::Closed(close.code.into(), close.reason.to_string())),
            Message::Close(None) => Ok(Heard::Closed(1005, String::new())),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(Heard::Alive),
        }
    }
}

/// A token for a user's password. Where nobody is there to answer, the error is `reqwest`'s.
pub(crate) async fn log_in(gateway: &str, user: &str, password: &str) -> anyhow::Result<String> {
    let login = json!({"username": user, "password": password});
    let answer = reqwest::Client::new().post(format!("{gateway}/auth/login")).json(&login).send().await?;
    if answer.status().is_server_error() {
        answer.error_for_status_ref()?;
    }
    let body: Value = answer.json().await.context("what answers there is no gateway")?;
    match body["token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => bail!("{}", body["detail"].as_str().unwrap_or("the login was refused")),
    }
}
