//! Real Redis servers, clusters and sentinels to be started, cut, paused and killed.
//!
//! Everything here, but for the [`sources`] of the product, is a real process on a free port of 127.0.0.1 with a folder of its own, and is gone when its value is
//! dropped or when the process that started it dies, however that dies. [`RedisServer`], [`RedisCluster`] and
//! [`RedisSentinel`] are what can be had; a [`FaultProxy`] stands between a client and any of them; a [`Process`] is
//! one of our own. Nothing sleeps for luck: each step waits for its condition ([`until`]) and says what did not come.

mod cluster;
mod nursery;
mod port;
mod process;
mod proxy;
mod sentinel;
mod server;
mod sources;
mod wait;

pub use cluster::{ClusterOptions, RedisCluster};
pub use port::{free_port, free_ports};
pub use process::Process;
pub use proxy::FaultProxy;
pub use sentinel::RedisSentinel;
pub use server::{AppendFsync, RedisOptions, RedisServer, TlsFiles, redis_server_is_there};
pub use sources::sources;
pub use wait::until;
