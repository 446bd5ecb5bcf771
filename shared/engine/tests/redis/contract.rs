//! The contract on each kind of Redis.

use std::sync::Arc;

use async_trait::async_trait;
use ringside_engine::Engine;
use ringside_engine::contract::Fixture;

use crate::support::{connect, fresh_prefix, settings};

/// An unused prefix on a Redis.
struct Prefix {
    url: String,
    prefix: String,
}

impl Prefix {
    fn fresh(url: String) -> Self {
        Self { url, prefix: fresh_prefix() }
    }
}

#[async_trait]
impl Fixture for Prefix {
    async fn open(&self) -> Arc<dyn Engine> {
        Arc::new(connect(settings(&self.url, &self.prefix)).await)
    }
}

/// Declares a module with the contract's cases on one Redis.
///
/// The Redis lives as long as this process.
macro_rules! on {
    ($name:ident, $redis:ty, $start:expr) => {
        mod $name {
            use ringside_rig::*;
            use tokio::sync::OnceCell;

            use super::Prefix;

            /// Starts the Redis outside of the test's runtime.
            ///
            /// That runtime ends before other tests are done with the Redis.
            fn url() -> String {
                static REDIS: OnceCell<$redis> = OnceCell::const_new();
                let start = async { $start.await.expect("Redis starts") };
                tokio::task::block_in_place(|| {
                    tokio::runtime::Handle::current().block_on(REDIS.get_or_init(|| start)).url()
                })
            }

            ringside_engine::engine_contract!(Prefix::fresh(url()));
        }
    };
}

on!(standalone, RedisServer, RedisServer::start(RedisOptions::default()));
// No node dies here: a node that a busy machine delays must not count as failed.
on!(cluster, RedisCluster, RedisCluster::start_with(ClusterOptions { node_timeout_ms: 30_000, ..Default::default() }));
on!(sentinel, RedisSentinel, RedisSentinel::start_with(30_000));
