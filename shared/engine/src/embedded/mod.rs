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
mod fanout;
mod folder;
mod journals;
mod leases;
mod log;
mod members;
mod registry;
mod rooms;
mod session;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod writer;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot, watch};

use self::fanout::Fanout;
pub use self::folder::OpenError;
use ringside_model::Epoch;

use self::session::Session;
use self::store::Store;
use self::writer::{Answer, Books, Job, State, Writer};
use super::{Engine, EngineError, EventLog, Histories, Partition, Position};

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
    members: members::MemberTable,
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
            let stateful = (0..settings.partitions).map(|p| state::is_stateful(&store, Partition(p)));
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
        let leases = leases::LeaseTable::new(session.opening);
        let (jobs, waiting) = mpsc::channel(QUEUE_JOBS);
        let writer =
            Writer { shared: Arc::clone(&shared), settings, leases, session, state: State::Open(Box::new(books)) };
        let spawned = thread::Builder::new().name("engine-writer".to_owned()).spawn(move || writer.run(waiting));
        let writer = spawned.map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            members: members::MemberTable::default(),
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
