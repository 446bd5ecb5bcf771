//! The rules of one call: results, outcomes, abandonment, corrections.

use CallFact::{Answered, Bridged, Dialing, Queued, Ringing};
use EndedBy::{Them, Unknown, Us};
use ringside_model::{
    Amd, CallFact, CallPhase, CallResult, Counter, Disposition, EndedBy, FailureReason, Outcome, Ratio,
};

use crate::fixture::{Fixture, HUMAN, NOON, call_event, ended, ms};

const MACHINE: CallFact = CallFact::Amd(Amd::Machine);
const CONVERTED: CallFact = CallFact::Disposition(Disposition::Converted);
const OPT_OUT: CallFact = CallFact::Disposition(Disposition::OptOut);

/// Returns the counters that are one after a single call, except for talk time.
fn ones(facts: &[(i64, CallFact)]) -> Vec<Counter> {
    let mut fixture = Fixture::new();
    fixture.story("c1", NOON, facts);
    let totals = fixture.metrics().totals;
    Counter::ALL.iter().copied().filter(|counter| *counter != Counter::TalkMs && totals[*counter] == 1).collect()
}

#[test]
fn every_end_has_its_result_and_outcome() {
    use Counter as C;
    for (facts, result, outcome) in [
        (vec![(0, Dialing), (900, ended(17, Them))], CallResult::Busy, C::OutcomeBusy),
        (vec![(0, Dialing), (900, ended(815, Them))], CallResult::Busy, C::OutcomeBusy),
        (vec![(0, Dialing), (20_000, ended(19, Us))], CallResult::NoAnswer, C::OutcomeNoAnswer),
        (vec![(0, Dialing), (20_000, ended(18, Unknown))], CallResult::NoAnswer, C::OutcomeNoAnswer),
        (vec![(0, Dialing), (20_000, ended(16, Us))], CallResult::Canceled, C::OutcomeCanceled),
        (vec![(0, Dialing), (20_000, ended(487, Them))], CallResult::Canceled, C::OutcomeCanceled),
        (vec![(0, Dialing), (900, ended(16, Them))], CallResult::Failed(FailureReason::Other), C::OutcomeFailed),
        (vec![(0, Dialing), (900, ended(1, Us))], CallResult::Failed(FailureReason::InvalidNumber), C::OutcomeFailed),
        (vec![(0, Dialing), (900, ended(34, Them))], CallResult::Failed(FailureReason::Congestion), C::OutcomeFailed),
        (vec![(0, Answered), (1, Bridged), (900, ended(17, Them))], CallResult::Answered, C::OutcomeAnsweredOther),
        (vec![(0, Answered), (9, MACHINE), (900, ended(16, Us))], CallResult::Answered, C::OutcomeMachine),
    ] {
        let mut fixture = Fixture::new();
        fixture.story("c1", NOON, &facts);
        let (_, change) = fixture.changes.calls.last().unwrap();
        assert_eq!((change.phase, change.result), (CallPhase::Ended, Some(result)), "{facts:?}");
        let totals = fixture.metrics().totals;
        assert_eq!((totals[outcome], totals[C::Completed], totals[C::Attempts]), (1, 1, 1), "{facts:?}");
    }
}

#[test]
fn the_first_outcome_that_applies_holds() {
    let served = [(0, Dialing), (500, Answered), (600, HUMAN), (900, Bridged), (9_000, ended(16, Them))];
    let outcome = |more: &[(i64, CallFact)]| {
        let mut fixture = Fixture::new();
        fixture.story("c1", NOON, &served).story("c1", NOON, more);
        fixture.changes.calls.last().unwrap().1.outcome
    };
    assert_eq!(outcome(&[]), Some(Outcome::AnsweredOther));
    assert_eq!(outcome(&[(10_000, CONVERTED)]), Some(Outcome::Converted));
    assert_eq!(outcome(&[(10_000, OPT_OUT)]), Some(Outcome::OptOut));
    // The later disposition holds, but an opt-out sticks.
    assert_eq!(outcome(&[(10_000, CONVERTED), (11_000, OPT_OUT)]), Some(Outcome::OptOut));
    assert_eq!(
        outcome(&[(10_000, OPT_OUT), (11_000, CallFact::Disposition(Disposition::Other))]),
        Some(Outcome::OptOut)
    );
    // The larger detection holds, and a machine that an agent took is counted.
    assert_eq!(outcome(&[(10_000, MACHINE)]), Some(Outcome::Machine));
}

#[test]
fn a_long_wait_or_a_drop_by_us_is_abandoned() {
    use Counter::{Abandoned, EarlyHangup};
    for (facts, expected) in [
        (vec![(2_000, Bridged), (9_000, ended(16, Them))], None),
        (vec![(2_001, Bridged), (9_000, ended(16, Them))], Some(Abandoned)),
        (vec![(300, ended(16, Us))], Some(Abandoned)),
        (vec![(2_000, ended(16, Them))], Some(EarlyHangup)),
        (vec![(2_001, ended(16, Them))], Some(Abandoned)),
        (vec![(1_000, ended(16, Unknown))], Some(EarlyHangup)),
        (vec![(2_001, ended(16, Unknown))], Some(Abandoned)),
        (vec![(2_001, Bridged)], Some(Abandoned)),
        (vec![(500, Bridged)], None),
        (vec![], None),
        (vec![(1, CallFact::Amd(Amd::Unsure)), (300, ended(16, Us))], Some(Abandoned)),
        (vec![(1, MACHINE), (300, ended(16, Us))], None),
        (vec![(1, CallFact::Amd(Amd::Fax)), (9_000, ended(16, Them))], None),
    ] {
        let mut all = vec![(0, Answered)];
        all.extend(facts);
        let found: Vec<_> = ones(&all).into_iter().filter(|one| [Abandoned, EarlyHangup].contains(one)).collect();
        assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{all:?}");
    }
}

#[test]
fn a_waiting_person_is_not_abandoned_yet() {
    let mut fixture = Fixture::new();
    fixture.story("c1", NOON, &[(0, Dialing), (1_000, Answered), (1_100, HUMAN)]).tick(NOON + 60_000);
    let metrics = fixture.metrics();
    assert_eq!((metrics.totals[Counter::Abandoned], metrics.waiting_for_agent), (0, 1));
    assert_eq!(metrics.oldest_wait_ms, Some(59_000));
    fixture.call("c1", NOON + 61_000, Bridged);
    let metrics = fixture.metrics();
    assert_eq!((metrics.totals[Counter::Abandoned], metrics.waiting_for_agent), (1, 0));
    // A late detection of a machine subtracts the abandoned call.
    fixture.call("c1", NOON + 62_000, MACHINE);
    let totals = fixture.metrics().totals;
    assert_eq!((totals[Counter::Abandoned], totals[Counter::Human], totals[Counter::MachineBridged]), (0, 0, 1));
}

#[test]
fn a_later_phase_implies_dialing() {
    for facts in [vec![(0, Ringing)], vec![(0, Answered)], vec![(0, Bridged)], vec![(0, ended(17, Them))]] {
        assert!(ones(&facts).contains(&Counter::Attempts), "{facts:?}");
    }
    for facts in [vec![(0, Queued)], vec![(0, MACHINE)], vec![(0, CONVERTED)]] {
        assert_eq!(ones(&facts), [], "{facts:?}");
    }
}

#[test]
fn a_missing_answer_is_not_invented() {
    assert_eq!(
        ones(&[(0, Bridged), (9_000, CONVERTED), (9_500, ended(16, Them))]),
        [Counter::Attempts, Counter::Completed, Counter::Failed, Counter::OutcomeFailed]
    );
}

#[test]
fn the_earlier_end_holds_and_ties_break_by_content() {
    for (ends, cause) in [
        (vec![(9_000, ended(17, Them)), (8_000, ended(19, Us))], 19),
        (vec![(8_000, ended(19, Us)), (8_000, ended(17, Them))], 17),
        (vec![(8_000, ended(17, Them)), (8_000, ended(19, Us))], 17),
    ] {
        let mut fixture = Fixture::new();
        fixture.story("c1", NOON, &ends);
        let totals = fixture.metrics().totals;
        assert_eq!(
            (totals[Counter::Busy], totals[Counter::NoAnswer]),
            (i64::from(cause == 17), i64::from(cause == 19))
        );
    }
}

#[test]
fn ringing_cut_short_by_us_is_counted() {
    let breach = |facts: &[(i64, CallFact)]| ones(facts).contains(&Counter::MinRingBreach);
    assert!(breach(&[(0, Ringing), (14_999, ended(19, Us))]));
    assert!(!breach(&[(0, Ringing), (15_000, ended(19, Us))]));
    assert!(!breach(&[(0, Ringing), (14_999, ended(19, Them))]));
    assert!(!breach(&[(0, Dialing), (3_000, ended(19, Us))]), "no source reported ringing");
    assert!(!breach(&[(0, Ringing), (3_000, Answered), (9_000, ended(16, Us))]));
}

#[test]
fn talk_time_starts_at_the_bridge_and_is_never_negative() {
    let talk = |facts: &[(i64, CallFact)]| {
        let mut fixture = Fixture::new();
        fixture.story("c1", NOON, facts);
        (fixture.metrics().totals[Counter::TalkMs], fixture.changes.calls.last().unwrap().1.talk_ms)
    };
    assert_eq!(talk(&[(0, Answered), (500, Bridged), (10_500, ended(16, Them))]), (10_000, Some(10_000)));
    assert_eq!(talk(&[(0, Answered), (10_500, ended(16, Them))]), (10_500, Some(10_500)));
    assert_eq!(talk(&[(5_000, Answered), (4_000, ended(16, Them))]), (0, Some(0)));
    assert_eq!(talk(&[(0, Ringing), (4_000, ended(19, Us))]), (0, None));
}

#[test]
fn strange_events_are_counted_by_kind() {
    let mut fixture = Fixture::new();
    fixture.story("c1", NOON, &[(2_000, Answered), (1_000, Ringing), (2_000, Answered), (9_000, ended(16, Them))]);
    fixture.story("c1", NOON, &[(8_000, ended(16, Them)), (20_000, CONVERTED), (21_000, OPT_OUT)]);
    let mut late = call_event("c2", NOON - 25 * 3_600_000, Dialing);
    late.received_at = ms(NOON);
    let mut early = call_event("c3", NOON + 6_000, Dialing);
    early.received_at = ms(NOON);
    fixture.apply(&late).apply(&early);
    let metrics = fixture.metrics();
    let odd = metrics.oddities;
    assert_eq!((odd.duplicates, odd.reordered, odd.corrected, odd.too_old, odd.from_future), (1, 1, 2, 1, 1));
    assert_eq!(metrics.totals[Counter::Attempts], 2, "an event that is too old is not counted");
    assert_eq!(
        fixture.changes.calls.last().unwrap().1.at,
        ms(NOON),
        "an event from the future is placed at its receipt"
    );
}

#[test]
fn the_uk_estimate_corrects_for_machines_that_agents_took() {
    let mut fixture = Fixture::new();
    for call in 0..10 {
        fixture.story(&format!("m{call}"), NOON, &[(0, Answered), (1, MACHINE), (100, Bridged), (900, ended(16, Us))]);
    }
    for call in 0..85 {
        fixture.story(&format!("p{call}"), NOON, &[(0, Answered), (100, Bridged), (900, ended(16, Us))]);
    }
    for call in 0..5 {
        fixture.story(&format!("d{call}"), NOON, &[(0, Answered), (900, ended(16, Us))]);
    }
    fixture.tick(NOON + 2_000);
    let abandon = fixture.metrics().abandon;
    // 5 dropped x 85/95 = 4.47 people; of 89.47 people that is 5.00 %.
    assert_eq!((abandon.uk24_ppm, abandon.uk24_n), (Some(50_000), 89));
    assert_eq!((abandon.today, abandon.us30_headroom), (Ratio::new(5, 90), 2 - 5));
    assert_eq!(Fixture::new().story("q", NOON, &[(0, Queued)]).metrics().abandon.uk24_ppm, None);
}
