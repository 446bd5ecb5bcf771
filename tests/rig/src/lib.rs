//! Real Redis servers, clusters and sentinels for tests to start, cut and kill.
//!
//! A [`RedisServer`], [`RedisCluster`] or [`RedisSentinel`] is made of real processes on free ports of 127.0.0.1,
//! with a folder each. They die when the value is dropped, and with the process that started them, even after
//! SIGKILL. A [`FaultProxy`] stands between a client and any of them; a [`Process`] is one of our own.
//!
//! No step sleeps for a fixed time: each waits for its condition ([`until`]), and an error names the condition.
//! [`sources`] reads the product's own sources.

mod cluster;
mod port;
mod process;
mod proxy;
mod sentinel;
mod server;
mod sources;
mod spawner;
mod wait;

pub use cluster::{ClusterOptions, RedisCluster};
pub use port::{free_port, free_ports};
pub use process::Process;
pub use proxy::FaultProxy;
pub use sentinel::RedisSentinel;
pub use server::{AppendFsync, RedisOptions, RedisServer, TlsFiles, redis_server_installed};
pub use sources::sources;
pub use wait::until;
