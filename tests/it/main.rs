//! The whole product, as a stranger meets it: the real binary on a fresh data folder, over HTTP and WebSocket.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod app;
mod balancer;
mod bench;
mod door;
mod ingest;
mod keys;
mod live;
mod numbers;
mod revoked;
mod roles;
mod scaled;
mod scene;
mod start;
mod tail;
mod takeover;
mod torture;
