//! The store on disk: three keyspaces, written in batches.
//!
//! ```text
//! log     partition, position           → bytes ever appended up to here, record
//! rooms   room 0 h                      → head;  room 0 s → newest state;  room 0 n → snapshot
//!         room 0 e offset               → event
//! state   c partition                   → checkpoint;  b partition → published batches
//!         e partition key               → entry of the partition's state
//!         r key                         → registry;  m, epoch, openings → one of each
//!         j journal 0 millisecond number → entry
//! ```
//! Numbers in keys are big-endian, so that keys sort by number.

use std::io::ErrorKind;
use std::path::Path;

use fjall::{
    Database, Keyspace, KeyspaceCreateOptions, OwnedWriteBatch as WriteBatch, PersistMode, Readable, Slice, Snapshot,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{EngineError, JournalEntryId, Partition, RoomId};

const KEYSPACES: [&str; 3] = ["log", "rooms", "state"];

/// The size of each keyspace's memtable.
///
/// Small, because three of them and their successors may be in memory at a time.
const WRITE_BUFFER_BYTES: u64 = 4 << 20;
/// The size of the block cache.
const CACHE_BYTES: u64 = 4 << 20;
/// The size of the store's journal at which keyspaces are flushed.
///
/// A start replays at most as much.
const JOURNAL_BYTES: u64 = 64 << 20;

/// Handles to the store; cloning them is cheap.
#[derive(Clone)]
pub(super) struct Store {
    pub(super) database: Database,
    pub(super) log: Keyspace,
    pub(super) rooms: Keyspace,
    pub(super) state: Keyspace,
}

impl Store {
    /// Opens the store, or creates it if `is_new`.
    pub(super) fn open(path: &Path, is_new: bool) -> Result<Self, EngineError> {
        // The store takes a keyspace without this file for an unfinished one, and would silently remove it.
        let is_whole = |keyspace: usize| path.join(format!("keyspaces/{keyspace}/current")).exists();
        if !is_new && !(0..=KEYSPACES.len()).all(is_whole) {
            return Err(EngineError::Damaged("a keyspace of the store has lost its file `current`".to_owned()));
        }
        let database = Database::builder(path)
            .cache_size(CACHE_BYTES)
            .max_journaling_size(JOURNAL_BYTES)
            .worker_threads(2)
            .open()
            .map_err(failed)?;
        let keyspace = |name: &str| {
            if !is_new && !database.keyspace_exists(name) {
                return Err(EngineError::Damaged(format!("the store has lost its keyspace `{name}`")));
            }
            let options = || KeyspaceCreateOptions::default().max_memtable_size(WRITE_BUFFER_BYTES);
            database.keyspace(name, options).map_err(failed)
        };
        let [log, rooms, state] = KEYSPACES.map(keyspace);
        let (log, rooms, state) = (log?, rooms?, state?);
        Ok(Self { database, log, rooms, state })
    }

    /// Returns a snapshot of all keyspaces.
    pub(super) fn now(&self) -> Snapshot {
        self.database.snapshot()
    }

    /// Reads and decodes a value of the state keyspace.
    pub(super) fn read<T: DeserializeOwned>(&self, key: impl AsRef<[u8]>) -> Result<Option<T>, EngineError> {
        self.now().get(&self.state, key).map_err(failed)?.map(|value| decode(&value)).transpose()
    }

    /// Encodes a value into the state keyspace.
    pub(super) fn put<T: Serialize>(&self, batch: &mut WriteBatch, key: impl Into<Slice>, value: &T) {
        batch.insert(&self.state, key, encode(value));
    }

    /// Writes a batch atomically. A `durable` one survives a crash of the machine.
    pub(super) fn write(&self, batch: WriteBatch, durable: bool) -> Result<(), fjall::Error> {
        let mode = if durable { PersistMode::SyncData } else { PersistMode::Buffer };
        batch.durability(Some(mode)).commit()
    }
}

/// Returns the key of a log entry.
pub(super) fn log_key(partition: Partition, position: u64) -> [u8; 10] {
    let mut key = [0; 10];
    key[..2].copy_from_slice(&partition.0.to_be_bytes());
    key[2..].copy_from_slice(&position.to_be_bytes());
    key
}

/// Returns a key of a partition in the state keyspace.
pub(super) fn partition_key(tag: u8, partition: Partition, rest: &str) -> Vec<u8> {
    let [high, low] = partition.0.to_be_bytes();
    [&[tag, high, low], rest.as_bytes()].concat()
}

/// Returns the key of a registry value.
pub(super) fn registry_key(key: &str) -> Vec<u8> {
    [b"r", key.as_bytes()].concat()
}

/// Returns the key of a journal entry.
pub(super) fn journal_key(journal: &str, id: JournalEntryId) -> Vec<u8> {
    [b"j", journal.as_bytes(), b"\0", &id.at_ms.to_be_bytes(), &id.number.to_be_bytes()].concat()
}

/// Returns the prefix of a room's keys.
pub(super) fn room_prefix(room: &RoomId) -> Vec<u8> {
    format!("{room}\0").into_bytes()
}

/// Returns the key of a room's head, state or snapshot.
pub(super) fn room_key(prefix: &[u8], tag: u8) -> Vec<u8> {
    [prefix, &[tag]].concat()
}

/// Returns the key of a room's event.
pub(super) fn event_key(prefix: &[u8], offset: u64) -> Vec<u8> {
    [prefix, b"e", &offset.to_be_bytes()].concat()
}

/// Encodes a small record.
pub(super) fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain structs of numbers and text always encode")
}

/// Decodes a small record.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, EngineError> {
    postcard::from_bytes(bytes).map_err(|e| EngineError::Damaged(e.to_string()))
}

/// Converts an error of the store.
pub(super) fn failed(error: fjall::Error) -> EngineError {
    match error {
        fjall::Error::Io(e) | fjall::Error::Storage(fjall::LsmError::Io(e)) => match e.kind() {
            // The store only reads files and ranges that it has written before.
            ErrorKind::NotFound
            | ErrorKind::AlreadyExists
            | ErrorKind::UnexpectedEof
            | ErrorKind::InvalidData
            | ErrorKind::InvalidInput => {
                EngineError::Damaged(format!("a file of the store is missing or cut off ({e})"))
            }
            _ => EngineError::Unavailable(e.to_string()),
        },
        fjall::Error::Poisoned => EngineError::Unavailable("a write to the disk failed before".to_owned()),
        other => EngineError::Damaged(other.to_string()),
    }
}
