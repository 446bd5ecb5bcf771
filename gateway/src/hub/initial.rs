//! `initial`: a room's full snapshot, for who comes without a usable cursor. Pages carry the very same.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ringside_access::{PhoneMask, Scope};
use ringside_engine::{RoomFrame, RoomView};
use ringside_model::{Cursor, Room, Timestamp};
use ringside_wire::{body_bytes, compose_frame, frame_kind};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::frame::AlertAbout;
use super::masked::Masked;
use super::packet::Packet;
use crate::hub::call_mask::mask_calls;

/// So many recent events are in an `initial`.
pub(crate) const RECENT: usize = 50;

/// A room's full snapshot.
#[derive(Debug, Clone)]
pub struct Initial {
    /// Which room.
    pub room: Room,
    /// Where to go on from; none in rooms that need no cursor.
    pub cursor: Option<Cursor>,
    /// How fresh it is.
    pub at: Timestamp,
    /// A JSON object: what the room's `metrics_update` would carry, its charts, its recent events.
    pub body: Bytes,
    /// The place behind it, also where the room's frames have no cursor.
    pub(crate) place: Cursor,
    pub(super) packet: OnceLock<Packet>,
    pub(super) masked: Masked<Arc<Initial>>,
}

impl Initial {
    /// As it is for those who see so much of phone numbers.
    pub(super) fn seen_with(self: &Arc<Self>, numbers: PhoneMask) -> Arc<Self> {
        if !matches!(self.room, Room::Calls(_)) {
            return self.clone();
        }
        self.masked.of(numbers, || Arc::new(self.with_body(mask_calls(numbers, &self.body)))).unwrap_or(self).clone()
    }

    /// The same with another body.
    pub(super) fn with_body(&self, body: Bytes) -> Self {
        let Self { room, cursor, at, place, .. } = self;
        let (packet, masked) = (OnceLock::new(), Masked::default());
        Self { room: room.clone(), cursor: *cursor, at: *at, body, place: *place, packet, masked }
    }

    /// The frame as it goes out; composed for the first who asks.
    pub(crate) fn packet(&self) -> Packet {
        self.packet.get_or_init(|| Packet::new(&self.frame())).clone()
    }

    /// The frame as a socket sends it.
    pub fn frame(&self) -> Bytes {
        compose_frame(frame_kind::INITIAL, Some(&self.room), self.cursor, self.at, &self.body)
    }
}

/// The body of a room's `initial` for all who see everything in it.
pub(super) fn body(room: &Room, view: &RoomView) -> Bytes {
    let mut members = String::from("{");
    let state = view.state.as_ref().and_then(|state| object_members(&state.body));
    let absent = match room {
        Room::Campaign(_) => r#""campaign":null"#,
        Room::Metrics => r#""metrics":[]"#,
        Room::System => r#""hosts":[]"#,
        _ => "",
    };
    push(&mut members, state.unwrap_or(absent));
    let snapshot = view.snapshot.as_ref().and_then(object_members);
    let absent = match room {
        Room::Campaign(_) => r#""series":{"seconds":[],"minutes":[]}"#,
        Room::Metrics => r#""series":[]"#,
        Room::Alerts => r#""open":[]"#,
        _ => "",
    };
    push(&mut members, snapshot.unwrap_or(absent));
    let recent = &view.events[view.events.len().saturating_sub(RECENT)..];
    match room {
        Room::Campaign(_) => list(&mut members, "statuses", recent.iter().filter_map(whole)),
        Room::Calls(_) => list(&mut members, "calls", newest_calls(recent)),
        Room::Alerts => list(&mut members, "alerts", recent.iter().filter_map(|frame| member(frame, "alert"))),
        Room::Notifications => {
            list(&mut members, "notifications", recent.iter().filter_map(|frame| member(frame, "notification")));
        }
        Room::Overview | Room::Metrics | Room::System | Room::Directory | Room::Bench(_) => {}
    }
    members.push('}');
    members.into()
}

/// The alerts room's `initial` without alerts of campaigns that are out of scope.
pub(super) fn cut_alerts(body: &Bytes, scope: &Scope) -> Bytes {
    let Ok(mut read) = serde_json::from_slice::<Map<String, Value>>(body) else { return Bytes::from_static(b"{}") };
    for alerts in read.values_mut().filter_map(Value::as_array_mut) {
        alerts.retain(|alert| {
            AlertAbout::deserialize(alert).is_ok_and(|about| about.campaign_id.is_none_or(|id| scope.has_id(&id)))
        });
    }
    body_bytes(&read)
}

fn push(members: &mut String, more: &str) {
    if !more.is_empty() {
        if members.len() > 1 {
            members.push(',');
        }
        members.push_str(more);
    }
}

fn list(members: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let items: Vec<String> = items.collect();
    push(members, &format!(r#""{name}":[{}]"#, items.join(",")));
}

/// What is between the braces of an object.
fn object_members(body: &Bytes) -> Option<&str> {
    str::from_utf8(body).ok()?.trim().strip_prefix('{')?.strip_suffix('}')
}

fn whole(frame: &RoomFrame) -> Option<String> {
    // A campaign's room has annotations too; only its status changes are asked for.
    (&*frame.kind == frame_kind::CAMPAIGN_STATUS_CHANGE).then(|| String::from_utf8(frame.body.to_vec()).ok())?
}

fn member(frame: &RoomFrame, name: &str) -> Option<String> {
    let mut read: std::collections::HashMap<&str, &RawValue> = serde_json::from_slice(&frame.body).ok()?;
    read.remove(name).map(|raw| raw.get().to_owned())
}

fn newest_calls(frames: &[RoomFrame]) -> impl Iterator<Item = String> {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        calls: Vec<&'a RawValue>,
    }
    let mut newest: Vec<String> = Vec::new();
    for frame in frames.iter().rev() {
        let Ok(body) = serde_json::from_slice::<Body<'_>>(&frame.body) else { continue };
        newest.extend(body.calls.iter().rev().map(|raw| raw.get().to_owned()));
        if newest.len() >= RECENT {
            break;
        }
    }
    newest.truncate(RECENT);
    newest.into_iter().rev()
}
