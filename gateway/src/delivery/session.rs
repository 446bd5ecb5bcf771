//! One client, whatever door it came through: its rooms, what it says, and what it is sent next.
//!
//! There is no socket in it and nothing waits in it: a door asks for the next batch when its client can take one, and
//! the rooms' rings are read then. So a slow client gets fewer and newer states, and is told of events it skips.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use ringside_shared::engine::{Cursor, Room};
use ringside_shared::model::Timestamp;
use ringside_shared::wire::{ClientMessage, ClientRequest, compose_frame, frame_kind};
use serde_json::json;

use super::limits;
use super::watch::{Step, Watch};
use crate::auth::Viewer;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::hub::{Delivery, Filter, Mailbox, Refusal, utf8};
use crate::observe;

/// About so much goes into one batch: enough to share a write, little enough to stay fresh.
const BATCH_BYTES: usize = 64 << 10;
/// A room that could not be read is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long is read on for somebody who has to go; what is then still missing comes by cursor, elsewhere.
const REST_WITHIN: Duration = Duration::from_secs(1);

/// Something for the client, and what it has reached with it.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) text: Utf8Bytes,
    pub(crate) reached: Option<(Arc<Room>, Cursor)>,
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
    gateway: Gateway,
    viewer: Arc<Viewer>,
    mailbox: Arc<Mailbox>,
    watches: Vec<Option<Watch>>,
    by_room: HashMap<Room, u32>,
    free: Vec<u32>,
    /// Slots with something to read, in the order they came up.
    due: VecDeque<u32>,
    answers: Vec<Outgoing>,
}

impl Session {
    pub(crate) fn new(gateway: Gateway, viewer: Arc<Viewer>) -> Self {
        Self {
            gateway,
            viewer,
            mailbox: Arc::default(),
            watches: Vec::new(),
            by_room: HashMap::new(),
            free: Vec::new(),
            due: VecDeque::new(),
            answers: Vec::new(),
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
        if !self.gateway.may_watch(&self.viewer, &room) {
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
        self.due.push_back(slot);
        Ok(())
    }

    /// True where there is something to send already.
    pub(crate) fn has_more(&self) -> bool {
        !self.due.is_empty() || !self.answers.is_empty()
    }

    /// Returns once a room may have something new.
    pub(crate) async fn rang(&self) {
        self.mailbox.rang().await;
    }

    /// What the client is sent next.
    pub(crate) async fn batch(&mut self) -> Vec<Outgoing> {
        let mut batch = std::mem::take(&mut self.answers);
        let mut marked = Vec::new();
        self.mailbox.take(&mut marked);
        for slot in marked {
            if !self.due.contains(&slot) {
                self.due.push_back(slot);
            }
        }
        let mut left = BATCH_BYTES;
        while left > 0
            && let Some(slot) = self.due.pop_front()
        {
            let Some(Some(watch)) = self.watches.get_mut(slot as usize) else { continue };
            let mut out = Vec::new();
            let bell = (&self.mailbox, slot);
            let step = watch.read(self.gateway.hub(), &self.viewer, bell, left, &mut out).await;
            let room = watch.room.clone();
            for Delivery { text, cursor, at, conflated, skipped } in out {
                left = left.saturating_sub(text.len());
                observe::left_out(conflated, skipped);
                batch.push(Outgoing { text, reached: cursor.map(|cursor| (room.clone(), cursor)), at });
            }
            match step {
                Ok(Step::Waits) => {}
                Ok(Step::More) => self.due.push_back(slot),
                Err(refusal) => batch.push(self.refused(&room, slot, &refusal)),
            }
        }
        batch
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

    /// Says something that is no room's content.
    pub(crate) fn say(&mut self, kind: &str, room: Option<&Room>, body: &serde_json::Value) {
        self.answers.push(plain(kind, room, body));
    }

    fn refused(&mut self, room: &Room, slot: u32, refusal: &Refusal) -> Outgoing {
        let error = Error::from(refusal.clone());
        match refusal {
            Refusal::Forbidden(_) => self.leave(room),
            Refusal::Unavailable => {
                let mailbox = self.mailbox.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(AGAIN_AFTER).await;
                    mailbox.mark(slot);
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
            if !self.due.contains(&slot) {
                self.due.push_back(slot);
            }
        }
        if throttled {
            let message = "A room's newest state is sent at most once a second on request.";
            self.say_error("throttled", message, room, request_id);
        }
    }

    /// A fresh token for the running connection: of the same person, or it ends.
    fn renew(&mut self, token: &str, request_id: Option<&str>) -> Heard {
        let Ok(viewer) = self.gateway.verify(token) else {
            let message = "This token is not valid. Get a new one from POST /auth/login.";
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
            if !self.gateway.may_watch(&self.viewer, &room) {
                self.leave(&room);
                let error = Error::ForbiddenRoom(room.to_string());
                self.say_error(error.parts().1, &error.to_string(), Some(&room), request_id);
            } else if matches!(room, Room::Overview | Room::Alerts)
                && let Some(watch) = &mut self.watches[slot as usize]
            {
                watch.begin_anew();
                if !self.due.contains(&slot) {
                    self.due.push_back(slot);
                }
            }
        }
    }
}

/// A frame that is no room's content.
pub(crate) fn plain(kind: &str, room: Option<&Room>, body: &serde_json::Value) -> Outgoing {
    let text = compose_frame(kind, room, None, Timestamp::now(), body.to_string().as_bytes());
    Outgoing { text: utf8(text), reached: None, at: None }
}
