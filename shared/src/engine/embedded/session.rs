//! One opening of the data folder, from what the last one left to what the next one will find.

use std::path::Path;

use fjall::OwnedWriteBatch as WriteBatch;

use super::super::{EngineError, Epoch};
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
        let broken = |e| broken(&folder, e);
        let mark: u64 = store.read(MARK).map_err(broken)?.unwrap_or_default();
        let expected = match ending {
            Ending::Closed | Ending::Killed => marks.written,
            Ending::Lost => marks.synced,
            Ending::Elsewhere => 0,
        };
        if mark < expected && !is_new {
            let missing = expected - mark;
            return Err(folder.damaged(format!("the newest {missing} writes are missing from its store")));
        }
        let marks = Marks { synced: mark, written: mark };
        let last_epoch: Option<u32> = store.read(EPOCH).map_err(broken)?;
        let epoch = match (last_epoch, ending) {
            (Some(epoch), Ending::Closed | Ending::Killed) => epoch,
            (last, _) => fresh_epoch(last),
        };
        let openings: Option<u32> = store.read(OPENINGS).map_err(broken)?;
        let opening = openings.unwrap_or_default() + 1;
        let mut session = Self { folder, acknowledged, marks, underway: None, epoch: Epoch(epoch), opening };
        let mut batch = store.database.batch();
        store.put(&mut batch, EPOCH, &epoch);
        store.put(&mut batch, OPENINGS, &opening);
        let begin = |session: &mut Self| {
            session.mark(&store, &mut batch, true)?;
            store.write(batch, true).map_err(failed)?;
            session.acknowledge()
        };
        begin(&mut session).map_err(|e| self::broken(&session.folder, e))?;
        session.folder.note_session(false)?;
        if is_new {
            session.folder.created()?;
        }
        Ok((session, store))
    }

    /// Numbers a batch before it is written.
    pub(super) fn mark(&mut self, store: &Store, batch: &mut WriteBatch, durable: bool) -> Result<(), EngineError> {
        let mark = self.marks.written + 1;
        store.put(batch, MARK, &mark);
        self.underway = Some((mark, durable));
        Ok(())
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
