//! A room's recent past in memory: its newest events, each of them, and its newest state.
//!
//! It has no clock, no lock and no engine, so that what a watcher is sent can be tested against a model. A watcher's
//! [`Place`] is all that the gateway keeps for it: frames are read from here when its socket can take them, so a slow
//! one costs nothing but its place.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use ringside_engine::{Lane, RoomFrame, RoomId, RoomView};
use ringside_model::{Cursor, Epoch, Room, Timestamp};
use ringside_wire::{compose_frame, frame_kind};

use super::frame::Frame;
use super::packet::Packet;

/// So many events are kept.
pub(crate) const RING_FRAMES: usize = 512;
/// Of at most so many bytes.
const RING_BYTES: usize = 1 << 20;
/// A watcher with more than so much before it is slow, and is told what it skips.
const BACKLOG_BYTES: usize = 256 << 10;
/// After a skip it goes on with the newest events of so many bytes.
const REMAIN_BYTES: usize = 32 << 10;

/// How far a watcher is in a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Of which filling of the ring it is; another one means a reset.
    pub(crate) generation: u32,
    /// What the watcher has reached, as it was told.
    pub(crate) reached: Cursor,
    /// Up to where frames were looked at; beyond `reached` where the newest ones were not for this watcher.
    pub(crate) read: u64,
    /// How many events there were up to `read`, by the ring's count.
    pub(crate) index: u64,
    /// What a `skipped` has announced since `reached`.
    pub(crate) announced: u64,
    /// True while it catches up: events first, the newest state at the end.
    pub(crate) resuming: bool,
}

/// Something to send, and the place that the watcher has reached with it.
#[derive(Debug, Clone)]
pub(crate) struct RoomPacket {
    pub(crate) packet: Packet,
    /// The room's place after it; none for what does not move it.
    pub(crate) cursor: Option<Cursor>,
    /// When what it tells was made.
    pub(crate) at: Option<Timestamp>,
    /// How many states were superseded before it.
    pub(crate) conflated: u64,
    /// How many events it says are left out.
    pub(crate) skipped: u64,
}

impl RoomPacket {
    /// Something that nothing was left out before.
    pub(crate) fn plain(packet: Packet, cursor: Option<Cursor>, at: Option<Timestamp>) -> Self {
        Self { packet, cursor, at, conflated: 0, skipped: 0 }
    }
}

/// How a reading of the ring ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// There is nothing more.
    Done,
    /// There is more than fits.
    More,
    /// A watcher that resumes is further back than the ring goes.
    Behind,
    /// The place is of another life of the room.
    Other,
}

/// What is wanted of a frame by one watcher.
pub(crate) trait Sight {
    /// True where it may see the event.
    fn sees(&self, frame: &Frame) -> bool;
    /// The frame as this watcher may read it.
    fn told<'a>(&self, frame: &'a Frame) -> &'a Frame {
        frame
    }
    /// The state as this watcher gets it.
    fn state(&self, frame: &Frame, conflated: u64) -> Packet;
}

/// A room's recent past.
#[derive(Debug)]
pub(crate) struct Ring {
    room: Arc<Room>,
    epoch: Epoch,
    generation: u32,
    /// All events after this offset are here.
    floor: u64,
    head: u64,
    events: VecDeque<Arc<Frame>>,
    bytes: usize,
    /// How many events were here before the first that is.
    first_index: u64,
    state: Option<Arc<Frame>>,
}

/// What became of a frame that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// It is the next one.
    New,
    /// It was there already.
    Known,
    /// Others are missing before it.
    Gap,
    /// Its place was taken by something else: the engine went back and on from there, and kept its epoch.
    Contradiction,
}

impl Ring {
    /// From a reading of the room's newest `asked` events.
    pub(crate) fn fill(room: Arc<Room>, generation: u32, view: &RoomView, asked: usize) -> Self {
        let complete = view.events.len() < asked;
        let floor = match view.events.first() {
            Some(first) if !complete => first.offset - 1,
            _ => view.trimmed.min(view.head),
        };
        let mut ring = Self {
            room,
            epoch: view.epoch,
            generation,
            floor,
            head: floor,
            events: VecDeque::new(),
            bytes: 0,
            first_index: 0,
            state: None,
        };
        ring.absorb(view);
        ring
    }

    pub(crate) fn epoch(&self) -> Epoch {
        self.epoch
    }

    pub(crate) fn head(&self) -> u64 {
        self.head
    }

    pub(crate) fn generation(&self) -> u32 {
        self.generation
    }

    pub(crate) fn state(&self) -> Option<&Arc<Frame>> {
        self.state.as_ref()
    }

    /// Takes a frame as it was published.
    pub(crate) fn accept(&mut self, frame: &RoomFrame) -> Accepted {
        if frame.epoch != self.epoch || frame.offset > self.head + 1 {
            return Accepted::Gap;
        }
        if frame.offset <= self.head {
            return if self.contradicts(frame) { Accepted::Contradiction } else { Accepted::Known };
        }
        self.head = frame.offset;
        self.take(frame);
        Accepted::New
    }

    fn contradicts(&self, frame: &RoomFrame) -> bool {
        match frame.lane {
            Lane::State => {
                let same_place = self.state.as_ref().filter(|state| state.cursor.offset == frame.offset);
                same_place.is_some_and(|state| state.body != frame.body)
            }
            Lane::Event => {
                let place = self.events.binary_search_by_key(&frame.offset, |event| event.cursor.offset);
                frame.offset > self.floor && place.map_or(true, |n| self.events[n].body != frame.body)
            }
        }
    }

    /// The room as far as it is known here, with so many events; `snapshot` is the newest that was read.
    pub(crate) fn view(&self, id: &RoomId, events: usize, snapshot: Option<Bytes>) -> RoomView {
        let newest = self.events.iter().skip(self.events.len().saturating_sub(events));
        RoomView {
            epoch: self.epoch,
            head: self.head,
            trimmed: self.floor,
            events: newest.map(|event| event.published(id, Lane::Event)).collect(),
            more: false,
            state: self.state.as_ref().map(|state| state.published(id, Lane::State)),
            snapshot,
        }
    }

    /// Takes what a reading has that is new here; it must have every event after the head.
    pub(crate) fn absorb(&mut self, view: &RoomView) {
        for event in &view.events {
            if event.offset > self.head {
                self.head = event.offset;
                self.take(event);
            }
        }
        if !view.more {
            self.head = self.head.max(view.head);
        }
        if let Some(state) = &view.state
            && self.state.as_ref().is_none_or(|known| known.cursor.offset < state.offset)
        {
            self.take(state);
        }
    }

    fn take(&mut self, frame: &RoomFrame) {
        let lane = frame.lane;
        let frame = Arc::new(Frame::new(&self.room, frame.clone()));
        match lane {
            Lane::State => self.state = Some(frame),
            Lane::Event => {
                self.bytes += frame.body.len();
                self.events.push_back(frame);
                while self.events.len() > RING_FRAMES || (self.bytes > RING_BYTES && self.events.len() > 1) {
                    let old = self.events.pop_front().expect("there is more than one");
                    self.bytes -= old.body.len();
                    self.floor = old.cursor.offset;
                    self.first_index += 1;
                }
            }
        }
    }

    /// The place of somebody who has everything up to `offset`.
    pub(crate) fn place(&self, offset: u64, resuming: bool) -> Place {
        Place {
            generation: self.generation,
            reached: Cursor { epoch: self.epoch, offset },
            read: offset,
            index: self.index_after(offset),
            announced: 0,
            resuming,
        }
    }

    fn index_after(&self, offset: u64) -> u64 {
        self.first_index + self.events.partition_point(|event| event.cursor.offset <= offset) as u64
    }

    /// Which event comes next at a place. Mostly its index tells; where it does not, it is searched.
    fn next_of(&self, place: &Place) -> usize {
        let is_read = |n: usize| self.events.get(n).is_some_and(|event| event.cursor.offset <= place.read);
        let next = place.index.saturating_sub(self.first_index) as usize;
        if next <= self.events.len() && !is_read(next) && (next == 0 || is_read(next - 1)) {
            return next;
        }
        self.events.partition_point(|event| event.cursor.offset <= place.read)
    }

    /// True where all events after `offset` are here.
    pub(crate) fn covers(&self, offset: u64) -> bool {
        offset >= self.floor
    }

    /// Reads on from a place, up to about `room_bytes` of frames.
    pub(crate) fn read(
        &self,
        place: &mut Place,
        sight: &impl Sight,
        room_bytes: usize,
        out: &mut Vec<RoomPacket>,
    ) -> Reading {
        if place.generation != self.generation {
            return Reading::Other;
        }
        if place.resuming && !self.covers(place.read) {
            return Reading::Behind;
        }
        let mut next = self.next_of(place);
        if self.covers(place.read) {
            place.index = self.first_index + next as u64;
        }
        if !place.resuming {
            next = self.skip(place, next, sight, out);
        }
        let mut left = room_bytes;
        loop {
            let event = self.events.get(next);
            let state = self.state.as_ref().filter(|state| !place.resuming && state.cursor.offset > place.read);
            // In the order of their offsets, except that who resumes gets the newest state last.
            let state = state.filter(|state| event.is_none_or(|event| state.cursor.offset < event.cursor.offset));
            let Some(frame) = state.or(event) else { break };
            if left == 0 {
                return Reading::More;
            }
            place.read = frame.cursor.offset;
            if state.is_none() {
                next += 1;
                place.index = self.first_index + next as u64;
                if !sight.sees(frame) {
                    continue;
                }
            }
            let conflated = frame.cursor.offset - place.reached.offset - 1 - place.announced;
            let told = sight.told(frame);
            let packet = if state.is_some() { sight.state(told, conflated) } else { told.packet_after(conflated) };
            left = left.saturating_sub(packet.len());
            place.reached = frame.cursor;
            place.announced = 0;
            out.push(RoomPacket { packet, cursor: Some(frame.cursor), at: Some(frame.at), conflated, skipped: 0 });
        }
        if place.resuming {
            place.resuming = false;
            out.extend(self.newest_state(place, sight));
        }
        Reading::Done
    }

    /// The newest state, also for somebody who may have it already.
    pub(crate) fn newest_state(&self, place: &mut Place, sight: &impl Sight) -> Option<RoomPacket> {
        let state = sight.told(self.state.as_ref()?);
        if state.cursor.offset > place.reached.offset + place.announced {
            let conflated = state.cursor.offset - place.reached.offset - 1 - place.announced;
            place.reached = state.cursor;
            place.read = place.read.max(state.cursor.offset);
            place.announced = 0;
            let packet = sight.state(state, conflated);
            return Some(RoomPacket { packet, cursor: Some(state.cursor), at: Some(state.at), conflated, skipped: 0 });
        }
        let packet = if self.room.has_cursor() { state.packet_at(place.reached) } else { sight.state(state, 0) };
        Some(RoomPacket { packet, cursor: Some(place.reached), at: Some(state.at), conflated: 0, skipped: 0 })
    }

    /// Leaves out all but the newest events for one who has too many before it, and says how many.
    fn skip(&self, place: &mut Place, next: usize, sight: &impl Sight, out: &mut Vec<RoomPacket>) -> usize {
        let waiting = || self.events.range(next..);
        let bytes: usize = waiting().map(|event| event.body.len()).sum();
        if self.covers(place.read) && bytes <= BACKLOG_BYTES {
            return next;
        }
        let mut kept = 0;
        let mut first = self.events.len();
        while first > next && (kept == 0 || kept + self.events[first - 1].body.len() <= REMAIN_BYTES) {
            first -= 1;
            kept += self.events[first].body.len();
        }
        let count = self.first_index + first as u64 - place.index;
        let unread = place.read;
        place.index += count;
        if first > 0 {
            place.read = place.read.max(self.events[first - 1].cursor.offset);
        } else {
            place.read = place.read.max(self.floor);
        }
        if count > 0 {
            place.announced += count;
            let at = Timestamp::now();
            let body = format!(r#"{{"count":{count}}}"#);
            let text = compose_frame(frame_kind::SKIPPED, Some(&self.room), None, at, body.as_bytes());
            let packet = Packet::new(&text);
            out.push(RoomPacket { packet, cursor: None, at: None, conflated: 0, skipped: count });
        }
        if let Some(state) =
            self.state.as_ref().filter(|state| (unread + 1..=place.read).contains(&state.cursor.offset))
        {
            // It lies among what was left out, and is still the newest.
            let state = sight.told(state);
            let packet = if self.room.has_cursor() { state.packet_at(place.reached) } else { sight.state(state, 0) };
            out.push(RoomPacket { packet, cursor: Some(place.reached), at: Some(state.at), conflated: 0, skipped: 0 });
        }
        first
    }
}

#[cfg(test)]
mod tests;
