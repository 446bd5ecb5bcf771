//! What a client says over its socket.

use serde::Deserialize;

use crate::engine::{Cursor, Room};
use crate::model::CampaignId;

/// A client's message, understood.
#[derive(Debug, Clone, PartialEq)]
pub enum ClientMessage {
    /// Join rooms. The `campaignId` form names two.
    Subscribe {
        /// Which rooms, each with the place the client has reached in it.
        rooms: Vec<(Room, Option<Cursor>)>,
        /// Only these metrics, in the metrics room.
        metrics: Option<Vec<Box<str>>>,
    },
    /// Leave rooms.
    Unsubscribe {
        /// Which rooms.
        rooms: Vec<Room>,
    },
    /// Send the newest state of a room now.
    Refresh {
        /// Which room; all that are joined where it is left out.
        room: Option<Room>,
    },
    /// Answer with a pong.
    Ping,
    /// A fresh token for the running connection.
    Auth {
        /// The token.
        token: Box<str>,
    },
}

/// A message that makes no sense, for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadClientMessage {
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
    /// The message's own id, where it had one.
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

impl ClientMessage {
    /// Reads a message.
    pub fn parse(text: &str) -> Result<Self, BadClientMessage> {
        let json: ClientJson = serde_json::from_str(text).map_err(|error| BadClientMessage {
            code: "bad_frame",
            message: format!("a message is one JSON object with an \"action\": {error}"),
            request_id: None,
        })?;
        json.read().map_err(|(code, message)| BadClientMessage { code, message, request_id: json.request_id.clone() })
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
                Ok(vec![room.parse().map_err(|bad: crate::engine::BadRoom| ("unknown_room", bad.to_string()))?])
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

    #[test]
    fn both_words_for_the_action_and_both_forms_of_a_room_are_understood() {
        let alpha = CampaignId::parse("alpha").unwrap();
        assert_eq!(
            ClientMessage::parse(r#"{"type":"subscribe","campaignId":"alpha"}"#),
            Ok(ClientMessage::Subscribe {
                rooms: vec![(Room::Campaign(alpha.clone()), None), (Room::Calls(alpha.clone()), None)],
                metrics: None
            })
        );
        assert_eq!(
            ClientMessage::parse(r#"{"action":"subscribe","room":"campaign:alpha","cursor":"f3a1:1042"}"#),
            Ok(ClientMessage::Subscribe {
                rooms: vec![(Room::Campaign(alpha), "f3a1:1042".parse().ok())],
                metrics: None
            })
        );
        assert_eq!(ClientMessage::parse(r#"{"action":"ping"}"#), Ok(ClientMessage::Ping));
        assert_eq!(ClientMessage::parse(r#"{"action":"refresh"}"#), Ok(ClientMessage::Refresh { room: None }));
    }

    #[test]
    fn nonsense_gets_a_code_and_keeps_its_request_id() {
        for (text, code) in [
            ("", "bad_frame"),
            ("[]", "bad_frame"),
            ("{}", "bad_frame"),
            (r#"{"action":"dance","requestId":"r"}"#, "unknown_action"),
            (r#"{"action":"subscribe"}"#, "bad_frame"),
            (r#"{"action":"subscribe","room":"kitchen"}"#, "unknown_room"),
            (r#"{"action":"subscribe","room":"alerts","cursor":"yesterday"}"#, "bad_cursor"),
        ] {
            assert_eq!(ClientMessage::parse(text).unwrap_err().code, code, "{text}");
        }
        let bad = ClientMessage::parse(r#"{"action":"dance","requestId":"r"}"#).unwrap_err();
        assert_eq!(bad.request_id.as_deref(), Some("r"));
    }
}
