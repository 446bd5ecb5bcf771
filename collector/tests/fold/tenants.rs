//! A tenant's own state: metrics, hosts, notifications, the directory.

use ringside_collector::fold::FoldSettings;
use ringside_engine::Partition;
use ringside_model::{CallFact, CampaignEvent, CampaignStatus, Event, EventKind, Notification, Severity, TenantId};

use crate::fixture::{Fixture, NOON, alpha, call_event, campaign_event, event, metric_event, ms, tenant};

const HOUR: i64 = 3_600_000;

#[test]
fn a_metric_keeps_its_newest_sixty_samples_each_once() {
    let mut fixture = Fixture::new();
    for second in 0..100 {
        let sample = metric_event("revenue", &[("shop", "north")], "EUR", NOON + second * 1_000, second as f64);
        fixture.apply(&sample).apply(&sample);
    }
    let metrics = fixture.fold.metrics(&tenant());
    let [stats] = &metrics[..] else { panic!("one metric: {metrics:?}") };
    assert_eq!((stats.count, stats.min, stats.max, stats.value, stats.avg), (60, 40.0, 99.0, 99.0, 69.5));
    assert_eq!((stats.p50, stats.p95, &*stats.unit), (69.0, 96.0, "EUR"));
    let points = fixture.fold.metric_points(&tenant());
    assert_eq!((points[0].1.len(), points[0].1[0]), (60, (ms(NOON + 40_000), 40.0)));
    assert_eq!(fixture.fold.tenant_oddities(&tenant()).events.duplicates, 100);
    assert!(fixture.changes.dirty_metrics.contains(&tenant()) && fixture.changes.dirty_hosts.is_empty());
}

#[test]
fn the_number_of_series_per_tenant_is_limited() {
    let mut fixture = Fixture::with(FoldSettings { max_series: 2, ..FoldSettings::default() });
    for shop in ["a", "b", "c", "a"] {
        fixture.apply(&metric_event("revenue", &[("shop", shop)], "EUR", NOON, shop.len() as f64));
    }
    assert_eq!(fixture.fold.metrics(&tenant()).len(), 2);
    assert_eq!(fixture.fold.tenant_oddities(&tenant()).refused_samples, 1);
}

#[test]
fn a_metric_without_samples_for_a_day_is_evicted() {
    let mut fixture = Fixture::new();
    fixture.apply(&metric_event("cpu_usage", &[("host", "db1")], "%", NOON, 5.0)).tick(NOON + 24 * HOUR - 1);
    assert_eq!(fixture.fold.hosts(&tenant()).len(), 1);
    fixture.tick(NOON + 24 * HOUR + 60_000);
    assert_eq!((fixture.fold.hosts(&tenant()).len(), fixture.fold.metrics(&tenant()).len()), (0, 0));
}

fn booking(id: &str, at: i64) -> Event {
    let notification = Notification {
        id: id.into(),
        at: ms(at),
        category: "booking".into(),
        kind: Some("car".into()),
        status: Some("confirmed".into()),
        severity: Severity::Info,
        title: "Booking 8812 confirmed".into(),
        body: None,
    };
    event(id, at, at, EventKind::Notification(notification))
}

#[test]
fn a_notification_is_published_once() {
    let mut fixture = Fixture::new();
    fixture.apply(&booking("n1", NOON)).apply(&booking("n2", NOON)).apply(&booking("n1", NOON));
    fixture.tick(NOON + 23 * HOUR);
    let mut late = booking("n1", NOON);
    late.received_at = ms(NOON + 23 * HOUR);
    fixture.apply(&late);
    assert_eq!(fixture.changes.notifications.len(), 2);
    late.received_at = ms(NOON + 24 * HOUR + 1);
    fixture.tick(NOON + 26 * HOUR).apply(&late);
    let oddities = fixture.fold.tenant_oddities(&tenant()).events;
    assert_eq!((fixture.changes.notifications.len(), oddities.duplicates, oddities.too_old), (2, 2, 1));
}

#[test]
fn a_new_or_changed_campaign_updates_the_directory() {
    let mut fixture = Fixture::new();
    fixture.apply(&call_event("c1", NOON, CallFact::Queued));
    let state =
        |name: &str, status| CampaignEvent::State { name: Some(name.into()), status: Some(status), reason: None };
    fixture.apply(&campaign_event(NOON, state("Alpha", CampaignStatus::Running)));
    fixture.apply(&campaign_event(NOON, state("Alpha", CampaignStatus::Running)));
    fixture.apply(&campaign_event(NOON + 1_000, state("Alpha two", CampaignStatus::Running)));
    let ids: Vec<_> = fixture.changes.derived.iter().map(|event| event.id.as_str().to_owned()).collect();
    assert_eq!(
        ids,
        [
            format!("campaign/alpha/{NOON}/unknown"),
            format!("campaign/alpha/{}/running", NOON + 1),
            format!("campaign/alpha/{}/running", NOON + 1_000),
        ]
    );
    for event in &fixture.changes.derived {
        assert_eq!(Partition::of(&event.tenant, event.campaign(), 64), Partition::of(&tenant(), None, 64));
    }
    // In any order and with duplicates, the directory keeps the latest entry.
    let derived = fixture.changes.derived.clone();
    let mut directory = Fixture::new();
    derived.iter().rev().chain(&derived).for_each(|event| directory.fold.apply(event, &mut directory.changes));
    let listed = directory.fold.directory(&tenant());
    assert_eq!(listed, [(alpha(), "Alpha two".into(), CampaignStatus::Running)]);
    assert!(directory.changes.dirty_directory.contains(&tenant()));
}

#[test]
fn tenants_are_isolated_from_each_other() {
    let mut fixture = Fixture::new();
    let other = TenantId::parse("other").unwrap();
    let mut theirs = call_event("c1", NOON, CallFact::Dialing);
    theirs.tenant = other.clone();
    fixture.apply(&call_event("c1", NOON, CallFact::Dialing)).apply(&theirs);
    assert_eq!(fixture.fold.tenants().count(), 2);
    for tenant in [tenant(), other] {
        let metrics = fixture.fold.campaign_metrics(&tenant, &alpha()).unwrap();
        assert_eq!((metrics.active.dialing, metrics.oddities.duplicates), (1, 0));
    }
}
