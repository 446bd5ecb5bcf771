//! The contract, on each kind of Redis.

use std::sync::Arc;

use async_trait::async_trait;
use ringside_engine::Engine;
use ringside_engine::contract::Arena;

use crate::support::{connect, fresh_prefix, settings};

/// A prefix on a Redis.
struct Ground {
    url: String,
    prefix: String,
}

impl Ground {
    fn fresh(url: String) -> Self {
        Self { url, prefix: fresh_prefix() }
    }
}

#[async_trait]
impl Arena for Ground {
    async fn open(&self) -> Arc<dyn Engine> {
        Arc::new(connect(settings(&self.url, &self.prefix)).await)
    }
}

/// A module with the contract's cases on one Redis, which lives as long as this process.
macro_rules! on {
    ($name:ident, $redis:ty, $start:expr) => {
        mod $name {
            use ringside_rig::*;
            use tokio::sync::OnceCell;

            use super::Ground;

            /// Starts it off the test's runtime, which ends before others are done with it.
            fn url() -> String {
                static REDIS: OnceCell<$redis> = OnceCell::const_new();
                let start = async { $start.await.expect("Redis starts") };
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(REDIS.get_or_init(|| start)).url()
                })
            }

            ringside_engine::engine_contract!(Ground::fresh(url()));
        }
    };
}

on!(standalone, RedisServer, RedisServer::start(RedisOptions::default()));
// No node dies here: one that a busy machine lets wait must not be taken for dead.
on!(cluster, RedisCluster, RedisCluster::start_with(ClusterOptions { node_timeout_ms: 30_000, ..Default::default() }));
on!(sentinel, RedisSentinel, RedisSentinel::start_with(30_000));
