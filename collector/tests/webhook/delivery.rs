//! Requests that are rejected as a whole, and deliveries that the log rejects.

use std::sync::Arc;

use http::StatusCode;
use ringside_collector::webhook::Limits;
use ringside_intake::IntakeSettings;

use crate::intake_fixture::{AppendFault, IntakeFixture, event, events};

#[tokio::test]
async fn a_request_without_a_valid_key_is_rejected_with_a_hint() {
    let fixture = IntakeFixture::new().await;
    let right = &fixture.key.key;
    let (most, last) = right.split_at(right.len() - 1);
    let wrong = [
        String::new(),
        right.clone(),
        format!("Basic {right}"),
        format!("Bearer {most}{}", if last == "x" { "y" } else { "x" }),
        format!("Bearer {}", right.to_lowercase()),
        "Bearer ".into(),
        format!("Bearer {}", "x".repeat(10_000)),
    ];
    for value in wrong {
        let answer = fixture.send(&[("authorization", &value)], event("e")).await;
        let (status, code, detail) = answer.problem();
        assert_eq!((status, code), (401, "unknown_key"), "{value}");
        assert!(detail.contains("ringside key issue"));
        assert!(answer.headers.contains_key("www-authenticate"));
        assert!(!answer.json.to_string().contains(right));
    }
    let answer = fixture.send(&[], event("e")).await;
    assert_eq!((answer.problem().0, answer.problem().1), (401, "missing_key"));
    assert!(fixture.logged().await.is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_json_gets_400() {
    let fixture = IntakeFixture::new().await;
    for (body, code) in [
        ("", "empty_body"),
        (" \n ", "empty_body"),
        ("{", "bad_json"),
        ("[{}", "bad_json"),
        ("[{}] x", "bad_json"),
        ("5", "bad_json"),
        ("\"text\"", "bad_json"),
        ("id=e1&type=metric", "bad_json"),
        ("[NaN]", "bad_json"),
        ("{} {}", "bad_json"),
    ] {
        let answer = fixture.post(body).await;
        assert_eq!((answer.problem().0, answer.problem().1), (400, code), "{body}");
    }
    let answer = fixture.post_as("application/x-ndjson", "\n\n").await;
    assert_eq!(answer.problem().1, "empty_body");
    let answer = fixture.post_as("application/cloudevents+json", "[]").await;
    assert!(answer.problem().2.contains("cloudevents-batch"));
}

#[tokio::test]
async fn other_content_types_and_encodings_get_415_with_a_hint() {
    let fixture = IntakeFixture::new().await;
    for content_type in ["application/x-www-form-urlencoded", "text/plain", "application/xml", "image/svg+xml"] {
        let answer = fixture.post_as(content_type, event("e")).await;
        let (status, code, detail) = answer.problem();
        assert_eq!((status, code), (415, "unsupported_media_type"), "{content_type}");
        assert!(detail.contains("application/json"));
    }
    let bearer = format!("Bearer {}", fixture.key.key);
    let answer = fixture.send(&[("authorization", &bearer), ("content-encoding", "gzip")], event("e")).await;
    assert_eq!(answer.problem().0, 415);
}

#[tokio::test]
async fn a_large_body_gets_413_and_a_long_event_is_only_rejected() {
    let limits = Limits { body_bytes: 20_000, array_events: 50, event_bytes: 1_024, ..Limits::default() };
    let fixture = IntakeFixture::with(IntakeSettings::default(), limits).await;
    let answer = fixture.post(format!("{}{}", event("e"), " ".repeat(20_000))).await;
    assert_eq!((answer.problem().0, answer.problem().1), (413, "too_large"));
    assert_eq!(fixture.post(events(0..50)).await.counts(), (50, 0, 0));
    assert_eq!(fixture.post(events(0..51)).await.problem().0, 413);
    let long = event("long").replace("\"id\"", &format!("\"note\":\"{}\",\"id\"", "x".repeat(1_024)));
    let answer = fixture.post(format!("[{},{long},{}]", event("a"), event("b"))).await;
    assert_eq!((answer.counts(), answer.rejections()), ((2, 0, 1), vec![(1, "too_large")]));
    let answer = fixture.post_as("application/x-ndjson", format!("{}\n{long}\n{}", event("c"), event("d"))).await;
    assert_eq!((answer.counts(), answer.rejections()), ((2, 0, 1), vec![(1, "too_large")]));
}

#[tokio::test]
async fn a_failed_delivery_is_not_acknowledged_and_can_be_retried() {
    let fixture = IntakeFixture::new().await;
    for (fault, code) in [(AppendFault::LogFull, "log_full"), (AppendFault::Unavailable, "unavailable")] {
        fixture.engine.set_fault(fault);
        let answer = fixture.post(events(0..3)).await;
        assert_eq!((answer.problem().0, answer.problem().1), (503, code));
        assert!((1..=10).contains(&answer.retry_after_s()));
        assert!(!answer.json.to_string().contains("secret"), "the response has no internal detail");
    }
    assert!(fixture.logged().await.is_empty());
    fixture.engine.set_fault(AppendFault::None);
    assert_eq!(fixture.post(events(0..3)).await.counts(), (3, 0, 0));
}

#[tokio::test]
async fn an_append_with_a_lost_reply_is_repeated() {
    let fixture = IntakeFixture::new().await;
    fixture.engine.set_fault(AppendFault::LostReply);
    assert_eq!(fixture.post(event("e1")).await.problem().0, 503);
    fixture.engine.set_fault(AppendFault::None);
    assert_eq!(fixture.post(event("e1")).await.counts(), (1, 0, 0));
    let logged = fixture.logged().await;
    assert_eq!(logged.len(), 2);
    assert_eq!((&logged[0].id, &logged[0].kind), (&logged[1].id, &logged[1].kind));
}

#[tokio::test]
async fn too_many_deliveries_in_flight_get_429() {
    let settings = IntakeSettings { in_flight_deliveries: 1, ..IntakeSettings::default() };
    let fixture = Arc::new(IntakeFixture::with(settings, Limits::default()).await);
    fixture.engine.close_gate();
    let first = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move { fixture.post(event("first")).await.counts() }
    });
    fixture.engine.until_appends_wait(1).await;
    let answer = fixture.post(event("second")).await;
    assert_eq!((answer.status, answer.problem().1), (StatusCode::TOO_MANY_REQUESTS, "busy"));
    assert!((1..=10).contains(&answer.retry_after_s()));
    fixture.engine.open_gate();
    assert_eq!(first.await.unwrap(), (1, 0, 0));
    assert_eq!(fixture.post(event("second")).await.counts(), (1, 0, 0));
}

#[tokio::test]
async fn bodies_share_a_bounded_amount_of_memory() {
    let settings = IntakeSettings { in_flight_bytes: 4_000, ..IntakeSettings::default() };
    let fixture = IntakeFixture::with(settings, Limits::default()).await;
    assert_eq!(fixture.post(event("small")).await.counts(), (1, 0, 0));
    assert_eq!(fixture.post(events(0..100)).await.problem().1, "busy");
    // A request that failed has released its reservation too.
    assert_eq!(fixture.post(event("again")).await.counts(), (1, 0, 0));
}
