//! The three doors: WebSocket, SSE and polls. Each is thin; what is sent to whom is decided in [`session`].

mod admission;
mod cursors;
mod expiry;
#[cfg(feature = "fuzzing")]
pub(crate) mod fuzzing;
mod goodbye;
mod ledger;
mod lifetime;
mod limits;
mod poll;
mod session;
mod socket;
mod sse;
mod standpoint;
mod watch;

pub(crate) use admission::Admission;
pub(crate) use goodbye::Goodbye;
pub(crate) use ledger::{Ledger, Line, Look, RoomLook};
pub(crate) use poll::poll;
pub(crate) use socket::{Shard, open_metrics_socket, open_socket};
pub(crate) use sse::{stream_alerts, stream_events};
