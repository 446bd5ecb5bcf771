//! No telephone number gets into the log, in whichever member a sender puts it.

use ringside_engine::{EventLog, Partition, Position, Registry};
use ringside_model::{EventKind, MetricSample};
use serde_json::{Value, json};

use crate::intake_fixture::{IntakeFixture, NOW};

/// The same number, in the notations of people and machines.
const NUMBERS: [&str; 4] = ["+441632960123", "+44 (0)1632 960 123", "01632/960123", "44-1632-960123"];

impl IntakeFixture {
    /// Sends valid events and returns the raw log.
    async fn log_after(&self, events: &[Value]) -> String {
        let answer = self.post(Value::from(events).to_string()).await;
        assert_eq!(answer.json["accepted"], events.len(), "{}", answer.json);
        self.raw_log().await
    }

    async fn raw_log(&self) -> String {
        let mut log = String::new();
        for partition in 0..self.engine.partitions() {
            for entry in self.engine.read_log(Partition(partition), Position(0), 1_000).await.unwrap() {
                log.push_str(str::from_utf8(&entry.record).unwrap());
                log.push('\n');
            }
        }
        log
    }

    /// Returns the call ids of the log, ordered by time.
    async fn calls(&self) -> Vec<String> {
        let mut calls = Vec::new();
        for event in self.logged().await {
            if let EventKind::Call(call) = event.kind {
                calls.push((event.at, call.call.as_str().to_owned()));
            }
        }
        calls.sort();
        calls.into_iter().map(|(_, call)| call).collect()
    }
}

/// A call's event, some seconds after [`NOW`].
fn call(id: &str, call: &str, second: u32) -> Value {
    let at = NOW.replace("00.000Z", &format!("{second:02}.000Z"));
    json!({"id": id, "type": "call.answered", "at": at, "campaign": "alpha", "callId": call})
}

#[tokio::test]
async fn no_member_brings_a_number_into_the_log() {
    for number in NUMBERS {
        let fixture = IntakeFixture::new().await;
        let text = format!("Call back {number} today");
        let events = [
            json!({"id": format!("n {number}"), "type": "notification", "at": NOW, "category": text, "kind": text,
                "status": text, "title": text, "body": text}),
            json!({"id": "s", "type": "campaign.state", "at": NOW, "campaign": "alpha", "name": text, "reason": text}),
            json!({"id": "m", "type": "metric", "at": NOW, "name": "lines", "unit": number, "value": 1,
                "labels": {"line": text}}),
            json!({"id": "c", "type": "call.dialing", "at": NOW, "campaign": "alpha", "callId": "SIP-441632960123",
                "agent": "441632960123", "lead": number, "to": number}),
        ];
        let log = fixture.log_after(&events).await;
        for part in ["960123", "960 123", "632960"] {
            assert!(!log.contains(part), "{part} of {number}: {log}");
        }
        assert_eq!(log.matches("Call back ••• today").count(), 7, "{log}");
    }
}

#[tokio::test]
async fn events_of_a_call_get_one_alias() {
    let fixture = IntakeFixture::new().await;
    fixture.log_after(&[call("441632960123-1", "SIP-441632960123", 0), call("e2", "SIP-441632960123", 1)]).await;
    fixture.log_after(&[call("e3", "SIP-441632960124", 2), call("e4", "pbx-7", 3)]).await;
    let calls = fixture.calls().await;
    assert!(calls[0].strip_prefix("alias-").is_some_and(|letters| letters.len() == 24), "{calls:?}");
    assert_eq!(calls[0], calls[1]);
    assert_ne!(calls[0], calls[2], "another number is another call");
    assert_eq!(calls[3], "pbx-7", "an id without a number is kept");
    let again = fixture.post(json!([call("441632960123-1", "SIP-441632960123", 0)]).to_string()).await;
    assert_eq!(again.json["duplicates"], 1, "{}", again.json);
}

#[tokio::test]
async fn aliases_differ_by_tenant_but_not_by_collector() {
    let fixture = IntakeFixture::new().await;
    let second = fixture.second_collector();
    fixture.log_after(&[call("e1", "SIP-441632960123", 0)]).await;
    let answer = second.post(json!([call("e2", "SIP-441632960123", 1)]).to_string()).await;
    assert_eq!(answer.json["accepted"], 1, "{}", answer.json);
    let other = fixture
        .keys
        .issue(&crate::intake_fixture::tenant("other"), &crate::intake_fixture::source("hook"), "o", Vec::new())
        .await;
    let bearer = format!("Bearer {}", other.unwrap().key);
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
    fixture.send(&headers, call("e3", "SIP-441632960123", 2).to_string()).await;
    let calls = fixture.calls().await;
    assert_eq!(calls[0], calls[1]);
    assert_ne!(calls[0], calls[2]);
}

#[tokio::test]
async fn a_registry_that_lost_the_secret_gets_it_back() {
    let fixture = IntakeFixture::new().await;
    fixture.log_after(&[call("e1", "SIP-441632960123", 0)]).await;
    Registry::set(fixture.engine.as_ref(), "secret/alias", None).await.unwrap();
    fixture.pass_ms(6_000);
    fixture.log_after(&[call("e2", "SIP-441632960123", 1)]).await;
    // A new collector has to find it there.
    let second = fixture.second_collector();
    second.post(json!([call("e3", "SIP-441632960123", 2)]).to_string()).await;
    let calls = fixture.calls().await;
    assert_eq!(calls.len(), 3);
    assert!(calls.iter().all(|call| call.starts_with("alias-") && *call == calls[0]), "{calls:?}");
}

#[tokio::test]
async fn times_amounts_addresses_and_uuids_are_kept() {
    let fixture = IntakeFixture::new().await;
    let text = "At 2026-11-21 12:30 host 192.168.10.20 had 1,234,567.00 EUR, 7f3a1c20-1b2c-4d3e-8f90-0a1b2c3d4e5f";
    let uuid = "1234567a-1111-4222-8333-44163296012f";
    let log = fixture
        .log_after(&[
            json!({"id": "2026-11-21T12:30:00Z", "type": "notification", "at": NOW, "title": text}),
            json!({"id": uuid, "type": "metric", "at": NOW, "name": "revenue_20261121", "value": 1234567.5,
                "labels": {"host": "ip-172-31-25-100"}}),
            call("c", uuid, 0),
        ])
        .await;
    assert!(log.contains(text) && log.contains("2026-11-21T12:30:00Z\""), "{log}");
    assert_eq!(log.matches(uuid).count(), 2, "{log}");
    assert!(log.contains("revenue_20261121") && log.contains("1234567.5") && log.contains("ip-172-31-25-100"), "{log}");
    let sample =
        |kind: &EventKind| matches!(kind, EventKind::Metric(MetricSample { value, .. }) if *value == 1234567.5);
    assert!(fixture.logged().await.iter().any(|event| sample(&event.kind)));
}
