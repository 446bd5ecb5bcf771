//! The engine in this process, on a store on disk.
//!
//! ```text
//! callers ──jobs──▶ writer (one thread: checks, one batch, one fsync) ──▶ store
//!    ▲                        └── announces heads of logs, frames of rooms
//!    └──────────── reads, each from one snapshot of the store ──────────────┘
//! ```
//! A write without fsync has already left the process when it returns, so a killed process loses nothing. Only a crash
//! of the machine can lose it. Logs, state, registry and journals are acknowledged after their fsync. Rooms are
//! delivered before it; after a crash of the machine they get a new epoch.

mod acknowledged;
mod fanout;
mod folder;
mod job;
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
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use ringside_model::Epoch;
use tokio::sync::{mpsc, oneshot, watch};

use self::fanout::Fanout;
pub use self::folder::OpenError;
use self::job::{Answer, Job};
use self::session::Session;
use self::store::Store;
use self::writer::{Mode, Writer, WriterState};
use super::{Engine, EngineError, EventLog, Histories, Partition, Position};

/// How many jobs may wait for the writer.
const QUEUE_JOBS: usize = 1024;
/// The longest key, far above any that Ringside uses.
///
/// The store can't take much longer ones.
const KEY_BYTES: usize = 4096;

/// The settings of an embedded engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedSettings {
    /// The number of partitions; an existing folder must have the same.
    pub partitions: u16,
    /// How much history rooms keep.
    pub histories: Histories,
    /// The limit of a partition's log, in bytes.
    ///
    /// A full log refuses appends until its owner has caught up.
    pub log_bytes: u64,
    /// How long the writer waits for more jobs before an fsync.
    ///
    /// Zero is best unless the disk's fsyncs are scarce: jobs that arrive during an fsync share the next one anyway.
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

/// The state that readers and the writer share.
struct Shared {
    epoch: AtomicU32,
    /// None once it is closed, and while it is being reopened.
    ///
    /// Reads hold the lock while they last.
    store: RwLock<Option<Store>>,
    /// The newest readable position of each partition's log.
    heads: Vec<watch::Sender<Position>>,
    /// Partitions that have a state.
    stateful: Vec<AtomicBool>,
    fanout: Fanout,
}

impl Shared {
    fn set_head(&self, partition: Partition, head: Position) {
        self.heads[usize::from(partition.0)].send_replace(head);
    }

    fn set_stateful(&self, partition: Partition) {
        self.stateful[usize::from(partition.0)].store(true, Ordering::Relaxed);
    }

    /// Hands the reopened store to readers.
    ///
    /// Signals to subscriptions that frames may be missing.
    fn reopen(&self, store: &Store, epoch: Epoch, heads: impl Iterator<Item = Position>) {
        self.epoch.store(epoch.0, Ordering::Relaxed);
        self.store.write().replace(store.clone());
        for (sender, head) in self.heads.iter().zip(heads) {
            sender.send_replace(head);
        }
        self.fanout.send_missed();
    }

    fn close(&self) {
        self.fanout.close();
        self.store.write().take();
    }
}

impl Embedded {
    /// Opens the engine of a data folder, and creates the folder if there is none.
    ///
    /// Blocks while it replays the last writes of the last session; call it from a thread that may block.
    pub fn open(folder: &Path, settings: EmbeddedSettings) -> Result<Self, OpenError> {
        if settings.partitions == 0 {
            return Err(OpenError::NoPartitions);
        }
        // The store panics on some damaged files, which must not end the process.
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
            Ok((WriterState::load(store.clone(), session.epoch, &settings)?, stateful))
        };
        let (state, stateful) = load().map_err(|e| session.open_error(e))?;
        let shared = Arc::new(Shared {
            epoch: AtomicU32::new(session.epoch.0),
            store: RwLock::new(Some(store)),
            heads: state.heads().map(watch::Sender::new).collect(),
            stateful: stateful.into_iter().map(AtomicBool::new).collect(),
            fanout: Fanout::new(),
        });
        let leases = leases::LeaseTable::new(session.opening);
        let (jobs, waiting) = mpsc::channel(QUEUE_JOBS);
        let writer =
            Writer { shared: Arc::clone(&shared), settings, leases, session, mode: Mode::Open(Box::new(state)) };
        let spawned = thread::Builder::new().name("engine-writer".to_owned()).spawn(move || writer.run(waiting));
        let writer = spawned.map_err(|source| OpenError::Folder { folder: folder.to_owned(), source })?;
        Ok(Self {
            shared,
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
            members: members::MemberTable::default(),
        })
    }

    /// Sends a job to the writer and waits for the answer.
    async fn request<T>(&self, job: impl FnOnce(Answer<T>) -> Job + Send) -> Result<T, EngineError> {
        let jobs = self.jobs.lock().clone().ok_or_else(closed)?;
        let (answer, answered) = oneshot::channel();
        jobs.send(job(answer)).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }

    /// Runs a read on a thread that may block.
    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Store) -> Result<T, EngineError> + Send + 'static,
    ) -> Result<T, EngineError> {
        let shared = Arc::clone(&self.shared);
        let read = tokio::task::spawn_blocking(move || {
            let store = shared.store.read();
            read(store.as_ref().ok_or_else(closed)?)
        });
        // The store panics on some damaged files; a runtime that shuts down cancels reads.
        read.await
            .unwrap_or_else(|e| if e.is_panic() { Err(EngineError::Damaged(e.to_string())) } else { Err(closed()) })
    }

    fn check(&self, partition: Partition) -> Result<(), EngineError> {
        if partition.0 < self.partitions() {
            return Ok(());
        }
        let (wanted, last) = (partition.0, self.partitions() - 1);
        Err(EngineError::Unavailable(format!("there is no partition {wanted}, only 0 to {last}")))
    }
}

#[async_trait]
impl Engine for Embedded {
    async fn ping(&self) -> Result<(), EngineError> {
        self.request(|answer| Job::Ping { answer }).await
    }

    async fn close(&self) -> Result<(), EngineError> {
        let Some(jobs) = self.jobs.lock().take() else { return Ok(()) };
        let (answer, answered) = oneshot::channel();
        jobs.send(Job::Close { answer }).await.map_err(|_| closed())?;
        answered.await.map_err(|_| closed())?
    }
}

/// Dropping closes the engine; the folder is unlocked when this returns.
impl Drop for Embedded {
    fn drop(&mut self) {
        self.jobs.lock().take();
        if let Some(writer) = self.writer.lock().take() {
            // It ends after the current group, because all senders are gone. A panic of it has been reported already.
            let _ = writer.join();
        }
    }
}

/// The error of an engine that was closed.
fn closed() -> EngineError {
    EngineError::Unavailable("it is closed".to_owned())
}

fn check_key(key: &str) -> Result<(), EngineError> {
    if key.len() <= KEY_BYTES {
        return Ok(());
    }
    Err(EngineError::Unavailable(format!("a key of {} bytes is longer than {KEY_BYTES}", key.len())))
}
