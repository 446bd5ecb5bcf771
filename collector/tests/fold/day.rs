//! A whole day of 100,000 calls.

use ringside_collector::fold::day::{Day, START_MS};
use ringside_collector::fold::{Changes, Fold, FoldSettings};
use ringside_model::{Aggregate, CampaignMetrics, Counter, Event, Outcome};

use crate::fixture::ms;
use crate::model;

fn metrics_of_all(fold: &Fold) -> Vec<CampaignMetrics> {
    fold.campaigns().map(|(tenant, id)| fold.campaign_metrics(tenant, id).unwrap()).collect()
}

#[test]
fn a_day_of_a_hundred_thousand_calls_has_its_expected_totals() {
    let day = Day { seed: 7, calls: 100_000 };
    let mut fold = Fold::new(FoldSettings::default().into());
    let mut changes = Changes::default();
    let mut next_tick = START_MS;
    for event in day.events() {
        while next_tick <= event.received_at.millis() {
            fold.tick(ms(next_tick), &mut changes);
            next_tick += 1_000;
        }
        fold.apply(&event, &mut changes);
        changes.clear();
    }
    for _ in 0..180 {
        fold.tick(ms(next_tick), &mut changes);
        next_tick += 1_000;
    }

    let all = metrics_of_all(&fold);
    for metrics in &all {
        assert_eq!(metrics.totals, day.campaign_totals(&metrics.campaign), "{}", metrics.campaign);
        assert_eq!(metrics.active.total(), 0);
        assert!(metrics.oddities.duplicates > 0, "the day has duplicates");
        let tiles: i64 = Outcome::ALL.iter().map(|outcome| metrics.totals.outcome(*outcome)).sum();
        assert_eq!(tiles, metrics.totals[Counter::Completed] + metrics.totals[Counter::Lost]);
    }
    let sum = Aggregate::of(&all);
    assert_eq!(sum.totals, day.totals());
    assert_eq!(sum.totals[Counter::Attempts], 100_000);

    // The stored bytes per closed call, records and keys, are limited.
    let (closed, live) = fold.call_counts();
    assert_eq!((closed, live), (100_000, 0));
    let stored = fold.take_dirty().puts;
    let chunks = stored.iter().filter(|(key, _)| key.contains("/l/"));
    let bytes: usize = chunks.map(|(key, bytes)| key.len() + bytes.len()).sum();
    let per_call = bytes as f64 / closed as f64;
    assert!(per_call <= 32.0, "{per_call} bytes a call");
    for (tenant, id) in fold.campaigns() {
        let (state, _) = fold.campaign_bytes(tenant, id).unwrap();
        assert!(state < 400_000, "{id} takes {state} bytes");
    }
}

#[test]
fn the_reference_model_agrees_with_the_day() {
    let day = Day { seed: 11, calls: 5_000 };
    let events: Vec<Event> = day.events().collect();
    assert_eq!(model::totals(&events), day.totals());
    assert!(events.is_sorted_by_key(|event| event.received_at));
}

#[test]
fn a_shuffled_day_has_the_same_totals() {
    let day = Day { seed: 3, calls: 4_000 };
    let events: Vec<Event> = day.events().collect();
    let fold_of = |order: &[usize]| {
        let mut fold = Fold::new(FoldSettings::default().into());
        let mut changes = Changes::default();
        for place in order {
            fold.apply(&events[*place], &mut changes);
        }
        fold.tick(ms(START_MS + 86_400_000), &mut changes);
        metrics_of_all(&fold)
    };
    let straight: Vec<usize> = (0..events.len()).collect();
    let mut shuffled = straight.clone();
    let mut state = 99_u64;
    for place in (1..shuffled.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        shuffled.swap(place, (state >> 33) as usize % (place + 1));
    }
    let backwards: Vec<usize> = straight.iter().rev().copied().collect();
    let expected = fold_of(&straight);
    for order in [shuffled, backwards] {
        for (got, expected) in fold_of(&order).iter().zip(&expected) {
            assert_eq!(got.totals, expected.totals);
            assert_eq!(got.hour, expected.hour);
            assert_eq!(got.hour_before, expected.hour_before);
            assert_eq!(got.abandon, expected.abandon);
            assert_eq!(got.durations, expected.durations);
            assert_eq!(got.started_at, expected.started_at);
        }
    }
}
