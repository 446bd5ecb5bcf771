//! Engines for tests, with prefixes of their own.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ringside_shared::engine::contract::{HISTORIES, LOG_BYTES, PARTITIONS};
use ringside_shared::engine::redis::{Redis, RedisSettings};

/// How long anything that must happen may take before a test fails.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Another one each time.
pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// The contract's settings, and more haste than usual.
pub(crate) fn settings(url: &str, prefix: &str) -> RedisSettings {
    RedisSettings {
        prefix: prefix.to_owned(),
        partitions: PARTITIONS,
        histories: HISTORIES,
        log_bytes: LOG_BYTES,
        response_timeout: Duration::from_secs(1),
        pulse_every: Duration::from_millis(200),
        canary_every: Duration::from_millis(500),
        survey_every: Duration::from_secs(1),
        ..RedisSettings::new(url)
    }
}

pub(crate) async fn connect(settings: RedisSettings) -> Redis {
    Redis::connect(settings).await.expect("Redis is there")
}

pub(crate) fn bytes(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}
