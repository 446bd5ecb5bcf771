//! The engine on Redis 7: stand-alone, behind Sentinel, or a Cluster.
//!
//! ```text
//! calls ── router ──┬─ node ── shared connection (short commands), pool (bulk)
//!                   └─ node ...          each partition is at one node; every write is one script there
//! news  ── subscriber ──┬─ listener ── one connection to that node
//!                       └─ listener ...
//! ```
//! A partition's log is a stream, its state a hash, each of its rooms a hash and a stream, all under one hash tag
//! (`keys`); the registry is a hash and each journal a stream. What its owner writes is checked and written by one script (`lua/`), fenced by the token in its meta.
//! News travel by sharded pub/sub, at most once; the rooms are the truth, and whoever may have missed something is
//! told so. Why it is built so is in `docs/decisions/0002-redis-engine.md`.

mod channel;
mod dial;
mod ear;
mod error;
mod follower;
mod growth;
mod health;
mod journals;
mod keys;
mod leases;
mod listener;
mod log;
mod members;
mod node;
mod packed;
mod registry;
mod reply;
mod rooms;
mod router;
mod script;
mod settings;
mod state;
mod subscriber;
mod topology;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Script, Value};

pub use self::error::ConnectError;
use self::error::closed;
use self::keys::{Keys, installation_slot, slot};
use self::listener::Pace;
use self::node::Road;
use self::router::{Request, Router};
pub use self::settings::{Password, RedisSettings};
use tokio_util::task::AbortOnDropHandle;

use self::subscriber::Subscriber;
use super::{Engine, EngineError, Histories, Partition};

/// A message engine on Redis.
pub struct Redis {
    router: Arc<Router>,
    subscriber: Arc<Subscriber>,
    keys: Keys,
    partitions: u16,
    log_bytes: u64,
    histories: Histories,
    is_closed: AtomicBool,
    /// What goes on in the background, until it is closed or dropped.
    tasks: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl Redis {
    /// Connects, and makes the installation if there is none under the prefix yet.
    pub async fn connect(settings: RedisSettings) -> Result<Self, ConnectError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if settings.prefix.is_empty() || !settings.prefix.chars().all(allowed) {
            return Err(ConnectError::BadPrefix(settings.prefix));
        }
        let router = Router::connect(&settings).await?;
        let keys = Keys::new(&settings.prefix);
        let subscriber = Subscriber::new(router.clone(), keys.clone(), settings.partitions);
        let pace = Pace { pulse_every: settings.pulse_every, canary_every: settings.canary_every };
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(router.clone().keep_surveying())),
            AbortOnDropHandle::new(tokio::spawn(subscriber.clone().supervise(pace))),
        ];
        let redis = Self {
            router,
            subscriber,
            keys,
            partitions: settings.partitions,
            log_bytes: settings.log_bytes,
            histories: settings.histories,
            is_closed: AtomicBool::new(false),
            tasks: Mutex::new(tasks),
        };
        redis.check_partitions(&settings).await?;
        Ok(redis)
    }

    /// The number of partitions decides where stored data lies, so it is fixed with the first start.
    async fn check_partitions(&self, settings: &RedisSettings) -> Result<(), ConnectError> {
        let asked = settings.partitions;
        let installation = self.keys.installation();
        let there = self.create_field(installation_slot(), installation, "partitions", asked.to_string().into()).await;
        let prefix = settings.prefix.clone();
        let there = there.map_err(|error| match error {
            EngineError::Unavailable(detail) if detail.starts_with("NOPERM") => {
                ConnectError::Forbidden { prefix: prefix.clone(), detail }
            }
            other => ConnectError::Unusable { address: "this URL".to_owned(), detail: other.to_string() },
        })?;
        match str::from_utf8(&there).ok().and_then(|there| there.parse::<u16>().ok()) {
            Some(there) if there == asked => Ok(()),
            Some(there) => Err(ConnectError::Partitions { prefix, there, asked }),
            None => Err(ConnectError::Unusable {
                address: "this URL".to_owned(),
                detail: format!("something else than Ringside has written under the prefix {prefix:?}"),
            }),
        }
    }

    /// Calls a script of a partition.
    async fn call(
        &self,
        partition: Partition,
        script: &Script,
        command: Cmd,
        road: Road,
    ) -> Result<Value, EngineError> {
        self.check(partition)?;
        self.router.send(Request { slot: slot(partition), command, script: Some(script), road }).await
    }

    /// Sends a command about what belongs to no partition.
    async fn ask(&self, command: Cmd, script: Option<&Script>, road: Road) -> Result<Value, EngineError> {
        self.check_open()?;
        self.router.send(Request { slot: installation_slot(), command, script, road }).await
    }

    /// Sets a field of a hash if there is none; returns the value that is there now.
    async fn create_field(&self, slot: u16, key: String, field: &str, value: Bytes) -> Result<Bytes, EngineError> {
        let mut command = script::call(&script::GET_OR_CREATE, &[key]);
        command.arg(field).arg(&value[..]);
        let script = Some(&*script::GET_OR_CREATE);
        let there = self.router.send(Request { slot, command, script, road: Road::Hot }).await?;
        Ok(reply::bytes(there)?.unwrap_or_default())
    }

    fn check_open(&self) -> Result<(), EngineError> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    fn check(&self, partition: Partition) -> Result<(), EngineError> {
        self.check_open()?;
        if partition.0 < self.partitions {
            return Ok(());
        }
        let (asked, last) = (partition.0, self.partitions - 1);
        Err(EngineError::Unavailable(format!("there is no partition {asked}, only 0 to {last}")))
    }
}

#[async_trait]
impl Engine for Redis {
    async fn ping(&self) -> Result<(), EngineError> {
        self.check_open()?;
        // First what says more: where news don't travel, commands may well be answered.
        if let Some(reason) = self.subscriber.trouble() {
            return Err(EngineError::Unavailable(reason));
        }
        self.router.ping().await
    }

    async fn close(&self) -> Result<(), EngineError> {
        self.is_closed.store(true, Ordering::Release);
        self.tasks.lock().expect("nobody panics while closing").clear();
        self.subscriber.close();
        Ok(())
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
