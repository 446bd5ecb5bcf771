//! The client's end of our own WebSocket: opens it with a token, joins rooms, hears frames; and how a client logs in.
//!
//! `tail.rs`, `torture/viewer.rs` and `bench/flow.rs` watch through it. What a frame means is theirs.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Request, StatusCode};
use ringside_fetch::{FetchError, FetchLimits, Fetcher, explain_tls_error, system_trust};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_tungstenite::{Connector, MaybeTlsStream, WebSocketStream, connect_async_tls_with_config};
use url::Url;

/// What signing in to a gateway may cost.
const LIMITS: FetchLimits = FetchLimits { timeout: Duration::from_secs(20), body_bytes: 64 << 10 };

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
    /// Opens a socket at a gateway, such as `http://127.0.0.1:8080` or `https://ops.example.com`. The error is
    /// tungstenite's, or a sentence on what must be set right first.
    pub(crate) async fn open(gateway: &str, token: &str) -> anyhow::Result<Self> {
        let mut request = format!("{}/ws", gateway.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        let tls = if is_https(gateway) { Connector::Rustls(system_trust()?) } else { Connector::Plain };
        match connect_async_tls_with_config(request, None, false, Some(tls)).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(Error::Http(answer)) if answer.status().is_redirection() => Err(points_on(answer.headers())),
            Err(error) => Err(explain_tls_error(&error).map_or_else(|| error.into(), Into::into)),
        }
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
        let next = match self.stream.next().await {
            // Over TLS who breaks off should have said so first; nobody who is killed does.
            Some(Err(Error::Io(error))) if error.kind() == ErrorKind::UnexpectedEof => None,
            next => next,
        };
        match next.context("the connection ended without a word")?? {
            Message::Text(text) => Ok(Heard::Frame(text)),
            Message::Close(Some(close)) => Ok(Heard::Closed(close.code.into(), close.reason.to_string())),
            Message::Close(None) => Ok(Heard::Closed(1005, String::new())),
            Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(Heard::Alive),
        }
    }
}

/// Nobody is there to answer, or not now: asking again may help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Away(String);

impl Away {
    /// Says why.
    pub(crate) fn new(why: String) -> Self {
        Self(why)
    }
}

/// Whether all that is said to this address is said over TLS.
pub(crate) fn is_https(address: &str) -> bool {
    address.starts_with("https://")
}

/// Sends JSON to an address, once, as it carries a password. If nobody is there to answer, the error is [`Away`].
async fn post(address: &str, body: &Value) -> anyhow::Result<(StatusCode, Bytes)> {
    let url = Url::parse(address).with_context(|| format!("{address} is no address"))?;
    if is_https(address) {
        system_trust()?;
    }
    let request = Request::post(address).header(CONTENT_TYPE, "application/json");
    let answer = Fetcher::new(LIMITS).send(&url, request, Bytes::from(body.to_string())).await;
    let answer = answer.map_err(|error| -> anyhow::Error {
        match &error {
            FetchError::Unreachable { cause, .. } => {
                explain_tls_error(cause).map_or_else(|| Away(error.to_string()).into(), Into::into)
            }
            _ => Away(error.to_string()).into(),
        }
    })?;
    if answer.status.is_redirection() {
        bail!(points_on(&answer.headers));
    }
    Ok((answer.status, answer.body))
}

/// A gateway redirects: the client doesn't follow with its password or token.
fn points_on(headers: &HeaderMap) -> anyhow::Error {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("somewhere else");
    anyhow!("it points on to {to}, where neither password nor token is sent: give the address that is meant")
}

/// A token for a user's password. Where nobody is there to answer, the error is [`Away`].
pub(crate) async fn log_in(gateway: &str, user: &str, password: &str) -> anyhow::Result<String> {
    let login = json!({"username": user, "password": password});
    let (status, body) = post(&format!("{gateway}/auth/login"), &login).await?;
    if status.is_server_error() {
        bail!(Away::new(format!("the login is answered with status {status}")));
    }
    let Ok(body) = serde_json::from_slice::<Value>(&body) else {
        // Our own port says so too where it is asked in plain text, and so do most balancers.
        let perhaps = if is_https(gateway) { "" } else { "; where it speaks TLS, write https://" };
        bail!("what answers there is no gateway (status {status}){perhaps}");
    };
    match body["token"].as_str() {
        Some(token) => Ok(token.to_owned()),
        None => bail!("{}", body["detail"].as_str().unwrap_or("the login was refused")),
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// An address where one question is answered with this text.
    async fn answering(answer: String) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gateway = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = Vec::new();
            while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
                assert!(stream.read_buf(&mut asked).await.unwrap() > 0, "the question ends in its middle");
            }
            // The other end may have enough before all is written or read.
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut asked).await;
        });
        gateway
    }

    fn answer(head: &str, body: &str) -> String {
        format!("HTTP/1.1 {head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
    }

    #[tokio::test]
    async fn a_login_gives_a_token_or_a_sentence_and_tells_who_is_away_from_who_says_no() {
        let gateway = answering(answer("200 OK", r#"{"token":"the token"}"#)).await;
        assert_eq!(log_in(&gateway, "admin", "secret").await.unwrap(), "the token");
        let long = "x".repeat(1 << 20);
        for (text, sentence, away) in [
            (answer("401 Unauthorized", r#"{"detail":"this is not the password"}"#), "this is not the password", false),
            (answer("200 OK", "{}"), "the login was refused", false),
            (answer("400 Bad Request", "This port speaks TLS"), "write https://", false),
            (answer("503 Service Unavailable", "down for a moment"), "status 503", true),
            (answer("200 OK", &long), "longer than", true),
            ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{".to_owned(), "incomplete", true),
            (String::new(), "can't be reached", true),
        ] {
            let error = log_in(&answering(text).await, "admin", "secret").await.unwrap_err();
            assert!(format!("{error:#}").contains(sentence), "{sentence}: {error:#}");
            assert!(!format!("{error:?}").contains("secret"), "{error:?}");
            assert_eq!(error.is::<Away>(), away, "{error:#}");
        }
    }

    #[tokio::test]
    async fn where_nobody_listens_nobody_is_there() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = log_in(&format!("http://{address}"), "admin", "secret").await.unwrap_err();
        assert!(error.is::<Away>() && error.to_string().contains("refused"), "{error:#}");
        let error = Socket::open(&format!("http://{address}"), "token").await.err().unwrap();
        assert!(matches!(error.downcast_ref(), Some(Error::Io(_))), "{error:#}");
    }

    #[tokio::test]
    async fn neither_password_nor_token_goes_where_an_answer_points_on_to() {
        let elsewhere = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let to = format!("http://{}/auth/login", elsewhere.local_addr().unwrap());
        for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
            let text = answer(&format!("{status}\r\nlocation: {to}"), "");
            let login = log_in(&answering(text.clone()).await, "admin", "secret").await.unwrap_err();
            let socket = Socket::open(&answering(text).await, "token").await.err().unwrap();
            for error in [login, socket] {
                assert!(error.to_string().contains(&to) && !error.is::<Away>(), "{status}: {error:#}");
            }
        }
        assert!(elsewhere.accept().now_or_never().is_none(), "somebody came");
    }
}
