//! The engine under test, and small constructors for the cases.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use ringside_model::{CampaignId, Room, TenantId, Timestamp};

use crate::{
    Batch, Engine, Histories, History, Lane, Partition, Position, Publication, ReadFrom, RoomId, RoomView, Token,
};

/// The number of partitions of the engine under test.
pub const PARTITIONS: u16 = 8;
/// The size of a partition's log in bytes, give or take one call's records.
pub const LOG_BYTES: u64 = 64 << 10;
/// The histories of rooms.
pub const HISTORIES: Histories = Histories {
    calls: History { events: 100, age: Duration::from_secs(60) },
    alerts: History { events: 50, age: Duration::from_secs(3600) },
    campaign: History { events: 1_000, age: Duration::from_secs(3600) },
};

/// One installation, empty at first.
#[async_trait]
pub trait Fixture: Send + Sync {
    /// Opens its engine with [`PARTITIONS`], [`LOG_BYTES`] and [`HISTORIES`].
    ///
    /// After the engine was closed, it reopens the same installation.
    async fn open(&self) -> Arc<dyn Engine>;
}

/// The timeout of everything that must happen.
pub(super) const SOON: Duration = Duration::from_secs(20);
/// The duration of a lease that doesn't lapse during a case.
pub(super) const LONG: Duration = Duration::from_secs(600);

pub(super) fn bytes(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

pub(super) fn tenant() -> TenantId {
    TenantId::parse("acme").expect("is a valid name")
}

pub(super) fn calls(campaign: &str) -> RoomId {
    RoomId::new(tenant(), Room::Calls(CampaignId::parse(campaign).expect("is a valid name")))
}

pub(super) fn home(room: &RoomId) -> Partition {
    room.home(PARTITIONS)
}

pub(super) async fn own(engine: &dyn Engine, partition: Partition) -> Token {
    let token = engine.acquire(partition, "owner", LONG).await.expect("the engine answers");
    token.expect("no other holder has it")
}

pub(super) fn event(room: &RoomId, position: u64, body: &str) -> Publication {
    Publication {
        room: room.clone(),
        position: Position(position),
        lane: Lane::Event,
        kind: "call_event",
        at: Timestamp::from_millis(1_000),
        body: bytes(body),
        snapshot: None,
    }
}

pub(super) fn state(room: &RoomId, position: u64, body: &str) -> Publication {
    Publication { lane: Lane::State, kind: "metrics_update", ..event(room, position, body) }
}

/// Returns a batch that is published up to its last publication.
pub(super) fn batch(expected_seq: u64, publications: Vec<Publication>) -> Batch {
    let position = publications.last().map_or(Position(0), |publication| publication.position);
    Batch { expected_seq, position, publications }
}

pub(super) async fn view(engine: &dyn Engine, room: &RoomId) -> RoomView {
    let everything = ReadFrom::After { offset: 0, limit: 100_000 };
    engine.read_room(room, everything).await.expect("rooms can be read")
}

/// Returns offset and body of each event.
pub(super) fn places(view: &RoomView) -> Vec<(u64, String)> {
    view.events.iter().map(|event| (event.offset, text(&event.body))).collect()
}

pub(super) fn text(bytes: &Bytes) -> String {
    String::from_utf8(bytes.to_vec()).expect("cases write text")
}

/// Returns positions and texts of a partition's log after a position.
pub(super) async fn logged(engine: &dyn Engine, partition: Partition, after: u64) -> Vec<(u64, String)> {
    let entries = engine.read_log(partition, Position(after), usize::MAX).await.expect("logs can be read");
    entries.iter().map(|entry| (entry.position.0, text(&entry.record))).collect()
}
