//! Live connections: WebSocket, SSE and polls.

mod admission;
mod bench;
mod closing;
mod connections;
mod cursors;
mod dead_peers;
mod drain;
mod ending;
mod framing;
mod garbage;
mod live;
mod metrics;
mod resume;
mod slow;
mod transport_switching;
mod transports;
mod utf8;
