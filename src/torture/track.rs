//! What one client got of one room, held against the protocol frame by frame.
//!
//! The arithmetic is docs/protocol.md's: a frame's offset is the last one + 1 + its own `conflated` + what `skipped`
//! announced in between; a state frame after newer events leaves the place where it was; another epoch needs a `reset`
//! and an `initial`.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

/// A stretch of a room's offsets that a client went through without a reset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Span {
    /// The epoch.
    pub(crate) epoch: Box<str>,
    /// Where it began: an `initial` covers everything up to here.
    pub(crate) from: u64,
    /// Where it got to.
    pub(crate) to: u64,
    /// How many frames in it were announced as skipped.
    pub(crate) skipped: u64,
}

/// One client in one room.
#[derive(Debug, Default)]
pub(crate) struct Track {
    /// All stretches; the last one goes on.
    pub(crate) spans: Vec<Span>,
    /// Events by epoch and offset, with a fingerprint of what they said.
    pub(crate) events: BTreeMap<(Box<str>, u64), u64>,
    /// Events that were made before the connection that brought them.
    pub(crate) repaired: u64,
    /// Resets and announcements of skipped frames.
    pub(crate) told: u64,
    /// Frames that are missing, and nobody said so.
    pub(crate) silent: u64,
    /// Frames that came again, or behind others that belong after them.
    pub(crate) twice: u64,
    /// The first few faults, for the report.
    pub(crate) complaints: Vec<String>,
    /// When its frames of state were made.
    pub(crate) states_at: BTreeSet<i64>,
    /// False until an `initial`, and again after a `reset`.
    placed: bool,
    skipped: u64,
}

impl Track {
    /// The cursor to come back with.
    pub(crate) fn cursor(&self) -> Option<String> {
        self.place().map(|span| format!("{}:{}", span.epoch, span.to))
    }

    /// The stretch that goes on.
    pub(crate) fn place(&self) -> Option<&Span> {
        self.spans.last().filter(|_| self.placed)
    }

    /// A connection ended: what it announced and did not get to is announced again by the next one.
    pub(crate) fn disconnected(&mut self) {
        self.skipped = 0;
    }

    /// Takes a frame of this room, on a connection that was opened at `opened_ms`.
    pub(crate) fn take(&mut self, frame: &Value, opened_ms: i64) {
        let kind = frame["type"].as_str().unwrap_or_default();
        match kind {
            "subscribed" | "unsubscribed" | "error" => return,
            "reset" => {
                self.placed = false;
                self.skipped = 0;
                self.told += 1;
                return;
            }
            "skipped" => {
                self.skipped += frame["count"].as_u64().unwrap_or(0);
                self.told += 1;
                return;
            }
            _ => {}
        }
        let cursor = frame["cursor"].as_str().and_then(|cursor| cursor.split_once(':'));
        let cursor = cursor.and_then(|(epoch, offset)| Some((epoch, offset.parse::<u64>().ok()?)));
        let Some((epoch, offset)) = cursor else {
            self.silent += 1;
            return self.complain(format!("a {kind} without a cursor"));
        };
        let at = frame["timestamp"].as_str().and_then(ringside_model::Timestamp::parse_rfc3339);
        let at_ms = at.map_or(i64::MAX, |at| at.millis());
        if kind == "initial" {
            if self.placed {
                self.silent += 1;
                self.complain("an initial without a reset".to_owned());
            }
            self.spans.push(Span { epoch: epoch.into(), from: offset, to: offset, skipped: 0 });
            self.placed = true;
            return;
        }
        let is_state = kind == "metrics_update";
        if is_state {
            self.states_at.insert(at_ms);
        }
        let (skipped, conflated) = (std::mem::take(&mut self.skipped), frame["conflated"].as_u64().unwrap_or(0));
        let Some(span) = self.spans.last_mut().filter(|_| self.placed) else {
            self.silent += 1;
            return self.complain(format!("a {kind} at {epoch}:{offset} before any initial"));
        };
        if *span.epoch != *epoch {
            let was = format!("{}:{}", span.epoch, span.to);
            self.silent += 1;
            return self.complain(format!("a {kind} at {epoch}:{offset} after {was} without a reset"));
        }
        let (place, expected) = (span.to, span.to + 1 + conflated + skipped);
        if offset > expected {
            self.silent += offset - expected;
            span.to = offset;
            self.complain(format!("a {kind} at {epoch}:{offset} after {place}, {expected} was next"));
        } else if offset == expected {
            span.skipped += skipped;
            span.to = offset;
        } else if is_state && offset == place {
            // State after newer events: the place stays. What was announced still counts for the next frame.
            self.skipped = skipped;
        } else {
            self.twice += 1;
            return self.complain(format!("a {kind} at {epoch}:{offset} after {place}, {expected} was next"));
        }
        if !is_state {
            if at_ms < opened_ms {
                self.repaired += 1;
            }
            self.events.insert((epoch.into(), offset), fingerprint(frame));
        }
    }

    fn complain(&mut self, complaint: String) {
        if self.complaints.len() < 5 {
            self.complaints.push(complaint);
        }
    }
}

/// What a frame says, however it was brought.
fn fingerprint(frame: &Value) -> u64 {
    let mut frame = frame.clone();
    if let Some(members) = frame.as_object_mut() {
        members.remove("conflated");
    }
    let mut hasher = DefaultHasher::new();
    frame.to_string().hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn track(frames: &[Value]) -> Track {
        let mut track = Track::default();
        frames.iter().for_each(|frame| track.take(frame, 1_000));
        track
    }

    fn frame(kind: &str, cursor: &str) -> Value {
        json!({"type": kind, "room": "calls:a", "cursor": cursor, "timestamp": "1970-01-01T00:00:02.000Z"})
    }

    #[test]
    fn a_room_by_the_protocol_has_nothing_to_complain_of() {
        let mut conflated = frame("metrics_update", "a:9");
        conflated["conflated"] = json!(2);
        let mut repaired = frame("call_event", "b:4");
        repaired["timestamp"] = json!("1970-01-01T00:00:00.500Z");
        let track = track(&[
            json!({"type": "subscribed", "room": "calls:a"}),
            frame("initial", "a:4"),
            frame("call_event", "a:5"),
            frame("call_event", "a:6"),
            conflated,
            frame("metrics_update", "a:9"),
            json!({"type": "skipped", "room": "calls:a", "count": 3}),
            frame("call_event", "a:13"),
            json!({"type": "reset", "room": "calls:a"}),
            frame("initial", "b:3"),
            repaired,
        ]);
        assert_eq!((track.silent, track.twice, track.repaired, track.told), (0, 0, 1, 2), "{:?}", track.complaints);
        assert_eq!(track.events.len(), 4);
        assert_eq!(track.cursor().as_deref(), Some("b:4"));
        let span = |epoch: &str, from, to, skipped| Span { epoch: epoch.into(), from, to, skipped };
        assert_eq!(track.spans, [span("a", 4, 13, 3), span("b", 3, 4, 0)]);
    }

    #[test]
    fn a_silent_gap_is_seen_with_its_size() {
        let track = track(&[frame("initial", "a:4"), frame("call_event", "a:5"), frame("call_event", "a:9")]);
        assert_eq!((track.silent, track.twice), (3, 0));
    }

    #[test]
    fn a_frame_that_comes_again_or_too_late_is_seen() {
        let doubled = track(&[frame("initial", "a:4"), frame("call_event", "a:5"), frame("call_event", "a:5")]);
        assert_eq!((doubled.silent, doubled.twice), (0, 1));
        let late = track(&[frame("initial", "a:4"), frame("call_event", "a:6"), frame("call_event", "a:5")]);
        assert_eq!((late.silent, late.twice), (1, 1));
    }

    #[test]
    fn another_epoch_or_an_initial_without_a_reset_is_a_silent_gap() {
        assert_eq!(track(&[frame("initial", "a:4"), frame("call_event", "b:5")]).silent, 1);
        assert_eq!(track(&[frame("initial", "a:4"), frame("initial", "b:5")]).silent, 1);
        assert_eq!(track(&[frame("call_event", "a:1")]).silent, 1);
    }
}
