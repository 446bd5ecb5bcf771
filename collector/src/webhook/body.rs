//! Parses a body's events one by one, so that a bad one doesn't affect the others.

use std::cell::Cell;

use axum::http::{HeaderMap, header};
use ringside_intake::IncomingEvent;
use ringside_wire::{BadEvent, EventJson};
use serde::de::{DeserializeSeed, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::Limits;
use super::problem::Problem;

/// An event of a body, or the reason why it is malformed.
pub(super) type Parsed = Result<IncomingEvent, BadEvent>;

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One event, an array of them, or lines.
    Json,
    /// One event per line.
    Lines,
    /// One CloudEvent with the event as its `data`.
    CloudEvent,
    /// An array of CloudEvents.
    CloudEventBatch,
    /// The event as the body, and the CloudEvent's attributes in headers.
    CloudEventHeaders,
}

impl Form {
    /// Returns the form that a request's headers declare.
    pub(super) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
            && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
        {
            return Err(Problem::unsupported(
                "compressed bodies are not supported: send the body uncompressed, without \"Content-Encoding\"",
            ));
        }
        let content_type = headers.get(header::CONTENT_TYPE).map_or("", |value| value.to_str().unwrap_or("?"));
        let essence = content_type.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
        let form = match essence.as_str() {
            "application/cloudevents+json" => Self::CloudEvent,
            "application/cloudevents-batch+json" => Self::CloudEventBatch,
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" | "application/x-jsonlines" => {
                Self::Lines
            }
            "" | "application/json" | "text/json" => Self::Json,
            other if other.starts_with("application/") && other.ends_with("+json") => Self::Json,
            _ => {
                return Err(Problem::unsupported(
                    "\"Content-Type\" must be application/json, application/x-ndjson, application/cloudevents+json or \
                     application/cloudevents-batch+json",
                ));
            }
        };
        match form {
            Self::Json if headers.contains_key("ce-specversion") => Ok(Self::CloudEventHeaders),
            form => Ok(form),
        }
    }
}

/// The raw events of a JSON body.
pub(super) enum Split<'a> {
    /// One event.
    One(&'a RawValue),
    /// The elements of an array.
    Many(Vec<&'a RawValue>),
    /// Events in lines, although the content type is JSON.
    Lines,
}

/// Splits a JSON body into its events.
pub(super) fn split<'a>(body: &'a [u8], limits: &Limits) -> Result<Split<'a>, Problem> {
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        None => {
            Err(Problem::unreadable("empty_body", "the body is empty; send one event, an array of events or NDJSON"))
        }
        Some(b'[') => split_array(body, limits).map(Split::Many),
        Some(b'{') => match serde_json::from_slice(body) {
            Ok(event) => Ok(Split::One(event)),
            Err(_) if first_line_is_json(body) => Ok(Split::Lines),
            Err(error) => Err(unreadable(&error)),
        },
        Some(_) => Err(Problem::unreadable(
            "bad_json",
            "the body must be a JSON object (one event), an array of them, or one object per line",
        )),
    }
}

/// Splits an array into its elements, up to the limit of a request.
pub(super) fn split_array<'a>(body: &'a [u8], limits: &Limits) -> Result<Vec<&'a RawValue>, Problem> {
    let too_many = Cell::new(false);
    let mut json = serde_json::Deserializer::from_slice(body);
    let elements = Elements { limit: limits.array_events, too_many: &too_many }.deserialize(&mut json);
    match elements.and_then(|elements| json.end().map(|()| elements)) {
        Ok(elements) => Ok(elements),
        Err(_) if too_many.get() => Err(Problem::too_large(format!(
            "the array has more than {} events; send several requests, or NDJSON",
            limits.array_events
        ))),
        Err(error) => Err(unreadable(&error)),
    }
}

/// Whether there are several lines and the first is complete JSON.
fn first_line_is_json(body: &[u8]) -> bool {
    let body = body.trim_ascii_start();
    let Some(end) = body.iter().position(|b| *b == b'\n') else { return false };
    let (first, rest) = body.split_at(end);
    !rest.trim_ascii().is_empty() && serde_json::from_slice::<&RawValue>(first).is_ok()
}

pub(super) fn unreadable(error: &serde_json::Error) -> Problem {
    Problem::unreadable("bad_json", format!("the body is not valid JSON: {}", truncated(&error.to_string())))
}

/// Collects an array's raw elements up to the limit, to bound the cost of `[0,0,…`.
struct Elements<'c> {
    limit: usize,
    too_many: &'c Cell<bool>,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = Vec<&'de RawValue>;

    fn deserialize<D: serde::Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = array.next_element()? {
            if elements.len() == self.limit {
                self.too_many.set(true);
                return Err(A::Error::custom("too many events"));
            }
            elements.push(element);
        }
        Ok(elements)
    }
}

/// Reads one event.
pub(super) fn read_event(raw: &[u8], limits: &Limits) -> Parsed {
    if raw.len() > limits.event_bytes {
        return Err(too_long(limits));
    }
    require_object(raw)?;
    let json: EventJson<'_> = serde_json::from_slice(raw).map_err(|error| bad_json(&error))?;
    incoming_event(&json)
}

/// Converts the JSON of an event, checking each member.
pub(super) fn incoming_event(json: &EventJson<'_>) -> Parsed {
    Ok(IncomingEvent { id: json.event_id()?, at: json.happened_at()?, kind: json.event_kind()? })
}

/// The error of an event that is too long.
pub(super) fn too_long(limits: &Limits) -> BadEvent {
    BadEvent::new("too_large", format!("the event has more than {} KiB; shorten it", limits.event_bytes >> 10))
}

/// Rejects JSON that isn't an object.
///
/// Serde would accept an array of the members' values as an event.
pub(super) fn require_object(raw: &[u8]) -> Result<(), BadEvent> {
    let begins = raw.trim_ascii_start().first();
    if begins == Some(&b'{') || serde_json::from_slice::<&RawValue>(raw).is_err() {
        // Invalid JSON is left to the parser, whose error names the position.
        return Ok(());
    }
    Err(BadEvent::new(
        "bad_event",
        "this is not an event: one event is one JSON object with \"id\", \"type\" and \"at\"",
    ))
}

/// The error of an event with broken JSON or with members of a wrong type.
pub(super) fn bad_json(error: &serde_json::Error) -> BadEvent {
    let text = error.to_string();
    let code = if text.starts_with("missing field") { "missing_member" } else { "bad_event" };
    let text = if error.is_data() { in_json_terms(&text) } else { text };
    BadEvent::new(code, format!("this is not an event: {}", truncated(&text)))
}

/// Rewrites a parser's error in terms of JSON, without the names of Rust types.
fn in_json_terms(text: &str) -> String {
    // The sender's value is quoted first, so the last "expected" is the parser's own.
    let Some((found, expected)) = text.rsplit_once(", expected ") else { return text.to_owned() };
    let (expected, place) = expected.split_once(" at line ").unwrap_or((expected, ""));
    let expected = match expected {
        "u16" => "a whole number, 0 to 65535",
        "i64" => "a whole number",
        "f64" => "a number",
        "a map" => "a JSON object",
        other if other.starts_with("struct ") => "a JSON object",
        other => other,
    };
    let at = if place.is_empty() { "" } else { " at line " };
    format!("{found}, expected {expected}{at}{place}")
}

/// Truncates a parser's error: it may quote the sender's text.
fn truncated(text: &str) -> String {
    let mut short: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(200).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Splits a body into lines as its chunks arrive.
///
/// Buffers at most one line, and never one that is too long.
#[derive(Debug, Default)]
pub(super) struct Lines {
    pending: Vec<u8>,
    overlong: bool,
}

impl Lines {
    /// Adds a chunk and calls `on_line` for each non-empty line that it completes.
    ///
    /// A line that is too long is `None`.
    pub(super) fn push(&mut self, mut chunk: &[u8], longest: usize, mut on_line: impl FnMut(Option<&[u8]>)) {
        while let Some(end) = chunk.iter().position(|b| *b == b'\n') {
            let (line, rest) = chunk.split_at(end);
            chunk = &rest[1..];
            if self.pending.is_empty() && !self.overlong && line.len() <= longest {
                emit_line(line, &mut on_line);
            } else {
                self.buffer(line, longest);
                self.finish(&mut on_line);
            }
        }
        self.buffer(chunk, longest);
    }

    /// Calls `on_line` for the last line, which need not end in a newline.
    pub(super) fn finish(&mut self, mut on_line: impl FnMut(Option<&[u8]>)) {
        if std::mem::take(&mut self.overlong) {
            on_line(None);
        } else {
            emit_line(&self.pending, &mut on_line);
        }
        self.pending.clear();
    }

    fn buffer(&mut self, chunk: &[u8], longest: usize) {
        if self.overlong || self.pending.len() + chunk.len() > longest {
            self.overlong = true;
            self.pending.clear();
        } else {
            self.pending.extend_from_slice(chunk);
        }
    }
}

fn emit_line(line: &[u8], on_line: &mut impl FnMut(Option<&[u8]>)) {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    if !line.is_empty() {
        on_line(Some(line));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines_of(chunks: &[&[u8]], longest: usize) -> Vec<Option<String>> {
        let mut lines = Lines::default();
        let mut read = Vec::new();
        for chunk in chunks {
            lines.push(chunk, longest, |line| read.push(line.map(|l| String::from_utf8_lossy(l).into_owned())));
        }
        lines.finish(|line| read.push(line.map(|l| String::from_utf8_lossy(l).into_owned())));
        read
    }

    #[test]
    fn lines_do_not_depend_on_the_chunks_of_the_body() {
        let body = b"{\"a\":1}\r\n\n  {\"b\":2}\n0123456789ABCDEF\n{\"c\":3}";
        let whole = lines_of(&[body], 12);
        assert_eq!(whole, [Some("{\"a\":1}".into()), Some("{\"b\":2}".into()), None, Some("{\"c\":3}".into())]);
        for size in 1..body.len() {
            assert_eq!(lines_of(&body.chunks(size).collect::<Vec<_>>(), 12), whole, "in chunks of {size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_not_buffered() {
        let mut lines = Lines::default();
        for _ in 0..1_000 {
            lines.push(&[b'x'; 1_000], 4_096, |_| panic!("no line has ended"));
            assert!(lines.pending.len() <= 4_096);
        }
    }

    #[test]
    fn errors_do_not_mention_rust_types() {
        let event = |members: &str| format!(r#"{{"id":"e","type":"metric","at":"x",{members}}}"#);
        for (raw, hint) in [
            ("5".to_owned(), "one event is one JSON object with"),
            ("[]".to_owned(), "one event is one JSON object with"),
            (format!("[{}]", ["null"; 27].join(",")), "one event is one JSON object with"),
            ("5x".to_owned(), "invalid type: integer `5`, expected a JSON object at line 1 column 1"),
            (r#"{"id":}"#.to_owned(), "expected value at line 1 column 7"),
            (event(r#""agents":5"#), "invalid type: integer `5`, expected a JSON object at line 1 column "),
            (
                event(r#""cause":-1"#),
                "invalid value: integer `-1`, expected a whole number, 0 to 65535 at line 1 column ",
            ),
            (event(r#""value":", expected u16""#), "expected a number at line 1 column "),
        ] {
            let bad = read_event(raw.as_bytes(), &Limits::default()).unwrap_err();
            assert!(bad.message.contains(hint), "{raw}: {bad}");
            assert!(!bad.message.contains("struct") && !bad.message.contains("Json"), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parsers_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
            let limits = Limits::default();
            let _ = split(&body, &limits);
            let _ = read_event(&body, &limits);
            let mut array = vec![b'['];
            array.extend(&body);
            array.push(b']');
            let _ = split(&array, &limits);
        }

        #[test]
        fn no_member_values_make_the_parser_panic(
            id in ".{0,70}", kind in "(call\\.[a-z]{0,9}|metric|notification|campaign\\.(state|gauges)|.{0,9})", at in ".{0,30}",
            to in ".{0,40}", value in any::<f64>(), cause in any::<i64>(),
        ) {
            let json = serde_json::json!({"id": id, "type": kind, "at": at, "to": to, "value": value, "name": id,
                "cause": cause, "callId": id, "campaign": id, "title": to, "queueDepth": cause, "targetRate": value});
            let _ = read_event(json.to_string().as_bytes(), &Limits::default());
        }
    }
}
