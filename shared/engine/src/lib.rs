//! What Ringside needs of a message engine, in its own words.
//!
//! Four things: an append-only **log** in partitions (what happened), **rooms** (what the world may watch, with
//! contiguous offsets and a history), per-partition **state** committed together with a log position, and **leases**
//! with fencing tokens. Plus a small **registry** for what an installation has one of (keys, accounts), **journals**
//! that are kept for a time (who changed what), and **members**: who is there to share the work.
//!
//! [`embedded`] does it in this process on a store on disk, [`redis`](mod@redis) for many processes. Whatever implements [`Engine`] is held to the suite in
//! [`contract`]; no feature may work on one engine only.

#[cfg(any(test, feature = "contract"))]
pub mod contract;
pub mod embedded;
mod history;
mod journal;
mod probe;
pub mod redis;
mod room;

pub use history::{Histories, History};
pub use journal::{JournalEntry, JournalEntryId, LONGEST_PAGE};
pub use probe::EngineProbe;
pub use room::RoomId;

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_model::{CampaignId, Epoch, TenantId, Timestamp};

/// A slice of the log with one owner at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub u16);

impl Partition {
    /// Where the events of a campaign go, or, with no campaign, those of the tenant as a whole.
    ///
    /// The same everywhere and for ever: it decides where stored data lies.
    pub fn of(tenant: &TenantId, campaign: Option<&CampaignId>, partitions: u16) -> Self {
        // FNV-1a: stable across versions and machines, which the standard hasher does not promise.
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let campaign = campaign.map_or("", CampaignId::as_str);
        for byte in tenant.as_str().bytes().chain([0]).chain(campaign.bytes()) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        Self(((hash ^ (hash >> 32)) % u64::from(partitions.max(1))) as u16)
    }
}

/// A place in a partition's log. The first entry has 1; 0 is before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Position(pub u64);

/// One entry of a partition's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// Where it is.
    pub position: Position,
    /// What was appended.
    pub record: Bytes,
}

/// The right to write to a partition. A later token ends all earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token {
    /// Which partition.
    pub partition: Partition,
    /// The fencing number; it only grows.
    pub number: u64,
}

/// How a publication is kept and caught up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Each one counts: kept in order, delivered each.
    Event,
    /// Only the newest counts: replaces the one before.
    State,
}

/// Something for a room, before it has an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// For which room.
    pub room: RoomId,
    /// The log position of the newest entry that is in it.
    pub position: Position,
    /// Event or state.
    pub lane: Lane,
    /// The frame's `type`, as on the wire.
    pub kind: &'static str,
    /// When it was made.
    pub at: Timestamp,
    /// A JSON object: the frame's own members.
    pub body: Bytes,
    /// A JSON object that replaces the room's snapshot: what a newcomer gets beside the newest state. Not fanned out.
    pub snapshot: Option<Bytes>,
}

/// Some publications of one partition, applied all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// How many batches this partition has published before, as far as its owner knows.
    pub expected_seq: u64,
    /// The log is published up to here once this batch is.
    pub position: Position,
    /// In order.
    pub publications: Vec<Publication>,
}

/// A publication with its place in its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFrame {
    /// Which room.
    pub room: RoomId,
    /// The room's epoch.
    pub epoch: Epoch,
    /// Its place: the one before it in this epoch has one less.
    pub offset: u64,
    /// Event or state.
    pub lane: Lane,
    /// The frame's `type`.
    pub kind: Box<str>,
    /// When it was made.
    pub at: Timestamp,
    /// A JSON object: the frame's own members.
    pub body: Bytes,
}

/// What a subscription to a partition's rooms tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A frame was published.
    Frame(RoomFrame),
    /// Some frames may have been missed: compare positions and read what is missing from the rooms.
    Missed,
}

/// A running subscription. Frames of one room come in order; a room's frame is never told before it can be read.
#[async_trait]
pub trait Subscription: Send {
    /// The next signal; none once the engine has closed.
    async fn next(&mut self) -> Option<Signal>;
}

/// Where to read a room from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// Events after this offset, oldest first, at most `limit` of them.
    After {
        /// The last offset that is known.
        offset: u64,
        /// How many events at most.
        limit: usize,
    },
    /// The newest events, at most so many, oldest first.
    Newest(usize),
}

/// A room as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// Its epoch. An empty room that nobody published to yet has one too.
    pub epoch: Epoch,
    /// The offset of its newest publication; 0 where there is none.
    pub head: u64,
    /// The newest offset of an event that history no longer has. A cursor below it can't be served.
    pub trimmed: u64,
    /// The events that were asked for.
    pub events: Vec<RoomFrame>,
    /// True where there are more events after these.
    pub more: bool,
    /// The newest state.
    pub state: Option<RoomFrame>,
    /// The newest snapshot.
    pub snapshot: Option<Bytes>,
}

/// A partition as its owner last left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The log is in the state up to here.
    pub position: Position,
    /// The log is published up to here; at or after `position` after a crash.
    pub published: Position,
    /// How many batches were published.
    pub seq: u64,
    /// The state, by key, in the order of the keys.
    pub entries: Vec<(Box<str>, Bytes)>,
}

/// Why the engine did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Another owner has the partition now; whoever gets this must stop writing to it.
    #[error("partition {} has another owner", .0.partition.0)]
    Fenced(Token),
    /// The engine has published another number of batches than the owner thinks: its memory is not the engine's.
    #[error("partition {partition} has {actual} published batches and not {expected}")]
    Diverged {
        /// Which partition.
        partition: u16,
        /// What the owner thinks.
        expected: u64,
        /// What the engine has.
        actual: u64,
    },
    /// The log has no room until its owner has caught up.
    #[error("the log of partition {0} is full")]
    LogFull(u16),
    /// The engine can't be reached or can't write. The text is for the operator, never for a client.
    #[error("the engine is not available: {0}")]
    Unavailable(String),
    /// What is stored can't be read. The text is for the operator.
    #[error("stored data is damaged: {0}")]
    Damaged(String),
}

/// A message engine.
#[async_trait]
pub trait Engine: Send + Sync + 'static {
    /// How many partitions this installation has; fixed when it was created.
    fn partitions(&self) -> u16;

    /// Appends records, each to its partition, in the order given. When it returns, they survive a crash. On an error
    /// some may have been appended; appending them again is harmless, because the fold knows duplicates.
    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError>;

    /// Entries after a position, oldest first, at most `limit`; empty where there are none yet.
    async fn read_log(&self, partition: Partition, after: Position, limit: usize)
    -> Result<Vec<LogEntry>, EngineError>;

    /// Returns once the log has an entry after `after`, or after `patience`. May return early.
    async fn wait_log(&self, partition: Partition, after: Position, patience: Duration) -> Result<(), EngineError>;

    /// Partitions that have anything in their log or their state.
    async fn used_partitions(&self) -> Result<Vec<Partition>, EngineError>;

    /// Takes a partition for `ttl`, if nobody else holds it. The token's number is greater than any before.
    async fn acquire(&self, partition: Partition, holder: &str, ttl: Duration) -> Result<Option<Token>, EngineError>;

    /// Holds it for another `ttl`; false where the token has been superseded or has lapsed and was taken.
    async fn renew(&self, token: Token, ttl: Duration) -> Result<bool, EngineError>;

    /// Gives it up, so that the next one need not wait for the lease to lapse.
    async fn release(&self, token: Token) -> Result<(), EngineError>;

    /// Says that a member of a group is there for another `ttl`; returns all who are, in the order of their names.
    async fn heartbeat(&self, group: &str, member: &str, ttl: Duration) -> Result<Vec<String>, EngineError>;

    /// Says that it is not there any more, so that nobody need wait for its `ttl` to pass.
    async fn leave(&self, group: &str, member: &str) -> Result<(), EngineError>;

    /// Reads a partition's state and positions.
    async fn load(&self, partition: Partition) -> Result<Checkpoint, EngineError>;

    /// Writes state and log position in one step that a crash can't split, then may trim the log up to `position`.
    async fn commit(
        &self,
        token: Token,
        position: Position,
        puts: Vec<(Box<str>, Bytes)>,
        deletes: Vec<Box<str>>,
    ) -> Result<(), EngineError>;

    /// Gives publications their offsets, keeps them in their rooms' histories and tells the subscribers, in one step.
    ///
    /// Event publications of positions that were published before are left out, so that a replay publishes nothing
    /// twice; state publications always replace. Returns the new number of batches.
    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError>;

    /// Follows all rooms whose home is this partition, from now on; what is on its way just then may be told too.
    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError>;

    /// Reads a room.
    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError>;

    /// A value of the registry.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, EngineError>;

    /// Sets a value if there is none, durably; returns the one that is there now, so that of many creators all agree.
    async fn get_or_create(&self, key: &str, value: Bytes) -> Result<Bytes, EngineError>;

    /// Sets a value, durably; none removes it.
    async fn set(&self, key: &str, value: Option<Bytes>) -> Result<(), EngineError>;

    /// Sets a value, durably, where the one that is there is the expected one; none is one that is not there. True where
    /// it was. On an error it may have been set or not: only who reads it knows.
    async fn compare_and_swap(
        &self,
        key: &str,
        expected: Option<Bytes>,
        value: Option<Bytes>,
    ) -> Result<bool, EngineError>;

    /// All values of a shelf whose keys begin so, in the order of the keys. A shelf is what keys have before their first
    /// `/`; those without one are on a shelf of their own.
    async fn list(&self, prefix: &str) -> Result<Vec<(Box<str>, Bytes)>, EngineError>;

    /// Writes records to the end of a journal, in the order given; when it returns, they survive a crash. Notes that are
    /// older than `keep` may be trimmed from then on.
    async fn append_journal(&self, journal: &str, records: Vec<Bytes>, keep: Duration) -> Result<(), EngineError>;

    /// Notes before one, or the newest where none is named: newest first, at most `limit` and at most [`LONGEST_PAGE`].
    /// Empty where there are no more, or no such journal.
    async fn read_journal(
        &self,
        journal: &str,
        before: Option<JournalEntryId>,
        limit: usize,
    ) -> Result<Vec<JournalEntry>, EngineError>;

    /// Ok where the engine answers and its news travel: what readiness asks.
    async fn ping(&self) -> Result<(), EngineError>;

    /// Makes everything durable and lets go of what it holds. Nothing may be called after it.
    async fn close(&self) -> Result<(), EngineError>;
}
