//! Hostile bodies: each gets a clear response, and none makes the webhook panic.

use std::sync::OnceLock;

use proptest::prelude::*;
use tokio::runtime::Runtime;

use crate::intake_fixture::{IntakeFixture, NOW, event};

#[tokio::test]
async fn hostile_events_are_rejected_and_the_others_accepted() {
    let fixture = IntakeFixture::new().await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let call = |members: &str| format!(r#"{{"type":"call.answered","at":"{NOW}","callId":"c",{members}}}"#);
    let metric = |members: &str| format!(r#"{{"id":"m","type":"metric","at":"{NOW}","name":"x",{members}}}"#);
    let cases = [
        (call(&format!(r#""id":"e","campaign":"{}""#, "a".repeat(65))), "bad_id"),
        (call(&format!(r#""id":"{}""#, "a".repeat(201))), "bad_id"),
        (call(r#""id":"a\u0000b""#), "bad_id"),
        (call(r#""id":"e","campaign":"a/b""#), "bad_id"),
        (call(r#""id":"e","id":"f""#), "bad_event"),
        (call(r#""id":5"#), "bad_event"),
        (call(r#""id":null"#), "bad_event"),
        (call(r#""id":"e","cause":99999999999999999999"#), "bad_event"),
        (call(r#""id":"e","cause":-1"#), "bad_event"),
        (call(&format!(r#""id":"e","agent":{deep}"#)), "bad_event"),
        (metric(r#""value":1e999"#), "bad_event"),
        (metric(r#""value":"NaN""#), "bad_event"),
        (metric(r#""value":1,"labels":{"a":1}"#), "bad_event"),
        (event("old").replace("2026-11-20", "2026-11-18"), "too_old"),
        (event("old").replace("2026-11-20", "1926-11-20"), "bad_time"),
        (format!(r#"{{"id":"g","type":"campaign.gauges","at":"{NOW}","campaign":"a","queueDepth":-5}}"#), "bad_value"),
    ];
    for (body, code) in &cases {
        let answer = fixture.post(format!("[{body},{}]", event("good"))).await;
        assert_eq!(answer.rejections(), [(0, *code)], "{}", &body[..body.len().min(200)]);
        let message = answer.json["rejected"][0]["message"].as_str().unwrap();
        assert!((10..500).contains(&message.len()), "{message}");
    }
    assert_eq!(fixture.logged().await.len(), 1);
}

#[tokio::test]
async fn unknown_members_may_be_nested_deeply() {
    let fixture = IntakeFixture::new().await;
    let deep = format!("{}{}", "[".repeat(20_000), "]".repeat(20_000));
    let answer = fixture.post(event("e").replace("\"id\"", &format!("\"x\":{deep},\"id\""))).await;
    assert!(answer.status.is_success() || answer.status == 400, "{}", answer.json);
    let answer = fixture.post("[".repeat(100_000)).await;
    assert_eq!(answer.problem().0, 400);
}

#[tokio::test]
async fn invalid_utf8_is_rejected() {
    let fixture = IntakeFixture::new().await;
    let mut body = event("e").into_bytes();
    body.splice(7..7, [0xff, 0xfe]);
    let answer = fixture.post(body.clone()).await;
    assert_eq!(answer.problem().1, "bad_json");
    let mut lines = body;
    lines.extend(format!("\n{}", event("f")).into_bytes());
    let answer = fixture.post_as("application/x-ndjson", lines).await;
    assert_eq!((answer.counts(), answer.rejections()), ((1, 0, 1), vec![(0, "bad_event")]));
}

#[tokio::test]
async fn a_mask_character_does_not_hide_a_whole_number() {
    let fixture = IntakeFixture::new().await;
    let with_to = |id: &str, to: &str| event(id).replace("\"id\"", &format!("\"to\":\"{to}\",\"id\""));
    for (n, (to, kept)) in [
        ("•+441632960123", "••• 0 123"),
        ("•123456", "••• 3 456"),
        ("+44 ••• 0 123", "+44 ••• 0 123"),
        ("•+４４１６３２９６０１２３", "•••"),
        ("•٠١٦٣٢٩٦٠١٢٣", "•••"),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(fixture.post(with_to(&format!("e{n}"), to)).await.counts(), (1, 0, 0));
        let logged = fixture.logged().await.pop().expect("the event was accepted");
        let ringside_model::EventKind::Call(call) = logged.kind else { panic!("calls only") };
        assert_eq!(call.to_masked.as_deref(), Some(kept), "{to}");
    }
}

/// One fixture for all cases: opening a store for each would take minutes.
fn fixture() -> &'static (Runtime, IntakeFixture) {
    static FIXTURE: OnceLock<(Runtime, IntakeFixture)> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let fixture = runtime.block_on(IntakeFixture::new());
        (runtime, fixture)
    })
}

proptest! {
    #[test]
    fn random_bytes_get_a_response_and_no_panic(
        body in proptest::collection::vec(any::<u8>(), 0..300),
        open in proptest::sample::select(vec!["", "[", "{", "{\"id\":", "\n", "\u{feff}[", "[{\"specversion\":\"1.0\","]),
        content_type in proptest::sample::select(vec![
            "application/json", "application/x-ndjson", "application/cloudevents+json", "application/cloudevents-batch+json",
        ]),
    ) {
        let (runtime, fixture) = fixture();
        let body = [open.as_bytes(), &body].concat();
        let answer = runtime.block_on(fixture.post_as(content_type, body));
        prop_assert!([200, 400].contains(&answer.status.as_u16()), "{} {}", answer.status, answer.json);
    }
}
