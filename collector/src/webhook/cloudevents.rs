//! Parses CloudEvents 1.0 with an event as `data`, in all three modes.
//!
//! Members that the data lacks are filled in from the attributes: `type` (with or without `dev.ringside.` and `.v1`),
//! `at` from `time`, and `callId` from `subject`. `id` is made of `source` and `id` together, because only both
//! together identify a CloudEvent.

use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ringside_wire::{BadEvent, EventJson};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::Limits;
use super::body::{Parsed, bad_json, incoming_event, require_object, too_long};

#[derive(Deserialize)]
struct CloudEventJson<'a> {
    specversion: String,
    id: String,
    source: String,
    r#type: String,
    #[serde(default)]
    time: Option<String>,
    #[serde(default)]
    subject: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
    #[serde(default)]
    data_base64: Option<String>,
}

struct Attributes {
    specversion: String,
    id: String,
    source: String,
    kind: String,
    time: Option<String>,
    subject: Option<String>,
}

/// Parses a CloudEvent in one JSON object.
pub(super) fn read_structured(raw: &[u8], limits: &Limits) -> Parsed {
    if raw.len() > limits.event_bytes {
        return Err(too_long(limits));
    }
    require_object(raw)?;
    let json: CloudEventJson<'_> = serde_json::from_slice(raw).map_err(|error| bad_json(&error))?;
    let CloudEventJson { specversion, id, source, r#type: kind, time, subject, data, data_base64 } = json;
    let attributes = Attributes { specversion, id, source, kind, time, subject };
    match (data, data_base64) {
        (Some(data), _) => fill(&attributes, data.get().as_bytes()),
        (None, Some(base64)) => {
            let data = STANDARD.decode(base64.trim()).map_err(|_| {
                BadEvent::new("bad_value", "\"data_base64\" is not base64 with the standard alphabet and padding")
            })?;
            fill(&attributes, &data)
        }
        (None, None) => fill(&attributes, b"{}"),
    }
}

/// Parses a CloudEvent with attributes in `ce-` headers and data as the body.
pub(super) fn read_binary(headers: &HeaderMap, body: &[u8], limits: &Limits) -> Parsed {
    if body.len() > limits.event_bytes {
        return Err(too_long(limits));
    }
    let header = |name: &'static str| headers.get(name).map(|value| percent_decoded(value.as_bytes())).transpose();
    let required = |name: &'static str| {
        header(name)?
            .ok_or_else(|| BadEvent::new("missing_member", format!("a CloudEvent needs the header \"{name}\"")))
    };
    let attributes = Attributes {
        specversion: required("ce-specversion")?,
        id: required("ce-id")?,
        source: required("ce-source")?,
        kind: required("ce-type")?,
        time: header("ce-time")?,
        subject: header("ce-subject")?,
    };
    fill(&attributes, if body.trim_ascii().is_empty() { b"{}" } else { body })
}

fn fill(attributes: &Attributes, data: &[u8]) -> Parsed {
    if attributes.specversion != "1.0" {
        return Err(BadEvent::new("bad_value", "\"specversion\" must be \"1.0\""));
    }
    let mut event: Map<String, Value> = serde_json::from_slice(data).map_err(|error| bad_json(&error))?;
    let mut fill = |member: &str, value: Option<String>| {
        if let Some(value) = value
            && event.get(member).is_none_or(Value::is_null)
        {
            event.insert(member.to_owned(), Value::String(value));
        }
    };
    let kind = event_type(&attributes.kind);
    fill("callId", attributes.subject.clone().filter(|_| kind.starts_with("call.")));
    fill("type", Some(kind.to_owned()));
    fill("at", attributes.time.clone());
    fill("id", Some(joined_id(&attributes.source, &attributes.id)));
    let event = Value::Object(event);
    incoming_event(&EventJson::deserialize(&event).map_err(|error| bad_json(&error))?)
}

/// Strips prefix and version: `dev.ringside.metric.v1` becomes `metric`.
fn event_type(kind: &str) -> &str {
    let Some(name) = kind.strip_prefix("dev.ringside.") else { return kind };
    match name.rsplit_once(".v") {
        Some((name, version)) if !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => name,
    }
}

/// Joins both into one idempotency key; if that is too long, their hash is the key.
fn joined_id(source: &str, id: &str) -> String {
    let joined = format!("{source}#{id}");
    if joined.len() <= 200 && !joined.chars().any(char::is_control) {
        return joined;
    }
    format!("ce-{:x}", Sha256::digest(joined.as_bytes()))
}

/// Decodes the `%` escapes that CloudEvents use in header values.
fn percent_decoded(value: &[u8]) -> Result<String, BadEvent> {
    let mut decoded = Vec::with_capacity(value.len());
    let mut rest = value;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                decoded.push(high << 4 | low);
                &tail[2..]
            }
            None => {
                decoded.push(*first);
                tail
            }
        };
    }
    String::from_utf8(decoded).map_err(|_| BadEvent::new("bad_value", "a \"ce-\" header is not UTF-8"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_prefix_and_version_of_a_type_are_optional() {
        assert_eq!(event_type("dev.ringside.call.answered.v1"), "call.answered");
        assert_eq!(event_type("dev.ringside.metric"), "metric");
        assert_eq!(event_type("call.ended"), "call.ended");
        assert_eq!(event_type("com.example.vip.v2"), "com.example.vip.v2");
    }

    #[test]
    fn an_id_that_is_too_long_is_hashed_the_same_each_time() {
        assert_eq!(joined_id("//pbx", "7"), "//pbx#7");
        let long = joined_id(&"s".repeat(300), "7");
        assert_eq!((long.len(), &long), (67, &joined_id(&"s".repeat(300), "7")));
        assert_ne!(long, joined_id(&"s".repeat(300), "8"));
        assert!(joined_id("a\nb", "1").starts_with("ce-"));
    }

    #[test]
    fn header_values_are_percent_decoded() {
        assert_eq!(percent_decoded(b"Euro %E2%82%AC 100%").as_deref(), Ok("Euro € 100%"));
        assert!(percent_decoded(b"%FF").is_err());
    }
}
