//! One opening of the data folder: recovery, epochs, and the numbering of writes.

use std::path::Path;

use fjall::OwnedWriteBatch as WriteBatch;
use ringside_model::Epoch;

use super::acknowledged::{Acknowledged, Marks};
use super::folder::{Ending, Folder, OpenError};
use super::store::{Store, failed};
use crate::EngineError;

const MARK: &str = "m";
const EPOCH: &str = "epoch";
const OPENINGS: &str = "openings";

/// The folder while this process uses it.
pub(super) struct Session {
    folder: Folder,
    acknowledged: Acknowledged,
    marks: Marks,
    /// The mark of the batch that is being written, and whether it has an fsync.
    underway: Option<(u64, bool)>,
    /// The epoch of all rooms.
    pub(super) epoch: Epoch,
    /// The number of this session, counted from 1.
    pub(super) opening: u32,
}

impl Session {
    /// Locks the folder, checks it, and opens its store.
    pub(super) fn open(path: &Path, partitions: u16) -> Result<(Self, Store), OpenError> {
        let folder = Folder::claim(path)?;
        let is_new = folder.check_format(partitions)?;
        let ending = folder.last_ending();
        if !is_new && !folder.store().exists() {
            return Err(folder.damaged("its folder `store` is missing"));
        }
        let store = Store::open(&folder.store(), is_new).map_err(|e| open_error(&folder, e))?;
        let (acknowledged, marks) = Acknowledged::open(&folder.file("acknowledged")).map_err(|e| folder.unusable(e))?;
        let expected = match ending {
            _ if is_new => 0,
            Ending::Closed | Ending::Killed => marks.written,
            Ending::Lost => marks.synced,
            Ending::Elsewhere => 0,
        };
        let mut session = Self { folder, acknowledged, marks, underway: None, epoch: Epoch(0), opening: 0 };
        let keeps_epoch = matches!(ending, Ending::Closed | Ending::Killed);
        session.begin(&store, expected, keeps_epoch).map_err(|e| session.open_error(e))?;
        session.folder.write_session(false)?;
        if is_new {
            session.folder.finish_creation()?;
        }
        Ok((session, store))
    }

    /// Reopens the store after a failed write.
    ///
    /// Writes without fsync may be gone, as after a crash.
    pub(super) fn reopen(&mut self) -> Result<Store, EngineError> {
        let store = Store::open(&self.folder.store(), false)?;
        self.begin(&store, self.marks.synced, false)?;
        Ok(store)
    }

    /// Checks that all writes up to `expected` are there, and records the new session.
    fn begin(&mut self, store: &Store, expected: u64, keeps_epoch: bool) -> Result<(), EngineError> {
        let mark: u64 = store.read(MARK)?.unwrap_or_default();
        if mark < expected {
            let missing = expected - mark;
            return Err(EngineError::Damaged(format!("the newest {missing} writes are missing from its store")));
        }
        self.marks = Marks { synced: mark, written: mark };
        let last_epoch: Option<u32> = store.read(EPOCH)?;
        let epoch = last_epoch.filter(|_| keeps_epoch).unwrap_or_else(|| fresh_epoch(last_epoch));
        let openings: Option<u32> = store.read(OPENINGS)?;
        (self.epoch, self.opening) = (Epoch(epoch), openings.unwrap_or_default() + 1);
        let mut batch = store.database.batch();
        store.put(&mut batch, EPOCH, &epoch);
        store.put(&mut batch, OPENINGS, &self.opening);
        self.mark(store, &mut batch, true);
        store.write(batch, true).map_err(failed)?;
        self.acknowledge()
    }

    /// Adds the next mark to a batch that is about to be written.
    pub(super) fn mark(&mut self, store: &Store, batch: &mut WriteBatch, durable: bool) {
        let mark = self.marks.written + 1;
        store.put(batch, MARK, &mark);
        self.underway = Some((mark, durable));
    }

    /// Records that the marked batch was written, before the write is acknowledged.
    pub(super) fn acknowledge(&mut self) -> Result<(), EngineError> {
        if let Some((mark, durable)) = self.underway.take() {
            self.marks.written = mark;
            if durable {
                self.marks.synced = mark;
            }
        }
        self.acknowledged.write(self.marks).map_err(|e| EngineError::Unavailable(e.to_string()))
    }

    /// Records that everything is on disk, and unlocks the folder.
    pub(super) fn close(self) -> Result<(), EngineError> {
        self.folder.write_session(true).map_err(|e| EngineError::Unavailable(e.to_string()))
    }

    /// Converts an error from reading the store into one of opening the folder.
    pub(super) fn open_error(&self, error: EngineError) -> OpenError {
        open_error(&self.folder, error)
    }
}

fn open_error(folder: &Folder, error: EngineError) -> OpenError {
    match error {
        EngineError::Unavailable(detail) => folder.unusable(std::io::Error::other(detail)),
        EngineError::Damaged(detail) => folder.damaged(detail),
        other => folder.damaged(other.to_string()),
    }
}

/// Draws an epoch that differs from the last one.
fn fresh_epoch(last: Option<u32>) -> u32 {
    loop {
        let epoch = rand::random();
        if Some(epoch) != last {
            return epoch;
        }
    }
}
