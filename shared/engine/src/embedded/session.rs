//! One opening of the data folder, from what the last one left to what the next one will find.

use std::path::Path;

use fjall::OwnedWriteBatch as WriteBatch;
use ringside_model::Epoch;

use super::super::EngineError;
use super::acknowledged::{Acknowledged, Marks};
use super::folder::{Ending, Folder, OpenError};
use super::store::{Store, failed};

const MARK: &str = "m";
const EPOCH: &str = "epoch";
const OPENINGS: &str = "openings";

/// The folder while this process has it.
pub(super) struct Session {
    folder: Folder,
    acknowledged: Acknowledged,
    marks: Marks,
    /// The mark of a batch that is on its way to the store.
    underway: Option<(u64, bool)>,
    /// The epoch of all rooms.
    pub(super) epoch: Epoch,
    /// How many sessions there were with this one.
    pub(super) opening: u32,
}

impl Session {
    /// Takes the folder, checks it, and opens the store in it.
    pub(super) fn open(path: &Path, partitions: u16) -> Result<(Self, Store), OpenError> {
        let folder = Folder::claim(path)?;
        let is_new = folder.check_format(partitions)?;
        let ending = folder.last_ending();
        if !is_new && !folder.store().exists() {
            return Err(folder.damaged("its folder `store` is missing"));
        }
        let store = Store::open(&folder.store(), is_new).map_err(|e| broken(&folder, e))?;
        let (acknowledged, marks) = Acknowledged::open(&folder.file("acknowledged")).map_err(|e| folder.unusable(e))?;
        let expected = match ending {
            _ if is_new => 0,
            Ending::Closed | Ending::Killed => marks.written,
            Ending::Lost => marks.synced,
            Ending::Elsewhere => 0,
        };
        let mut session = Self { folder, acknowledged, marks, underway: None, epoch: Epoch(0), opening: 0 };
        let keeps_epoch = matches!(ending, Ending::Closed | Ending::Killed);
        session.begin(&store, expected, keeps_epoch).map_err(|e| session.broken(e))?;
        session.folder.note_session(false)?;
        if is_new {
            session.folder.created()?;
        }
        Ok((session, store))
    }

    /// Opens the store again after it took a write no more. What had no fsync may be gone, as after a crash.
    pub(super) fn reopen(&mut self) -> Result<Store, EngineError> {
        let store = Store::open(&self.folder.store(), false)?;
        self.begin(&store, self.marks.synced, false)?;
        Ok(store)
    }

    /// Checks that all writes up to the `expected` one are there, and notes the begin.
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

    /// Numbers a batch before it is written.
    pub(super) fn mark(&mut self, store: &Store, batch: &mut WriteBatch, durable: bool) {
        let mark = self.marks.written + 1;
        store.put(batch, MARK, &mark);
        self.underway = Some((mark, durable));
    }

    /// Notes that the batch that was numbered last has been written, before anybody is told so.
    pub(super) fn acknowledge(&mut self) -> Result<(), EngineError> {
        if let Some((mark, durable)) = self.underway.take() {
            self.marks.written = mark;
            if durable {
                self.marks.synced = mark;
            }
        }
        self.acknowledged.note(self.marks).map_err(|e| EngineError::Unavailable(e.to_string()))
    }

    /// Notes that everything is on disk and gives the folder back.
    pub(super) fn close(self) -> Result<(), EngineError> {
        self.folder.note_session(true).map_err(|e| EngineError::Unavailable(e.to_string()))
    }

    /// What a damaged record found after opening is to the one who opens.
    pub(super) fn broken(&self, error: EngineError) -> OpenError {
        broken(&self.folder, error)
    }
}

fn broken(folder: &Folder, error: EngineError) -> OpenError {
    match error {
        EngineError::Unavailable(detail) => folder.unusable(std::io::Error::other(detail)),
        EngineError::Damaged(detail) => folder.damaged(detail),
        other => folder.damaged(other.to_string()),
    }
}

/// Another epoch than the last one.
fn fresh_epoch(last: Option<u32>) -> u32 {
    loop {
        let epoch = rand::random();
        if Some(epoch) != last {
            return epoch;
        }
    }
}
