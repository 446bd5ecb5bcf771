//! Rooms: live streams with contiguous offsets and a history.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_model::{Epoch, Room, TenantId, Timestamp};

use super::{EngineError, Partition, Position, Token};

/// Publishing to rooms, subscribing to them, and reading their histories.
///
/// Each publication of a room gets the next offset of the room's epoch. A new epoch means that the numbering began
/// anew. Subscriptions may lose frames but always say so with [`Signal::Missed`]; the room itself is complete.
#[async_trait]
pub trait Rooms: Send + Sync {
    /// Assigns offsets, stores publications and notifies subscribers, in one step.
    ///
    /// Omits event publications of positions that were published before, so that a replay publishes nothing twice;
    /// state publications always replace. Returns the new number of batches. Fails with [`EngineError::Fenced`] if the
    /// token is superseded and with [`EngineError::Diverged`] if `expected_seq` is not the engine's number.
    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError>;

    /// Subscribes to all rooms whose home is this partition, from now on.
    ///
    /// Frames that were in flight at that moment may be delivered too.
    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError>;

    /// Reads a room.
    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError>;
}

/// A tenant's room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId {
    /// The tenant that owns it.
    pub tenant: TenantId,
    /// The room within the tenant.
    pub room: Room,
}

impl RoomId {
    /// Names a tenant's room.
    pub fn new(tenant: TenantId, room: Room) -> Self {
        Self { tenant, room }
    }

    /// Returns the partition whose owner publishes to it.
    pub fn home(&self, partitions: u16) -> Partition {
        Partition::of(&self.tenant, self.room.campaign(), partitions)
    }
}

/// `tenant/room`, as engines key it. No id contains a slash.
impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.room)
    }
}

/// How a publication is stored and caught up with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Every publication counts: kept in order, each one delivered.
    Event,
    /// Only the newest counts: replaces the one before.
    State,
}

/// A message for a room, before it has an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The room it goes to.
    pub room: RoomId,
    /// The log position of the newest entry that it reflects.
    pub position: Position,
    /// Event or state.
    pub lane: Lane,
    /// The frame's `type`, as on the wire.
    pub kind: &'static str,
    /// When it was made.
    pub at: Timestamp,
    /// A JSON object: the frame's own members.
    pub body: Bytes,
    /// A JSON object that replaces the room's snapshot.
    ///
    /// New subscribers get the snapshot with the newest state.
    ///
    /// Not sent to existing subscribers.
    pub snapshot: Option<Bytes>,
}

/// Publications of one partition, applied all or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// How many batches this partition has published before, as far as its owner knows.
    pub expected_seq: u64,
    /// The log position up to which everything is published once this batch is.
    pub position: Position,
    /// In order.
    pub publications: Vec<Publication>,
}

/// A publication with its place in its room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomFrame {
    /// The room it was published to.
    pub room: RoomId,
    /// The room's epoch.
    pub epoch: Epoch,
    /// Its place in the epoch; offsets are contiguous.
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

/// A message of a subscription.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signal {
    /// A frame was published.
    Frame(RoomFrame),
    /// Some frames may have been missed.
    ///
    /// The reader compares offsets and reads the missing frames from the rooms.
    Missed,
}

/// A running subscription.
///
/// Frames of one room come in order, and none is delivered before it can be read from the room.
#[async_trait]
pub trait Subscription: Send {
    /// Returns the next signal, or none once the engine has closed.
    async fn next(&mut self) -> Option<Signal>;
}

/// The part of a room's history to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFrom {
    /// Events after this offset, oldest first, at most `limit` of them.
    After {
        /// The last offset that the reader has.
        offset: u64,
        /// How many events at most.
        limit: usize,
    },
    /// At most this many of the newest events, oldest first.
    Newest(usize),
}

/// A room at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomView {
    /// Its epoch. A room without publications has one too.
    pub epoch: Epoch,
    /// The offset of its newest publication; 0 if there is none.
    pub head: u64,
    /// The newest offset of an event that was trimmed.
    ///
    /// A cursor below it can't be served.
    pub trimmed: u64,
    /// The requested events.
    pub events: Vec<RoomFrame>,
    /// True if there are more events after these.
    pub more: bool,
    /// The newest state.
    pub state: Option<RoomFrame>,
    /// The newest snapshot.
    pub snapshot: Option<Bytes>,
}

#[cfg(test)]
mod tests {
    use ringside_model::CampaignId;

    use super::*;

    #[test]
    fn campaign_rooms_and_tenant_rooms_share_a_home_each() {
        let tenant = TenantId::parse("acme").unwrap();
        let campaign = CampaignId::parse("alpha").unwrap();
        let home = |room| RoomId::new(tenant.clone(), room).home(64);
        assert_eq!(home(Room::Campaign(campaign.clone())), home(Room::Calls(campaign)));
        assert_eq!(home(Room::Alerts), home(Room::Metrics));
        assert_eq!(home(Room::Alerts), home(Room::Bench(7)));
    }
}
