//! NDJSON that arrives in chunks and is processed as it arrives.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use ringside_collector::webhook::Limits;
use ringside_engine::{EventLog, Partition, Position};
use ringside_intake::IntakeSettings;
use ringside_model::CampaignId;
use tokio::sync::mpsc;

use crate::intake_fixture::{AppendFault, IntakeFixture, event, tenant};

fn lines(ids: std::ops::Range<usize>) -> String {
    ids.fold(String::new(), |lines, id| lines + &event(&format!("e{id}")) + "\n")
}

/// A body whose chunks the test sends.
fn slow_body() -> (mpsc::UnboundedSender<Bytes>, Body) {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let chunks = stream::unfold(receiver, async |mut receiver| {
        receiver.recv().await.map(|chunk| (Ok::<_, std::io::Error>(chunk), receiver))
    });
    (sender, Body::from_stream(chunks))
}

#[tokio::test]
async fn lines_are_logged_before_the_stream_ends() {
    let fixture = Arc::new(IntakeFixture::new().await);
    let (sender, body) = slow_body();
    let posted = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move { fixture.post_as("application/x-ndjson", body).await }
    });
    let first = lines(0..600);
    for chunk in first.as_bytes().chunks(777) {
        sender.send(Bytes::copy_from_slice(chunk)).unwrap();
    }
    let partition =
        Partition::of(&tenant("acme"), Some(&CampaignId::parse("alpha").unwrap()), fixture.engine.partitions());
    fixture.engine.wait_log(partition, Position(0), Duration::from_secs(30)).await.unwrap();
    assert!(fixture.logged().await.len() >= 500);
    sender.send(Bytes::from_static(b"this is no event\n")).unwrap();
    sender.send(lines(600..1_000).into()).unwrap();
    drop(sender);
    let answer = posted.await.unwrap();
    assert_eq!((answer.counts(), answer.rejections()), ((1_000, 0, 1), vec![(600, "bad_event")]));
    assert_eq!(fixture.logged().await.len(), 1_000);
}

#[tokio::test]
async fn at_most_a_thousand_rejections_are_listed() {
    let fixture = IntakeFixture::new().await;
    let body = format!("{}{}", "{}\n".repeat(2_500), lines(0..1));
    let answer = fixture.post_as("application/x-ndjson", body).await;
    assert_eq!(answer.counts(), (1, 0, 2_500));
    assert_eq!(answer.rejections().len(), 1_000);
}

#[tokio::test]
async fn a_failed_stream_says_at_which_line_to_continue() {
    let fixture = Arc::new(IntakeFixture::new().await);
    let (sender, body) = slow_body();
    let posted = tokio::spawn({
        let fixture = Arc::clone(&fixture);
        async move { fixture.post_as("application/x-ndjson", body).await }
    });
    sender.send(lines(0..500).into()).unwrap();
    let partition =
        Partition::of(&tenant("acme"), Some(&CampaignId::parse("alpha").unwrap()), fixture.engine.partitions());
    fixture.engine.wait_log(partition, Position(0), Duration::from_secs(30)).await.unwrap();
    fixture.engine.set_fault(AppendFault::Unavailable);
    sender.send(lines(500..1_000).into()).unwrap();
    let answer = posted.await.unwrap();
    assert_eq!((answer.problem().0, answer.json["nextIndex"].as_u64()), (503, Some(500)));
    fixture.engine.set_fault(AppendFault::None);
    let again = fixture.post_as("application/x-ndjson", lines(0..1_000)).await;
    assert_eq!(again.counts(), (500, 500, 0));
}

#[tokio::test]
async fn a_stream_has_a_size_limit() {
    let limits = Limits { stream_bytes: 100_000, ..Limits::default() };
    let fixture = IntakeFixture::with(IntakeSettings::default(), limits).await;
    let (sender, body) = slow_body();
    for first in (0..20).map(|number| number * 100) {
        sender.send(lines(first..first + 100).into()).unwrap();
    }
    drop(sender);
    let answer = fixture.post_as("application/x-ndjson", body).await;
    assert_eq!((answer.problem().0, answer.problem().1), (413, "too_large"));
    assert_eq!(answer.json["nextIndex"].as_u64(), Some(fixture.logged().await.len() as u64));
}

#[tokio::test]
async fn a_body_that_stops_arriving_gets_408() {
    let limits = Limits { read_timeout_ms: 20, ..Limits::default() };
    let fixture = IntakeFixture::with(IntakeSettings::default(), limits).await;
    let (sender, body) = slow_body();
    sender.send(Bytes::from_static(b"[{")).unwrap();
    let answer = fixture.post(body).await;
    assert_eq!((answer.problem().0, answer.problem().1), (408, "body_timeout"));
}

#[tokio::test]
async fn no_event_of_a_broken_body_is_accepted() {
    let fixture = IntakeFixture::new().await;
    let chunks = [Ok(Bytes::from(event("e1") + "\n")), Err(std::io::Error::other("reset"))];
    let answer = fixture.post(Body::from_stream(stream::iter(chunks))).await;
    assert_eq!((answer.problem().0, answer.problem().1), (400, "broken_body"));
    assert!(fixture.logged().await.is_empty());
}
