//! The same facts give the same numbers, in any order and with any duplicates.

use proptest::prelude::*;
use ringside_collector::fold::FoldSettings;
use ringside_model::{Amd, CallFact, Counter, Disposition, EndedBy, Event, Outcome};

use crate::fixture::{Fixture, NOON, alpha, call_event, ms, tenant};
use crate::model;

fn fact() -> impl Strategy<Value = CallFact> {
    let amd = prop_oneof![Just(Amd::Unsure), Just(Amd::Human), Just(Amd::Fax), Just(Amd::Machine)];
    let by = prop_oneof![Just(EndedBy::Us), Just(EndedBy::Them), Just(EndedBy::Unknown)];
    let cause = prop_oneof![
        Just(None),
        prop::sample::select(vec![0_u16, 1, 16, 17, 18, 19, 21, 31, 34, 487, 815, 999]).prop_map(Some)
    ];
    let disposition = prop_oneof![
        Just(Disposition::Converted),
        Just(Disposition::OptOut),
        Just(Disposition::Callback),
        Just(Disposition::NotInterested),
        Just(Disposition::Other)
    ];
    prop_oneof![
        1 => Just(CallFact::Queued),
        1 => Just(CallFact::Dialing),
        1 => Just(CallFact::Ringing),
        3 => Just(CallFact::Answered),
        1 => amd.prop_map(CallFact::Amd),
        2 => Just(CallFact::Bridged),
        3 => (cause, by).prop_map(|(cause, by)| CallFact::Ended { cause, by }),
        2 => disposition.prop_map(CallFact::Disposition),
    ]
}

/// Generates facts of a few calls, all received at one time.
/// Times are coarse, so that ties are common.
fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((0..4_u8, 0..40_i64, fact()), 1..40).prop_map(|facts| {
        let event = |(call, half_seconds, fact)| {
            let mut event = call_event(&format!("c{call}"), NOON + half_seconds * 500, fact);
            event.received_at = ms(NOON + 20_000);
            event
        };
        facts.into_iter().map(event).collect()
    })
}

/// Generates events, and the same events reordered and duplicated.
/// Duplicates have another id and source.
fn repeated() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
    events().prop_flat_map(|events| {
        let again = prop::collection::vec(any::<prop::sample::Index>(), 0..20);
        let all = again.prop_map({
            let events = events.clone();
            move |again| {
                let mut all = events.clone();
                all.extend(again.iter().map(|index| {
                    let mut event = index.get(&events).clone();
                    event.id = ringside_model::EventId::parse("other").unwrap();
                    event.source = ringside_model::SourceId::parse("other").unwrap();
                    event
                }));
                all
            }
        });
        (Just(events), all.prop_shuffle())
    })
}

fn folded<'a>(events: impl IntoIterator<Item = &'a Event>) -> Fixture {
    let mut fixture = Fixture::with(FoldSettings { rules: Vec::new(), ..FoldSettings::default() });
    for event in events {
        fixture.apply(event);
    }
    fixture.tick(NOON + 21_000);
    fixture
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn order_and_repetition_change_nothing((events, repeated_events) in repeated()) {
        let (one, other) = (folded(&events), folded(&repeated_events));
        let (a, b) = (one.metrics(), other.metrics());
        prop_assert_eq!(&a.totals, &b.totals);
        prop_assert_eq!(&a.hour, &b.hour);
        prop_assert_eq!(a.active, b.active);
        prop_assert_eq!((a.waiting_for_agent, a.oldest_wait_ms), (b.waiting_for_agent, b.oldest_wait_ms));
        prop_assert_eq!((a.attempts_10s, a.attempts_60s), (b.attempts_10s, b.attempts_60s));
        prop_assert_eq!((a.abandon, a.durations, a.queue_depth), (b.abandon, b.durations, b.queue_depth));
        prop_assert_eq!((a.started_at, a.last_event_at), (b.started_at, b.last_event_at));
        let series = |fixture: &Fixture| fixture.fold.campaign_series(&tenant(), &alpha());
        prop_assert_eq!(series(&one), series(&other));
    }

    #[test]
    fn the_numbers_match_the_reference_model((events, repeated_events) in repeated()) {
        let metrics = folded(&repeated_events).metrics();
        prop_assert_eq!(&metrics.totals, &model::totals(&events));
        let tiles: i64 = Outcome::ALL.iter().map(|outcome| metrics.totals.outcome(*outcome)).sum();
        prop_assert_eq!(tiles, metrics.totals[Counter::Completed] + metrics.totals[Counter::Lost]);
        prop_assert_eq!(&metrics.hour, &metrics.totals);
    }
}
