//! The engine in this process, on a store on disk.
//!
//! ```text
//! callers ──jobs──▶ writer (one thread: checks, one batch, one fsync) ──▶ store
//!    ▲                        └── told: heads of the logs, frames of the rooms
//!    └──────────── reads, from one moment of the store each ────────────────┘
//! ```
//! A write without fsync has already left the process when it returns, so killing the process loses nothing; only a
//! crash of the system can take away what had no fsync. Logs, state, registry and journals are answered after theirs. Rooms are
//! told before it: after such a crash they get a new epoch.

mod acknowledged;
mod checkpoint;
mod fanout;
mod folder;
mod journals;
mod leases;
mod log;
mod members;
mod registry;
mod rooms;
mod session;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use self::fanout::Fanout;
pub use self::folder::OpenError;
use ringside_model::Epoch;

use self::session::Session;
use self::store::Store;
use self::writer::{Answer, Books, Commit, Job, State, Writer};
use super::{
    Batch, Checkpoint, Engine, EngineError, Histories, JournalEntry, JournalEntryId, LogEntry, Partition, Position,
    ReadFrom, RoomId, RoomView, Subscription, Token,
};

/// Jobs that may wait for the writer before callers wait for a place.
const QUEUE_JOBS: usize = 1024;
/// Longer keys are refused: the store can't take them, and no key of ours comes near.
const KEY_BYTES: usize = 4096;

/// How an embedded engine is set up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// How many partitions a new folder gets; an old one must have as many.
    pub partitions: u16,
    /// How much of their past rooms keep.
    pub histories: Histories,
    /// What a partition's log takes before its owner must catch up, in bytes.
    pub log_bytes: u64,
    /// How long the writer waits for more to put under one fsync. None is best unless the disk's fsyncs are scarce:
    /// whatever comes during one is under the next anyway.
    pub commit_delay: Duration,
}

impl Default for EmbeddedSettings {
    fn default() -> Self {
        Self { partitions: 64, histories: Histories::default(), log_bytes: 256 << 20, commit_delay: Duration::ZERO }
    }
}

/// A message engine in this process.
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    members: members::Members,
}

/// What readers and the writer both see.
struct Shared {
    epoch: AtomicU32,
    /// None once it is closed, and while it is being opened again. Reads hold it for as long as they last.
    store: RwLock<Option<Store>>,
    /// The newest entry of each partition's log that can be read.
    heads: Vec<watch::Sender<Position>>,
    /// Partitions that have a state.
    stateful: Vec<AtomicBool>,
    fanout: Fanout,
}

impl Shared {
    fn note_head(&self, partition: Partition, head: Position) {
        self.heads[usize::from(partition.0)].send_replace(head);
    }

    fn note_stateful(&self, partition: Partition) {
        self.stateful[usize::from(partition.0)].store(true, Ordering::Relaxed);
    }

    /// Readers see the store as it was opened again; followers are told to look what is missing.
    fn reopen(&self, store: &Store, epoch: Epoch, heads: impl Iterator<Item = Position>) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
        self.store.write().expect("no writer of this lock panics").replace(store.clone());
        for (told, head) in self.heads.iter().zip(heads) {
            told.send_replace(head);
        }
        self.fanout.tell_missed();
    }

    fn close(&self) {
        self.fanout.close();
        self.store.write().expect("no writer of this lock panics").take();
    }
}

impl Embedded {
    /// Opens the engine of a data folder, making the folder if it isn't there.
    ///
    /// Blocks for as long as it takes to read what the last session wrote last; call it where that is fine.
    pub fn open(folder: &Path, settings: EmbeddedSettings) -> Result<Self, OpenError> {
        if settings.partitions == 0 {
            return Err(OpenError::NoPartitions);
        }
        // The store asserts some of what it reads of its own files; a damaged one must not take the process down.
        catch_unwind(AssertUnwindSafe(|| Self::open_store(folder, settings))).unwrap_or_else(|_| {
            let detail = "its store can't be read".to_owned();
            Err(OpenError::Damaged { folder: folder.to_owned(), detail })
        })
    }

    fn open_store(folder: &Path, settings: EmbeddedSettings) -> Result<Self, OpenError> {
        let (session, store) = Session::open(folder, settings.partitions)?;
        let load = || {
            let stateful = (0..settings.partitions).map(|p| checkpoint::is_stateful(&store, Partition(p)));
            let stateful = stateful.collect::<Result<Vec<_>, EngineError>>()?;
            Ok((Books::load(store.clone(), session.epoch, &settings)?, stateful))
        };
        let (books, stateful) = load().map_err(|e| session.broken(e))?;
        let shared = Arc::new(Shared {
            epoch: AtomicU32::new(session.epoch.0),
            store: RwLock::new(Some(store)),
            heads: books.heads().map(watch::Sender::new).collect(),
            stateful: stateful.into_iter().map(AtomicBool::new).collect(),
            fanout: Fanout::new(),
        });
        let leases = leases::Leases::new(session.opening);
        let (jobs, waiting) = mpsc::channel(QUEUE_JOBS);
        let writer =
            Writer { shared: Arc::clone(&shared), settings, leases, session, state: State::Open(Box::new(books)) };
        let spawned = thread::Builder::new().name("engine-writer".to_owned()).spawn(move || writer.run(waiting));
        let writer = spawned.map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            members: members::Members::default(),
        })
    }

    /// Asks the writer and waits for its answer.
    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job + Send) -> Result<T, EngineError> {
        let jobs = self.jobs.lock().expect("nobody panics while asking").clone().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        jobs.send(job(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Reads on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || {
            let store = shared.store.read().expect("no writer of this lock panics");
            read(store.as_ref().ok_or_else(closed)?)
        });
        // The store asserts some of what it reads; a runtime that shuts down ends reads as well.
        read.await
            .unwrap_or_else(|e| if e.is_panic() { Err(EngineError::Damaged(e.to_string())) } else { Err(closed()) })
    }

    fn check(&self, partition: Partition) -> Result<(), EngineError> {
        if partition.0 < self.partitions() {
            return Ok(());
        }
        let (asked, there) = (partition.0, self.partitions());
        Err(EngineError::Unavailable(format!("there is no partition {asked}, only 0 to {}", there - 1)))
    }
}

#[async_trait]
impl Engine for Embedded {
    fn partitions(&self) -> u16 {
        u16::try_from(self.shared.heads.len()).expect("it was made from a u16")
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        records.iter().try_for_each(|(partition, _)| self.check(*partition))?;
        self.ask(|answer| Job::Append { records, answer }).await
    }

    async fn read_log(
        &self,
        partition: Partition,
        after: Position,
        limit: usize,
    ) -> Result<Vec<LogEntry>, EngineError> {
        self.check(partition)?;
        // Not beyond what was told: an entry is in the store a moment before its fsync is done.
        let head = *self.shared.heads[usize::from(partition.0)].borrow();
        let there = usize::try_from(head.0.saturating_sub(after.0)).unwrap_or(usize::MAX);
        if there == 0 {
            return Ok(Vec::new());
        }
        self.read(move |store| log::read(store, partition, after, limit.min(there))).await
    }

    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError> {
        self.check(partition)?;
        let mut head = self.shared.heads[usize::from(partition.0)].subscribe();
        // Patience that ran out is as good an answer as an entry.
        let _ = tokio::time::timeout(patience, head.wait_for(|head| *head > after)).await;
        Ok(())
    }

    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError> {
        let used = |p: &Partition| {
            let place = usize::from(p.0);
            self.shared.heads[place].borrow().0 > 0 || self.shared.stateful[place].load(Ordering::Relaxed)
        };
        Ok((0..self.partitions()).map(Partition).filter(used).collect())
    }

    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError> {
        self.check(partition)?;
        let holder = holder.into();
        self.ask(|answer| Job::Acquire { partition, holder, ttl, answer }).await
    }

    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError> {
        self.ask(|answer| Job::Renew { token, ttl, answer }).await
    }

    async fn release(&self, token: Token) -> Result<(), EngineError> {
        self.ask(|answer| Job::Release { token, answer }).await
    }

    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError> {
        Ok(self.members.attend(group, member, ttl, Instant::now()))
    }

    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError> {
        self.members.leave(group, member);
        Ok(())
    }

    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError> {
        self.check(partition)?;
        self.read(move |store| checkpoint::load(store, partition)).await
    }

    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError> {
        puts.iter().map(|(key, _)| key).chain(&deletes).try_for_each(|key| check_key(key))?;
        let commit = Commit { position, puts, deletes };
        self.ask(|answer| Job::Commit { token, commit, answer }).await
    }

    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        self.ask(|answer| Job::Publish { token, batch, answer }).await
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        self.check(partition)?;
        self.shared.fanout.subscribe(partition).ok_or_else(closed)
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        let (room, shared) = (room.clone(), Arc::clone(&self.shared));
        // Asked with the store in hand: a store that is opened again has another epoch.
        self.read(move |store| rooms::read(store, &room, from, Epoch(shared.epoch.load(Ordering::Relaxed)))).await
    }

    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError> {
        let key = key.to_owned();
        self.read(move |store| registry::get(store, &key)).await
    }

    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError> {
        check_key(key)?;
        let key = key.into();
        self.ask(|answer| Job::Create { key, value, answer }).await
    }

    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError> {
        check_key(key)?;
        let key = key.into();
        self.ask(|answer| Job::Set { key, value, answer }).await
    }

    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError> {
        check_key(key)?;
        let key = key.into();
        self.ask(|answer| Job::Swap { key, expected, value, answer }).await
    }

    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError> {
        let prefix = prefix.to_owned();
        self.read(move |store| registry::list(store, &prefix)).await
    }

    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError> {
        check_key(journal)?;
        let journal = journal.into();
        self.ask(|answer| Job::JournalEntry { journal, records, keep, answer }).await
    }

    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError> {
        let journal = journal.to_owned();
        self.read(move |store| journals::read(store, &journal, before, limit)).await
    }

    async fn ping(&self) -> Result<(), EngineError> {
        self.ask(|answer| Job::Ping { answer }).await
    }

    async fn close(&self) -> Result<(), EngineError> {
        let Some(jobs) = self.jobs.lock().expect("nobody panics while asking").take() else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        jobs.send(Job::Close { answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// An engine that is dropped closes as well; the folder is free when this returns.
impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs.lock().expect("nobody panics while asking").take();
        if let Some(writer) = self.writer.lock().expect("nobody panics while dropping").take() {
            // It ends after the group it is at, for nobody is left to ask. If it panicked, it has said so itself.
            let _ = writer.join();
        }
    }
}

fn closed() -> EngineError {
    EngineError::Unavailable("it is closed".to_owned())
}

fn check_key(key: &str) -> Result<(), EngineError> {
    if key.len() <= KEY_BYTES {
        return Ok(());
    }
    Err(EngineError::Unavailable(format!("a key of {} bytes is longer than {KEY_BYTES}", key.len())))
}
