//! Frames: the text that every subscriber of a room receives for a publication.
//!
//! The publisher encodes a body once, and the hub adds the head once. WebSockets, SSE streams and polls clone the
//! bytes.

use std::fmt::Write as _;

use bytes::{Bytes, BytesMut};
use ringside_model::{Cursor, Room, Timestamp};
use serde::Serialize;

/// The `type` of each frame.
#[expect(missing_docs, reason = "the names of the protocol, described in docs/protocol.md")]
pub mod frame_kind {
    pub const INITIAL: &str = "initial";
    pub const METRICS_UPDATE: &str = "metrics_update";
    pub const SYSTEM_HEALTH_UPDATE: &str = "system_health_update";
    pub const CAMPAIGN_STATUS_CHANGE: &str = "campaign_status_change";
    pub const CALL_EVENT: &str = "call_event";
    pub const ALERT: &str = "alert";
    pub const NOTIFICATION: &str = "notification";
    pub const DIRECTORY: &str = "directory";
    pub const SUBSCRIBED: &str = "subscribed";
    pub const UNSUBSCRIBED: &str = "unsubscribed";
    pub const PONG: &str = "pong";
    pub const SKIPPED: &str = "skipped";
    pub const RESET: &str = "reset";
    pub const AUTH_EXPIRING: &str = "auth_expiring";
    pub const BYE: &str = "bye";
    pub const ERROR: &str = "error";
    pub const HEARTBEAT: &str = "heartbeat";
    pub const BENCH: &str = "bench";
}

/// Encodes a body as JSON.
pub fn body_bytes(body: &impl Serialize) -> Bytes {
    serde_json::to_vec(body).expect("a body is a plain struct, which always serialises").into()
}

/// Composes a frame: the common head, then the members of `body`, a JSON object.
pub fn compose_frame(kind: &str, room: Option<&Room>, cursor: Option<Cursor>, at: Timestamp, body: &[u8]) -> Bytes {
    let mut head = String::with_capacity(128);
    let written = match (room, cursor) {
        (Some(room), Some(cursor)) => {
            write!(head, r#"{{"type":"{kind}","room":"{room}","cursor":"{cursor}","timestamp":"{at}""#)
        }
        (Some(room), None) => write!(head, r#"{{"type":"{kind}","room":"{room}","timestamp":"{at}""#),
        (None, _) => write!(head, r#"{{"type":"{kind}","timestamp":"{at}""#),
    };
    written.expect("writing to a String never fails");
    let members = body.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(b"");
    let mut frame = BytesMut::with_capacity(head.len() + members.len() + 2);
    frame.extend_from_slice(head.as_bytes());
    if !members.is_empty() {
        frame.extend_from_slice(b",");
        frame.extend_from_slice(members);
    }
    frame.extend_from_slice(b"}");
    frame.freeze()
}

/// Returns the frame with the number of states that the subscriber was not sent.
pub fn with_conflated(frame: &Bytes, conflated: u64) -> Bytes {
    if conflated == 0 {
        return frame.clone();
    }
    let mut marked = BytesMut::with_capacity(frame.len() + 32);
    marked.extend_from_slice(&frame[..frame.len() - 1]);
    marked.extend_from_slice(format!(r#","conflated":{conflated}}}"#).as_bytes());
    marked.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_and_body_make_one_object() {
        let at = Timestamp::from_millis(0);
        let room: Room = "alerts".parse().unwrap();
        let frame = compose_frame("alert", Some(&room), "a:7".parse().ok(), at, br#"{"alert":{"n":1}}"#);
        assert_eq!(
            frame,
            r#"{"type":"alert","room":"alerts","cursor":"a:7","timestamp":"1970-01-01T00:00:00.000Z","alert":{"n":1}}"#
        );
        assert!(with_conflated(&frame, 3).ends_with(br#""n":1},"conflated":3}"#));
        assert_eq!(
            compose_frame("pong", None, None, at, b"{}"),
            r#"{"type":"pong","timestamp":"1970-01-01T00:00:00.000Z"}"#
        );
    }
}
