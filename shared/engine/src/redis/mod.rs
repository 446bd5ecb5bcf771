//! The engine on Redis 7: stand-alone, behind Sentinel, or a Cluster.
//!
//! ```text
//! commands ── router ──┬─ node ── shared connection (short commands), pool (long reads)
//!                      └─ node ...          each partition is on one node; every write is one script there
//! pub/sub  ── subscriber ──┬─ listener ── one connection to that node
//!                          └─ listener ...
//! ```
//! A partition's log is a stream, its state a hash, and each of its rooms a hash and a stream, all under one hash tag
//! (`keys.rs`). The registry is hashes and each journal a stream. One script (`lua/`) checks and writes an owner's
//! change, fenced by the token in the partition's meta hash.
//!
//! Publications are announced by sharded pub/sub (`pubsub/`), at most once. The rooms are the truth, and a subscription
//! that may have missed a frame says so. `docs/decisions/0002-redis-engine.md` has the reasons.

mod address;
mod dialer;
mod error;
mod journals;
mod keys;
mod leases;
mod log;
mod members;
mod node;
mod packed;
mod pubsub;
mod registry;
mod reply;
mod rooms;
mod router;
mod script;
mod settings;
mod state;
mod topology;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use redis::{Cmd, Script, Value};
use tokio_util::task::AbortOnDropHandle;

pub use self::error::ConnectError;
use self::error::closed;
use self::keys::{Keys, installation_slot, slot};
use self::node::Route;
use self::pubsub::{Pace, Subscriber};
use self::router::{Request, Router};
pub use self::settings::{Password, RedisSettings};

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
    /// Background tasks, which end when the engine is closed or dropped.
    tasks: Mutex<Vec<AbortOnDropHandle<()>>>,
}

impl Redis {
    /// Connects, and creates the installation if there is none under the prefix yet.
    pub async fn connect(settings: RedisSettings) -> Result<Self, ConnectError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
        if settings.prefix.is_empty() || !settings.prefix.chars().all(allowed) {
            return Err(ConnectError::BadPrefix(settings.prefix));
        }
        let router = Router::connect(&settings).await?;
        let keys = Keys::new(&settings.prefix);
        let subscriber = Arc::new(Subscriber::new(router.clone(), keys.clone(), settings.partitions));
        let pace = Pace { ping_every: settings.ping_every, canary_every: settings.canary_every };
        let tasks = vec![
            AbortOnDropHandle::new(tokio::spawn(router.clone().keep_refreshing())),
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

    /// Stores the number of partitions at the first start.
    ///
    /// Rejects any other number later.
    async fn check_partitions(&self, settings: &RedisSettings) -> Result<(), ConnectError> {
        let wanted = settings.partitions;
        let installation = self.keys.installation();
        let actual =
            self.create_field(installation_slot(), installation, "partitions", wanted.to_string().into()).await;
        let prefix = settings.prefix.clone();
        let actual = actual.map_err(|error| match error {
            EngineError::Unavailable(detail) if detail.starts_with("NOPERM") => {
                ConnectError::Forbidden { prefix: prefix.clone(), detail }
            }
            other => ConnectError::Unusable { address: "this URL".to_owned(), detail: other.to_string() },
        })?;
        match str::from_utf8(&actual).ok().and_then(|actual| actual.parse::<u16>().ok()) {
            Some(actual) if actual == wanted => Ok(()),
            Some(actual) => Err(ConnectError::Partitions { prefix, actual, wanted }),
            None => Err(ConnectError::Unusable {
                address: "this URL".to_owned(),
                detail: format!("another program has written under the prefix {prefix:?}"),
            }),
        }
    }

    /// Calls a script of a partition.
    async fn call(
        &self,
        partition: Partition,
        script: &Script,
        command: Cmd,
        route: Route,
    ) -> Result<Value, EngineError> {
        self.check(partition)?;
        self.router.send(Request { slot: slot(partition), command, script: Some(script), route }).await
    }

    /// Sends a command on keys that belong to no partition.
    async fn ask(&self, command: Cmd, script: Option<&Script>, route: Route) -> Result<Value, EngineError> {
        self.check_open()?;
        self.router.send(Request { slot: installation_slot(), command, script, route }).await
    }

    /// Sets a field of a hash if there is none; returns the current value.
    async fn create_field(&self, slot: u16, key: String, field: &str, value: Bytes) -> Result<Bytes, EngineError> {
        let mut command = script::call(&script::GET_OR_CREATE, &[key]);
        command.arg(field).arg(&value[..]);
        let script = Some(&*script::GET_OR_CREATE);
        let value = self.router.send(Request { slot, command, script, route: Route::Shared }).await?;
        Ok(reply::bytes(value)?.unwrap_or_default())
    }

    fn check_open(&self) -> Result<(), EngineError> {
        if self.is_closed.load(Ordering::Acquire) { Err(closed()) } else { Ok(()) }
    }

    fn check(&self, partition: Partition) -> Result<(), EngineError> {
        self.check_open()?;
        if partition.0 < self.partitions {
            return Ok(());
        }
        let (wanted, last) = (partition.0, self.partitions - 1);
        Err(EngineError::Unavailable(format!("there is no partition {wanted}, only 0 to {last}")))
    }
}

#[async_trait]
impl Engine for Redis {
    async fn ping(&self) -> Result<(), EngineError> {
        self.check_open()?;
        // First, because commands may be answered while pub/sub is broken.
        if let Some(reason) = self.subscriber.problem() {
            return Err(EngineError::Unavailable(reason));
        }
        self.router.ping().await
    }

    async fn close(&self) -> Result<(), EngineError> {
        self.is_closed.store(true, Ordering::Release);
        self.tasks.lock().clear();
        self.subscriber.close();
        Ok(())
    }
}

/// Returns a duration as the scripts take it.
fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
