//! An intake with its webhook, on an engine with appends that can fail or wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use ringside_access::{IssuedKey, Keys, Secret};
use ringside_collector::webhook::{Limits, Webhook, webhook_routes};
use ringside_engine::contract::Around;
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_engine::{Engine, EngineError, EventLog, Partition, Position};
use ringside_intake::{Intake, IntakeSettings};
use ringside_model::{Clock, Event, SourceId, TenantId, Timestamp};
use ringside_wire::Record;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tower::ServiceExt;

/// The time at which every test begins.
pub(crate) const NOW: &str = "2026-11-20T12:00:00.000Z";

/// The fault that an append has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum AppendFault {
    None,
    LogFull,
    Unavailable,
    /// It appends and then fails, as if the reply got lost.
    LostReply,
}

/// The embedded engine with faults in its appends.
pub(crate) struct FaultyEngine {
    inner: Embedded,
    fault: AtomicUsize,
    gate: Semaphore,
    waiting: watch::Sender<usize>,
    appended: watch::Sender<usize>,
}

impl FaultyEngine {
    /// Returns the number of appends that have succeeded.
    pub(crate) fn appended(&self) -> usize {
        *self.appended.borrow()
    }

    pub(crate) async fn until_appended(&self, number: usize) {
        self.appended.subscribe().wait_for(|appended| *appended >= number).await.unwrap();
    }

    pub(crate) fn set_fault(&self, fault: AppendFault) {
        self.fault.store(fault as usize, Ordering::SeqCst);
    }

    /// Makes appends wait until the gate is opened.
    pub(crate) fn close_gate(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub(crate) fn open_gate(&self) {
        self.gate.add_permits(1_000);
    }

    pub(crate) async fn until_appends_wait(&self, number: usize) {
        self.waiting.subscribe().wait_for(|waiting| *waiting >= number).await.unwrap();
    }
}

#[async_trait]
impl Around for FaultyEngine {
    fn inner(&self) -> &dyn Engine {
        &self.inner
    }

    async fn append(&self, records: Vec<(Partition, Bytes)>) -> Result<(), EngineError> {
        self.waiting.send_modify(|waiting| *waiting += 1);
        let _passed = self.gate.acquire().await.unwrap();
        self.waiting.send_modify(|waiting| *waiting -= 1);
        let unavailable = || EngineError::Unavailable("disk /dev/secret is gone".into());
        match self.fault.load(Ordering::SeqCst) {
            fault if fault == AppendFault::LogFull as usize => Err(EngineError::LogFull(3)),
            fault if fault == AppendFault::Unavailable as usize => Err(unavailable()),
            fault if fault == AppendFault::LostReply as usize => {
                self.inner.append(records).await.and(Err(unavailable()))
            }
            _ => {
                self.inner.append(records).await?;
                self.appended.send_modify(|appended| *appended += 1);
                Ok(())
            }
        }
    }
}

/// A response to a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) json: Value,
}

impl Answer {
    /// Returns the accepted, duplicate and rejected events.
    pub(crate) fn counts(&self) -> (u64, u64, u64) {
        assert_eq!(self.status, StatusCode::OK, "{}", self.json);
        let count = |member: &str| self.json[member].as_u64().unwrap();
        (count("accepted"), count("duplicates"), count("rejectedCount"))
    }

    /// Returns the index and code of each listed rejection.
    pub(crate) fn rejections(&self) -> Vec<(u64, &str)> {
        let read = |rejection: &'_ Value| rejection["index"].as_u64().unwrap();
        let rejected = self.json["rejected"].as_array().unwrap();
        rejected.iter().map(|rejection| (read(rejection), rejection["code"].as_str().unwrap())).collect()
    }

    /// Checks the form of a problem; returns its status, code and sentence.
    pub(crate) fn problem(&self) -> (u16, &str, &str) {
        assert_eq!(self.headers["content-type"], "application/problem+json", "{}", self.json);
        assert_eq!(self.json["status"], self.status.as_u16());
        assert!(self.json["type"].is_string() && self.json["title"].is_string());
        (self.status.as_u16(), self.json["code"].as_str().unwrap(), self.json["detail"].as_str().unwrap())
    }

    pub(crate) fn retry_after_s(&self) -> u64 {
        self.headers["retry-after"].to_str().unwrap().parse().unwrap()
    }
}

/// The intake, the API keys and the routes of a test.
pub(crate) struct IntakeFixture {
    pub(crate) engine: Arc<FaultyEngine>,
    pub(crate) intake: Intake,
    pub(crate) keys: Keys,
    pub(crate) routes: Router,
    /// A key of tenant `acme`, source `hook`.
    pub(crate) key: IssuedKey,
    millis: Arc<AtomicI64>,
    _folder: TempDir,
}

impl IntakeFixture {
    pub(crate) async fn new() -> Self {
        Self::with(IntakeSettings::default(), Limits::default()).await
    }

    pub(crate) async fn with(settings: IntakeSettings, limits: Limits) -> Self {
        let folder = TempDir::new().unwrap();
        let inner = Embedded::open(folder.path(), EmbeddedSettings { partitions: 8, ..EmbeddedSettings::default() });
        let engine = Arc::new(FaultyEngine {
            inner: inner.unwrap(),
            fault: AtomicUsize::new(AppendFault::None as usize),
            gate: Semaphore::new(1_000),
            waiting: watch::Sender::new(0),
            appended: watch::Sender::new(0),
        });
        let millis = Arc::new(AtomicI64::new(Timestamp::parse_rfc3339(NOW).unwrap().millis()));
        let read = Arc::clone(&millis);
        let clock: Clock = Arc::new(move || Timestamp::from_millis(read.load(Ordering::SeqCst)));
        let shared: Arc<dyn Engine> = engine.clone();
        let intake = Intake::new(Arc::clone(&shared), settings, Arc::clone(&clock));
        let keys = Keys::new(shared, clock);
        let key = keys.issue(&tenant("acme"), &source("hook"), "test", Vec::new()).await.unwrap();
        let routes = webhook_routes(Webhook { intake: intake.clone(), keys: keys.clone(), limits });
        Self { engine, intake, keys, routes, key, millis, _folder: folder }
    }

    /// Returns another collector on the same engine, with the same keys.
    pub(crate) fn second_collector(&self) -> SecondCollector {
        let read = Arc::clone(&self.millis);
        let clock: Clock = Arc::new(move || Timestamp::from_millis(read.load(Ordering::SeqCst)));
        let intake = Intake::new(self.engine.clone(), IntakeSettings::default(), clock);
        let routes = webhook_routes(Webhook { intake, keys: self.keys.clone(), limits: Limits::default() });
        SecondCollector { routes, bearer: format!("Bearer {}", self.key.key) }
    }

    pub(crate) fn pass_ms(&self, millis: i64) {
        self.millis.fetch_add(millis, Ordering::SeqCst);
    }

    /// Issues a key that requires signed deliveries.
    pub(crate) async fn signed_key(&self, secrets: Vec<Secret>) -> IssuedKey {
        self.keys.issue(&tenant("acme"), &source("signed"), "signed", secrets).await.unwrap()
    }

    /// Sends JSON with the usual key.
    pub(crate) async fn post(&self, body: impl Into<Body>) -> Answer {
        self.post_as("application/json", body).await
    }

    pub(crate) async fn post_as(&self, content_type: &str, body: impl Into<Body>) -> Answer {
        let bearer = format!("Bearer {}", self.key.key);
        self.send(&[("authorization", &bearer), ("content-type", content_type)], body).await
    }

    pub(crate) async fn send(&self, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        self.request(Method::POST, headers, body).await
    }

    pub(crate) async fn request(&self, method: Method, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        send_request(&self.routes, method, headers, body).await
    }

    /// Returns all events of the log, partition after partition.
    pub(crate) async fn logged(&self) -> Vec<Event> {
        let mut events = Vec::new();
        for partition in 0..self.engine.partitions() {
            for entry in self.engine.inner().read_log(Partition(partition), Position(0), 1_000_000).await.unwrap() {
                match Record::decode(&entry.record).unwrap() {
                    Record::Event(event) => events.push(event),
                    Record::Tick(at) => panic!("no owner runs, so no tick is expected: {at}"),
                }
            }
        }
        events
    }
}

/// Another collector of the fixture.
pub(crate) struct SecondCollector {
    routes: Router,
    bearer: String,
}

impl SecondCollector {
    /// Sends JSON with the usual key.
    pub(crate) async fn post(&self, body: impl Into<Body>) -> Answer {
        let headers = [("authorization", self.bearer.as_str()), ("content-type", "application/json")];
        send_request(&self.routes, Method::POST, &headers, body).await
    }
}

async fn send_request(routes: &Router, method: Method, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut request = Request::builder().method(method).uri("/ingest/events");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = routes.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
    let (status, headers) = (response.status(), response.headers().clone());
    let body = to_bytes(response.into_body(), 16 << 20).await.unwrap();
    let json = if body.is_empty() { Value::Null } else { serde_json::from_slice(&body).unwrap() };
    Answer { status, headers, json }
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

pub(crate) fn source(name: &str) -> SourceId {
    SourceId::parse(name).unwrap()
}

/// A valid event.
pub(crate) fn event(id: &str) -> String {
    format!(r#"{{"id":"{id}","type":"call.answered","at":"{NOW}","campaign":"alpha","callId":"c-1"}}"#)
}

/// An array of valid events with these ids.
pub(crate) fn events(ids: impl IntoIterator<Item = usize>) -> String {
    let events: Vec<String> = ids.into_iter().map(|id| event(&format!("e{id}"))).collect();
    format!("[{}]", events.join(","))
}
