//! What an operator sees of a gateway from outside: its metrics, and what travels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use ringside_engine::Histories;
use ringside_gateway::{DeliverySettings, GatewaySettings};
use ringside_http::recorder;
use ringside_model::{Cursor, Epoch};
use ringside_rig::until;

use crate::support::client::PATIENCE;
use crate::support::stream::Stream;
use crate::support::test_gateway::TestGateway;

/// One for all tests of this process, as a process has one.
static METRICS: LazyLock<PrometheusHandle> = LazyLock::new(|| recorder().install_recorder().expect("the only one"));

pub(crate) async fn measured_floor() -> TestGateway {
    let settings = GatewaySettings { metrics: Some(METRICS.clone()), ..GatewaySettings::default() };
    TestGateway::with(settings, Histories::default()).await
}

/// The samples of `/metrics`: name, labels and value.
pub(crate) async fn samples(floor: &TestGateway) -> Vec<(String, BTreeMap<String, String>, f64)> {
    let text = reqwest::get(floor.url("/metrics")).await.unwrap().text().await.unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
            let labels = labels.strip_suffix('}').unwrap().split("\",").filter(|label| !label.is_empty());
            let labels = labels.map(|label| {
                let (key, value) = label.split_once("=\"").unwrap();
                (key.to_owned(), value.trim_end_matches('"').to_owned())
            });
            (name.to_owned(), labels.collect(), value.parse().unwrap())
        })
        .collect()
}

/// The name without what a histogram adds to it.
fn family(name: &str) -> &str {
    ["_bucket", "_sum", "_count"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name)
}

#[tokio::test]
async fn metrics_are_what_the_document_says_and_name_nobody() {
    let floor = measured_floor().await;
    floor.numbers("alpha", 1, 1).await;
    let mut client = floor.client().await;
    client.subscribe("campaign:alpha").await;
    client.until("initial").await;
    assert_eq!(floor.ask("/analytics/campaigns/alpha/metrics", &floor.token().await).await.0, 200);
    let odd = reqwest::Client::new().request("BREW".parse().unwrap(), floor.url("/coffee")).send().await.unwrap();
    assert_eq!(odd.status(), 404);

    let samples = samples(&floor).await;
    let shown: BTreeSet<&str> = samples.iter().map(|(name, ..)| family(name)).collect();
    let ours: BTreeSet<&str> = shown.iter().copied().filter(|name| name.starts_with("ringside_gateway_")).collect();
    let document = include_str!("../../../docs/protocol.md");
    let documented: BTreeSet<&str> = document.split('`').filter(|code| code.starts_with("ringside_gateway_")).collect();
    assert_eq!(ours, documented);

    let known =
        ["transport", "source", "reason", "result", "route", "method", "status", "le", "code", "repaired", "pace"];
    for (name, labels, _) in samples.iter().filter(|(name, ..)| name.starts_with("ringside_gateway_")) {
        for (label, value) in labels {
            assert!(known.contains(&label.as_str()), "{name} has the label {label}");
            assert!(!["alpha", "beta", "ann", "acme"].iter().any(|who| value.contains(who)), "{name} names {value}");
            assert!(label != "method" || value != "BREW", "anybody could make up methods");
        }
    }
    for name in ["ringside_gateway_data_age_seconds", "ringside_gateway_http_seconds"] {
        let bounds: BTreeSet<&str> = samples
            .iter()
            .filter(|(shown, ..)| *shown == format!("{name}_bucket"))
            .map(|(_, labels, _)| labels["le"].as_str())
            .collect();
        assert!(["0.001", "0.01", "1", "60", "+Inf"].iter().all(|bound| bounds.contains(bound)), "{name}: {bounds:?}");
    }
}

#[tokio::test]
async fn without_a_recorder_there_is_no_metrics_page() {
    let floor = TestGateway::start().await;
    assert_eq!(floor.ask("/metrics", "").await.0, 404);
}

#[tokio::test]
async fn resumes_are_counted_by_what_they_were_served_from() {
    let floor = measured_floor().await;
    let counts = async || {
        let samples = samples(&floor).await;
        ["ring", "stream", "snapshot"].map(|source| {
            let of = samples.iter().find(|(name, labels, _)| {
                name == "ringside_gateway_resumes_total" && labels.get("source").map(String::as_str) == Some(source)
            });
            of.expect("it is there from the start").2
        })
    };
    for n in 0..=600 {
        floor.call("alpha", n).await;
    }
    let head = floor.head("calls:alpha").await;
    for (cursor, source) in [
        (Cursor { offset: head.offset - 1, ..head }, 0),
        (Cursor { offset: 1, ..head }, 1),
        (Cursor { epoch: Epoch(head.epoch.0 ^ 1), ..head }, 2),
    ] {
        let before = counts().await;
        let mut client = floor.client().await;
        client.resume("calls:alpha", cursor).await;
        client.until_that(|frame| frame["type"] == "call_event" || frame["type"] == "initial").await;
        let after = counts().await;
        // Other tests of this process count too, so it may be more.
        assert!(after[source] >= before[source] + 1.0, "{before:?} {after:?}");
    }
}

#[tokio::test]
async fn who_is_refused_and_who_is_closed_is_counted_and_so_is_memory() {
    let settings = GatewaySettings {
        metrics: Some(METRICS.clone()),
        delivery: DeliverySettings {
            connects_per_second: 1,
            max_age: Duration::from_millis(50),
            ..DeliverySettings::default()
        },
        memory_limit: Some(1 << 40),
        ..GatewaySettings::default()
    };
    let floor = TestGateway::with(settings, Histories::default()).await;
    // Other tests of this process count too, so it may be more.
    let value = async |name: &str, label: &str| {
        let samples = samples(&floor).await;
        let of = samples.iter().find(|(shown, labels, _)| {
            shown == name && (label.is_empty() || labels.values().any(|value| value == label))
        });
        of.expect("it is there from the start").2
    };
    let closed = value("ringside_gateway_closes_total", "4600").await;
    let refused = value("ringside_gateway_connects_refused_total", "rate").await;
    let mut stream = Stream::open(&floor, "/events?rooms=alerts", None).await;
    stream.until("bye").await;
    assert!(stream.next().await.is_none());
    until("the close is counted", PATIENCE, async || {
        value("ringside_gateway_closes_total", "4600").await >= closed + 1.0
    })
    .await
    .unwrap();
    until("somebody is refused", PATIENCE, async || {
        floor.ask("/events?rooms=alerts", "").await;
        value("ringside_gateway_connects_refused_total", "rate").await >= refused + 1.0
    })
    .await
    .unwrap();
    until("memory is read", PATIENCE, async || {
        value("ringside_gateway_memory_bytes", "").await > 1e6
            && value("ringside_gateway_memory_limit_bytes", "").await > 1e6
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn pages_travel_compressed_and_streams_do_not() {
    let floor = TestGateway::start().await;
    let get = async |path: &str, encoding: &str| {
        let request = reqwest::Client::new().get(floor.url(path)).bearer_auth(floor.token().await);
        request.header("accept-encoding", encoding).send().await.unwrap()
    };
    let plain = get("/login", "identity").await;
    assert!(!plain.headers().contains_key("content-encoding"));
    let plain = plain.bytes().await.unwrap().len();
    for encoding in ["br", "gzip"] {
        let packed = get("/login", encoding).await;
        assert_eq!(packed.headers()["content-encoding"], encoding);
        assert_eq!(packed.headers()["vary"], "accept-encoding");
        let packed = packed.bytes().await.unwrap().len();
        assert!(packed * 2 < plain, "{packed} of {plain} bytes");
    }
    let stream = get("/events/alerts", "br, gzip").await;
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert!(!stream.headers().contains_key("content-encoding"), "an event must not wait for others to be packed with");
}
