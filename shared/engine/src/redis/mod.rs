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
mod listener;
mod log;
mod node;
mod packed;
mod reply;
mod rooms;
mod router;
mod script;
mod settings;
mod subscriber;
mod topology;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use redis::{Cmd, Script, Value, cmd};
use tokio::task::JoinSet;

pub use self::error::ConnectError;
use self::error::closed;
use self::keys::{Keys, installation_slot, slot};
use self::listener::Pace;
use self::node::Road;
use self::router::{Request, Router};
pub use self::settings::{Password, RedisSettings};
use tokio_util::task::AbortOnDropHandle;

use self::subscriber::Subscriber;
use super::{
    Batch, Checkpoint, Engine, EngineError, Histories, JournalEntry, JournalEntryId, LogEntry, Partition, Position,
    ReadFrom, RoomId, RoomView, Subscription, Token,
};

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
    fn partitions(&self) -> u16 {
        self.partitions
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        self.append_records(records).await
    }

    async fn read_log(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<LogEntry>, EngineError> {
        self.read_entries(partition, after, limit).await
    }

    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        self.check(partition)?;
        self.subscriber.wait_growth(partition, after, patience).await
    }

    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        self.check_open()?;
        let mut asked = JoinSet::new();
        for partition in (0..self.partitions).map(Partition) {
            let mut command = cmd("HMGET");
            command.arg(self.keys.meta(partition)).arg(&["head", "position", "seq"]);
            let router = self.router.clone();
            asked.spawn(async move {
                let request = Request { slot: slot(partition), command, script: None, road: Road::Hot };
                let fields = reply::list(router.send(request).await?)?;
                Ok(fields.iter().any(|field| *field != Value::Nil).then_some(partition))
            });
        }
        let used: Result<Vec<_>, EngineError> = asked.join_all().await.into_iter().collect();
        let mut used: Vec<Partition> = used?.into_iter().flatten().collect();
        used.sort();
        Ok(used)
    }

    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        let mut command = script::call(&script::ACQUIRE, &[self.keys.meta(partition)]);
        command.arg(holder).arg(micros(ttl)).arg(rand::random::<u32>());
        let number = self.call(partition, &script::ACQUIRE, command, Road::Hot).await?;
        Ok(reply::number(number)?.map(|number| Token { partition, number }))
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        let mut command = script::call(&script::RENEW, &[self.keys.meta(token.partition)]);
        command.arg(token.number).arg(micros(ttl));
        Ok(reply::number(self.call(token.partition, &script::RENEW, command, Road::Hot).await?)? == Some(1))
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        let mut command = script::call(&script::RELEASE, &[self.keys.meta(token.partition)]);
        command.arg(token.number);
        self.call(token.partition, &script::RELEASE, command, Road::Hot).await.map(|_| ())
    }

    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        let mut command = script::call(&script::HEARTBEAT, &[self.keys.members(group)]);
        command.arg(member).arg(micros(ttl));
        let members = reply::list(self.ask(command, Some(&script::HEARTBEAT), Road::Hot).await?)?;
        let mut members: Vec<String> =
            members.into_iter().filter_map(|member| reply::text(member).transpose()).collect::<Result<_, _>>()?;
        members.sort();
        Ok(members)
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        let mut command = cmd("ZREM");
        command.arg(self.keys.members(group)).arg(member);
        self.ask(command, None, Road::Hot).await.map(|_| ())
    }

    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        let keys = [self.keys.meta(partition), self.keys.state(partition)];
        let command = script::call(&script::LOAD, &keys);
        let [positions, entries] = reply::fixed(self.call(partition, &script::LOAD, command, Road::Bulk).await?)?;
        let [position, published, seq] = reply::fixed(positions)?;
        let position = Position(reply::number(position)?.unwrap_or_default());
        // Who committed further than it published had nothing to publish.
        let published = Position(reply::number(published)?.unwrap_or_default()).max(position);
        let seq = reply::number(seq)?.unwrap_or_default();
        Ok(Checkpoint { position, published, seq, entries: reply::named(entries)? })
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        let partition = token.partition;
        let keys = [self.keys.meta(partition), self.keys.log(partition), self.keys.state(partition)];
        let mut command = script::call(&script::COMMIT, &keys);
        command.arg(token.number).arg(position.0).arg(puts.len() * 2);
        for (key, value) in &puts {
            command.arg(&**key).arg(&value[..]);
        }
        for key in &deletes {
            command.arg(&**key);
        }
        match reply::number(self.call(partition, &script::COMMIT, command, Road::Hot).await?)? {
            Some(1) => Ok(()),
            _ => Err(EngineError::Fenced(token)),
        }
    }

    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        self.publish_batch(token, batch).await
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        self.check(partition)?;
        Ok(Box::new(self.subscriber.follow(partition).await?))
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        self.check_open()?;
        self.view_room(room, from).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        let mut command = cmd("HGET");
        command.arg(self.keys.shelf(key)).arg(key);
        reply::bytes(self.ask(command, None, Road::Hot).await?)
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        self.check_open()?;
        self.create_field(installation_slot(), self.keys.shelf(key), key, value).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        let mut command = cmd(if value.is_some() { "HSET" } else { "HDEL" });
        command.arg(self.keys.shelf(key)).arg(key).arg(value.as_deref());
        self.ask(command, None, Road::Hot).await.map(|_| ())
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        let mut command = script::call(&script::COMPARE_AND_SWAP, &[self.keys.shelf(key)]);
        command.arg(key);
        for one in [&expected, &value] {
            command.arg(u8::from(one.is_some())).arg(one.as_deref().unwrap_or_default());
        }
        Ok(reply::number(self.ask(command, Some(&script::COMPARE_AND_SWAP), Road::Hot).await?)? == Some(1))
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        let mut command = cmd("HGETALL");
        command.arg(self.keys.shelf(prefix));
        let mut all = reply::named(self.ask(command, None, Road::Bulk).await?)?;
        all.retain(|(key, _)| key.starts_with(prefix));
        Ok(all)
    }

    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        self.write_notes(journal, records, keep).await
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        self.read_notes(journal, before, limit).await
    }

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
