//! Which engine the configuration names, and how it is opened: the data folder, or a Redis.

use std::sync::Arc;
use std::time::Duration;

use ringside_access::{AccessStartError, AccountError, KeyError};
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_engine::redis::{ConnectError, Password, Redis, RedisSettings};
use ringside_engine::{Engine, EngineError};

use crate::config::Config;

/// Opens the engine, or says in one sentence why not.
pub(crate) async fn open_engine(config: &Config) -> anyhow::Result<Arc<dyn Engine>> {
    match &config.redis {
        Some(url) => Ok(Arc::new(Redis::connect(redis_settings(config, url)).await?)),
        None => {
            let mut settings = EmbeddedSettings { partitions: config.partitions, ..EmbeddedSettings::default() };
            settings.log_bytes = config.log_mb.map_or(settings.log_bytes, |mb| mb << 20);
            Ok(Arc::new(Embedded::open(&config.data, settings)?))
        }
    }
}

fn redis_settings(config: &Config, url: &str) -> RedisSettings {
    let mut settings = RedisSettings {
        user: config.redis_user.clone(),
        password: config.redis_password.clone().map(Password::new),
        ca_file: config.redis_ca.clone(),
        prefix: config.redis_prefix.clone(),
        partitions: config.partitions,
        ..RedisSettings::new(url)
    };
    settings.log_bytes = config.log_mb.map_or(settings.log_bytes, |mb| mb << 20);
    settings
}

/// True where trying again later may help: the engine is away, but nothing that was said to it is wrong.
pub(crate) fn is_away(error: &anyhow::Error) -> bool {
    let engine_is_away = |error: &EngineError| matches!(error, EngineError::Unavailable(_));
    error.chain().any(|cause| {
        if let Some(error) = cause.downcast_ref::<ConnectError>() {
            return matches!(error, ConnectError::Unreachable { .. } | ConnectError::NoMaster { .. });
        }
        match (cause.downcast_ref(), cause.downcast_ref(), cause.downcast_ref(), cause.downcast_ref()) {
            (Some(error), _, _, _)
            | (_, Some(AccountError::Engine(error)), _, _)
            | (_, _, Some(KeyError::Engine(error)), _)
            | (_, _, _, Some(AccessStartError::Engine(error))) => engine_is_away(error),
            _ => false,
        }
    })
}

/// How long to wait before trying again.
pub(crate) const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);
