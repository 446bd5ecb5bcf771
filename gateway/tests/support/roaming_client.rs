//! A client that goes from door to door and from gateway to gateway, breaks off wherever it likes, and goes on from the
//! cursor of the last frame that it took. It must lose nothing and get nothing twice.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use ringside_model::Cursor;
use serde_json::Value;

use crate::support::client::{Checker, Client, PATIENCE};
use crate::support::stream::Stream;

/// A way in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    Socket,
    Stream,
    Poll,
}

pub(crate) const DOORS: [Door; 3] = [Door::Socket, Door::Stream, Door::Poll];

/// How far it is in a room. Events of a room are numbered from 1, and a state says its number too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reached {
    pub(crate) cursor: Cursor,
    /// The newest event that it got or, after a reset, was shown.
    pub(crate) event: u64,
    pub(crate) state: u64,
    /// How many resets it got, each followed by an `initial`.
    pub(crate) resets: u64,
    /// True between a reset and its `initial`.
    begins_anew: bool,
}

/// The client.
pub(crate) struct Mover {
    token: Arc<str>,
    plan: StdRng,
    pub(crate) rooms: BTreeMap<&'static str, Reached>,
}

/// A published state's or event's number.
fn number(frame: &Value) -> Option<u64> {
    let text = |value: &Value| value.as_str().and_then(|text| text[1..].parse().ok());
    match frame["type"].as_str()? {
        "call_event" => text(&frame["calls"][0]["callId"]),
        "campaign_status_change" => text(&frame["to"]),
        "alert" => frame["alert"]["transition"].as_u64(),
        "metrics_update" => frame["campaign"]["activeCalls"].as_u64(),
        // The newest event that it shows.
        "initial" => text(&frame["calls"].as_array().and_then(|calls| calls.last())?["callId"]),
        _ => None,
    }
}

impl Mover {
    /// One that has seen everything up to these cursors, and goes by the plan of a seed.
    pub(crate) fn new(token: Arc<str>, seed: u64, rooms: impl IntoIterator<Item = (&'static str, Cursor)>) -> Self {
        let reached = |cursor| Reached { cursor, event: 0, state: 0, resets: 0, begins_anew: false };
        let rooms = rooms.into_iter().map(|(room, cursor)| (room, reached(cursor))).collect();
        Self { token, plan: StdRng::seed_from_u64(seed), rooms }
    }

    /// Goes in through any door of any of these gateways, and takes up to so many frames.
    pub(crate) async fn goes_anywhere(&mut self, gateways: &[SocketAddr], most: usize) {
        let door = DOORS[self.plan.random_range(0..DOORS.len())];
        let at = gateways[self.plan.random_range(0..gateways.len())];
        let frames = self.plan.random_range(0..=most);
        let stays = Duration::from_millis(self.plan.random_range(1..80));
        self.goes(door, at, frames, stays).await;
    }

    /// Goes in through this door and takes up to so many frames of rooms; after each it waits so long for the next.
    pub(crate) async fn goes(&mut self, door: Door, at: SocketAddr, frames: usize, stays: Duration) {
        match door {
            Door::Socket => self.through_socket(at, frames, stays).await,
            Door::Stream => self.through_stream(at, frames, stays).await,
            Door::Poll => self.through_poll(at, frames).await,
        }
    }

    async fn through_socket(&mut self, at: SocketAddr, mut frames: usize, stays: Duration) {
        let mut client = Client::connect(at, "/ws", &self.token).await;
        for (room, reached) in &self.rooms {
            client.resume(room, reached.cursor).await;
        }
        while frames > 0
            && let Ok(frame) = tokio::time::timeout(stays, client.next()).await
        {
            frames -= usize::from(self.take(&frame.expect("it is not closed"), &client.checker));
        }
    }

    async fn through_stream(&mut self, at: SocketAddr, mut frames: usize, stays: Duration) {
        let places = self.places();
        let bare: Vec<&str> = self.rooms.keys().copied().collect();
        // Its place comes as the query's, or as the id of the last event, which a browser sends with an old query.
        let (rooms, id) = match self.plan.random_range(0..2) {
            0 => (places, None),
            _ => (bare.join(","), Some(places)),
        };
        let mut stream =
            Stream::open_at(&format!("http://{at}/events?rooms={rooms}"), &self.token, id.as_deref()).await;
        for (room, reached) in &self.rooms {
            stream.checker.resume(room, reached.cursor);
        }
        while frames > 0
            && let Ok(next) = tokio::time::timeout(stays, stream.next()).await
        {
            let (frame, id) = next.expect("it does not end");
            frames -= usize::from(self.take(&frame, &stream.checker));
            assert!(id.is_none_or(|id| id == self.places()), "the id is where the client is: {frame}");
        }
    }

    async fn through_poll(&mut self, at: SocketAddr, frames: usize) {
        let url = format!("http://{at}/poll?rooms={}&wait={}", self.places(), self.plan.random_range(0..2));
        let asked = reqwest::Client::new().get(url).bearer_auth(&self.token).timeout(PATIENCE).send().await;
        let answer: Value = asked.expect("an answer in time").json().await.unwrap();
        let came = answer["frames"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let mut checker = Checker::default();
        for (room, reached) in &self.rooms {
            checker.resume(room, reached.cursor);
        }
        // It breaks off in the middle of an answer too; what it did not take it has to get again.
        for frame in came.iter().take(frames) {
            checker.check(frame);
            self.take(frame, &checker);
        }
        if frames >= came.len() && !came.iter().any(|frame| frame["type"] == "error") {
            assert_eq!(answer["cursor"], self.places(), "the answer's cursor is where the client is");
        }
    }

    /// All its places in the syntax of a query.
    pub(crate) fn places(&self) -> String {
        let places: Vec<String> =
            self.rooms.iter().map(|(room, reached)| format!("{room}@{}", reached.cursor)).collect();
        places.join(",")
    }

    /// Takes a frame that the checker of the door has looked at; true where it moved the client on.
    fn take(&mut self, frame: &Value, checker: &Checker) -> bool {
        let Some((name, room)) = frame["room"].as_str().and_then(|room| {
            let mut rooms = self.rooms.iter_mut();
            rooms.find(|(name, _)| **name == room)
        }) else {
            return false;
        };
        let number = number(frame);
        match frame["type"].as_str().expect("every frame has a type") {
            "subscribed" => return false,
            // A busy machine may be told that a room could not be read in time; it is tried again by itself.
            "error" if frame["code"] == "unavailable" => return false,
            "reset" => {
                room.begins_anew = true;
                room.resets += 1;
                return true;
            }
            "initial" => {
                assert!(room.begins_anew, "who has a place begins anew only after a reset: {frame}");
                room.begins_anew = false;
                let newest = number.expect("it shows what there is");
                assert!(newest >= room.event, "time does not go back: {frame}");
                room.event = newest;
            }
            "metrics_update" => {
                let state = number.expect("states have a number");
                assert!(state >= room.state, "a state never goes back: {frame} after {room:?}");
                room.state = state;
            }
            _ => {
                assert_eq!(number, Some(room.event + 1), "each event once and in order: {frame} after {room:?}");
                room.event += 1;
                room.begins_anew = false;
            }
        }
        room.cursor = checker.reached(name).expect("it has a place now");
        true
    }
}
