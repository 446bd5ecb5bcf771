//! Rooms in the embedded store: offsets, histories and their trimming, reading.
//!
//! The writer keeps the head of each room that was published to in memory, so that publishing reads nothing. Histories
//! are trimmed separately, after the frames are delivered.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use async_trait::async_trait;
use bytes::Bytes;
use fjall::{OwnedWriteBatch as WriteBatch, Readable, Slice};
use ringside_model::{Epoch, Timestamp};
use serde::{Deserialize, Serialize};

use super::Embedded;
use super::closed;
use super::job::Job;
use super::store::{Store, decode, encode, event_key, failed, partition_key, room_key, room_prefix};
use crate::{
    Batch, EngineError, Histories, Lane, Partition, Publication, ReadFrom, RoomFrame, RoomId, RoomView, Rooms,
    Subscription, Token,
};

/// The fraction by which a history may exceed its limits before it is trimmed.
///
/// So one trim removes many events.
const SLACK: u64 = 16;

#[async_trait]
impl Rooms for Embedded {
    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        self.request(|answer| Job::Publish { token, batch, answer }).await
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        self.check(partition)?;
        self.shared.fanout.subscribe(partition).ok_or_else(closed)
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        let (room, shared) = (room.clone(), Arc::clone(&self.shared));
        // Read while the store is locked: a reopened store has another epoch.
        self.read(move |store| read(store, &room, from, Epoch(shared.epoch.load(Ordering::Relaxed)))).await
    }
}

/// A room's head as it is stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
struct Head {
    offset: u64,
    trimmed: u64,
    events: u64,
    newest_at: i64,
    /// When the oldest stored event was made; meaningless if there is none.
    oldest_at: i64,
}

/// A partition's published position, as it is stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Published {
    pub(super) seq: u64,
    pub(super) position: u64,
}

/// The header of a stored frame; the body follows.
#[derive(Serialize, Deserialize)]
struct FrameHeader<'a> {
    offset: u64,
    at: i64,
    kind: &'a str,
}

/// The writer's knowledge of the rooms.
#[derive(Debug)]
pub(super) struct RoomWriter {
    epoch: Epoch,
    histories: Histories,
    heads: HashMap<RoomId, Head>,
    published: Vec<Published>,
}

impl RoomWriter {
    /// Reads the published position of each partition.
    pub(super) fn load(
        store: &Store,
        partitions: u16,
        epoch: Epoch,
        histories: Histories,
    ) -> Result<Self, EngineError> {
        let published = (0..partitions)
            .map(|partition| Ok(store.read(published_key(Partition(partition)))?.unwrap_or_default()))
            .collect::<Result<_, EngineError>>()?;
        Ok(Self { epoch, histories, heads: HashMap::new(), published })
    }

    /// Assigns offsets to publications.
    ///
    /// Returns the new number of batches and the frames to deliver.
    pub(super) fn publish(
        &mut self,
        store: &Store,
        batch: &mut WriteBatch,
        partition: Partition,
        publications: Batch,
    ) -> Result<(u64, Vec<RoomFrame>), EngineError> {
        let before = self.published[usize::from(partition.0)];
        if before.seq != publications.expected_seq {
            let (expected, actual) = (publications.expected_seq, before.seq);
            return Err(EngineError::Diverged { partition: partition.0, expected, actual });
        }
        // Everything that can fail comes first, so that a batch is never half applied.
        for publication in &publications.publications {
            if !self.heads.contains_key(&publication.room) {
                let head = head(&store.now(), store, &room_prefix(&publication.room))?;
                self.heads.insert(publication.room.clone(), head);
            }
        }
        let position = before.position.max(publications.position.0);
        let published = Published { seq: before.seq + 1, position };
        let mut frames = Vec::with_capacity(publications.publications.len());
        for publication in publications.publications {
            if publication.lane == Lane::State || publication.position.0 > before.position {
                frames.push(self.assign(store, batch, publication));
            }
        }
        store.put(batch, published_key(partition), &published);
        self.published[usize::from(partition.0)] = published;
        Ok((published.seq, frames))
    }

    fn assign(&mut self, store: &Store, batch: &mut WriteBatch, publication: Publication) -> RoomFrame {
        let Publication { room, lane, kind, at, body, snapshot, position: _ } = publication;
        let prefix = room_prefix(&room);
        let head = self.heads.get_mut(&room).expect("publish reads the heads of all rooms of a batch first");
        head.offset += 1;
        head.newest_at = head.newest_at.max(at.millis());
        let header = FrameHeader { offset: head.offset, at: at.millis(), kind };
        let stored = [&encode(&header)[..], &body].concat();
        match lane {
            Lane::Event => {
                if head.events == 0 {
                    head.oldest_at = at.millis();
                }
                head.events += 1;
                batch.insert(&store.rooms, event_key(&prefix, head.offset), stored);
            }
            Lane::State => batch.insert(&store.rooms, room_key(&prefix, b's'), stored),
        }
        if let Some(snapshot) = snapshot {
            batch.insert(&store.rooms, room_key(&prefix, b'n'), &snapshot[..]);
        }
        batch.insert(&store.rooms, room_key(&prefix, b'h'), encode(head));
        RoomFrame { room, epoch: self.epoch, offset: head.offset, lane, kind: kind.into(), at, body }
    }

    /// Removes the events of a room that exceed its history, if they are many enough.
    pub(super) fn trim(&mut self, store: &Store, batch: &mut WriteBatch, room: &RoomId) -> Result<(), EngineError> {
        let Some(head) = self.heads.get_mut(room) else { return Ok(()) };
        let limit = self.histories.of(&room.room);
        let age_ms = i64::try_from(limit.age.as_millis()).unwrap_or(i64::MAX);
        let slack_ms = age_ms / SLACK as i64;
        let too_many = head.events > limit.events.saturating_add(limit.events / SLACK);
        let too_old =
            head.events > 0 && head.newest_at.saturating_sub(head.oldest_at) > age_ms.saturating_add(slack_ms);
        if !too_many && !too_old {
            return Ok(());
        }
        let prefix = room_prefix(room);
        for event in store.now().range(&store.rooms, events_after(&prefix, head.trimmed)) {
            let (key, value) = event.into_inner().map_err(failed)?;
            let (header, _) = frame(&value)?;
            head.oldest_at = header.at;
            if head.events <= limit.events && head.newest_at.saturating_sub(header.at) <= age_ms {
                break;
            }
            batch.remove(&store.rooms, key);
            head.trimmed = header.offset;
            head.events = head.events.saturating_sub(1);
        }
        batch.insert(&store.rooms, room_key(&prefix, b'h'), encode(head));
        Ok(())
    }
}

/// Reads a room at one moment.
pub(super) fn read(store: &Store, room: &RoomId, from: ReadFrom, epoch: Epoch) -> Result<RoomView, EngineError> {
    let snapshot = store.now();
    let prefix = room_prefix(room);
    let head = head(&snapshot, store, &prefix)?;
    let room = Arc::new(room.clone());
    let to_frame = |lane, value: Slice| {
        let (header, body) = frame(&value)?;
        Ok::<_, EngineError>(RoomFrame {
            room: RoomId::clone(&room),
            epoch,
            offset: header.offset,
            lane,
            kind: header.kind.into(),
            at: Timestamp::from_millis(header.at),
            body: Bytes::copy_from_slice(body),
        })
    };
    let to_event = |event: fjall::Guard| to_frame(Lane::Event, event.value().map_err(failed)?);
    let (events, more) = match from {
        ReadFrom::After { offset, limit } => {
            let mut rest = snapshot.range(&store.rooms, events_after(&prefix, offset.max(head.trimmed)));
            let events = rest.by_ref().take(limit).map(to_event).collect::<Result<Vec<_>, _>>()?;
            (events, rest.next().is_some())
        }
        ReadFrom::Newest(limit) => {
            let newest = snapshot.range(&store.rooms, events_after(&prefix, head.trimmed)).rev().take(limit);
            let mut events = newest.map(to_event).collect::<Result<Vec<_>, _>>()?;
            events.reverse();
            (events, false)
        }
    };
    let value = |tag| snapshot.get(&store.rooms, room_key(&prefix, tag)).map_err(failed);
    Ok(RoomView {
        epoch,
        head: head.offset,
        trimmed: head.trimmed,
        events,
        more,
        state: value(b's')?.map(|value| to_frame(Lane::State, value)).transpose()?,
        snapshot: value(b'n')?.map(|value| Bytes::copy_from_slice(&value)),
    })
}

/// Returns the key of a partition's published position.
pub(super) fn published_key(partition: Partition) -> Vec<u8> {
    partition_key(b'b', partition, "")
}

fn head(snapshot: &fjall::Snapshot, store: &Store, prefix: &[u8]) -> Result<Head, EngineError> {
    let stored = snapshot.get(&store.rooms, room_key(prefix, b'h')).map_err(failed)?;
    stored.map_or(Ok(Head::default()), |value| decode(&value))
}

fn events_after(prefix: &[u8], offset: u64) -> std::ops::RangeInclusive<Vec<u8>> {
    event_key(prefix, offset.saturating_add(1))..=event_key(prefix, u64::MAX)
}

fn frame(stored: &[u8]) -> Result<(FrameHeader<'_>, &[u8]), EngineError> {
    postcard::take_from_bytes(stored).map_err(|e| EngineError::Damaged(e.to_string()))
}
