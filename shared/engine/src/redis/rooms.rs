//! Rooms on Redis: a hash and a stream of events each.

use async_trait::async_trait;
use bytes::Bytes;
use redis::Value;
use ringside_model::Epoch;

use super::keys::slot;
use super::node::Route;
use super::router::Request;
use super::{Redis, packed, reply, script};
use crate::{Batch, EngineError, Lane, Partition, ReadFrom, RoomFrame, RoomId, RoomView, Rooms, Subscription, Token};

/// The largest pub/sub message.
///
/// Redis disconnects a subscriber that is megabytes behind.
const MESSAGE_BYTES: usize = 128 << 10;
/// How many events are read over the shared connection; longer reads take the pool.
const SHORT_READ: usize = 64;
/// How many events are read at once; the view says that there are more.
const LONGEST_READ: usize = 100_000;

#[async_trait]
impl Rooms for Redis {
    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        let partition = token.partition;
        self.check(partition)?;
        let mut rooms: Vec<&RoomId> = Vec::new();
        let mut numbers = Vec::with_capacity(batch.publications.len());
        for publication in &batch.publications {
            let known = rooms.iter().position(|room| **room == publication.room);
            numbers.push(known.unwrap_or(rooms.len()) + 1);
            if known.is_none() {
                rooms.push(&publication.room);
            }
        }
        let mut keys = vec![self.keys.meta(partition)];
        for room in &rooms {
            keys.extend([self.keys.room(partition, room), self.keys.events(partition, room)]);
        }
        let mut command = script::call(&script::PUBLISH, &keys);
        command.arg(token.number).arg(batch.expected_seq).arg(batch.position.0).arg(self.keys.publications(partition));
        command.arg(packed::rooms(rooms.iter().copied())).arg(MESSAGE_BYTES);
        for room in &rooms {
            let history = self.histories.of(&room.room);
            command.arg(history.events).arg(u64::try_from(history.age.as_millis()).unwrap_or(u64::MAX));
        }
        for (number, publication) in numbers.iter().zip(&batch.publications) {
            let lane = match (publication.lane, &publication.snapshot) {
                (Lane::Event, None) => "e",
                (Lane::Event, Some(_)) => "E",
                (Lane::State, None) => "s",
                (Lane::State, Some(_)) => "S",
            };
            command.arg(*number).arg(lane).arg(publication.position.0).arg(packed::frame(publication));
            if let Some(snapshot) = &publication.snapshot {
                command.arg(&snapshot[..]);
            }
        }
        let script = Some(&*script::PUBLISH);
        let answer = self.router.send(Request { slot: slot(partition), command, script, route: Route::Shared }).await?;
        let mut answer = reply::list(answer)?.into_iter();
        let verdict = answer.next().map(reply::text).transpose()?.flatten().unwrap_or_default();
        let seq = answer.next().map(reply::number).transpose()?.flatten();
        match (&*verdict, seq) {
            ("OK", Some(seq)) => Ok(seq),
            ("FENCED", _) => Err(EngineError::Fenced(token)),
            ("DIVERGED", Some(actual)) => {
                Err(EngineError::Diverged { partition: partition.0, expected: batch.expected_seq, actual })
            }
            _ => Err(EngineError::Damaged(format!("the publish script answers {verdict:?}"))),
        }
    }

    async fn subscribe(&self, partition: Partition) -> Result<Box<dyn Subscription>, EngineError> {
        self.check(partition)?;
        Ok(Box::new(self.subscriber.subscribe(partition).await?))
    }

    async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        self.check_open()?;
        let partition = room.home(self.partitions);
        let meta = self.keys.meta(partition);
        let keys = [meta.clone(), self.keys.room(partition, room), self.keys.events(partition, room)];
        let mut command = script::call(&script::READ_ROOM, &keys);
        let limit = match from {
            // One more than requested tells whether there are more.
            ReadFrom::After { offset, limit } => {
                let limit = limit.min(LONGEST_READ);
                command.arg(offset).arg(limit + 1);
                limit
            }
            ReadFrom::Newest(limit) => {
                command.arg("").arg(limit.min(LONGEST_READ));
                limit
            }
        };
        let route = if limit > SHORT_READ { Route::Bulk } else { Route::Shared };
        let script = Some(&*script::READ_ROOM);
        let read = || self.router.send(Request { slot: slot(partition), command: command.clone(), script, route });
        let mut answer = read().await?;
        if answer == Value::Nil {
            // The partition never had an owner: the first reader gives its rooms their epoch.
            self.create_field(slot(partition), meta, "epoch", rand::random::<u32>().to_string().into()).await?;
            answer = read().await?;
        }
        let [epoch, head, trimmed, state, snapshot, events] = reply::fixed(answer)?;
        let epoch = reply::number(epoch)?.and_then(|epoch| u32::try_from(epoch).ok()).map(Epoch);
        let epoch = epoch.ok_or_else(|| damaged(room))?;
        let state = reply::bytes(state)?.map(|stored| {
            let (offset, frame) = packed::unpack_stored(stored).ok_or_else(|| damaged(room))?;
            packed::unpack(room, epoch, offset, frame)
        });
        let unpack = |(id, fields): (String, Vec<Value>)| {
            let offset = id.strip_suffix("-0").and_then(|offset| offset.parse().ok());
            let stored = fields.into_iter().next().map(reply::bytes).transpose()?.flatten();
            let frame: Option<(u64, Bytes)> = stored.and_then(packed::unpack_stored);
            let (Some(offset), Some((_, frame))) = (offset, frame) else { return Err(damaged(room)) };
            packed::unpack(room, epoch, offset, frame)
        };
        let mut events: Vec<RoomFrame> =
            reply::entries(events)?.into_iter().map(unpack).collect::<Result<_, EngineError>>()?;
        let more = match from {
            ReadFrom::After { .. } => events.len() > limit,
            ReadFrom::Newest(_) => {
                events.reverse();
                false
            }
        };
        events.truncate(limit);
        Ok(RoomView {
            epoch,
            head: reply::number(head)?.unwrap_or_default(),
            trimmed: reply::number(trimmed)?.unwrap_or_default(),
            events,
            more,
            state: state.transpose()?,
            snapshot: reply::bytes(snapshot)?,
        })
    }
}

fn damaged(room: &RoomId) -> EngineError {
    EngineError::Damaged(format!("the room {room} can't be read"))
}
