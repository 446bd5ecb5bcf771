//! The one thread that writes.
//!
//! It takes all jobs that wait, does their checks in order, and writes them as one group: first what is published,
//! which needs no fsync and is told at once, then everything that was promised to survive, with one fsync. Who asked
//! is answered when the group is down. So a lone append costs one fsync, and a hundred waiting ones cost one as well.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fjall::OwnedWriteBatch as WriteBatch;
use tokio::sync::{mpsc, oneshot};

use super::super::{Batch, EngineError, Partition, Position, RoomFrame, RoomId, Token};
use super::leases::Leases;
use super::log::Log;
use super::registry::Pending;
use super::rooms::Rooms;
use super::session::Session;
use super::store::{Store, failed, partition_key};
use super::{EmbeddedSettings, Shared};

/// How many jobs go into one group at most.
const GROUP_JOBS: usize = 1024;
/// A group that has so many bytes takes no further jobs.
const GROUP_BYTES: usize = 4 << 20;

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
    Ping { answer: Answer<()> },
    Close { answer: Answer<()> },
}

/// What an owner commits.
pub(super) struct Commit {
    pub(super) position: Position,
    pub(super) puts: Vec<(Box<str>, Bytes)>,
    pub(super) deletes: Vec<Box<str>>,
}

/// The thread's own things.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) store: Store,
    pub(super) settings: EmbeddedSettings,
    pub(super) logs: Vec<Log>,
    pub(super) rooms: Rooms,
    pub(super) leases: Leases,
    pub(super) session: Session,
    /// What the disk said when it refused a write. Nothing is written after it: what is in memory is ahead of it.
    pub(super) broken: Option<String>,
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
    heads: BTreeSet<Partition>,
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
            if !self.settings.commit_delay.is_zero() {
                std::thread::sleep(self.settings.commit_delay);
            }
            let mut group = Group {
                publications: self.store.database.batch(),
                news: Vec::new(),
                published: Vec::new(),
                rest: self.store.database.batch(),
                pending: Pending::default(),
                heads: BTreeSet::new(),
                waiting: Vec::new(),
                bytes: 0,
            };
            let mut next = Some(first);
            for _ in 0..GROUP_JOBS {
                let Some(job) = next else { break };
                if let Job::Close { answer } = job {
                    closing = Some(answer);
                    break;
                }
                self.take(job, &mut group);
                next = if group.bytes < GROUP_BYTES { jobs.try_recv().ok() } else { None };
            }
            self.write(group);
        }
        jobs.close();
        let closed = self.close();
        if let Some(answer) = closing {
            let _ = answer.send(closed);
        }
    }

    /// Does a job's checks and adds what it writes to the group.
    fn take(&mut self, job: Job, group: &mut Group) {
        match job {
            Job::Append { records, answer } => {
                let done = self.append(records, group);
                group.waiting.push(when_written(answer, done));
            }
            Job::Commit { token, commit, answer } => {
                let done = self.leases.check(token).and_then(|()| self.commit(token.partition, commit, group));
                group.waiting.push(when_written(answer, done));
            }
            Job::Publish { token, batch, answer } => {
                group.bytes += batch.publications.iter().map(|p| p.body.len()).sum::<usize>();
                let published = self
                    .leases
                    .check(token)
                    .and_then(|()| self.rooms.publish(&self.store, &mut group.publications, token.partition, batch));
                let done = published.map(|(seq, frames)| {
                    group.news.push((token.partition, frames));
                    seq
                });
                group.published.push(when_written(answer, done));
            }
            // Leases are answered behind the group's writes: who takes a partition over finds all that the owner
            // before was still allowed to write.
            Job::Acquire { partition, holder, ttl, answer } => {
                let token = self.leases.acquire(partition, &holder, ttl);
                group.waiting.push(when_written(answer, Ok(token)));
            }
            Job::Renew { token, ttl, answer } => {
                let held = self.leases.renew(token, ttl);
                group.waiting.push(when_written(answer, Ok(held)));
            }
            Job::Release { token, answer } => {
                self.leases.release(token);
                group.waiting.push(when_written(answer, Ok(())));
            }
            Job::Create { key, value, answer } => {
                let there = group.pending.create(&self.store, &mut group.rest, key, value);
                group.waiting.push(when_written(answer, there));
            }
            Job::Set { key, value, answer } => {
                group.pending.set(&self.store, &mut group.rest, key, value);
                group.waiting.push(when_written(answer, Ok(())));
            }
            Job::Ping { answer } => group.waiting.push(when_written(answer, Ok(()))),
            Job::Close { .. } => unreachable!("closing ends the group before"),
        }
    }

    /// All records of a call or, where a log is full, none.
    fn append(&mut self, records: Vec<(Partition, Bytes)>, group: &mut Group) -> Result<(), EngineError> {
        for partition in records.iter().map(|(partition, _)| *partition).collect::<HashSet<_>>() {
            if self.logs[usize::from(partition.0)].size_bytes() >= self.settings.log_bytes {
                return Err(EngineError::LogFull(partition.0));
            }
        }
        for (partition, record) in records {
            group.bytes += record.len();
            group.heads.insert(partition);
            self.logs[usize::from(partition.0)].append(&self.store, &mut group.rest, &record);
        }
        Ok(())
    }

    fn commit(&mut self, partition: Partition, commit: Commit, group: &mut Group) -> Result<(), EngineError> {
        let log = &mut self.logs[usize::from(partition.0)];
        log.commit(&self.store, &mut group.rest, commit.position, self.settings.log_bytes)?;
        for (key, value) in commit.puts {
            group.bytes += value.len();
            group.rest.insert(&self.store.state, partition_key(b'e', partition, &key), &value[..]);
        }
        for key in commit.deletes {
            group.rest.remove(&self.store.state, partition_key(b'e', partition, &key));
        }
        self.shared.note_stateful(partition);
        Ok(())
    }

    /// Writes a group and answers all who wait for it.
    fn write(&mut self, group: Group) {
        let Group { publications, news, published, rest, heads, waiting, .. } = group;
        let written = self.write_batch(publications, false);
        let mut rooms = HashSet::new();
        for (partition, frames) in news {
            rooms.extend(frames.iter().map(|frame| frame.room.clone()));
            if written.is_ok() {
                self.shared.fanout.tell(partition, frames);
            }
        }
        published.into_iter().for_each(|answer| answer(written.clone()));
        let written = self.write_batch(rest, true);
        if written.is_ok() {
            for partition in heads {
                self.shared.note_head(partition, self.logs[usize::from(partition.0)].head());
            }
        }
        waiting.into_iter().for_each(|answer| answer(written.clone()));
        self.trim(&rooms);
    }

    fn trim(&mut self, rooms: &HashSet<RoomId>) {
        let mut batch = self.store.database.batch();
        for room in rooms {
            if let Err(e) = self.rooms.trim(&self.store, &mut batch, room) {
                tracing::error!(room = %room, error = %e, "a room's history could not be trimmed");
            }
        }
        // A write that fails is noted, and told to all who come after.
        let _ = self.write_batch(batch, false);
    }

    fn write_batch(&mut self, mut batch: WriteBatch, durable: bool) -> Result<(), EngineError> {
        if let Some(reason) = &self.broken {
            return Err(EngineError::Unavailable(reason.clone()));
        }
        if batch.is_empty() {
            return Ok(());
        }
        let written = self.session.mark(&self.store, &mut batch, durable).and_then(|()| {
            self.store.write(batch, durable).map_err(failed)?;
            self.session.acknowledge()
        });
        written.inspect_err(|error| {
            tracing::error!(%error, "the data folder took no write; nothing is written any more until a restart");
            self.broken = Some(format!("a write failed, restart once its cause is gone ({error})"));
        })
    }

    /// Makes everything durable, lets go of the store and notes that the session was closed.
    fn close(self) -> Result<(), EngineError> {
        let Self { shared, store, session, broken, .. } = self;
        let synced = match broken {
            None => store.database.persist(fjall::PersistMode::SyncAll).map_err(failed),
            Some(reason) => Err(EngineError::Unavailable(reason)),
        };
        shared.close();
        drop(store);
        synced.and_then(|()| session.close())
    }
}

/// Sends an answer once its write is down; a refusal goes out as it is.
fn when_written<T: Send + 'static>(answer: Answer<T>, done: Result<T, EngineError>) -> Waiting {
    Box::new(move |written| {
        // Nobody may wait any more; what was written is written.
        let _ = answer.send(done.and_then(|value| written.map(|()| value)));
    })
}
