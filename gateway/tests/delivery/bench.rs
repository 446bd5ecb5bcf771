//! Load runs: who may make them, what is published of a post, and who has the rooms.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use ringside_engine::contract::Around;
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_engine::{Batch, Engine, EngineError, Histories, Partition, Token};
use ringside_gateway::GatewaySettings;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::support::client::{Client, PATIENCE};
use crate::support::test_gateway::{TestGateway, tenant};

/// A gateway that takes load runs.
async fn floor() -> TestGateway {
    TestGateway::with(GatewaySettings { bench: true, ..GatewaySettings::default() }, Histories::default()).await
}

async fn token(floor: &TestGateway, role: &str) -> String {
    let mut claims = TestGateway::claims(None);
    claims["role"] = json!(role);
    floor.sign(&claims).await
}

async fn post(floor: &TestGateway, token: &str, number: &str, body: impl Into<reqwest::Body>) -> reqwest::Response {
    let url = format!("http://{}/bench/{number}", floor.address);
    reqwest::Client::new().post(url).bearer_auth(token).body(body).send().await.unwrap()
}

async fn refusal(answer: reqwest::Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let problem: Value = answer.json().await.unwrap();
    assert!(problem["detail"].as_str().is_some_and(|text| text.ends_with('.')), "a sentence: {problem}");
    (status, problem["code"].as_str().unwrap().to_owned())
}

/// Where the tenant's bench rooms live.
fn home(floor: &TestGateway) -> Partition {
    Partition::of(&tenant(), None, floor.engine.partitions())
}

#[tokio::test]
async fn without_the_flag_there_is_neither_address_nor_room() {
    let floor = TestGateway::start().await;
    let token = floor.token().await;
    assert_eq!(refusal(post(&floor, &token, "0", "{}").await).await, (404, "not_found".to_owned()));
    let mut client = Client::connect(floor.address, "/ws", &token).await;
    client.subscribe("bench:0").await;
    assert_eq!(client.until("error").await["code"], "forbidden_room");
}

#[tokio::test]
async fn only_operators_post_and_watch() {
    let floor = floor().await;
    for role in ["viewer", "auditor"] {
        let token = token(&floor, role).await;
        assert_eq!(refusal(post(&floor, &token, "0", "{}").await).await, (403, "forbidden_role".to_owned()));
        let mut client = Client::connect(floor.address, "/ws", &token).await;
        client.subscribe("bench:0").await;
        assert_eq!(client.until("error").await["code"], "forbidden_room");
    }
    for role in ["operator", "supervisor", "admin"] {
        let token = token(&floor, role).await;
        let mut client = Client::connect(floor.address, "/ws", &token).await;
        client.subscribe("bench:0").await;
        client.until("initial").await;
        assert_eq!(post(&floor, &token, "0", "{}").await.status(), 202);
        client.until("bench").await;
    }
    assert_eq!(refusal(post(&floor, "nobody's", "0", "{}").await).await, (401, "unauthorized".to_owned()));
    // Not by cookie: a browser sends that along for any page.
    let url = format!("http://{}/bench/0", floor.address);
    let cookie = format!("ringside={}", floor.token().await);
    let answer = reqwest::Client::new().post(url).header("cookie", cookie).body("{}").send().await.unwrap();
    assert_eq!(refusal(answer).await, (401, "unauthorized".to_owned()));
}

#[tokio::test]
async fn a_role_that_is_taken_away_takes_the_room_with_it() {
    let floor = floor().await;
    let mut client = Client::connect(floor.address, "/ws", &floor.token().await).await;
    client.subscribe("bench:0").await;
    client.until("initial").await;
    client.send(json!({ "action": "auth", "token": token(&floor, "viewer").await })).await;
    let error = client.until("error").await;
    assert_eq!((&error["code"], &error["room"]), (&json!("forbidden_room"), &json!("bench:0")));
}

#[tokio::test]
async fn a_body_becomes_the_frames_members_but_not_its_head() {
    let floor = floor().await;
    let token = floor.token().await;
    let mut client = Client::connect(floor.address, "/ws", &token).await;
    client.subscribe("bench:7").await;
    client.until("initial").await;
    let body = r#"{"type":"metrics_update","t":17,"seq":3,"room":"bench:9","cursor":"a:1","pad":{"type":"x"}}"#;
    assert_eq!(post(&floor, &token, "7", body).await.status(), 202);
    let frame = client.until("bench").await;
    assert_eq!(frame["room"], "bench:7");
    assert_eq!((&frame["t"], &frame["seq"], &frame["pad"]), (&json!(17), &json!(3), &json!({ "type": "x" })));
    let head = floor.head("bench:7").await;
    assert_eq!(frame["cursor"], head.to_string());
}

#[tokio::test]
async fn what_is_no_object_or_too_long_or_no_room_is_refused_with_a_sentence() {
    let floor = floor().await;
    let token = floor.token().await;
    for body in ["", "[]", "{\"a\":}", "7"] {
        assert_eq!(refusal(post(&floor, &token, "0", body).await).await, (400, "bad_request".to_owned()), "{body}");
    }
    let long = |bytes: usize| format!("{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
    assert_eq!(post(&floor, &token, "0", long(64 << 10)).await.status(), 202);
    assert_eq!(refusal(post(&floor, &token, "0", long((64 << 10) + 1)).await).await, (413, "too_large".to_owned()));
    for number in ["65536", "-1", "x"] {
        assert_eq!(
            refusal(post(&floor, &token, number, "{}").await).await,
            (400, "bad_request".to_owned()),
            "{number}"
        );
    }
    let url = format!("http://{}/bench/0", floor.address);
    assert_eq!(refusal(reqwest::get(url).await.unwrap()).await, (405, "wrong_method".to_owned()));
}

#[tokio::test]
async fn frames_arrive_in_order_without_a_gap() {
    const POSTS: u64 = 500;
    let floor = floor().await;
    let token = floor.token().await;
    // The client checks each cursor against the one before.
    let mut client = Client::connect(floor.address, "/ws", &token).await;
    client.subscribe("bench:0").await;
    client.until("initial").await;
    let http = reqwest::Client::new();
    let url = format!("http://{}/bench/0", floor.address);
    for seq in 0..POSTS {
        let answer = http.post(&url).bearer_auth(&token).body(json!({ "seq": seq }).to_string()).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
    for seq in 0..POSTS {
        assert_eq!(client.until("bench").await["seq"], seq);
    }
    assert_eq!(floor.head("bench:0").await.offset, POSTS);
}

#[tokio::test]
async fn nothing_of_the_log_counts_as_published_by_a_load_run() {
    let floor = floor().await;
    let token = floor.token().await;
    let mut client = Client::connect(floor.address, "/ws", &token).await;
    client.subscribe("bench:0").await;
    client.until("initial").await;
    for _ in 0..3 {
        assert_eq!(post(&floor, &token, "0", "{}").await.status(), 202);
        client.until("bench").await;
    }
    let there = floor.engine.load(home(&floor)).await.unwrap();
    assert_eq!((there.published.0, there.seq > 0), (0, true));
    // So an owner that comes after it tells its first entry.
    floor.gateway.drain().await;
    client.close_code().await;
    floor.alert(1, None).await;
    assert_eq!(floor.head("alerts").await.offset, 1);
}

#[tokio::test]
async fn rooms_that_a_collector_owns_are_left_to_it() {
    let floor = floor().await;
    let token = floor.token().await;
    let collector = floor.engine.acquire(home(&floor), "a collector", Duration::from_secs(600)).await.unwrap().unwrap();
    assert_eq!(refusal(post(&floor, &token, "0", "{}").await).await, (503, "owned_by_collector".to_owned()));
    assert!(floor.engine.renew(collector, Duration::from_secs(600)).await.unwrap());
    // Once it is gone the next look finds them free.
    floor.engine.release(collector).await.unwrap();
    let free = async { while post(&floor, &token, "0", "{}").await.status() != 202 {} };
    tokio::time::timeout(PATIENCE, free).await.unwrap();
}

#[tokio::test]
async fn a_run_holds_its_rooms_and_a_gateway_that_ends_gives_them_up() {
    let floor = floor().await;
    let token = floor.token().await;
    assert_eq!(post(&floor, &token, "0", "{}").await.status(), 202);
    let taken = async || floor.engine.acquire(home(&floor), "a collector", Duration::from_secs(600)).await.unwrap();
    assert_eq!(taken().await, None);
    floor.gateway.drain().await;
    assert!(taken().await.is_some());
}

#[tokio::test]
async fn a_full_queue_answers_503_and_what_was_taken_is_published() {
    let (floor, engine) = Meddled::floor().await;
    let token = floor.token().await;
    engine.mood.send_replace(Mood::Holds);
    let long = format!("{{\"pad\":\"{}\"}}", "x".repeat(60 << 10));
    let mut taken = 0;
    let refused = loop {
        let answer = post(&floor, &token, "0", long.clone()).await;
        if answer.status() != 202 {
            break answer;
        }
        taken += 1;
        assert!(taken < 1_000, "the queue has an end");
    };
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refusal(refused).await, (503, "busy".to_owned()));
    engine.mood.send_replace(Mood::Works);
    let published = async { while floor.head("bench:0").await.offset < taken {} };
    tokio::time::timeout(PATIENCE, published).await.unwrap();
    assert_eq!(floor.head("bench:0").await.offset, taken);
}

#[tokio::test]
async fn what_fails_is_published_again_and_what_only_seemed_to_is_not() {
    for fails in [Mood::FailsBefore, Mood::FailsAfter] {
        let (floor, engine) = Meddled::floor().await;
        let token = floor.token().await;
        let mut client = Client::connect(floor.address, "/ws", &token).await;
        client.subscribe("bench:0").await;
        client.until("initial").await;
        for seq in 0..4 {
            // The second one fails, once.
            if seq == 1 {
                engine.mood.send_replace(fails);
            }
            let body = json!({ "seq": seq }).to_string();
            let queued = async { while post(&floor, &token, "0", body.clone()).await.status() != 202 {} };
            tokio::time::timeout(PATIENCE, queued).await.unwrap();
            assert_eq!(client.until("bench").await["seq"], seq, "{fails:?}");
        }
        assert_eq!(*engine.mood.borrow(), Mood::Works, "it has failed");
    }
}

/// What becomes of publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mood {
    Works,
    /// They wait.
    Holds,
    /// The next one is not made.
    FailsBefore,
    /// The next one is made, and the answer is lost.
    FailsAfter,
}

/// An engine whose publications go as they are told to.
struct Meddled {
    inner: Arc<dyn Engine>,
    mood: watch::Sender<Mood>,
}

impl Meddled {
    async fn floor() -> (TestGateway, Arc<Self>) {
        let folder = TempDir::new().unwrap();
        let settings = EmbeddedSettings { partitions: 4, ..EmbeddedSettings::default() };
        let inner = Arc::new(Embedded::open(folder.path(), settings).unwrap());
        let engine = Arc::new(Self { inner, mood: watch::Sender::new(Mood::Works) });
        let settings = GatewaySettings { bench: true, ..GatewaySettings::default() };
        (TestGateway::over(engine.clone(), settings, folder).await, engine)
    }
}

#[async_trait]
impl Around for Meddled {
    fn inner(&self) -> &dyn Engine {
        &*self.inner
    }

    async fn publish(&self, token: Token, batch: Batch) -> Result<u64, EngineError> {
        let failed = Err(EngineError::Unavailable("the test says so".to_owned()));
        let mood = *self.mood.subscribe().wait_for(|mood| *mood != Mood::Holds).await.unwrap();
        match mood {
            Mood::Works | Mood::Holds => return self.inner.publish(token, batch).await,
            Mood::FailsBefore => {}
            Mood::FailsAfter => drop(self.inner.publish(token, batch).await.unwrap()),
        }
        self.mood.send_replace(Mood::Works);
        failed
    }
}
