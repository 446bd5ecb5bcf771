//! The WebSocket door.
//!
//! `handshake` takes the bare TCP stream out of the HTTP server. A [`connection`]'s task reads it (`message`) and keeps
//! its clocks; what it is sent comes from its session and is written by its `shard`, many sockets in one pass, or by the
//! task where somebody has to be waited for. Both stand at the same counter: `line`.

mod connection;
mod end;
#[cfg(feature = "fuzzing")]
pub(super) mod fuzzing;
mod handshake;
mod line;
mod message;
mod outbox;
mod pace;
mod shard;
mod tally;
mod transport;

pub(crate) use shard::Shard;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use ringside_http::{Peer, check_socket};
use ringside_model::Room;
use socket2::SockRef;
use tokio::net::TcpStream;
use tracing::warn;

use self::connection::Connection;
use self::handshake::{Opening, offered_token};
use crate::delivery::Delivery;
use crate::delivery::admission::Admitted;
use crate::error::Error;
use crate::extract::bearer;
use crate::sign_in::Cookie;

/// How much the kernel holds for a client beyond what is on its way: what waits there can't be replaced by something
/// newer any more.
const UNSENT_BYTES: u32 = 32 << 10;
/// How much it holds in all.
const SEND_BUFFER_BYTES: usize = 128 << 10;

/// `GET /ws`
pub(crate) async fn open_socket(
    admitted: Admitted,
    State(delivery): State<Delivery>,
    peer: Peer,
    request: Request,
) -> Response {
    open(delivery, admitted, peer, request, &[]).await.unwrap_or_else(Error::into_response)
}

/// `GET /ws/metrics`: the same, and it joins `metrics` by itself.
pub(crate) async fn open_metrics_socket(
    admitted: Admitted,
    State(delivery): State<Delivery>,
    peer: Peer,
    request: Request,
) -> Response {
    open(delivery, admitted, peer, request, &[Room::Metrics]).await.unwrap_or_else(Error::into_response)
}

async fn open(
    delivery: Delivery,
    admitted: Admitted,
    peer: Peer,
    mut request: Request,
    rooms: &'static [Room],
) -> Result<Response, Error> {
    let headers = request.headers();
    check_socket(delivery.http(), peer, headers)?;
    let token =
        bearer(headers).or_else(|| offered_token(headers)).or_else(|| Cookie::Access.find(headers, peer.secure));
    let token = token.map(str::to_owned);
    let viewer = delivery.access().identify(token.as_deref()).await?;
    let opening = Opening::of(&mut request)?;
    let deflate = opening.deflate;
    admitted.enter();
    let (response, coming) = opening.answer();
    let tracked = delivery.connections().token();
    tokio::spawn(async move {
        let _tracked = tracked;
        let Some(socket) = coming.socket().await else { return };
        bound_buffers(socket.0.tcp());
        Connection::begin(delivery, viewer, peer.address, socket, deflate, rooms).await.run().await;
    });
    Ok(response)
}

fn bound_buffers(socket: &TcpStream) {
    let socket = SockRef::from(socket);
    if let Err(reason) =
        socket.set_send_buffer_size(SEND_BUFFER_BYTES).and_then(|()| socket.set_tcp_notsent_lowat(UNSENT_BYTES))
    {
        warn!(%reason, "could not bound what the kernel holds for a socket");
    }
}
