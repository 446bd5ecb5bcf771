//! The contract, on each kind of Redis.

use std::sync::Arc;

use async_trait::async_trait;
use ringside_shared::engine::Engine;
use ringside_shared::engine::contract::Arena;

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
        let mut settings = settings(&self.url, &self.prefix);
        // Many cases at once on a small machine: what is slow here is not broken.
        settings.response_timeout = std::time::Duration::from_secs(10);
        Arc::new(connect(settings).await)
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

            ringside_shared::engine_contract!(Ground::fresh(url()));
        }
    };
}

on!(standalone, RedisServer, RedisServer::start(RedisOptions::default()));
on!(cluster, RedisCluster, RedisCluster::start(3, 0));
on!(sentinel, RedisSentinel, RedisSentinel::start());
