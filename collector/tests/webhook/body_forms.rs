//! Every form of body that senders may use.

use http::{Method, StatusCode};
use ringside_model::{CallFact, EventKind, MetricSample};

use crate::intake_fixture::{IntakeFixture, NOW, event, events, tenant};

#[tokio::test]
async fn an_acknowledged_event_is_logged_for_its_keys_tenant() {
    let fixture = IntakeFixture::new().await;
    let answer =
        fixture.post(event("e1").replace("\"id\"", "\"tenant\":\"victim\",\"tenantid\":\"victim\",\"id\"")).await;
    assert_eq!(answer.counts(), (1, 0, 0));
    let logged = fixture.logged().await;
    assert_eq!(logged.len(), 1);
    assert_eq!((logged[0].tenant.as_str(), logged[0].source.as_str()), ("acme", "hook"));
    assert_eq!((logged[0].id.as_str(), logged[0].received_at), ("e1", fixture.intake.now()));
    assert!(matches!(&logged[0].kind, EventKind::Call(call) if call.fact == CallFact::Answered));
}

#[tokio::test]
async fn bad_events_of_an_array_are_reported_by_index() {
    let fixture = IntakeFixture::new().await;
    let body = format!(
        r#"[{}, {{"id":"e2","type":"call.exploded","at":"{NOW}","callId":"c"}}, {}, 7, {{"type":"metric"}},
            {{"id":"e6","type":"call.ended","at":"yesterday","callId":"c"}}, {}]"#,
        event("e1"),
        event("e3"),
        event("e7"),
    );
    let answer = fixture.post(body).await;
    assert_eq!(answer.counts(), (3, 0, 4));
    assert_eq!(answer.rejections(), [(1, "unknown_type"), (3, "bad_event"), (4, "missing_member"), (5, "bad_time")]);
    assert_eq!(fixture.logged().await.len(), 3);
}

#[tokio::test]
async fn lines_are_recognised_by_content_type_and_by_content() {
    let fixture = IntakeFixture::new().await;
    let body = format!("{}\r\n\n{}\nnot json\n{}", event("e1"), event("e2"), event("e3"));
    let answer = fixture.post_as("application/x-ndjson; charset=utf-8", body.clone()).await;
    assert_eq!((answer.counts(), answer.rejections()), ((3, 0, 1), vec![(2, "bad_event")]));
    let again = fixture.post_as("application/json", body).await;
    assert_eq!((again.counts(), again.rejections()), ((0, 3, 1), vec![(2, "bad_event")]));
}

#[tokio::test]
async fn empty_arrays_and_arrays_of_bad_events_get_200() {
    let fixture = IntakeFixture::new().await;
    assert_eq!(fixture.post("[]").await.counts(), (0, 0, 0));
    assert_eq!(fixture.post("[{},{}]").await.counts(), (0, 0, 2));
    assert!(fixture.logged().await.is_empty());
}

#[tokio::test]
async fn a_structured_cloudevent_fills_in_missing_members() {
    let fixture = IntakeFixture::new().await;
    let body = format!(
        r#"{{"specversion":"1.0","id":"7","source":"//pbx/1","type":"dev.ringside.call.answered.v1","time":"{NOW}",
            "subject":"c-9","tenantid":"victim","data":{{"campaign":"alpha"}}}}"#
    );
    assert_eq!(fixture.post_as("application/cloudevents+json", body.clone()).await.counts(), (1, 0, 0));
    assert_eq!(fixture.post_as("application/cloudevents+json", body.clone()).await.counts(), (0, 1, 0));
    // The same id from another source is another event.
    assert_eq!(
        fixture.post_as("application/cloudevents+json", body.replace("pbx/1", "pbx/2")).await.counts(),
        (1, 0, 0)
    );
    let mut logged = fixture.logged().await;
    logged.sort_by(|a, b| a.id.cmp(&b.id));
    assert_eq!(logged[0].id.as_str(), "//pbx/1#7");
    assert_eq!(logged[0].tenant, tenant("acme"));
    assert!(matches!(&logged[0].kind, EventKind::Call(call) if call.call.as_str() == "c-9"));
}

#[tokio::test]
async fn a_cloudevents_batch_may_have_base64_data() {
    let fixture = IntakeFixture::new().await;
    let head = format!(r#""specversion":"1.0","source":"s","time":"{NOW}","type":"dev.ringside.metric.v1""#);
    let body = format!(
        r#"[{{{head},"id":"1","data":{{"name":"revenue","unit":"EUR","value":12.5}}}},
            {{{head},"id":"2","data_base64":"eyJuYW1lIjoicmV2ZW51ZSIsInZhbHVlIjoxM30="}},
            {{{head},"id":"3","data_base64":"***"}},
            {{{head},"id":"4","data":[1]}},
            {{"id":"5"}},
            {{"specversion":"0.3","source":"s","id":"6","type":"t"}}]"#
    );
    let answer = fixture.post_as("application/cloudevents-batch+json", body).await;
    assert_eq!(answer.counts(), (2, 0, 4));
    assert_eq!(answer.rejections(), [(2, "bad_value"), (3, "bad_event"), (4, "missing_member"), (5, "bad_value")]);
    let values = fixture.logged().await.into_iter().map(|event| match event.kind {
        EventKind::Metric(MetricSample { value, .. }) => value,
        kind => panic!("{kind:?}"),
    });
    assert_eq!(values.collect::<Vec<_>>(), [12.5, 13.0]);
}

#[tokio::test]
async fn a_binary_cloudevent_has_its_attributes_in_headers() {
    let fixture = IntakeFixture::new().await;
    let bearer = format!("Bearer {}", fixture.key.key);
    let mut headers = vec![
        ("authorization", bearer.as_str()),
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", "1%2F2"),
        ("ce-source", "/pbx"),
        ("ce-type", "dev.ringside.call.ended.v1"),
        ("ce-time", NOW),
    ];
    let body = r#"{"campaign":"alpha","callId":"c","cause":17}"#;
    assert_eq!(fixture.send(&headers, body).await.counts(), (1, 0, 0));
    assert_eq!(fixture.logged().await[0].id.as_str(), "/pbx#1/2");
    headers.retain(|(name, _)| *name != "ce-id");
    let answer = fixture.send(&headers, body).await;
    assert_eq!(answer.rejections(), [(0, "missing_member")]);
    assert!(answer.json["rejected"][0]["message"].as_str().unwrap().contains("ce-id"));
}

#[tokio::test]
async fn the_handshake_of_cloudevents_webhooks_is_answered() {
    let fixture = IntakeFixture::new().await;
    let answer = fixture.request(Method::OPTIONS, &[("webhook-request-origin", "events.example.com")], "").await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["webhook-allowed-origin"], "events.example.com");
    assert_eq!(answer.headers["webhook-allowed-rate"], "*");
    assert_eq!(fixture.request(Method::OPTIONS, &[], "").await.status, StatusCode::NO_CONTENT);
    let get = fixture.request(Method::GET, &[], "").await;
    assert_eq!(get.problem().1, "method_not_allowed");
}

#[tokio::test]
async fn a_repeated_delivery_changes_nothing() {
    let fixture = IntakeFixture::new().await;
    assert_eq!(fixture.post(events(0..100)).await.counts(), (100, 0, 0));
    assert_eq!(fixture.post(events(0..100)).await.counts(), (0, 100, 0));
    assert_eq!(fixture.post(events(90..110)).await.counts(), (10, 10, 0));
    assert_eq!(fixture.post(format!("[{0},{0}]", event("twin"))).await.counts(), (1, 1, 0));
    assert_eq!(fixture.logged().await.len(), 111);
}
