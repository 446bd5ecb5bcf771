//! One client, whatever door it came through: its rooms, what it says, and what it is sent next.
//!
//! There is no socket in it and nothing waits in it: a door asks for the next batch when its client can take one, and
//! the rooms' rings are read then. So a slow client gets fewer and newer states, and is told of events it skips.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_access::Viewer;
use ringside_model::{Cursor, Room, Timestamp};
use ringside_wire::{ClientMessage, ClientRequest, compose_frame, frame_kind};
use serde_json::json;

use super::ledger::RoomLook;
use super::limits;
use super::watch::{Step, Watch};
use crate::delivery::Delivery;
use crate::error::Error;
use crate::hub::{Filter, Packet, Refusal, RoomPacket, Watcher};
use crate::observe;

/// About so much goes into one batch: enough to share a write, little enough to stay fresh.
const BATCH_BYTES: usize = 64 << 10;
/// A batch in which somebody was waited for so long ends there; the rest comes with the next one, after whatever else
/// its door has to look after.
pub(crate) const WAITS_FOR: Duration = Duration::from_millis(100);
/// A room that could not be read is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long is read on for somebody who has to go; what is then still missing comes by cursor, elsewhere.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// Something for the client, and what it has reached with it.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) packet: Packet,
    /// In which of the session's rooms: see [`Session::room`].
    pub(crate) reached: Option<(u32, Cursor)>,
    /// When what it tells was made.
    pub(crate) at: Option<Timestamp>,
}

/// What a client's message was.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Understood; what there is to answer is in the next batch.
    Sense,
    /// Not understood; so is the error.
    Nonsense,
    /// A token of somebody else: the connection has to end.
    Stranger,
}

/// One client.
pub(crate) struct Session {
    // What each frame needs is together: of ten thousand sessions none is in the processor's cache.
    viewer: Arc<Viewer>,
    watcher: Arc<dyn Watcher>,
    watches: Vec<Option<Watch>>,
    /// Slots with something to read, in the order they came up.
    due: VecDeque<u32>,
    answers: Vec<Outgoing>,
    /// States and events that were left out since somebody asked.
    left_out: (u64, u64),
    delivery: Delivery,
    by_room: HashMap<Room, u32>,
    free: Vec<u32>,
}

/// What a reading needs besides the session; who reads for many keeps it from one to the next.
#[derive(Default)]
pub(crate) struct Scratch {
    marked: Vec<u32>,
    read: Vec<RoomPacket>,
}

impl Session {
    /// Of somebody who is told by `watcher` that there is something to read.
    pub(crate) fn new(delivery: Delivery, viewer: Arc<Viewer>, watcher: Arc<dyn Watcher>) -> Self {
        Self {
            delivery,
            viewer,
            watcher,
            watches: Vec::new(),
            by_room: HashMap::new(),
            free: Vec::new(),
            due: VecDeque::new(),
            answers: Vec::new(),
            left_out: (0, 0),
        }
    }

    /// Who it is.
    pub(crate) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Takes a client's message.
    pub(crate) fn hear(&mut self, text: &str) -> Heard {
        let ClientRequest { message, request_id } = match ClientRequest::parse(text) {
            Ok(request) => request,
            Err(bad) => {
                self.say_error(bad.code, &bad.message, None, bad.request_id.as_deref());
                return Heard::Nonsense;
            }
        };
        let request_id = request_id.as_deref();
        match message {
            ClientMessage::Subscribe { rooms, metrics } => {
                let filter = Filter::of(metrics);
                for (room, cursor) in rooms {
                    let cursor = cursor.filter(|_| room.has_cursor());
                    let filter = filter.clone().filter(|_| room == Room::Metrics);
                    match self.join(room.clone(), cursor, filter) {
                        Ok(()) => self.say(frame_kind::SUBSCRIBED, Some(&room), &json!({})),
                        Err(error) => self.say_error(error.parts().1, &error.to_string(), Some(&room), request_id),
                    }
                }
            }
            ClientMessage::Unsubscribe { rooms } => {
                for room in rooms {
                    self.leave(&room);
                    self.say(frame_kind::UNSUBSCRIBED, Some(&room), &json!({}));
                }
            }
            ClientMessage::Refresh { room } => self.refresh(room.as_ref(), request_id),
            ClientMessage::Ping => self.say(frame_kind::PONG, None, &json!({})),
            ClientMessage::Auth { token } => return self.renew(&token, request_id),
        }
        Heard::Sense
    }

    /// Takes note of a message that was not even read, for this reason.
    pub(crate) fn refuse(&mut self, message: &str) -> Heard {
        self.say_error("bad_frame", message, None, None);
        Heard::Nonsense
    }

    /// Joins a room; the next batch begins with it. A room that was joined before begins anew.
    pub(crate) fn join(&mut self, room: Room, cursor: Option<Cursor>, filter: Option<Filter>) -> Result<(), Error> {
        // In the time that is left to bring another token, what is watched goes on, and nothing else begins.
        if self.viewer.expires_at <= Timestamp::now() {
            return Err(Error::Unauthorized);
        }
        if !self.delivery.access().may_watch(&self.viewer, &room) {
            self.delivery.access().record_forbidden(&self.viewer, &room);
            return Err(Error::ForbiddenRoom(room.to_string()));
        }
        self.leave(&room);
        if self.by_room.len() >= limits::ROOMS {
            let message = format!("One connection watches at most {} rooms: leave some first.", limits::ROOMS);
            return Err(Error::BadRequest(message));
        }
        let watch = Some(Watch::new(room.clone(), cursor, filter));
        let slot = match self.free.pop() {
            Some(slot) => {
                self.watches[slot as usize] = watch;
                slot
            }
            None => {
                self.watches.push(watch);
                self.watches.len() as u32 - 1
            }
        };
        self.by_room.insert(room, slot);
        self.put_due(slot);
        Ok(())
    }

    /// True where there is something to send already.
    pub(crate) fn has_more(&self) -> bool {
        !self.due.is_empty() || !self.answers.is_empty()
    }

    /// Adds to `batch` what the client is sent next, as far as nobody has to be waited for; false where somebody has.
    pub(crate) fn batch_now(&mut self, scratch: &mut Scratch, batch: &mut Vec<Outgoing>) -> bool {
        batch.append(&mut self.answers);
        self.watcher.marks().take(&mut scratch.marked);
        let mut left = BATCH_BYTES;
        let mut complete = true;
        if self.due.is_empty() {
            // As it mostly is.
            for slot in scratch.marked.drain(..) {
                complete &= self.read_now(slot, &mut left, &mut scratch.read, batch);
            }
            return complete;
        }
        scratch.marked.drain(..).for_each(|slot| self.put_due(slot));
        for _ in 0..self.due.len() {
            let Some(slot) = self.take_due() else { break };
            complete &= self.read_now(slot, &mut left, &mut scratch.read, batch);
        }
        complete
    }

    /// Reads a room; false where somebody has to be waited for. Whatever is not read now is due.
    fn read_now(&mut self, slot: u32, left: &mut usize, read: &mut Vec<RoomPacket>, batch: &mut Vec<Outgoing>) -> bool {
        let Some(Some(watch)) = self.watches.get_mut(slot as usize) else { return true };
        let step = if *left > 0 { watch.read_now(&self.viewer, *left, read) } else { Some(Step::More) };
        self.end_read(slot, left, read, batch);
        if step != Some(Step::Waits) {
            self.put_due(slot);
        }
        step.is_some()
    }

    /// What the client is sent next.
    pub(crate) async fn batch(&mut self) -> Vec<Outgoing> {
        let mut batch = std::mem::take(&mut self.answers);
        let mut scratch = Scratch::default();
        self.watcher.marks().take(&mut scratch.marked);
        scratch.marked.drain(..).for_each(|slot| self.put_due(slot));
        let (mut left, began) = (BATCH_BYTES, Instant::now());
        while left > 0
            && began.elapsed() < WAITS_FOR
            && let Some(slot) = self.take_due()
        {
            let Some(Some(watch)) = self.watches.get_mut(slot as usize) else { continue };
            if watch.again.is_some_and(|again| again > Instant::now()) {
                continue;
            }
            let watcher = (&self.watcher, slot);
            let step = watch.read(self.delivery.hub(), &self.viewer, watcher, left, &mut scratch.read).await;
            self.end_read(slot, &mut left, &mut scratch.read, &mut batch);
            match step {
                Ok(Step::Waits) => {}
                Ok(Step::More) => self.put_due(slot),
                Err(refusal) => {
                    if let Some(room) = self.room(slot).cloned() {
                        batch.push(self.refused(&room, slot, &refusal));
                    }
                }
            }
        }
        batch
    }

    /// The room in this slot is to be read.
    fn put_due(&mut self, slot: u32) {
        if let Some(Some(watch)) = self.watches.get_mut(slot as usize)
            && !std::mem::replace(&mut watch.due, true)
        {
            self.due.push_back(slot);
        }
    }

    fn take_due(&mut self) -> Option<u32> {
        let slot = self.due.pop_front()?;
        if let Some(Some(watch)) = self.watches.get_mut(slot as usize) {
            watch.due = false;
        }
        Some(slot)
    }

    /// Moves what was read to the batch.
    fn end_read(&mut self, slot: u32, left: &mut usize, read: &mut Vec<RoomPacket>, batch: &mut Vec<Outgoing>) {
        for RoomPacket { packet, cursor, at, conflated, skipped } in read.drain(..) {
            *left = left.saturating_sub(packet.len());
            if conflated + skipped > 0 {
                observe::left_out(conflated, skipped);
                self.left_out = (self.left_out.0 + conflated, self.left_out.1 + skipped);
            }
            batch.push(Outgoing { packet, reached: cursor.map(|cursor| (slot, cursor)), at });
        }
    }

    /// The room that is watched in a slot.
    pub(crate) fn room(&self, slot: u32) -> Option<&Arc<Room>> {
        self.watches.get(slot as usize)?.as_ref().map(|watch| &watch.room)
    }

    /// How much it is answered that was not taken yet.
    pub(crate) fn answer_bytes(&self) -> usize {
        self.answers.iter().map(|answer| answer.packet.len()).sum()
    }

    /// How many states and events were left out since this was asked before.
    pub(crate) fn take_left_out(&mut self) -> (u64, u64) {
        std::mem::take(&mut self.left_out)
    }

    /// Where the client is in its rooms.
    pub(crate) fn revocations(&self) -> Vec<RoomLook> {
        let look = |watch: &Watch| RoomLook {
            room: watch.room.as_ref().clone(),
            sent: watch.sent(),
            acked: watch.acknowledged,
        };
        self.watches.iter().flatten().map(look).collect()
    }

    /// What it is answered, for one who gets nothing else any more.
    pub(crate) fn take_answers(&mut self) -> Vec<Outgoing> {
        std::mem::take(&mut self.answers)
    }

    /// All that there is for the client now, for one who has to go.
    pub(crate) async fn rest(&mut self) -> Vec<Outgoing> {
        let mut rest = Vec::new();
        let read = async {
            loop {
                rest.append(&mut self.batch().await);
                if !self.has_more() {
                    break;
                }
            }
        };
        // A batch that is cut off was not sent, and so is not part of the client's cursor.
        let _ = tokio::time::timeout(REST_WITHIN, read).await;
        rest
    }

    /// Notes what was sent until now, for when its client says that it is there.
    pub(crate) fn asked(&mut self) {
        for watch in self.watches.iter_mut().flatten() {
            watch.asked = watch.sent();
        }
    }

    /// The client is there, and so has what was sent before it was asked.
    pub(crate) fn answered(&mut self) {
        for watch in self.watches.iter_mut().flatten() {
            watch.acknowledged = watch.asked;
        }
    }

    /// Says something that is no room's content.
    pub(crate) fn say(&mut self, kind: &str, room: Option<&Room>, body: &serde_json::Value) {
        self.answers.push(plain(kind, room, body));
    }

    fn refused(&mut self, room: &Room, slot: u32, refusal: &Refusal) -> Outgoing {
        let error = Error::from(refusal.clone());
        match refusal {
            Refusal::Forbidden(_) => self.leave(room),
            Refusal::Unavailable => {
                let watcher = self.watcher.clone();
                if let Some(Some(watch)) = self.watches.get_mut(slot as usize) {
                    watch.again = Some(Instant::now() + AGAIN_AFTER);
                }
                tokio::spawn(async move {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    watcher.mark(slot);
                });
            }
        }
        let body = json!({ "code": error.parts().1, "message": error.to_string() });
        plain(frame_kind::ERROR, Some(room), &body)
    }

    fn say_error(&mut self, code: &str, message: &str, room: Option<&Room>, request_id: Option<&str>) {
        let mut body = json!({ "code": code, "message": message });
        if let Some(request_id) = request_id {
            body["requestId"] = json!(request_id);
        }
        self.say(frame_kind::ERROR, room, &body);
    }

    fn leave(&mut self, room: &Room) {
        if let Some(slot) = self.by_room.remove(room) {
            self.watches[slot as usize] = None;
            self.due.retain(|due| *due != slot);
            self.free.push(slot);
        }
    }

    fn refresh(&mut self, room: Option<&Room>, request_id: Option<&str>) {
        let slots: Vec<u32> = match room {
            Some(room) => self.by_room.get(room).copied().into_iter().collect(),
            None => self.by_room.values().copied().collect(),
        };
        if slots.is_empty() {
            return self.say_error("not_subscribed", "Subscribe to the room first.", room, request_id);
        }
        let mut throttled = false;
        for slot in slots {
            let watch = self.watches[slot as usize].as_mut().expect("slots of joined rooms are taken");
            if watch.refreshed.is_some_and(|at| at.elapsed() < limits::REFRESH_EVERY) {
                throttled = true;
                continue;
            }
            watch.refreshed = Some(Instant::now());
            watch.refresh = true;
            self.put_due(slot);
        }
        if throttled {
            let message = "A room's newest state is sent at most once a second on request.";
            self.say_error("throttled", message, room, request_id);
        }
    }

    /// A fresh token for the running connection: of the same person, or it ends.
    fn renew(&mut self, token: &str, request_id: Option<&str>) -> Heard {
        let Ok(viewer) = self.delivery.access().verify(token) else {
            let message = "This token is not valid. Get a new one from POST /auth/refresh, or log in.";
            self.say_error("bad_token", message, None, request_id);
            return Heard::Nonsense;
        };
        if viewer.user != self.viewer.user || viewer.tenant != self.viewer.tenant {
            return Heard::Stranger;
        }
        let other_scope = viewer.scope != self.viewer.scope || viewer.role != self.viewer.role;
        self.viewer = viewer;
        if other_scope {
            self.cut_to_scope(request_id);
        }
        Heard::Sense
    }

    fn cut_to_scope(&mut self, request_id: Option<&str>) {
        let rooms: Vec<(Room, u32)> = self.by_room.iter().map(|(room, slot)| (room.clone(), *slot)).collect();
        for (room, slot) in rooms {
            if !self.delivery.access().may_watch(&self.viewer, &room) {
                self.leave(&room);
                let error = Error::ForbiddenRoom(room.to_string());
                self.say_error(error.parts().1, &error.to_string(), Some(&room), request_id);
            } else if matches!(room, Room::Overview | Room::Alerts)
                && let Some(watch) = &mut self.watches[slot as usize]
            {
                watch.begin_anew();
                self.put_due(slot);
            }
        }
    }
}

/// A frame that is no room's content.
pub(crate) fn plain(kind: &str, room: Option<&Room>, body: &serde_json::Value) -> Outgoing {
    let text = compose_frame(kind, room, None, Timestamp::now(), body.to_string().as_bytes());
    Outgoing { packet: Packet::new(&text), reached: None, at: None }
}
