//! The WebSocket door: one task per connection that reads, writes and keeps the clocks.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, rejection::WebSocketUpgradeRejection};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use ringside_shared::engine::Room;
use ringside_shared::model::Timestamp;
use ringside_shared::wire::frame_kind;
use serde_json::json;
use tokio_tungstenite::tungstenite;
use tracing::debug;

use super::goodbye::Goodbye;
use super::limits::{Allowance, MESSAGE_BYTES, TAKEN_BYTES};
use super::session::{Heard, Outgoing, Session, plain};
use crate::auth::{Viewer, bearer, cookie};
use crate::caller::Caller;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::observe::{self, Connected};
use crate::origin::{log_foreign, require_own_origin};

/// The subprotocol's name; a token may come beside it as `bearer.<jwt>`.
const SUBPROTOCOL: &str = "ringside.v1";
/// Who says nothing for so many times the interval of pings, not even a pong, is gone.
const SILENT_FOR_PINGS: f64 = 2.4;
const WRITE_WITHIN: Duration = Duration::from_secs(10);
const CLOSE_WITHIN: Duration = Duration::from_secs(1);
/// A token's end is announced so long before.
const EXPIRING_BEFORE: Duration = Duration::from_secs(60);

/// Why a connection ends, with the close code that says whether to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The client closed, or the network did.
    Gone,
    Expired,
    Stranger,
    Flood,
    /// Something that can't be taken, and after which nothing else can be read.
    Unreadable,
    Draining,
    Slow,
}

impl End {
    fn close(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Gone => None,
            Self::Expired => Some((4401, "the login has ended")),
            Self::Stranger => Some((4403, "the token is somebody else's")),
            Self::Flood => Some((4408, "too many messages")),
            Self::Unreadable => Some((4408, "send text messages of at most 16 KiB")),
            Self::Draining => Some((4503, "this gateway is going away")),
            Self::Slow => Some((4508, "too slow")),
        }
    }
}

/// `GET /ws`
pub(crate) async fn open_socket(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    open(gateway, caller, &headers, upgrade, &[])
}

/// `GET /ws/metrics`: the same, and it joins `metrics` by itself.
pub(crate) async fn open_metrics_socket(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    open(gateway, caller, &headers, upgrade, &[Room::Metrics])
}

fn open(
    gateway: Gateway,
    caller: Caller,
    headers: &HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    rooms: &'static [Room],
) -> Response {
    if let Err(error) = require_own_origin(headers, &gateway.settings().allowed_origins) {
        log_foreign("socket", headers, None, caller.address);
        return error.into_response();
    }
    if gateway.goodbye().has_begun() {
        return Error::Unavailable.into_response();
    }
    let viewer = match viewer(&gateway, caller, headers) {
        Ok(viewer) => viewer,
        Err(error) => return error.into_response(),
    };
    let mut upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    // Never the token: what is answered ends up in logs.
    if upgrade.requested_protocols().any(|protocol| protocol == SUBPROTOCOL) {
        upgrade.set_selected_protocol(HeaderValue::from_static(SUBPROTOCOL));
    }
    upgrade
        .read_buffer_size(4 << 10)
        .write_buffer_size(16 << 10)
        .max_write_buffer_size(4 << 20)
        .max_message_size(TAKEN_BYTES)
        .max_frame_size(TAKEN_BYTES)
        .on_upgrade(move |socket| async move {
            let connection = Connection::new(gateway.clone(), viewer, socket, rooms);
            gateway.connections().track_future(connection.run()).await;
        })
}

fn viewer(gateway: &Gateway, caller: Caller, headers: &HeaderMap) -> Result<Arc<Viewer>, Error> {
    let offered = headers.get_all("sec-websocket-protocol").iter().filter_map(|value| value.to_str().ok());
    let beside = offered.flat_map(|value| value.split(',')).find_map(|item| item.trim().strip_prefix("bearer."));
    let token = bearer(headers).or(beside).or_else(|| cookie(headers, caller.secure));
    gateway.verify(token.ok_or(Error::Unauthorized)?)
}

struct Connection {
    gateway: Gateway,
    session: Session,
    sink: SplitSink<WebSocket, Message>,
    stream: SplitStream<WebSocket>,
    allowance: Allowance,
    heard_at: Instant,
    warned: bool,
    counted: Connected,
}

impl Connection {
    fn new(gateway: Gateway, viewer: Arc<Viewer>, socket: WebSocket, rooms: &[Room]) -> Self {
        let (sink, stream) = socket.split();
        let mut session = Session::new(gateway.clone(), viewer);
        for room in rooms {
            if session.join(room.clone(), None, None).is_ok() {
                session.say(frame_kind::SUBSCRIBED, Some(room), &json!({}));
            }
        }
        let now = Instant::now();
        Self {
            gateway,
            session,
            sink,
            stream,
            allowance: Allowance::new(now),
            heard_at: now,
            warned: false,
            counted: Connected::by("websocket"),
        }
    }

    async fn run(mut self) {
        let end = self.serve().await;
        debug!(user = %self.session.viewer().user, ?end, "socket ended");
        if end == End::Slow {
            observe::closed_slow();
        }
        if let Some((code, reason)) = end.close() {
            let close = Message::Close(Some(CloseFrame { code, reason: reason.into() }));
            // Whoever does not take the goodbye has left already, or reads nothing anyway.
            let _ = tokio::time::timeout(CLOSE_WITHIN, async {
                if self.sink.send(close).await.is_ok() {
                    while let Some(Ok(_)) = self.stream.next().await {}
                    if end == End::Unreadable {
                        // Nothing more is read, and closing now would overtake the goodbye with a reset.
                        std::future::pending::<()>().await;
                    }
                }
            })
            .await;
        }
    }

    async fn serve(&mut self) -> End {
        let ping_every = self.gateway.settings().ping_every;
        let mut pings = tokio::time::interval_at(tokio::time::Instant::now() + ping_every, ping_every);
        let mut taken_back = self.gateway.standing().watch();
        let gateway = self.gateway.clone();
        let mut turn = None;
        loop {
            let batch = self.session.batch().await;
            if let Err(end) = self.write(batch).await {
                return end;
            }
            let more = self.session.has_more();
            let clock = next_clock(self.session.viewer(), self.warned);
            tokio::select! {
                biased;
                () = gateway.goodbye().turn(&mut turn) => {
                    let mut last = self.session.rest().await;
                    last.push(plain(frame_kind::BYE, None, &json!({ "retryMs": Goodbye::retry_ms() })));
                    return self.write(last).await.err().unwrap_or(End::Draining);
                }
                () = tokio::time::sleep(clock) => {
                    let viewer = self.session.viewer();
                    if viewer.expires_at <= Timestamp::now() {
                        return End::Expired;
                    }
                    if !self.warned && until(viewer.expires_at) <= EXPIRING_BEFORE {
                        self.warned = true;
                        let at = viewer.expires_at.to_string();
                        self.session.say(frame_kind::AUTH_EXPIRING, None, &json!({ "expiresAt": at }));
                    }
                }
                message = self.stream.next() => {
                    if let Err(end) = self.hear(message) {
                        return end;
                    }
                }
                _ = pings.tick() => {
                    if self.heard_at.elapsed() > ping_every.mul_f64(SILENT_FOR_PINGS) {
                        return End::Gone;
                    }
                    if tokio::time::timeout(WRITE_WITHIN, self.sink.send(Message::Ping(Default::default()))).await.is_err() {
                        return End::Slow;
                    }
                }
                changed = taken_back.changed() => {
                    if changed.is_ok() && !self.gateway.standing().allows(self.session.viewer()) {
                        return End::Expired;
                    }
                }
                () = self.session.rang(), if !more => {}
                () = std::future::ready(()), if more => {}
            }
        }
    }

    fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.heard_at = Instant::now();
        let heard = match message {
            Some(Ok(Message::Text(text))) if text.len() > MESSAGE_BYTES => {
                self.session.refuse(&format!("a message has at most {} KiB", MESSAGE_BYTES >> 10))
            }
            Some(Ok(Message::Text(text))) => {
                let before = self.session.viewer().expires_at;
                let heard = self.session.hear(&text);
                // A fresh token is announced anew.
                self.warned &= self.session.viewer().expires_at == before;
                heard
            }
            Some(Ok(Message::Binary(_))) => self.session.refuse("send text, not binary"),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Heard::Sense,
            Some(Err(error)) => return Err(end_of(error)),
            Some(Ok(Message::Close(_))) | None => return Err(End::Gone),
        };
        match heard {
            Heard::Stranger => Err(End::Stranger),
            heard => self.allowance.count(heard == Heard::Sense, self.heard_at).then_some(()).ok_or(End::Flood),
        }
    }

    /// Writes a batch with one flush.
    async fn write(&mut self, batch: Vec<Outgoing>) -> Result<(), End> {
        if batch.is_empty() {
            return Ok(());
        }
        let (count, oldest) = (batch.len(), batch.iter().filter_map(|outgoing| outgoing.at).min());
        let written = tokio::time::timeout(WRITE_WITHIN, async {
            for outgoing in batch {
                self.sink.feed(Message::Text(outgoing.text)).await?;
            }
            self.sink.flush().await
        })
        .await;
        match written {
            Ok(Ok(())) => {
                self.counted.sent(count, oldest);
                Ok(())
            }
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Slow),
        }
    }
}

/// Whether the client or the network went away, or what came can't be taken.
fn end_of(error: axum::Error) -> End {
    match error.into_inner().downcast_ref::<tungstenite::Error>() {
        Some(tungstenite::Error::Capacity(_) | tungstenite::Error::Utf8(_)) => End::Unreadable,
        _ => End::Gone,
    }
}

/// How long until the token's end has to be announced or has come.
fn next_clock(viewer: &Viewer, warned: bool) -> Duration {
    let left = until(viewer.expires_at);
    if warned { left } else { left.saturating_sub(EXPIRING_BEFORE) }
}

fn until(moment: Timestamp) -> Duration {
    Duration::from_millis(moment.since(Timestamp::now()).max(0) as u64)
}
