//! The whole product, as a stranger meets it: the real binary on a fresh data folder, over HTTP and WebSocket.

mod app;
mod ingest;
mod live;
mod start;
