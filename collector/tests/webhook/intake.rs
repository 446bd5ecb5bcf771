//! The intake, as sources use it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ringside_collector::source::{Feed, Spools, host, simulator};
use ringside_collector::webhook::Limits;
use ringside_engine::Engine;
use ringside_intake::{IncomingEvent, Intake, IntakeError, IntakeSettings};
use ringside_model::{
    CampaignId, CampaignStatus, DerivedEvent, EventId, EventKind, MetricSample, Timestamp, system_clock,
};
use tokio_util::sync::CancellationToken;

use crate::intake_fixture::{AppendFault, IntakeFixture, source, tenant};

fn sample(id: usize, at: Timestamp) -> IncomingEvent {
    let sample = MetricSample { name: "x".into(), unit: "".into(), value: id as f64, labels: Default::default() };
    IncomingEvent { id: EventId::parse(&format!("m{id}")).unwrap(), at, kind: EventKind::Metric(sample) }
}

#[tokio::test]
async fn events_older_than_the_horizon_are_rejected() {
    let fixture = IntakeFixture::with(
        IntakeSettings { dedupe_horizon_ms: 1_000, ..IntakeSettings::default() },
        Limits::default(),
    )
    .await;
    let now = fixture.intake.now();
    let events =
        vec![sample(0, now.plus_millis(-1_001)), sample(1, now.plus_millis(-1_000)), sample(2, now.plus_millis(9))];
    let receipt = fixture.intake.accept(&tenant("acme"), &source("s"), events).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected.len()), (2, 1));
    assert_eq!((receipt.rejected[0].index, receipt.rejected[0].code), (0, "too_old"));
}

#[tokio::test]
async fn derived_events_from_sources_are_rejected() {
    let fixture = IntakeFixture::new().await;
    let derived = DerivedEvent::Campaign {
        campaign: CampaignId::parse("alpha").unwrap(),
        name: "Alpha".into(),
        status: CampaignStatus::Running,
    };
    let event =
        IncomingEvent { id: EventId::parse("d").unwrap(), at: fixture.intake.now(), kind: EventKind::Derived(derived) };
    let receipt = fixture.intake.accept(&tenant("acme"), &source("s"), vec![event]).await.unwrap();
    assert_eq!((receipt.accepted, receipt.rejected[0].code), (0, "unknown_type"));
}

#[tokio::test]
async fn errors_say_when_to_retry() {
    let fixture = IntakeFixture::new().await;
    fixture.engine.set_fault(AppendFault::LogFull);
    let error =
        fixture.intake.accept(&tenant("a"), &source("s"), vec![sample(0, fixture.intake.now())]).await.unwrap_err();
    assert!(matches!(error, IntakeError::LogFull { retry_after_s: 1..=10 }), "{error:?}");
}

#[tokio::test]
async fn a_feed_keeps_the_newest_events_while_the_log_is_away() {
    let fixture = IntakeFixture::new().await;
    let mut feed = Feed::new(fixture.intake.clone(), tenant("acme"), source("s"), 100, &Spools::none());
    fixture.engine.set_fault(AppendFault::Unavailable);
    let now = fixture.intake.now();
    feed.push((0..80).map(|id| sample(id, now)));
    feed.flush().await;
    feed.push((80..150).map(|id| sample(id, now)));
    assert_eq!((feed.waiting(), feed.dropped()), (100, 50));
    fixture.engine.set_fault(AppendFault::None);
    // It pauses after a failure, and then goes on by itself.
    feed.flush().await;
    assert_eq!(feed.waiting(), 100);
    feed.until_retry().await;
    feed.flush().await;
    assert_eq!(feed.waiting(), 0);
    let ids: BTreeSet<String> = fixture.logged().await.iter().map(|event| event.id.to_string()).collect();
    assert_eq!(ids, (50..150).map(|id| format!("m{id}")).collect());
}

#[tokio::test]
async fn the_host_source_sends_its_metrics() {
    let fixture = IntakeFixture::new().await;
    let shutdown = CancellationToken::new();
    let cfg = host::HostConfig { tenant: tenant("acme"), source: source("host"), interval_ms: 100 };
    let running = tokio::spawn(host::run(cfg, fixture.intake.clone(), Spools::none(), shutdown.clone()));
    fixture.engine.until_appended(2).await;
    shutdown.cancel();
    running.await.unwrap().unwrap();
    let mut names = BTreeSet::new();
    for event in fixture.logged().await {
        let EventKind::Metric(sample) = event.kind else { panic!("metrics only") };
        assert!(sample.labels.contains_key("host"), "{sample:?}");
        assert!(sample.value.is_finite() && sample.value >= 0.0, "{sample:?}");
        if sample.unit.as_ref() == "%" {
            assert!(sample.value <= 100.5, "{sample:?}");
        }
        names.insert(sample.name);
    }
    for name in
        ["cpu_usage", "cpu_cores", "memory_used_bytes", "memory_total_bytes", "memory_usage", "process_rss_bytes"]
    {
        assert!(names.contains(name), "{name} is missing in {names:?}");
    }
}

#[tokio::test]
async fn an_invalid_interval_is_rejected_with_a_sentence() {
    let fixture = IntakeFixture::new().await;
    let cfg = host::HostConfig { tenant: tenant("acme"), source: source("host"), interval_ms: 0 };
    let error = host::run(cfg, fixture.intake.clone(), Spools::none(), CancellationToken::new()).await.unwrap_err();
    assert!(error.to_string().contains("100 ms to an hour"), "{error}");
}

#[tokio::test]
async fn a_second_simulator_run_only_fills_the_gap_in_history() {
    let fixture = IntakeFixture::new().await;
    let shared: Arc<dyn Engine> = fixture.engine.clone();
    let intake = Intake::new(shared, IntakeSettings::default(), system_clock());
    let cfg = simulator::SimulatorConfig {
        backfill_ms: 120_000,
        ..simulator::SimulatorConfig::new(tenant("demo"), source("simulator"))
    };
    let live = |appends: usize| {
        let (cfg, intake, engine) = (cfg.clone(), intake.clone(), Arc::clone(&fixture.engine));
        async move {
            let shutdown = CancellationToken::new();
            let running = tokio::spawn(simulator::run(cfg, intake, Spools::none(), shutdown.clone()));
            engine.until_appended(appends).await;
            shutdown.cancel();
            running.await.unwrap().unwrap();
        }
    };
    live(8).await;
    let first = fixture.logged().await;
    assert!(first.len() > 3_000, "{}", first.len());
    let newest = first.iter().map(|event| event.at).max().unwrap();
    live(fixture.engine.appended() + 2).await;
    let all = fixture.logged().await;
    let ids: BTreeSet<&str> = first.iter().map(|event| event.id.as_str()).collect();
    let second: Vec<_> = all.iter().filter(|event| !ids.contains(event.id.as_str())).collect();
    assert!(!second.is_empty());
    assert!(second.iter().all(|event| newest.since(event.at) < 5_000), "history was sent twice");
}
