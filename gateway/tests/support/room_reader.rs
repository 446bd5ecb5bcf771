//! Somebody who watches one room through one door, whichever it is, and gets a frame after the other.

use std::collections::VecDeque;
use std::net::SocketAddr;

use ringside_model::Cursor;
use serde_json::{Value, json};

use crate::support::client::{Checker, Client, PATIENCE, calls};
use crate::support::roaming_client::Door;
use crate::support::stream::Stream;

/// The visitor.
pub(crate) struct Visitor {
    room: String,
    inside: Inside,
}

enum Inside {
    Socket(Box<Client>),
    Stream(Box<Stream>),
    Poll(Box<Polls>),
}

struct Polls {
    client: reqwest::Client,
    at: SocketAddr,
    token: String,
    /// The room with the place that the last answer gave.
    place: String,
    came: VecDeque<Value>,
    checker: Checker,
}

impl Visitor {
    /// Goes in, and says that this is its place if it has one.
    pub(crate) async fn enter(door: Door, at: SocketAddr, token: &str, room: &str, cursor: Option<Cursor>) -> Self {
        let place = cursor.map_or(room.to_owned(), |cursor| format!("{room}@{cursor}"));
        let mut inside = match door {
            Door::Socket => {
                let mut client = Client::connect(at, "/ws", token).await;
                let cursor = cursor.map(|cursor| cursor.to_string());
                client.send(json!({ "action": "subscribe", "room": room, "cursor": cursor })).await;
                Inside::Socket(Box::new(client))
            }
            Door::Stream => {
                let url = format!("http://{at}/events?rooms={place}");
                Inside::Stream(Box::new(Stream::open_at(&url, token, None).await))
            }
            Door::Poll => {
                let (client, came, checker) = (reqwest::Client::new(), VecDeque::new(), Checker::default());
                Inside::Poll(Box::new(Polls { client, at, token: token.to_owned(), place, came, checker }))
            }
        };
        if let Some(cursor) = cursor {
            inside.checker().resume(room, cursor);
        }
        Self { room: room.to_owned(), inside }
    }

    /// The next frame that is more than an answer.
    pub(crate) async fn next(&mut self) -> Value {
        tokio::time::timeout(PATIENCE, self.any()).await.expect("a frame in time")
    }

    async fn any(&mut self) -> Value {
        loop {
            let frame = match &mut self.inside {
                Inside::Socket(client) => client.next().await.expect("it is not closed"),
                Inside::Stream(stream) => stream.next().await.expect("it does not end").0,
                Inside::Poll(polls) => polls.next().await,
            };
            if frame["type"] != "subscribed" {
                return frame;
            }
        }
    }

    /// Where it is.
    pub(crate) fn reached(&mut self) -> Option<Cursor> {
        let room = self.room.clone();
        self.inside.checker().reached(&room)
    }

    /// After a `bye`: how it ends.
    pub(crate) async fn ends(&mut self) {
        match &mut self.inside {
            Inside::Socket(client) => assert_eq!(client.close_code().await, 4503),
            Inside::Stream(stream) => assert!(stream.next().await.is_none(), "nothing comes after the goodbye"),
            Inside::Poll(polls) => assert!(polls.came.is_empty(), "the goodbye is the last frame of an answer"),
        }
    }
}

impl Inside {
    fn checker(&mut self) -> &mut Checker {
        match self {
            Self::Socket(client) => &mut client.checker,
            Self::Stream(stream) => &mut stream.checker,
            Self::Poll(polls) => &mut polls.checker,
        }
    }
}

impl Polls {
    async fn next(&mut self) -> Value {
        loop {
            if let Some(frame) = self.came.pop_front() {
                self.checker.check(&frame);
                return frame;
            }
            let url = format!("http://{}/poll?rooms={}&wait=10", self.at, self.place);
            let asked = self.client.get(url).bearer_auth(&self.token).timeout(2 * PATIENCE).send().await;
            let mut answer: Value = asked.expect("an answer in time").json().await.unwrap();
            let Value::Array(frames) = answer["frames"].take() else { panic!("{answer}") };
            self.came.extend(frames);
            answer["cursor"].as_str().expect("each answer has a cursor").clone_into(&mut self.place);
        }
    }
}

/// A frame in few words: its type, and what it is about.
pub(crate) fn said(frame: &Value) -> String {
    let about = match frame["type"].as_str().expect("every frame has a type") {
        "reset" => frame["reason"].as_str().unwrap_or_default().to_owned(),
        "error" => frame["code"].as_str().unwrap_or_default().to_owned(),
        "call_event" => calls(frame).join(" "),
        _ => String::new(),
    };
    format!("{} {about}", frame["type"].as_str().expect("every frame has a type")).trim_end().to_owned()
}
