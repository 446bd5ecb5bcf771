//! Rejected requests: the sender learns what to do, the operator finds it in the log, and no internals leak.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use ringside_access::{Accounts, Role};
use serde_json::{Value, json};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::{Bytes, Message};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::support::client::{Client, PATIENCE};
use crate::support::test_gateway::{TestGateway, member};

/// What the gateway logs on this thread, a line each, with all of its fields.
#[derive(Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("ringside_")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

#[tokio::test]
async fn every_error_names_the_request_that_it_answers() {
    let floor = TestGateway::start().await;
    let token = floor.sign(&TestGateway::claims(Some(&["alpha", "beta"]))).await;
    let mut client = Client::connect(floor.address, "/ws", &token).await;
    for (message, code) in [
        (json!({ "action": "refresh", "room": "system", "requestId": "r1" }), "not_subscribed"),
        (json!({ "action": "refresh", "requestId": "r2" }), "not_subscribed"),
        (json!({ "action": "subscribe", "room": "campaign:gamma", "requestId": "r3" }), "forbidden_room"),
        (json!({ "action": "auth", "token": "x", "requestId": "r4" }), "bad_token"),
        (json!({ "action": "subscribe", "room": 5, "requestId": "r5" }), "bad_frame"),
    ] {
        client.send(message.clone()).await;
        let error = client.until("error").await;
        assert_eq!((&error["code"], &error["requestId"]), (&json!(code), &message["requestId"]), "{error}");
    }
    // A campaign's form asks for two rooms, and both answers are answers to it.
    client.send(json!({ "action": "subscribe", "campaignId": "gamma", "requestId": "r6" })).await;
    for room in ["campaign:gamma", "calls:gamma"] {
        let error = client.until("error").await;
        assert_eq!((&error["room"], &error["requestId"]), (&json!(room), &json!("r6")));
    }
    client.subscribe("calls:beta").await;
    client.until("initial").await;
    client.send(json!({ "action": "refresh", "room": "calls:beta", "requestId": "r7" })).await;
    client.send(json!({ "action": "refresh", "room": "calls:beta", "requestId": "r8" })).await;
    let error = client.until("error").await;
    assert_eq!((&error["code"], &error["requestId"]), (&json!("throttled"), &json!("r8")));
    let less = floor.sign(&TestGateway::claims(Some(&["alpha"]))).await;
    client.send(json!({ "action": "auth", "token": less, "requestId": "r9" })).await;
    let error = client.until("error").await;
    assert_eq!((&error["code"], &error["requestId"]), (&json!("forbidden_room"), &json!("r9")));
    // A request without an id gets none back.
    client.send(json!({ "action": "refresh" })).await;
    assert!(client.until("error").await.get("requestId").is_none());
}

/// A ping that is so long.
fn ping(bytes: usize) -> String {
    let empty = r#"{"action":"ping","x":""}"#;
    let text = empty.replace(r#""""#, &format!(r#""{}""#, "x".repeat(bytes - empty.len())));
    assert_eq!(text.len(), bytes);
    text
}

#[tokio::test]
async fn a_message_that_is_too_long_is_told_so_and_kills_nothing() {
    let floor = TestGateway::start().await;
    let mut client = floor.client().await;
    client.send_text(ping(16 << 10)).await;
    client.until("pong").await;
    for bytes in [(16 << 10) + 1, 64 << 10] {
        client.send_text(ping(bytes)).await;
        let error = client.next().await.unwrap();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!("bad_frame"), &json!("a message has at most 16 KiB")),
            "{bytes}"
        );
    }
    client.send(json!({ "action": "ping" })).await;
    client.until("pong").await;
}

/// Sends a message on a socket of its own; returns the texts that come back, and how it was closed.
async fn say(floor: &TestGateway, messages: Vec<Message>) -> (Vec<Value>, Option<CloseFrame>) {
    let mut request = format!("ws://{}/ws", floor.address).into_client_request().unwrap();
    let token = format!("Bearer {}", floor.token().await);
    request.headers_mut().insert("authorization", token.parse().unwrap());
    let (mut sink, mut stream) = connect_async(request).await.unwrap().0.split();
    // Written beside the reading: whoever is refused need not get all of it away.
    let writing = tokio::spawn(async move {
        for message in messages {
            if sink.send(message).await.is_err() {
                break;
            }
        }
    });
    let mut texts = Vec::new();
    let reading = async {
        loop {
            match stream.next().await {
                Some(Ok(Message::Text(text))) => texts.push(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(close))) => return close,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    };
    let close = tokio::time::timeout(PATIENCE, reading).await.expect("it is closed in time");
    writing.abort();
    (texts, close)
}

#[tokio::test]
async fn what_can_not_be_taken_at_all_is_closed_with_a_reason() {
    let floor = TestGateway::start().await;
    let no_text = Frame::message(Bytes::from_static(&[0xff, 0xfe]), OpCode::Data(Data::Text), true);
    let too_long = (4408, "send text messages of at most 16 KiB");
    for (message, told) in [
        (Message::Text(ping((64 << 10) + 1).into()), too_long),
        (Message::Text(ping(8 << 20).into()), too_long),
        (Message::Binary(vec![0; 100_000].into()), too_long),
        (Message::Frame(no_text), (1007, "not UTF-8")),
    ] {
        let length = message.len();
        let (texts, close) = say(&floor, vec![message]).await;
        let close = close.unwrap_or_else(|| panic!("{length} bytes were answered without a close frame"));
        assert_eq!((u16::from(close.code), close.reason.as_str()), told);
        assert!(texts.is_empty(), "{texts:?}");
    }
}

#[tokio::test]
async fn a_binary_message_is_told_to_be_text_and_the_next_is_heard() {
    let floor = TestGateway::start().await;
    let binary = Message::Binary(Bytes::from_static(br#"{"action":"ping"}"#));
    let messages = vec![binary, Message::Text(r#"{"action":"ping"}"#.into()), Message::Close(None)];
    let (texts, _) = say(&floor, messages).await;
    assert_eq!(texts[0]["message"], "send text, not binary");
    assert_eq!((&texts[0]["code"], &texts[1]["type"]), (&json!("bad_frame"), &json!("pong")));
}

#[tokio::test]
async fn a_query_that_can_not_be_read_is_told_what_is_allowed() {
    let floor = TestGateway::start().await;
    floor.numbers("alpha", 1, 1).await;
    let token = floor.token().await;
    for (path, allowed) in [
        ("/api/metrics/recent?count=-1", "count is a whole number, 1 or more."),
        ("/analytics/recent?count=many", "count is a whole number, 1 or more."),
        ("/analytics/recent?count=1&count=2", "Give it at most once"),
        ("/poll?rooms=alerts&wait=abc", "wait is a whole number of seconds"),
        ("/poll?rooms=alerts&wait=-1", "wait is a whole number of seconds"),
        ("/events?rooms=alerts&rooms=system", "Give each at most once"),
        ("/analytics/campaigns/alpha/calls?limit=1.5", "limit is a whole number, 1 to 500"),
        ("/analytics/dashboard?period=today&period=hour", "period is today, hour or total"),
        ("/login?next=/a&next=/b", "next is a path"),
    ] {
        let response = reqwest::Client::new().get(floor.url(path)).bearer_auth(&token).send().await.unwrap();
        assert_eq!(response.status(), 400, "{path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json", "{path}");
        let problem: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(problem["code"], "bad_request", "{path}");
        assert!(detail.contains(allowed) && !detail.contains("deserialize"), "{path}: {detail}");
    }
    // Strangers are not told what there is to ask.
    assert_eq!(floor.ask("/api/metrics/recent?count=-1", "").await.0, 401);
}

#[tokio::test]
async fn a_request_names_a_hundred_rooms_and_not_one_more() {
    let floor = TestGateway::start().await;
    let token = floor.token().await;
    let rooms: Vec<String> = (0..=100).map(|n| format!("calls:c{n}")).collect();
    let (status, answer) = floor.ask(&format!("/poll?rooms={}", rooms[..100].join(",")), &token).await;
    assert_eq!((status, answer["frames"].as_array().map(Vec::len)), (200, Some(100)));
    for door in ["poll", "events"] {
        let (status, problem) = floor.ask(&format!("/{door}?rooms={}", rooms.join(",")), &token).await;
        assert_eq!((status, &problem["code"]), (400, &json!("bad_request")));
        assert_eq!(problem["detail"], "Name at most 100 rooms; the WebSocket takes more.");
    }
}

#[tokio::test]
async fn labels_are_left_out_of_every_answer_where_there_are_none() {
    let floor = TestGateway::start().await;
    let metric = |name: &str| {
        json!({ "name": name, "unit": "%", "value": 4.0, "at": "2026-11-20T12:00:00.000Z", "count": 1, "avg": 4.0,
            "min": 4.0, "max": 4.0, "p50": 4.0, "p95": 4.0, "trend": "flat", "change": null })
    };
    let mut labelled = metric("revenue");
    labelled["labels"] = json!({ "shop": "north" });
    let series = json!({ "series": [{ "name": "cpu_usage", "points": [[1, 4.0]] },
        { "name": "revenue", "labels": { "shop": "north" }, "points": [[1, 4.0]] }] });
    let metrics = json!({ "metrics": [metric("cpu_usage"), labelled] });
    floor.state("metrics", "metrics_update", metrics, Some(series)).await;
    let token = floor.token().await;
    for (path, member) in
        [("/analytics/stats", "metrics"), ("/analytics/recent", "series"), ("/analytics/latest", "metrics")]
    {
        let (_, answer) = floor.ask(path, &token).await;
        let of: Vec<Option<&Value>> =
            answer[member].as_array().unwrap().iter().map(|metric| metric.get("labels")).collect();
        assert_eq!(of, [None, Some(&json!({ "shop": "north" }))], "{path}");
    }
    let (_, latest) = floor.ask("/analytics/latest", &token).await;
    let whole = json!({ "name": "cpu_usage", "unit": "%", "value": 4.0, "at": "2026-11-20T12:00:00.000Z" });
    assert_eq!(latest["metrics"][0], whole);
}

#[tokio::test]
async fn refused_logins_are_logged_without_their_passwords_and_answered_as_ever() {
    let floor = TestGateway::start().await;
    Accounts::add(floor.engine.as_ref(), "ann", "correct horse", &member(Role::Viewer, &["alpha"])).await.unwrap();
    let log = Arc::new(Log::default());
    let _logged = tracing::subscriber::set_default(log.clone());
    let browser = reqwest::Client::new();
    let login = async |name: &str, password: &str, origin: Option<&str>| {
        let mut request = browser.post(floor.url("/auth/login"));
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        let request = request.body(json!({ "username": name, "password": password }).to_string());
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let body: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap();
        let lines: Vec<String> =
            log.take().into_iter().filter(|line| line.contains("denied") || line.contains("rejected")).collect();
        assert!(!lines.iter().any(|line| line.contains("hunter") || line.contains("correct")), "{lines:?}");
        ((status, body["code"].as_str().unwrap_or_default().to_owned(), body["detail"].clone()), lines)
    };
    for left in (1..5).rev() {
        let (answer, lines) = login("ann", "hunter2", None).await;
        let tries = if left == 1 { "1 try".to_owned() } else { format!("{left} tries") };
        assert_eq!(answer, (401, "wrong_password".into(), json!(format!("Name or password is wrong. {tries} left."))));
        let fields = r#"user="ann" tenant=acme address=127.0.0.1 reason="wrong_password""#;
        assert!(lines.len() == 1 && lines[0].starts_with("INFO") && lines[0].contains(fields), "{lines:?}");
    }
    let wait = json!("Too many tries. Wait 15 minutes or ask an admin to unlock you.");
    let (answer, lines) = login("ann", "hunter2", None).await;
    assert_eq!(answer, (429, "locked".into(), wait.clone()));
    assert!(lines.len() == 1 && lines[0].starts_with("WARN") && lines[0].contains("account locked"), "{lines:?}");
    let (answer, lines) = login("ann", "correct horse", None).await;
    assert_eq!(answer, (429, "locked".into(), wait));
    assert!(lines.len() == 1 && lines[0].contains(r#"user="ann…" address=127.0.0.1 reason="locked""#), "{lines:?}");

    // Names come from anybody: no line of the log ends in one, and of one that is nobody's, which may be a password, little is
    // kept.
    for name in [format!("x\nI forged {}", "y".repeat(500)), "hunter2".to_owned()] {
        let (answer, lines) = login(&name, "wrong", None).await;
        assert_eq!(answer.0, 401);
        let kept = format!("user=\"{}…\"", if name == "hunter2" { "hun" } else { "xI " });
        assert!(lines.len() == 1 && lines[0].contains(&kept) && !lines[0].contains('\n'), "{lines:?}");
    }

    let (answer, lines) = login("ann", "hunter2", Some("https://evil.example")).await;
    assert_eq!((answer.0, answer.1.as_str()), (403, "foreign_origin"));
    let fields = ["address=127.0.0.1", r#"origin="https://evil.example""#, r#"route="/auth/login""#];
    assert!(lines.len() == 1 && fields.iter().all(|field| lines[0].contains(field)), "{lines:?}");
    let token = format!("Bearer {}", floor.token().await);
    let headers = [("authorization", token.as_str()), ("origin", "https://evil.example")];
    assert_eq!(Client::try_connect(floor.address, "/ws", &headers).await.err(), Some(403));
    let lines = log.take();
    assert!(lines.iter().any(|line| line.starts_with("WARN") && line.contains(r#"route="socket""#)), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains(&token[7..])), "{lines:?}");
}
