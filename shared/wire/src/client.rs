//! Messages from clients.

use ringside_model::{CampaignId, Cursor, Room};
use serde::Deserialize;
use serde_json::Value;

/// The longest request id. Answers repeat it, so it is bounded.
const REQUEST_ID_BYTES: usize = 128;
/// The form of a message, for error texts.
const ONE_OBJECT: &str = "a message is one JSON object with an \"action\"";

/// A client's message with its request id, which later errors about it repeat.
#[derive(Debug, Clone, PartialEq)]
pub struct ClientRequest {
    /// The message.
    pub message: ClientMessage,
    /// The client's own id of the request.
    pub request_id: Option<Box<str>>,
}

/// A parsed message from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Subscribes to rooms. The `campaignId` form names two.
    Subscribe {
        /// The rooms, each with the client's cursor in it.
        rooms: Vec<(Room, Option<Cursor>)>,
        /// Limits the metrics room to these metrics.
        metrics: Option<Vec<Box<str>>>,
    },
    /// Unsubscribes from rooms.
    Unsubscribe {
        /// The rooms.
        rooms: Vec<Room>,
    },
    /// Asks for the newest state of a room.
    Refresh {
        /// The room; all subscribed ones if it is left out.
        room: Option<Room>,
    },
    /// Asks for a pong.
    Ping,
    /// Gives the connection a fresh token.
    Auth {
        /// The token.
        token: Box<str>,
    },
}

/// The reason why a message was rejected, for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadClientMessage {
    /// The stable code, for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
    /// The message's request id, if it had one.
    pub request_id: Option<Box<str>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientJson {
    #[serde(alias = "type")]
    action: Option<Box<str>>,
    room: Option<Box<str>>,
    campaign_id: Option<Box<str>>,
    cursor: Option<Box<str>>,
    metrics: Option<Vec<Box<str>>>,
    token: Option<Box<str>>,
    request_id: Option<Box<str>>,
}

impl ClientRequest {
    /// Parses a message.
    pub fn parse(text: &str) -> Result<Self, BadClientMessage> {
        // Without this check serde would accept an array of the members' values as the object.
        let json = Some(text).filter(|text| text.trim_start().starts_with('{')).map(serde_json::from_str::<ClientJson>);
        let Some(Ok(json)) = json else { return Err(BadClientMessage::malformed(text)) };
        if json.request_id.as_ref().is_some_and(|id| id.len() > REQUEST_ID_BYTES) {
            let message = format!("a requestId has at most {REQUEST_ID_BYTES} bytes");
            return Err(BadClientMessage { code: "bad_frame", message, request_id: None });
        }
        match json.read() {
            Ok(message) => Ok(Self { message, request_id: json.request_id }),
            Err((code, message)) => Err(BadClientMessage { code, message, request_id: json.request_id }),
        }
    }
}

impl BadClientMessage {
    /// The error of a text that isn't an object, or has members of a wrong type.
    ///
    /// The parser's own message is passed on only for a syntax error, because it names the position.
    fn malformed(text: &str) -> Self {
        let (message, request_id) = match serde_json::from_str::<Value>(text) {
            Err(syntax) => (format!("{ONE_OBJECT}: {syntax}"), None),
            Ok(Value::Object(members)) => {
                let types = "each at most once: \"metrics\" is a list of texts, all other members are texts";
                let request_id = members.get("requestId").and_then(Value::as_str);
                (format!("{ONE_OBJECT}, {types}"), request_id.filter(|id| id.len() <= REQUEST_ID_BYTES).map(Into::into))
            }
            Ok(_) => (ONE_OBJECT.to_owned(), None),
        };
        Self { code: "bad_frame", message, request_id }
    }
}

impl ClientJson {
    fn read(&self) -> Result<ClientMessage, (&'static str, String)> {
        match self.action.as_deref() {
            Some("subscribe") => {
                let cursor = self.cursor.as_deref().map(str::parse::<Cursor>).transpose();
                let cursor = cursor.map_err(|bad| ("bad_cursor", bad.to_string()))?;
                let rooms = self.rooms()?.into_iter().map(|room| (room, cursor)).collect();
                if self.metrics.as_ref().is_some_and(|names| names.len() > 200) {
                    return Err(("bad_frame", "\"metrics\" names at most 200 metrics".into()));
                }
                Ok(ClientMessage::Subscribe { rooms, metrics: self.metrics.clone() })
            }
            Some("unsubscribe") => Ok(ClientMessage::Unsubscribe { rooms: self.rooms()? }),
            Some("refresh") => {
                let named = self.room.is_some() || self.campaign_id.is_some();
                let room = if named { self.rooms()?.into_iter().next() } else { None };
                Ok(ClientMessage::Refresh { room })
            }
            Some("ping") => Ok(ClientMessage::Ping),
            Some("auth") => match &self.token {
                Some(token) => Ok(ClientMessage::Auth { token: token.clone() }),
                None => Err(("bad_frame", "auth needs \"token\"".into())),
            },
            Some(_) => {
                Err(("unknown_action", "\"action\" must be subscribe, unsubscribe, refresh, ping or auth".into()))
            }
            None => Err(("bad_frame", "a message needs an \"action\"".into())),
        }
    }

    fn rooms(&self) -> Result<Vec<Room>, (&'static str, String)> {
        match (&self.room, &self.campaign_id) {
            (Some(room), _) => {
                Ok(vec![room.parse().map_err(|bad: ringside_model::BadRoom| ("unknown_room", bad.to_string()))?])
            }
            (None, Some(id)) => {
                let id = CampaignId::parse(id).map_err(|bad| ("unknown_room", bad.to_string()))?;
                if self.cursor.is_some() {
                    return Err((
                        "bad_cursor",
                        "a cursor belongs to one room: subscribe with \"room\" to resume".into(),
                    ));
                }
                Ok(vec![Room::Campaign(id.clone()), Room::Calls(id)])
            }
            (None, None) => Err(("bad_frame", "name a \"room\" or a \"campaignId\"".into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<ClientMessage, BadClientMessage> {
        ClientRequest::parse(text).map(|request| request.message)
    }

    #[test]
    fn both_action_members_and_both_room_forms_are_parsed() {
        let alpha = CampaignId::parse("alpha").unwrap();
        assert_eq!(
            parsed(r#"{"type":"subscribe","campaignId":"alpha"}"#),
            Ok(ClientMessage::Subscribe {
                rooms: vec![(Room::Campaign(alpha.clone()), None), (Room::Calls(alpha.clone()), None)],
                metrics: None
            })
        );
        assert_eq!(
            parsed(r#"{"action":"subscribe","room":"campaign:alpha","cursor":"f3a1:1042"}"#),
            Ok(ClientMessage::Subscribe {
                rooms: vec![(Room::Campaign(alpha), "f3a1:1042".parse().ok())],
                metrics: None
            })
        );
        assert_eq!(parsed(r#"{"action":"ping"}"#), Ok(ClientMessage::Ping));
        assert_eq!(parsed(r#"{"action":"refresh"}"#), Ok(ClientMessage::Refresh { room: None }));
    }

    #[test]
    fn a_bad_message_gets_a_code_and_keeps_its_request_id() {
        for (text, code) in [
            ("", "bad_frame"),
            ("[]", "bad_frame"),
            ("{}", "bad_frame"),
            (r#"{"action":"dance","requestId":"r"}"#, "unknown_action"),
            (r#"{"action":"subscribe"}"#, "bad_frame"),
            (r#"{"action":"subscribe","room":"kitchen"}"#, "unknown_room"),
            (r#"{"action":"subscribe","room":"alerts","cursor":"yesterday"}"#, "bad_cursor"),
        ] {
            assert_eq!(ClientRequest::parse(text).unwrap_err().code, code, "{text}");
        }
        let bad = ClientRequest::parse(r#"{"action":"dance","requestId":"r"}"#).unwrap_err();
        assert_eq!(bad.request_id.as_deref(), Some("r"));
    }

    #[test]
    fn a_message_keeps_its_request_id() {
        let request = ClientRequest::parse(r#"{"action":"refresh","room":"system","requestId":"zz3"}"#).unwrap();
        assert_eq!(request.message, ClientMessage::Refresh { room: Some(Room::System) });
        assert_eq!(request.request_id.as_deref(), Some("zz3"));
        assert_eq!(ClientRequest::parse(r#"{"action":"ping"}"#).unwrap().request_id, None);
        let long = format!(r#"{{"action":"ping","requestId":"{}"}}"#, "r".repeat(129));
        assert_eq!(ClientRequest::parse(&long).unwrap_err().message, "a requestId has at most 128 bytes");
    }

    #[test]
    fn errors_do_not_mention_the_parsers_types() {
        let lists = [r#"[]"#, r#"["ping",null,null,null,null,null,null]"#, "5", "null", r#""ping""#];
        for text in lists {
            assert_eq!(ClientRequest::parse(text).unwrap_err().message, ONE_OBJECT, "{text}");
        }
        let types = r#"{"action":"ping","room":{"a":1},"requestId":"r"}"#;
        for text in [types, r#"{"action":"ping","type":"ping","requestId":"r"}"#] {
            let bad = ClientRequest::parse(text).unwrap_err();
            assert!(bad.message.contains("all other members are texts"), "{bad}");
            assert_eq!(bad.request_id.as_deref(), Some("r"));
        }
        let long = format!(r#"{{"action":5,"requestId":"{}"}}"#, "r".repeat(129));
        assert_eq!(ClientRequest::parse(&long).unwrap_err().request_id, None, "a long request id is not sent back");
        let syntax = ClientRequest::parse(r#"{"action":}"#).unwrap_err();
        assert!(syntax.message.ends_with("at line 1 column 11"), "{syntax}");
    }
}
