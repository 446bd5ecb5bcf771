//! From a request to the bare socket behind it: RFC 6455's opening, answered by ourselves, because what is written later
//! goes past the HTTP server's buffers.

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto::upgrade::{Parts, downcast};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tracing::warn;

use super::transport::Transport;
use crate::error::Error;

/// The subprotocol's name; a token may come beside it as `bearer.<jwt>`.
const SUBPROTOCOL: &str = "ringside.v1";
const DEFLATE: &str = "permessage-deflate";
/// Each message is compressed by itself, so that one compression serves all who get it.
const DEFLATE_ANSWER: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A request to open a socket, as far as it can be.
pub(super) struct Opening {
    accept: String,
    protocol: bool,
    /// True where messages may go compressed.
    pub(super) deflate: bool,
    upgrade: OnUpgrade,
}

impl Opening {
    /// Reads a request.
    pub(super) fn of(request: &mut Request) -> Result<Self, Error> {
        let headers = request.headers();
        let asks = request.method() == Method::GET
            && names(headers, &header::CONNECTION, "upgrade")
            && names(headers, &header::UPGRADE, "websocket")
            && headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|key| key.len() == 24);
        let (true, Some(key)) = (asks, key) else { return Err(Error::UpgradeRequired) };
        let accept = derive_accept_key(key.as_bytes());
        let protocol = names(headers, &header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        let deflate = offers_deflate(headers);
        let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(Error::UpgradeRequired)?;
        Ok(Self { accept, protocol, deflate, upgrade })
    }

    /// The answer, after which the socket comes.
    pub(super) fn answer(self) -> (Response, Coming) {
        let mut response = StatusCode::SWITCHING_PROTOCOLS.into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        let accept = HeaderValue::from_str(&self.accept).expect("base64 is a header's value");
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        // Never the token: what is answered ends up in logs.
        if self.protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        if self.deflate {
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(DEFLATE_ANSWER));
        }
        (response, Coming(self.upgrade))
    }
}

/// A socket that comes once the answer is written.
pub(super) struct Coming(OnUpgrade);

impl Coming {
    /// The socket, and what was read of it already.
    pub(super) async fn socket(self) -> Option<(Transport, Bytes)> {
        let upgraded: Upgraded = self.0.await.ok()?;
        let upgraded = match downcast::<TokioIo<TcpStream>>(upgraded) {
            Ok(Parts { io, read_buf, .. }) => return Some((Transport::Plain(io.into_inner()), read_buf)),
            Err(upgraded) => upgraded,
        };
        match downcast::<TokioIo<TlsStream<TcpStream>>>(upgraded) {
            Ok(Parts { io, read_buf, .. }) => Some((Transport::encrypted(io.into_inner()), read_buf)),
            Err(_) => {
                warn!("a socket came over something else than TCP or TLS, and can't be served");
                None
            }
        }
    }
}

/// True where a list of the header has the word.
fn names(headers: &HeaderMap, name: &header::HeaderName, word: &str) -> bool {
    items(headers, name).any(|item| item.eq_ignore_ascii_case(word))
}

fn items<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// The token that a client without cookies offers beside the subprotocol.
pub(super) fn offered_token(headers: &HeaderMap) -> Option<&str> {
    items(headers, &header::SEC_WEBSOCKET_PROTOCOL).find_map(|item| item.strip_prefix("bearer."))
}

/// True where one of the offers is one that we can take: with windows as large as we use them.
fn offers_deflate(headers: &HeaderMap) -> bool {
    items(headers, &header::SEC_WEBSOCKET_EXTENSIONS).any(|offer| {
        let mut parts = offer.split(';').map(str::trim);
        parts.next() == Some(DEFLATE)
            && parts.all(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                match name.trim() {
                    "server_no_context_takeover" | "client_no_context_takeover" => value.is_empty(),
                    "client_max_window_bits" => true,
                    _ => false,
                }
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_agreed_where_we_can_do_what_is_offered() {
        for (offer, taken) in [
            ("permessage-deflate; client_max_window_bits", true),
            ("permessage-deflate", true),
            ("x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=15", true),
            ("permessage-deflate; server_max_window_bits=10", false),
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", true),
            ("permessage-deflate; future", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(offer));
            assert_eq!(offers_deflate(&headers), taken, "{offer}");
        }
    }
}
