//! The one thread that writes.
//!
//! It takes all jobs that wait, does their checks in order, and writes them as one group: first what is published,
//! which needs no fsync and is told at once, then everything that was promised to survive, with one fsync. Who asked
//! is answered when the group is down. So a lone append costs one fsync, and a hundred waiting ones cost one as well.

use std::collections::{BTreeSet, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, PersistMode};
use ringside_model::Epoch;
use tokio::sync::{mpsc, oneshot};

use super::super::{Batch, EngineError, Partition, Position, RoomFrame, Token};
use super::journals::JournalWriter;
use super::leases::LeaseTable;
use super::log::Log;
use super::registry::Pending;
use super::rooms::RoomWriter;
use super::session::Session;
use super::store::{Store, failed, partition_key};
use super::{EmbeddedSettings, Shared, closed};

/// How many jobs go into one group at most.
const GROUP_JOBS: usize = 1024;
/// A group that has so many bytes takes no further jobs.
const GROUP_BYTES: usize = 4 << 20;
/// How long a store that refused a write is left alone before it is opened again.
const BETWEEN_TRIES: Duration = Duration::from_secs(1);

/// Where an answer goes. Nobody may be there any more: a caller that gave up is nobody's concern.
pub(super) type Answer<T> = oneshot::Sender<Result<T, EngineError>>;

/// What the writer can be asked.
pub(super) enum Job {
    Append { records: Vec<(Partition, Bytes)>, answer: Answer<()> },
    Commit { token: Token, commit: Commit, answer: Answer<()> },
    Publish { token: Token, batch: Batch, answer: Answer<u64> },
    Acquire { partition: Partition, holder: Box<str>, ttl: Duration, answer: Answer<Option<Token>> },
    Renew { token: Token, ttl: Duration, answer: Answer<bool> },
    Release { token: Token, answer: Answer<()> },
    Create { key: Box<str>, value: Bytes, answer: Answer<Bytes> },
    Set { key: Box<str>, value: Option<Bytes>, answer: Answer<()> },
    Swap { key: Box<str>, expected: Option<Bytes>, value: Option<Bytes>, answer: Answer<bool> },
    JournalEntry { journal: Box<str>, records: Vec<Bytes>, keep: Duration, answer: Answer<()> },
    Ping { answer: Answer<()> },
    Close { answer: Answer<()> },
}

/// What an owner commits.
pub(super) struct Commit {
    pub(super) position: Position,
    pub(super) puts: Vec<(Box<str>, Bytes)>,
    pub(super) deletes: Vec<Box<str>>,
}

impl Job {
    /// Answers with an error.
    fn refuse(self, error: EngineError) {
        // Nobody may wait any more, which is fine.
        match self {
            Self::Append { answer, .. }
            | Self::Commit { answer, .. }
            | Self::Release { answer, .. }
            | Self::Set { answer, .. }
            | Self::JournalEntry { answer, .. }
            | Self::Ping { answer }
            | Self::Close { answer } => drop(answer.send(Err(error))),
            Self::Publish { answer, .. } => drop(answer.send(Err(error))),
            Self::Acquire { answer, .. } => drop(answer.send(Err(error))),
            Self::Renew { answer, .. } | Self::Swap { answer, .. } => drop(answer.send(Err(error))),
            Self::Create { answer, .. } => drop(answer.send(Err(error))),
        }
    }
}

/// The store and what the writer knows by heart of what is in it.
pub(super) struct Books {
    store: Store,
    logs: Vec<Log>,
    rooms: RoomWriter,
    journals: JournalWriter,
}

impl Books {
    /// Reads what has to be known.
    pub(super) fn load(store: Store, epoch: Epoch, settings: &EmbeddedSettings) -> Result<Self, EngineError> {
        let partitions = (0..settings.partitions).map(Partition);
        let logs = partitions.map(|partition| Log::load(&store, partition)).collect::<Result<_, _>>()?;
        let rooms = RoomWriter::load(&store, settings.partitions, epoch, settings.histories)?;
        Ok(Self { store, logs, rooms, journals: JournalWriter::default() })
    }

    /// The newest position of each partition's log.
    pub(super) fn heads(&self) -> impl Iterator<Item = Position> {
        self.logs.iter().map(Log::head)
    }
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) settings: EmbeddedSettings,
    pub(super) leases: LeaseTable,
    pub(super) session: Session,
    pub(super) state: State,
}

/// Whether the writer can write.
pub(super) enum State {
    /// It can.
    Open(Box<Books>),
    /// The disk refused a write. What was known by heart is ahead of the disk, so the store is opened anew.
    Broken { reason: String, tried: Instant },
}

/// An answer that waits for its write; it is given what became of that.
type Waiting = Box<dyn FnOnce(Result<(), EngineError>) + Send>;

/// Jobs that are written together.
struct Group {
    publications: WriteBatch,
    news: Vec<(Partition, Vec<RoomFrame>)>,
    published: Vec<Waiting>,
    rest: WriteBatch,
    pending: Pending,
    /// Journals that have new notes.
    noted: HashSet<Box<str>>,
    heads: BTreeSet<Partition>,
    stateful: BTreeSet<Partition>,
    waiting: Vec<Waiting>,
    bytes: usize,
}

impl Writer {
    /// Serves jobs until it is asked to close or nobody is left to ask.
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
            // Who asked for it may have given up.
            let _ = answer.send(closed);
        }
    }

    /// Writes a job and all that wait behind it as one group; returns who wants it closed.
    fn serve(&mut self, first: Job, jobs: &mut mpsc::Receiver<Job>) -> Option<Answer<()>> {
        if !self.settings.commit_delay.is_zero() {
            thread::sleep(self.settings.commit_delay);
        }
        let State::Open(books) = &mut self.state else { unreachable!("jobs are only served with open books") };
        let mut group = Group::new(&books.store);
        let (mut next, mut closing) = (Some(first), None);
        for _ in 0..GROUP_JOBS {
            match next {
                None => break,
                Some(Job::Close { answer }) => {
                    closing = Some(answer);
                    break;
                }
                Some(job) => group.take(job, books, &mut self.leases, &self.settings),
            }
            next = if group.bytes < GROUP_BYTES { jobs.try_recv().ok() } else { None };
        }
        if let Err(error) = group.write(books, &mut self.session, &self.shared) {
            tracing::error!(%error, "the data folder took no write; trying again until it does");
            let reason = format!("the data folder takes no writes ({error})");
            // Lets go of the store; readers wait for it to be opened anew as well.
            self.shared.store.write().expect("no writer of this lock panics").take();
            self.state = State::Broken { reason, tried: Instant::now() };
        }
        closing
    }

    /// True where the books are open, or could be opened again.
    fn is_open(&mut self) -> bool {
        let State::Broken { reason, tried } = &mut self.state else { return true };
        if tried.elapsed() < BETWEEN_TRIES {
            return false;
        }
        let session = &mut self.session;
        let load = || {
            let store = session.reopen()?;
            Books::load(store, session.epoch, &self.settings)
        };
        // As at the start: the store asserts some of what it reads.
        let loaded = catch_unwind(AssertUnwindSafe(load));
        match loaded.unwrap_or_else(|_| Err(EngineError::Damaged("its store can't be read".to_owned()))) {
            Ok(books) => {
                tracing::info!("the data folder takes writes again; rooms have a new epoch");
                self.shared.reopen(&books.store, self.session.epoch, books.heads());
                self.state = State::Open(Box::new(books));
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
        match &self.state {
            State::Open(_) => closed(),
            State::Broken { reason, .. } => EngineError::Unavailable(reason.clone()),
        }
    }

    /// Makes everything durable, lets go of the store and notes that the session was closed.
    fn close(self) -> Result<(), EngineError> {
        let Self { shared, session, state, .. } = self;
        let synced = match &state {
            State::Open(books) => books.store.database.persist(PersistMode::SyncAll).map_err(failed),
            State::Broken { reason, .. } => Err(EngineError::Unavailable(reason.clone())),
        };
        shared.close();
        drop(state);
        synced.and_then(|()| session.close())
    }
}

impl Group {
    fn new(store: &Store) -> Self {
        Self {
            publications: store.database.batch(),
            news: Vec::new(),
            published: Vec::new(),
            rest: store.database.batch(),
            pending: Pending::default(),
            noted: HashSet::new(),
            heads: BTreeSet::new(),
            stateful: BTreeSet::new(),
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    /// Does a job's checks and adds what it writes.
    fn take(&mut self, job: Job, books: &mut Books, leases: &mut LeaseTable, settings: &EmbeddedSettings) {
        match job {
            Job::Append { records, answer } => {
                let done = self.append(records, books, settings);
                self.waiting.push(when_written(answer, done));
            }
            Job::Commit { token, commit, answer } => {
                let done = leases.check(token).and_then(|()| self.commit(token.partition, commit, books, settings));
                self.waiting.push(when_written(answer, done));
            }
            Job::Publish { token, batch, answer } => {
                self.bytes += batch.publications.iter().map(|p| p.body.len()).sum::<usize>();
                let published = leases
                    .check(token)
                    .and_then(|()| books.rooms.publish(&books.store, &mut self.publications, token.partition, batch));
                let done = published.map(|(seq, frames)| {
                    self.news.push((token.partition, frames));
                    seq
                });
                self.published.push(when_written(answer, done));
            }
            // Leases are answered behind the group's writes: who takes a partition over finds all that the owner
            // before was still allowed to write.
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
            Job::Create { key, value, answer } => {
                let there = self.pending.create(&books.store, &mut self.rest, key, value);
                self.waiting.push(when_written(answer, there));
            }
            Job::Set { key, value, answer } => {
                self.pending.set(&books.store, &mut self.rest, key, value);
                self.waiting.push(when_written(answer, Ok(())));
            }
            Job::Swap { key, expected, value, answer } => {
                let swapped = self.pending.swap(&books.store, &mut self.rest, key, expected.as_ref(), value);
                self.waiting.push(when_written(answer, swapped));
            }
            Job::JournalEntry { journal, records, keep, answer } => {
                self.bytes += records.iter().map(Bytes::len).sum::<usize>();
                let done = books.journals.note(&books.store, &mut self.rest, &journal, &records, keep);
                self.noted.insert(journal);
                self.waiting.push(when_written(answer, done));
            }
            Job::Ping { answer } => self.waiting.push(when_written(answer, Ok(()))),
            Job::Close { .. } => unreachable!("closing ends the group before"),
        }
    }

    /// All records of a call or, where a log is full, none.
    fn append(
        &mut self,
        records: Vec<(Partition, Bytes)>,
        books: &mut Books,
        settings: &EmbeddedSettings,
    ) -> Result<(), EngineError> {
        for partition in records.iter().map(|(partition, _)| *partition).collect::<HashSet<_>>() {
            if books.logs[usize::from(partition.0)].size_bytes() >= settings.log_bytes {
                return Err(EngineError::LogFull(partition.0));
            }
        }
        for (partition, record) in records {
            self.bytes += record.len();
            self.heads.insert(partition);
            books.logs[usize::from(partition.0)].append(&books.store, &mut self.rest, &record);
        }
        Ok(())
    }

    fn commit(
        &mut self,
        partition: Partition,
        commit: Commit,
        books: &mut Books,
        settings: &EmbeddedSettings,
    ) -> Result<(), EngineError> {
        let (store, log) = (&books.store, &mut books.logs[usize::from(partition.0)]);
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

    /// Writes everything and answers all who wait. On an error some of it may have been written.
    fn write(self, books: &mut Books, session: &mut Session, shared: &Shared) -> Result<(), EngineError> {
        let mut write = |mut batch: WriteBatch, durable: bool| {
            if batch.is_empty() {
                return Ok(());
            }
            session.mark(&books.store, &mut batch, durable);
            books.store.write(batch, durable).map_err(failed)?;
            session.acknowledge()
        };
        let published = write(self.publications, false);
        let mut rooms = HashSet::new();
        for (partition, frames) in self.news {
            rooms.extend(frames.iter().map(|frame| frame.room.clone()));
            if published.is_ok() {
                shared.fanout.tell(partition, frames);
            }
        }
        self.published.into_iter().for_each(|answer| answer(published.clone()));
        let written = published.and_then(|()| write(self.rest, true));
        if written.is_ok() {
            self.heads.iter().for_each(|p| shared.note_head(*p, books.logs[usize::from(p.0)].head()));
            self.stateful.iter().for_each(|p| shared.note_stateful(*p));
        }
        self.waiting.into_iter().for_each(|answer| answer(written.clone()));
        written?;
        let mut trimmed = books.store.database.batch();
        let (store, journals) = (&books.store, &mut books.journals);
        let histories = rooms.iter().try_for_each(|room| books.rooms.trim(store, &mut trimmed, room));
        let trims = histories
            .and_then(|()| self.noted.iter().try_for_each(|journal| journals.trim(store, &mut trimmed, journal)));
        if let Err(error) = trims {
            tracing::error!(%error, "what is too old could not be trimmed");
            return Ok(());
        }
        write(trimmed, false)
    }
}

/// Sends an answer once its write is down; a refusal goes out as it is.
fn when_written<T: Send + 'static>(answer: Answer<T>, done: Result<T, EngineError>) -> Waiting {
    Box::new(move |written| {
        // Nobody may wait any more; what was written is written.
        let _ = answer.send(done.and_then(|value| written.map(|()| value)));
    })
}
