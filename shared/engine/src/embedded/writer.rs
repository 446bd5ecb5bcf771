//! The single writer thread, with group commit.
//!
//! It takes all waiting jobs, checks them in order, and writes them as one group. Publications are written first: they
//! need no fsync and are delivered at once. Everything that must survive a crash follows with one fsync, and then the
//! callers get their answers. So one append costs one fsync, and a hundred concurrent ones also cost one.

use std::collections::{BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};
use ringside_model::Epoch;
use tokio::sync::mpsc;

use super::job::{Answer, Commit, Job};
use super::journals::JournalWriter;
use super::leases::LeaseTable;
use super::log::Log;
use super::registry::PendingValues;
use super::rooms::RoomWriter;
use super::session::Session;
use super::store::{Store, failed, partition_key};
use super::{EmbeddedSettings, Shared, closed};
use crate::{EngineError, Partition, Position, RoomFrame};

/// How many jobs one group takes at most.
const GROUP_JOBS: usize = 1024;
/// The size at which a group takes no more jobs.
const GROUP_BYTES: usize = 4 << 20;
/// How long to wait before reopening a store after a failed write.
const REOPEN_AFTER: Duration = Duration::from_secs(1);

/// The store, and the writer's memory of its content.
pub(super) struct WriterState {
    store: Store,
    logs: Vec<Log>,
    rooms: RoomWriter,
    journals: JournalWriter,
}

impl WriterState {
    /// Reads the store's content into memory.
    pub(super) fn load(store: Store, epoch: Epoch, settings: &EmbeddedSettings) -> Result<Self, EngineError> {
        let partitions = (0..settings.partitions).map(Partition);
        let logs = partitions.map(|partition| Log::load(&store, partition)).collect::<Result<_, _>>()?;
        let rooms = RoomWriter::load(&store, settings.partitions, epoch, settings.histories)?;
        Ok(Self { store, logs, rooms, journals: JournalWriter::default() })
    }

    /// Returns the newest position of each partition's log.
    pub(super) fn heads(&self) -> impl Iterator<Item = Position> {
        self.logs.iter().map(Log::head)
    }
}

/// The writer thread.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: EmbeddedSettings,
    pub(super) leases: LeaseTable,
    pub(super) session: Session,
    pub(super) mode: Mode,
}

/// Whether the writer can write.
pub(super) enum Mode {
    /// The store is open.
    Open(Box<WriterState>),
    /// A write failed.
    ///
    /// The writer's memory is ahead of the disk, so the store has to be reopened.
    Broken { reason: String, tried: Instant },
}

/// Sends an answer once its write is done, with the write's result.
type Waiting = Box<dyn FnOnce(Result<(), EngineError>) + Send>;

/// The jobs of one group commit.
struct Group {
    publications: WriteBatch,
    frames: Vec<(Partition, Vec<RoomFrame>)>,
    published: Vec<Waiting>,
    rest: WriteBatch,
    registry: PendingValues,
    /// Journals with new entries.
    journals: HashSet<Box<str>>,
    heads: BTreeSet<Partition>,
    stateful: BTreeSet<Partition>,
    waiting: Vec<Waiting>,
    bytes: usize,
}

impl Writer {
    /// Serves jobs until it is closed or all callers are gone.
    pub(super) fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut closing = None;
        while closing.is_none()
            && let Some(first) = jobs.blocking_recv()
        {
            match first {
                Job::Close { answer } => closing = Some(answer),
                first if self.is_open() => closing = self.serve(first, &mut jobs),
                first => first.refuse(self.refusal()),
            }
        }
        jobs.close();
        let closed = self.close();
        if let Some(answer) = closing {
            // The caller may have given up.
            let _ = answer.send(closed);
        }
    }

    /// Writes a job and all jobs that wait behind it as one group.
    ///
    /// Returns the answer of a close.
    fn serve(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> Option<Answer<()>> {
        if !self.settings.commit_delay.is_zero() {
            thread::sleep(self.settings.commit_delay);
        }
        let Mode::Open(state) = &mut self.mode else { unreachable!("jobs are only served while the store is open") };
        let mut group = Group::new(&state.store);
        let (mut next, mut closing) = (Some(first), None);
        for _ in 0..GROUP_JOBS {
            match next {
                None => break,
                Some(Job::Close { answer }) => {
                    closing = Some(answer);
                    break;
                }
                Some(job) => group.take(job, state, &mut self.leases, &self.settings),
            }
            next = if group.bytes < GROUP_BYTES { jobs.try_recv().ok() } else { None };
        }
        if let Err(error) = group.write(state, &mut self.session, &self.shared) {
            tracing::error!(%error, "write to the data folder failed; retrying");
            let reason = format!("the data folder takes no writes ({error})");
            // Closes the store; reads fail too until it is reopened.
            self.shared.store.write().take();
            self.mode = Mode::Broken { reason, tried: Instant::now() };
        }
        closing
    }

    /// True if the store is open, or could be reopened.
    fn is_open(&mut self) -> bool {
        let Mode::Broken { reason, tried } = &mut self.mode else { return true };
        if tried.elapsed() < REOPEN_AFTER {
            return false;
        }
        let session = &mut self.session;
        let load = || {
            let store = session.reopen()?;
            WriterState::load(store, session.epoch, &self.settings)
        };
        // As in `Embedded::open`: the store panics on some damaged files.
        let loaded = catch_unwind(AssertUnwindSafe(load));
        match loaded.unwrap_or_else(|_| Err(EngineError::Damaged("its store can't be read".to_owned()))) {
            Ok(state) => {
                tracing::info!("data folder reopened; rooms have a new epoch");
                self.shared.reopen(&state.store, self.session.epoch, state.heads());
                self.mode = Mode::Open(Box::new(state));
                true
            }
            Err(error) => {
                *reason = format!("the data folder takes no writes ({error})");
                *tried = Instant::now();
                false
            }
        }
    }

    fn refusal(&self) -> EngineError {
        match &self.mode {
            Mode::Open(_) => closed(),
            Mode::Broken { reason, .. } => EngineError::Unavailable(reason.clone()),
        }
    }

    /// Makes everything durable, closes the store and the session.
    fn close(self) -> Result<(), EngineError> {
        let Self { shared, session, mode, .. } = self;
        let synced = match &mode {
            Mode::Open(state) => state.store.database.persist(PersistMode::SyncAll).map_err(failed),
            Mode::Broken { reason, .. } => Err(EngineError::Unavailable(reason.clone())),
        };
        shared.close();
        drop(mode);
        synced.and_then(|()| session.close())
    }
}

impl Group {
    fn new(store: &Store) -> Self {
        Self {
            publications: store.database.batch(),
            frames: Vec::new(),
            published: Vec::new(),
            rest: store.database.batch(),
            registry: PendingValues::default(),
            journals: HashSet::new(),
            heads: BTreeSet::new(),
            stateful: BTreeSet::new(),
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    /// Checks a job and adds its writes.
    fn take(&mut self, job: Job, state: &mut WriterState, leases: &mut LeaseTable, settings: &EmbeddedSettings) {
        match job {
            Job::Append { records, answer } => {
                let done = self.append(records, state, settings);
                self.waiting.push(when_written(answer, done));
            }
            Job::Commit { token, commit, answer } => {
                let done = leases.check(token).and_then(|()| self.commit(token.partition, commit, state, settings));
                self.waiting.push(when_written(answer, done));
            }
            Job::Publish { token, batch, answer } => {
                self.bytes += batch.publications.iter().map(|p| p.body.len()).sum::<usize>();
                let published = leases
                    .check(token)
                    .and_then(|()| state.rooms.publish(&state.store, &mut self.publications, token.partition, batch));
                let done = published.map(|(seq, frames)| {
                    self.frames.push((token.partition, frames));
                    seq
                });
                self.published.push(when_written(answer, done));
            }
            // Lease changes are answered after the group's writes: the next owner finds everything that the former
            // one was still allowed to write.
            Job::Acquire { partition, holder, ttl, answer } => {
                let token = leases.acquire(partition, &holder, ttl);
                self.waiting.push(when_written(answer, Ok(token)));
            }
            Job::Renew { token, ttl, answer } => {
                let held = leases.renew(token, ttl);
                self.waiting.push(when_written(answer, Ok(held)));
            }
            Job::Release { token, answer } => {
                leases.release(token);
                self.waiting.push(when_written(answer, Ok(())));
            }
            Job::GetOrCreate { key, value, answer } => {
                let current = self.registry.get_or_create(&state.store, &mut self.rest, key, value);
                self.waiting.push(when_written(answer, current));
            }
            Job::Set { key, value, answer } => {
                self.registry.set(&state.store, &mut self.rest, key, value);
                self.waiting.push(when_written(answer, Ok(())));
            }
            Job::CompareAndSwap { key, expected, value, answer } => {
                let swapped =
                    self.registry.compare_and_swap(&state.store, &mut self.rest, key, expected.as_ref(), value);
                self.waiting.push(when_written(answer, swapped));
            }
            Job::AppendJournal { journal, records, keep, answer } => {
                self.bytes += records.iter().map(Bytes::len).sum::<usize>();
                let done = state.journals.append(&state.store, &mut self.rest, &journal, &records, keep);
                self.journals.insert(journal);
                self.waiting.push(when_written(answer, done));
            }
            Job::Ping { answer } => self.waiting.push(when_written(answer, Ok(()))),
            Job::Close { .. } => unreachable!("a close ends the group before it"),
        }
    }

    /// Adds all records of a call, or none if a log is full.
    fn append(
        &mut self,
        records: Vec<(Partition, Bytes)>,
        state: &mut WriterState,
        settings: &EmbeddedSettings,
    ) -> Result<(), EngineError> {
        for partition in records.iter().map(|(partition, _)| *partition).collect::<HashSet<_>>() {
            if state.logs[usize::from(partition.0)].size_bytes() >= settings.log_bytes {
                return Err(EngineError::LogFull(partition.0));
            }
        }
        for (partition, record) in records {
            self.bytes += record.len();
            self.heads.insert(partition);
            state.logs[usize::from(partition.0)].append(&state.store, &mut self.rest, &record);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        partition: Partition,
        commit: Commit,
        state: &mut WriterState,
        settings: &EmbeddedSettings,
    ) -> Result<(), EngineError> {
        let (store, log) = (&state.store, &mut state.logs[usize::from(partition.0)]);
        log.commit(store, &mut self.rest, commit.position, settings.log_bytes)?;
        for (key, value) in commit.puts {
            self.bytes += value.len();
            self.rest.insert(&store.state, partition_key(b'e', partition, &key), &value[..]);
        }
        for key in commit.deletes {
            self.rest.remove(&store.state, partition_key(b'e', partition, &key));
        }
        self.stateful.insert(partition);
        Ok(())
    }

    /// Writes the group and sends all answers.
    ///
    /// On an error some of it may have been written.
    fn write(self, state: &mut WriterState, session: &mut Session, shared: &Shared) -> Result<(), EngineError> {
        let mut write = |mut batch: WriteBatch, durable: bool| {
            if batch.is_empty() {
                return Ok(());
            }
            session.mark(&state.store, &mut batch, durable);
            state.store.write(batch, durable).map_err(failed)?;
            session.acknowledge()
        };
        let published = write(self.publications, false);
        let mut rooms = HashSet::new();
        for (partition, frames) in self.frames {
            rooms.extend(frames.iter().map(|frame| frame.room.clone()));
            if published.is_ok() {
                shared.fanout.send(partition, frames);
            }
        }
        self.published.into_iter().for_each(|answer| answer(published.clone()));
        let written = published.and_then(|()| write(self.rest, true));
        if written.is_ok() {
            self.heads.iter().for_each(|p| shared.set_head(*p, state.logs[usize::from(p.0)].head()));
            self.stateful.iter().for_each(|p| shared.set_stateful(*p));
        }
        self.waiting.into_iter().for_each(|answer| answer(written.clone()));
        written?;
        let mut trimmed = state.store.database.batch();
        let (store, journals) = (&state.store, &mut state.journals);
        let histories = rooms.iter().try_for_each(|room| state.rooms.trim(store, &mut trimmed, room));
        let trims = histories
            .and_then(|()| self.journals.iter().try_for_each(|journal| journals.trim(store, &mut trimmed, journal)));
        if let Err(error) = trims {
            tracing::error!(%error, "trimming of histories and journals failed");
            return Ok(());
        }
        write(trimmed, false)
    }
}

/// Defers an answer until its write is done; a refusal is sent as it is.
fn when_written<T: Send + 'static>(answer: Answer<T>, done: Result<T, EngineError>) -> Waiting {
    Box::new(move |written| {
        // The caller may have given up; the write is done all the same.
        let _ = answer.send(done.and_then(|value| written.map(|()| value)));
    })
}
