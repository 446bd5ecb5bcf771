//! What a tenant has as a whole: metrics, machines, notifications, the directory.

use ringside_collector::fold::FoldSettings;
use ringside_engine::Partition;
use ringside_model::{CallFact, CampaignEvent, CampaignStatus, Event, EventKind, Notification, Severity, TenantId};

use crate::scene::{NOON, Scene, alpha, call_event, campaign_event, event, metric_event, ms, tenant};

const HOUR: i64 = 3_600_000;

#[test]
fn a_metric_keeps_its_newest_sixty_samples_each_once() {
    let mut scene = Scene::new();
    for second in 0..100 {
        let sample = metric_event("revenue", &[("shop", "north")], "EUR", NOON + second * 1_000, second as f64);
        scene.hear(&sample).hear(&sample);
    }
    let metrics = scene.fold.metrics(&tenant());
    let [stats] = &metrics[..] else { panic!("one metric: {metrics:?}") };
    assert_eq!((stats.count, stats.min, stats.max, stats.value, stats.avg), (60, 40.0, 99.0, 99.0, 69.5));
    assert_eq!((stats.p50, stats.p95, &*stats.unit), (69.0, 96.0, "EUR"));
    let points = scene.fold.metric_points(&tenant());
    assert_eq!((points[0].1.len(), points[0].1[0]), (60, (ms(NOON + 40_000), 40.0)));
    assert_eq!(scene.fold.tenant_oddities(&tenant()).events.duplicates, 100);
    assert!(scene.said.dirty_metrics.contains(&tenant()) && scene.said.dirty_hosts.is_empty());
}

#[test]
fn a_tenant_has_only_so_many_series() {
    let mut scene = Scene::with(FoldSettings { max_series: 2, ..FoldSettings::default() });
    for shop in ["a", "b", "c", "a"] {
        scene.hear(&metric_event("revenue", &[("shop", shop)], "EUR", NOON, shop.len() as f64));
    }
    assert_eq!(scene.fold.metrics(&tenant()).len(), 2);
    assert_eq!(scene.fold.tenant_oddities(&tenant()).refused_samples, 1);
}

#[test]
fn a_metric_without_samples_for_a_day_is_gone() {
    let mut scene = Scene::new();
    scene.hear(&metric_event("cpu_usage", &[("host", "db1")], "%", NOON, 5.0)).tick(NOON + 24 * HOUR - 1);
    assert_eq!(scene.fold.hosts(&tenant()).len(), 1);
    scene.tick(NOON + 24 * HOUR + 60_000);
    assert_eq!((scene.fold.hosts(&tenant()).len(), scene.fold.metrics(&tenant()).len()), (0, 0));
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
fn a_notification_is_told_once() {
    let mut scene = Scene::new();
    scene.hear(&booking("n1", NOON)).hear(&booking("n2", NOON)).hear(&booking("n1", NOON));
    scene.tick(NOON + 23 * HOUR);
    let mut late = booking("n1", NOON);
    late.received_at = ms(NOON + 23 * HOUR);
    scene.hear(&late);
    assert_eq!(scene.said.notifications.len(), 2);
    late.received_at = ms(NOON + 24 * HOUR + 1);
    scene.tick(NOON + 26 * HOUR).hear(&late);
    let oddities = scene.fold.tenant_oddities(&tenant()).events;
    assert_eq!((scene.said.notifications.len(), oddities.duplicates, oddities.too_old), (2, 2, 1));
}

#[test]
fn a_campaign_is_announced_on_sight_and_when_it_changes() {
    let mut scene = Scene::new();
    scene.hear(&call_event("c1", NOON, CallFact::Queued));
    let state =
        |name: &str, status| CampaignEvent::State { name: Some(name.into()), status: Some(status), reason: None };
    scene.hear(&campaign_event(NOON, state("Alpha", CampaignStatus::Running)));
    scene.hear(&campaign_event(NOON, state("Alpha", CampaignStatus::Running)));
    scene.hear(&campaign_event(NOON + 1_000, state("Alpha two", CampaignStatus::Running)));
    let ids: Vec<_> = scene.said.derived.iter().map(|word| word.id.as_str().to_owned()).collect();
    assert_eq!(
        ids,
        [
            format!("campaign/alpha/{NOON}/unknown"),
            format!("campaign/alpha/{}/running", NOON + 1),
            format!("campaign/alpha/{}/running", NOON + 1_000),
        ]
    );
    for word in &scene.said.derived {
        assert_eq!(Partition::of(&word.tenant, word.campaign(), 64), Partition::of(&tenant(), None, 64));
    }
    // In any order and twice, the directory ends up with the latest word.
    let words = scene.said.derived.clone();
    let mut directory = Scene::new();
    words.iter().rev().chain(&words).for_each(|word| directory.fold.apply(word, &mut directory.said));
    let listed = directory.fold.directory(&tenant());
    assert_eq!(listed, [(alpha(), "Alpha two".into(), CampaignStatus::Running)]);
    assert!(directory.said.dirty_directory.contains(&tenant()));
}

#[test]
fn tenants_have_nothing_to_do_with_each_other() {
    let mut scene = Scene::new();
    let other = TenantId::parse("other").unwrap();
    let mut theirs = call_event("c1", NOON, CallFact::Dialing);
    theirs.tenant = other.clone();
    scene.hear(&call_event("c1", NOON, CallFact::Dialing)).hear(&theirs);
    assert_eq!(scene.fold.tenants().count(), 2);
    for tenant in [tenant(), other] {
        let metrics = scene.fold.campaign_metrics(&tenant, &alpha()).unwrap();
        assert_eq!((metrics.active.dialing, metrics.oddities.duplicates), (1, 0));
    }
}
