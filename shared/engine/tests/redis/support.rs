//! Engines for tests, each with a prefix of its own, and small constructors.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ringside_engine::contract::{HISTORIES, LOG_BYTES, PARTITIONS};
use ringside_engine::redis::{Redis, RedisSettings};
use ringside_engine::{
    Batch, EngineError, Lane, Leases, Partition, PartitionState, Position, Publication, ReadFrom, RoomId, RoomView,
    Rooms, Signal, Subscription, Token,
};
use ringside_model::{CampaignId, Room, TenantId, Timestamp};

/// The timeout of everything that must happen.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// The duration of a lease that doesn't lapse during a test.
pub(crate) const LONG: Duration = Duration::from_secs(600);

/// Returns another prefix each time.
pub(crate) fn fresh_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("test{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns the contract's settings with short intervals.
///
/// The response timeout is one that a busy machine keeps.
pub(crate) fn settings(url: &str, prefix: &str) -> RedisSettings {
    RedisSettings {
        prefix: prefix.to_owned(),
        partitions: PARTITIONS,
        histories: HISTORIES,
        log_bytes: LOG_BYTES,
        response_timeout: Duration::from_secs(5),
        ping_every: Duration::from_millis(200),
        canary_every: Duration::from_millis(500),
        refresh_every: Duration::from_secs(1),
        ..RedisSettings::new(url)
    }
}

pub(crate) async fn connect(settings: RedisSettings) -> Redis {
    Redis::connect(settings).await.expect("Redis is reachable")
}

pub(crate) fn bytes(text: impl Into<String>) -> Bytes {
    Bytes::from(text.into())
}

/// Returns a room whose home is this partition.
pub(crate) fn room_in(partition: Partition, partitions: u16) -> RoomId {
    let named = |n: u32| {
        let campaign = CampaignId::parse(&format!("campaign-{n}")).expect("is a valid name");
        RoomId::new(TenantId::parse("acme").expect("is a valid name"), Room::Calls(campaign))
    };
    (0..).map(named).find(|room| room.home(partitions) == partition).expect("some name hashes to each partition")
}

pub(crate) async fn own(engine: &Redis, partition: Partition) -> Token {
    engine.acquire(partition, "owner", LONG).await.expect("Redis answers").expect("no other holder has it")
}

pub(crate) fn event(room: &RoomId, position: u64, body: impl Into<String>) -> Publication {
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

/// Publishes an event after the newest published position.
pub(crate) async fn publish(engine: &Redis, token: Token, room: &RoomId, body: &str) -> Result<u64, EngineError> {
    let before = engine.load(token.partition).await?;
    let position = Position(before.published.0 + 1);
    let publications = vec![event(room, position.0, body)];
    engine.publish(token, Batch { expected_seq: before.seq, position, publications }).await
}

pub(crate) async fn view(engine: &Redis, room: &RoomId) -> RoomView {
    engine.read_room(room, ReadFrom::After { offset: 0, limit: 10_000 }).await.expect("rooms can be read")
}

/// Repeats an attempt until it succeeds.
pub(crate) async fn at_last<T, E: std::fmt::Debug>(what: &str, mut attempt: impl AsyncFnMut() -> Result<T, E>) -> T {
    let mut last = None;
    let tries = async {
        loop {
            match attempt().await {
                Ok(value) => return value,
                Err(error) => last = Some(error),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    match tokio::time::timeout(SOON, tries).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: {last:?}"),
    }
}

/// Waits for an event: as a frame, or in the room after a missed signal.
///
/// Returns true if something was missed.
pub(crate) async fn receive(engine: &Redis, subscription: &mut dyn Subscription, room: &RoomId, body: &str) -> bool {
    let received = async {
        loop {
            match subscription.next().await.expect("the engine is open") {
                Signal::Frame(frame) if frame.body == body => return false,
                Signal::Frame(_) => {}
                Signal::Missed => {
                    let seen = at_last("reading", || engine.read_room(room, ReadFrom::Newest(1_000))).await;
                    if seen.events.iter().any(|event| event.body == body) {
                        return true;
                    }
                }
            }
        }
    };
    tokio::time::timeout(SOON, received).await.unwrap_or_else(|_| panic!("{body:?} in {room} is not delivered"))
}
