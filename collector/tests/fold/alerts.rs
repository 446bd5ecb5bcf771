//! Alert rules, their delays, and the alerts of a tenant.

use ringside_collector::fold::{FoldSettings, Rule, RuleTarget, Statistic};
use ringside_model::{Alert, AlertState, CallFact, Comparison, DerivedEvent, EndedBy, Event, EventKind, Severity};

use crate::fixture::{Fixture, NOON, Store, alpha, ended, metric_event, tenant};

/// Returns a rule on `load`: fires after 2 s, resolves after 3 s below the margin.
fn rule() -> Rule {
    Rule {
        id: "load".into(),
        title: "Load of {subject} is {value}, above {limit}".into(),
        target: RuleTarget::Metric { name: "load".into(), statistic: Statistic::Last },
        comparison: Comparison::Above,
        warning: Some(5.0),
        critical: Some(9.0),
        for_ms: 2_000,
        clear_margin: 1.0,
        keep_firing_ms: 3_000,
        min_samples: 1,
    }
}

fn fixture() -> Fixture {
    Fixture::with(FoldSettings { rules: vec![rule()], ..FoldSettings::default() })
}

/// Applies one value a second; returns when and how the alert changed.
fn transitions(values: &[f64]) -> Vec<(usize, Severity, AlertState)> {
    let mut fixture = fixture();
    let mut transitions = Vec::new();
    for (second, value) in values.iter().enumerate() {
        let at = NOON + second as i64 * 1_000;
        fixture.apply(&metric_event("load", &[("host", "db1")], "", at, *value)).ticks(at + 500, at + 500);
        transitions.extend(fixture.changes.alerts.drain(..).map(|(_, alert)| (second, alert.severity, alert.state)));
    }
    transitions
}

#[test]
fn a_rule_waits_before_it_fires_and_before_it_resolves() {
    use AlertState::{Firing, Resolved};
    use Severity::{Critical, Warning};
    for (values, expected) in [
        // It fires after a breach of two seconds without interruption.
        (vec![6.0, 6.0, 6.0], vec![(2, Warning, Firing)]),
        (vec![6.0, 6.0, 1.0, 6.0, 6.0], vec![]),
        (vec![5.0, 5.0, 5.0, 5.0], vec![]),
        // It escalates once, and never de-escalates before it resolves.
        (
            vec![6.0, 6.0, 6.0, 9.5, 6.0, 9.5, 1.0, 1.0, 1.0, 1.0],
            vec![(2, Warning, Firing), (3, Critical, Firing), (9, Critical, Resolved)],
        ),
        // A value inside the limit but not beyond the margin does not resolve it.
        (vec![6.0, 6.0, 6.0, 4.5, 4.5, 4.5, 4.5, 4.5, 4.0], vec![(2, Warning, Firing), (8, Warning, Resolved)]),
        // A breach while it recovers causes no transition.
        (vec![6.0, 6.0, 6.0, 1.0, 1.0, 6.0, 1.0, 1.0, 1.0, 1.0], vec![(2, Warning, Firing), (9, Warning, Resolved)]),
        (vec![9.5, 9.5, 9.5], vec![(2, Critical, Firing)]),
    ] {
        assert_eq!(transitions(&values), expected, "{values:?}");
    }
}

#[test]
fn an_alert_has_its_subject_value_limit_and_time() {
    let mut fixture = fixture();
    for at in [NOON, NOON + 1_000, NOON + 2_000] {
        fixture.apply(&metric_event("load", &[("host", "db1")], "", at, 6.25)).ticks(at, at);
    }
    let open = fixture.fold.open_alerts(&tenant());
    let [alert] = &open[..] else { panic!("one alert: {open:?}") };
    assert_eq!(&*alert.title, "Load of db1 is 6.25, above 5");
    assert_eq!((alert.threshold, alert.value, alert.n, alert.transition), (5.0, 6.25, Some(3), 1));
    assert_eq!((alert.since, alert.at), (crate::fixture::ms(NOON + 2_000), crate::fixture::ms(NOON + 2_000)));
    assert_eq!(fixture.fold.worst_alert(&tenant()), Some(Severity::Warning));
}

#[test]
fn a_stale_series_resolves_its_alert_and_says_why() {
    let mut fixture = fixture();
    for at in [NOON, NOON + 1_000, NOON + 2_000] {
        fixture.apply(&metric_event("load", &[], "", at, 6.0)).ticks(at, at);
    }
    fixture.ticks(NOON + 3_000, NOON + 121_000);
    assert_eq!(
        fixture.fold.open_alerts(&tenant()).len(),
        1,
        "it is stale after a minute and resolves after another one"
    );
    fixture.ticks(NOON + 122_000, NOON + 122_000);
    assert_eq!(fixture.fold.open_alerts(&tenant()), []);
    let last = fixture.fold.recent_alerts(&tenant()).pop().unwrap();
    assert_eq!((last.state, last.transition), (AlertState::Resolved, 2));
    assert!(last.title.contains("no data"), "{}", last.title);
}

fn abandon(fixture: &mut Fixture, calls: i64, dropped: i64) {
    for call in 0..calls {
        let end = if call < dropped { EndedBy::Us } else { EndedBy::Them };
        fixture.story(&format!("c{call}"), NOON - 1_000, &[(0, CallFact::Answered), (100, ended(16, end))]);
    }
}

#[test]
fn an_alert_needs_enough_calls() {
    let mut fixture = Fixture::new();
    abandon(&mut fixture, 29, 10);
    fixture.ticks(NOON, NOON + 30_000);
    assert_eq!(fixture.fold.open_alerts(&tenant()), []);
    abandon(&mut fixture, 30, 10);
    fixture.ticks(NOON + 31_000, NOON + 40_000);
    assert_eq!(fixture.fold.open_alerts(&tenant()), [], "the breach must last ten seconds");
    fixture.ticks(NOON + 41_000, NOON + 41_000);
    let open = fixture.fold.open_alerts(&tenant());
    assert_eq!((open[0].severity, open[0].campaign.clone(), open[0].n), (Severity::Critical, Some(alpha()), Some(30)));
    assert_eq!(&*open[0].title, "alpha abandons 33.33 % of the people it reaches (30 in 5 minutes), above 3 %");
}

#[test]
fn the_abandon_rate_warns_before_it_is_critical() {
    for (dropped, severity) in [(10, None), (11, Some(Severity::Warning)), (13, Some(Severity::Critical))] {
        let mut fixture = Fixture::new();
        abandon(&mut fixture, 400, dropped);
        fixture.ticks(NOON, NOON + 11_000);
        assert_eq!(fixture.fold.worst_alert(&tenant()), severity, "{dropped} of 400");
    }
}

#[test]
fn a_transition_travels_through_the_log_and_counts_once() {
    let mut fixture = Fixture::new();
    abandon(&mut fixture, 100, 10);
    for at in (NOON..=NOON + 12_000).step_by(1_000) {
        fixture.tick(at);
    }
    assert!(fixture.changes.alerts.is_empty(), "only the tenant's home partition publishes it");
    let alerts = |event: &&Event| event.id.as_str().starts_with("alert/");
    let derived: Vec<_> = fixture.changes.derived.iter().filter(alerts).collect();
    let [event] = &derived[..] else { panic!("one derived event: {derived:?}") };
    assert_eq!((event.id.as_str(), event.source.as_str()), ("alert/abandon-rate/alpha/1", "ringside"));
    assert_eq!(event.campaign(), None, "it belongs to the tenant's home partition");
    let event = (*event).clone();

    let mut elsewhere = Fixture::new();
    elsewhere.apply(&event).apply(&event);
    assert_eq!((elsewhere.changes.alerts.len(), elsewhere.fold.open_alerts(&tenant()).len()), (1, 1));
    let EventKind::Derived(DerivedEvent::Alert(alert)) = &event.kind else { panic!("an alert") };
    let resolved = Alert { state: AlertState::Resolved, transition: 2, ..(**alert).clone() };
    let mut second = event.clone();
    second.kind = EventKind::Derived(DerivedEvent::Alert(Box::new(resolved)));
    elsewhere.apply(&second).apply(&event);
    assert_eq!(elsewhere.fold.open_alerts(&tenant()), [], "an old transition does not reopen it");
}

#[test]
fn a_restart_does_not_page_again() {
    let mut fixture = Fixture::new();
    abandon(&mut fixture, 100, 10);
    fixture.ticks(NOON, NOON + 12_000);
    let mut store = Store::default();
    store.commit(fixture.fold.take_dirty());
    let open = fixture.fold.open_alerts(&tenant());
    fixture.fold = store.restore();
    fixture.changes.clear();
    fixture.ticks(NOON + 13_000, NOON + 60_000);
    assert_eq!(fixture.changes.alerts, []);
    assert_eq!(fixture.fold.open_alerts(&tenant()), open);
}

#[test]
fn an_alert_of_a_removed_rule_resolves() {
    let mut fixture = Fixture::new();
    abandon(&mut fixture, 100, 10);
    fixture.ticks(NOON, NOON + 12_000);
    let entries = fixture.fold.take_dirty().puts;
    let settings = FoldSettings { rules: Vec::new(), ..FoldSettings::default() };
    fixture.fold = ringside_collector::fold::Fold::restore(settings.into(), &entries).unwrap();
    fixture.ticks(NOON + 60_000, NOON + 60_000);
    assert_eq!(fixture.fold.open_alerts(&tenant()), []);
    assert_eq!(fixture.changes.alerts.last().unwrap().1.state, AlertState::Resolved);
}

#[test]
fn the_default_rules_cover_hosts_and_latency() {
    for (name, unit, fine, bad, severity) in [
        ("cpu_usage", "%", 90.0, 90.5, Severity::Critical),
        ("memory_usage", "%", 85.0, 85.5, Severity::Warning),
        ("latency", "ms", 80.0, 81.0, Severity::Warning),
    ] {
        for (value, expected) in [(fine, None), (bad, Some(severity))] {
            let mut fixture = Fixture::new();
            for second in 0..7 {
                let at = NOON + second * 1_000;
                fixture.apply(&metric_event(name, &[("host", "db1")], unit, at, value)).ticks(at, at);
            }
            assert_eq!(fixture.fold.worst_alert(&tenant()), expected, "{name} {value}");
        }
    }
}
