//! Checkpoints: a restored fold continues like the original.

use std::hash::Hasher;

use ringside_collector::fold::day::{Day, START_MS};
use ringside_collector::fold::{Changes, Fold, FoldSettings};
use ringside_model::{AgentCounts, CampaignEvent, CampaignStatus, Event, EventKind, Gauges};
use siphasher::sip::SipHasher13;

use crate::fixture::{Store, campaign_event, event, metric_event, ms};

/// A step of a log.
enum Step {
    Event(Box<Event>),
    Tick(i64),
}

/// Returns two hours of a log: all kinds of events, two minutes without ticks.
fn log() -> Vec<Step> {
    let day = Day { seed: 5, calls: 24_000 };
    let mut steps = Vec::new();
    let mut next_tick = START_MS;
    for happened in day.events() {
        let received = happened.received_at.millis();
        if received > START_MS + 2 * 3_600_000 {
            break;
        }
        while next_tick <= received {
            let second = (next_tick - START_MS) / 1_000;
            if !(4_000..4_120).contains(&second) {
                steps.push(Step::Tick(next_tick));
            }
            let value = (second % 120) as f64;
            let host = [("host", "db1")];
            let mut extra = vec![metric_event("cpu_usage", &host, "%", next_tick, value)];
            if second % 600 == 0 {
                let status = if second % 1_200 == 0 { CampaignStatus::Running } else { CampaignStatus::Paused };
                let name = Some(format!("Alpha {}", second / 3_000).into());
                extra.push(campaign_event(
                    next_tick,
                    CampaignEvent::State { name, status: Some(status), reason: Some("shift".into()) },
                ));
                let agents = Some(AgentCounts { ready: second, ..AgentCounts::default() });
                let gauges = Gauges { agents, queue_depth: Some(second), ..Gauges::default() };
                extra.push(campaign_event(next_tick + 1, CampaignEvent::Gauges(gauges)));
            }
            steps.extend(extra.into_iter().map(|event| Step::Event(Box::new(event))));
            next_tick += 1_000;
        }
        steps.push(Step::Event(Box::new(happened)));
    }
    steps
}

/// Applies steps, feeds derived events back, and returns the number of changes.
fn apply(fold: &mut Fold, steps: &[Step]) -> usize {
    let mut changes = Changes::default();
    let mut published = 0;
    for step in steps {
        match step {
            Step::Event(event) => fold.apply(event, &mut changes),
            Step::Tick(at) => fold.tick(ms(*at), &mut changes),
        }
        for event in std::mem::take(&mut changes.derived) {
            fold.apply(&event, &mut changes);
        }
        published += changes.calls.len() + changes.alerts.len() + changes.statuses.len();
        changes.clear();
    }
    published
}

#[test]
fn a_replay_arrives_at_the_same_bytes() {
    let log = log();
    let stores = [(); 2].map(|()| {
        let mut fold = Fold::new(FoldSettings::default().into());
        apply(&mut fold, &log);
        let mut store = Store::default();
        store.commit(fold.take_dirty());
        store
    });
    assert_eq!(stores[0], stores[1]);
}

#[test]
fn stored_bytes_stay_what_they_were() {
    let mut fold = Fold::new(FoldSettings::default().into());
    apply(&mut fold, &log());
    let mut store = Store::default();
    store.commit(fold.take_dirty());
    let mut hasher = SipHasher13::new();
    for (key, bytes) in &store.0 {
        hasher.write(key.as_bytes());
        hasher.write(bytes);
    }
    // An upgrade must read the previous version's state: another number here needs a migration.
    assert_eq!((store.0.len(), hasher.finish()), (880, 0x2f64_29f2_a8ce_073e));
}

#[test]
fn a_restored_fold_continues_like_the_original() {
    let log = log();
    let mut straight = Fold::new(FoldSettings::default().into());
    apply(&mut straight, &log);
    let mut expected = Store::default();
    expected.commit(straight.take_dirty());

    for eighth in [1, 3, 5, 7] {
        let cut = log.len() * eighth / 8 + 13;
        let mut before = Fold::new(FoldSettings::default().into());
        let mut store = Store::default();
        // Several checkpoints, so that each contains only changes.
        for part in log[..cut].chunks(cut / 3 + 1) {
            apply(&mut before, part);
            store.commit(before.take_dirty());
        }
        let mut restored = store.restore();
        let untouched = restored.take_dirty();
        assert_eq!((untouched.puts.len(), untouched.deletes.len()), (0, 0), "a restore is not a change");

        let published = apply(&mut before, &log[cut..]);
        assert_eq!(apply(&mut restored, &log[cut..]), published, "a restart publishes the same");
        let (left, right) = (before.take_dirty(), restored.take_dirty());
        assert_eq!(left.puts.len(), right.puts.len());
        for (left, right) in left.puts.iter().zip(&right.puts) {
            assert_eq!(left, right, "{}", left.0);
        }
        assert_eq!(left.deletes, right.deletes);
        store.commit(right);
        assert_eq!(store.0.keys().collect::<Vec<_>>(), expected.0.keys().collect::<Vec<_>>());
        assert_eq!(store, expected);
        for (tenant, id) in straight.campaigns() {
            assert_eq!(restored.campaign_metrics(tenant, id), straight.campaign_metrics(tenant, id));
            assert_eq!(restored.campaign_series(tenant, id), straight.campaign_series(tenant, id));
            assert_eq!(restored.hosts(tenant), straight.hosts(tenant));
            assert_eq!(restored.directory(tenant), straight.directory(tenant));
            assert_eq!(restored.open_alerts(tenant), straight.open_alerts(tenant));
        }
    }
}

#[test]
fn a_quiet_campaign_is_not_written_again() {
    let mut fold = Fold::new(FoldSettings::default().into());
    let mut changes = Changes::default();
    let quiet = CampaignEvent::State { name: None, status: Some(CampaignStatus::Paused), reason: None };
    fold.apply(&campaign_event(START_MS, quiet), &mut changes);
    for second in 1..10 {
        fold.tick(ms(START_MS + second * 1_000), &mut changes);
    }
    fold.take_dirty();
    fold.tick(ms(START_MS + 10_000), &mut changes);
    let keys: Vec<_> = fold.take_dirty().puts.into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, [Box::<str>::from("clock")]);
}

#[test]
fn damaged_state_is_named() {
    let settings = std::sync::Arc::new(FoldSettings::default());
    for (key, bytes, named) in [
        ("acme/c/alpha/head", &[255_u8, 1][..], "acme/c/alpha/head"),
        ("acme/c/alpha/what", &[], "acme/c/alpha/what"),
        ("acme/c/al pha/head", &[], "campaign id is invalid"),
        ("acme/directory/alpha", &[2, 1, 65, 77], "status is unknown"),
    ] {
        let entries = [(key.into(), bytes::Bytes::copy_from_slice(bytes))];
        let error = Fold::restore(settings.clone(), &entries).unwrap_err();
        assert!(error.to_string().contains(named), "{error}");
    }
    let mut fold = Fold::new(settings);
    let mut changes = Changes::default();
    fold.apply(
        &event(
            "n",
            START_MS,
            START_MS,
            EventKind::Campaign(crate::fixture::alpha(), CampaignEvent::Gauges(Gauges::default())),
        ),
        &mut changes,
    );
    let entries: Vec<_> = fold.take_dirty().puts;
    assert!(entries.iter().any(|(key, _)| &**key == "acme/c/alpha/head"));
}
