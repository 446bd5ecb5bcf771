//! Bodies of `POST /ingest/events` that are read as a whole: events, arrays of them, CloudEvents in all three ways.
//!
//! The first byte says which. For CloudEvents in headers the lines up to an empty one are headers, `ce-…` each.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ringside_collector::webhook::{Limits, fuzzing};
use ringside_intake::IncomingEvent;
use ringside_model::{Event, EventKind, SourceId, TenantId, Timestamp, mask_phone_numbers};
use ringside_wire::Record;

const TYPES: [&str; 4] =
    ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"];

pub(crate) fn run(data: &[u8]) {
    let Some((way, mut body)) = data.split_first() else { return };
    let way = usize::from(*way) % TYPES.len();
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(TYPES[way]));
    if way == 3 {
        while let Some(end) = body.iter().position(|byte| *byte == b'\n') {
            let (line, rest) = (&body[..end], &body[end + 1..]);
            body = rest;
            let Some(colon) = line.iter().position(|byte| *byte == b':') else { break };
            let name = HeaderName::from_bytes(&[b"ce-", &line[..colon]].concat());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(&line[colon + 1..])) {
                headers.insert(name, value);
            }
        }
    }
    let limits = Limits { array_events: 20, ..Limits::default() };
    let Ok(events) = fuzzing::read(&headers, body, &limits) else { return };
    assert!(events.len() <= limits.array_events);
    for event in events {
        match event {
            Ok(candidate) => check(candidate),
            Err(bad) => assert!(bad.message.chars().count() <= 600, "a sender is told {bad:?}"),
        }
    }
}

/// An accepted event reads back from the log unchanged, and holds no complete phone number.
fn check(candidate: IncomingEvent) {
    let IncomingEvent { id, at, kind } = candidate;
    assert!((1..=200).contains(&id.as_str().len()));
    if let EventKind::Call(call) = &kind
        && let Some(to) = &call.to_masked
    {
        assert!(to.chars().filter(|letter| letter.is_numeric()).count() <= 6, "{to} is not masked");
    }
    if let EventKind::Notification(notification) = &kind {
        for text in [Some(&notification.title), notification.body.as_ref()].into_iter().flatten() {
            assert_eq!(mask_phone_numbers(text), text.as_ref(), "it holds a number");
        }
    }
    let tenant = TenantId::parse("acme").expect("is a name");
    let source = SourceId::parse("webhook").expect("is a name");
    let event = Event { tenant, source, id, at, received_at: Timestamp::from_millis(1_800_000_000_000), kind };
    let record = Record::Event(event);
    let read = Record::decode(&record.encode());
    assert_eq!(read.as_ref(), Ok(&record));
}
