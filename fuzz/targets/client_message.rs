//! What a client says over its socket, as JSON.

use ringside_model::{Cursor, Room};
use ringside_wire::{ClientMessage, ClientRequest};
use serde_json::{Map, Value, json};

const CODES: [&str; 4] = ["bad_frame", "unknown_action", "unknown_room", "bad_cursor"];

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    let id_of = |id: &Option<Box<str>>| id.as_ref().map_or(0, |id| id.len());
    match ClientRequest::parse(text) {
        Ok(request) => {
            assert!(id_of(&request.request_id) <= 128, "a long id would be sent back");
            let printed = print(&request);
            assert_eq!(ClientRequest::parse(&printed), Ok(request), "{printed}");
        }
        Err(bad) => {
            assert!(CODES.contains(&bad.code), "{bad:?}");
            assert!(bad.message.len() <= 400, "{bad:?}");
            assert!(id_of(&bad.request_id) <= 128, "a long id is sent back");
        }
    }
}

/// A message in one of the ways to write it.
fn print(request: &ClientRequest) -> String {
    let mut json = match &request.message {
        ClientMessage::Subscribe { rooms, metrics } => {
            let mut json = rooms_json(rooms);
            json.insert("action".into(), json!("subscribe"));
            json.insert("metrics".into(), json!(metrics));
            json
        }
        ClientMessage::Unsubscribe { rooms } => {
            let mut json = rooms_json(&rooms.iter().map(|room| (room.clone(), None)).collect::<Vec<_>>());
            json.insert("action".into(), json!("unsubscribe"));
            json
        }
        ClientMessage::Refresh { room } => object(json!({
            "action": "refresh", "room": room.as_ref().map(ToString::to_string)
        })),
        ClientMessage::Ping => object(json!({ "action": "ping" })),
        ClientMessage::Auth { token } => object(json!({ "type": "auth", "token": token })),
    };
    json.insert("requestId".into(), json!(request.request_id));
    Value::Object(json).to_string()
}

fn rooms_json(rooms: &[(Room, Option<Cursor>)]) -> Map<String, Value> {
    match rooms {
        [(room, cursor)] => object(json!({
            "room": room.to_string(), "cursor": cursor.map(|cursor| cursor.to_string())
        })),
        [(Room::Campaign(id), None), (Room::Calls(same), None)] if id == same => {
            object(json!({ "campaignId": id.as_str() }))
        }
        other => panic!("nobody asks for {other:?}"),
    }
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(object) = value else { panic!("it is written as an object") };
    object
}
