//! Live calls, silent calls, closed calls, and the charts.

use CallFact::{Answered, Bridged, Dialing, Queued, Ringing};
use ringside_model::{
    ActiveCalls, AgentCounts, CallFact, CallPhase, CallResult, CampaignEvent, CampaignStatus, Counter, Disposition,
    EndedBy, Gauges, Outcome, SeriesPoint,
};

use crate::fixture::{Fixture, NOON, alpha, call_event, campaign_event, ended, ms, tenant};

const MINUTE: i64 = 60_000;

#[test]
fn gauges_are_the_sizes_of_sets() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON, Dialing).call("c2", NOON, Dialing).call("c2", NOON + 1, Ringing);
    fixture.call("c3", NOON, Answered).call("c4", NOON, Bridged).call("c5", NOON, Queued);
    let metrics = fixture.metrics();
    assert_eq!(metrics.active, ActiveCalls { dialing: 1, ringing: 1, answered: 1, bridged: 1 });
    assert_eq!(metrics.queue_depth, Some(1));
    for call in ["c1", "c2", "c3", "c4", "c5"] {
        fixture.call(call, NOON + 9_000, ended(16, EndedBy::Us)).call(call, NOON + 9_000, ended(16, EndedBy::Us));
        fixture.call(call, NOON + 2, Ringing);
    }
    let metrics = fixture.metrics();
    assert_eq!((metrics.active.total(), metrics.waiting_for_agent, metrics.queue_depth), (0, 0, Some(0)));
}

#[test]
fn a_reported_end_replaces_the_synthetic_end_of_a_silent_call() {
    for (fact, limit_s) in [(Dialing, 120), (Ringing, 180), (Answered, 4 * 3_600), (Bridged, 4 * 3_600)] {
        let mut fixture = Fixture::new();
        fixture.call("c1", NOON, fact).tick(NOON + limit_s * 1_000 - 1);
        assert_eq!(fixture.metrics().active.total(), 1, "{fact:?}");
        fixture.tick(NOON + limit_s * 1_000);
        let metrics = fixture.metrics();
        assert_eq!((metrics.active.total(), metrics.totals[Counter::Lost], metrics.oddities.ends_lost), (0, 1, 1));
        let (_, change) = fixture.changes.calls.last().unwrap();
        assert_eq!((change.phase, change.result), (CallPhase::Ended, Some(CallResult::Lost)));
        let tiles: i64 = Outcome::ALL.iter().map(|outcome| metrics.totals.outcome(*outcome)).sum();
        assert_eq!(tiles, 1, "a lost call has one outcome too");

        let mut end = call_event("c1", NOON + 90_000, ended(17, EndedBy::Them));
        end.received_at = ms(NOON + limit_s * 1_000 + 10 * MINUTE);
        fixture.ticks(NOON + limit_s * 1_000 + 5 * MINUTE, NOON + limit_s * 1_000 + 10 * MINUTE).apply(&end);
        let metrics = fixture.metrics();
        assert_eq!((metrics.totals[Counter::Lost], metrics.totals[Counter::Completed]), (0, 1), "{fact:?}");
        assert_eq!((metrics.oddities.ends_found, metrics.oddities.corrected), (1, 0));
    }
}

#[test]
fn an_event_extends_the_deadline_of_its_call() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON, Dialing).tick(NOON + 100_000).call("c1", NOON + 100_000, Ringing);
    fixture.tick(NOON + 279_000);
    assert_eq!(fixture.metrics().active.ringing, 1);
    fixture.tick(NOON + 280_000);
    assert_eq!(fixture.metrics().active.ringing, 0);
}

#[test]
fn a_late_event_finds_its_call_in_the_ledger() {
    let mut fixture = Fixture::new();
    let story = [(0, Dialing), (4_000, Answered), (5_000, Bridged), (60_000, ended(16, EndedBy::Them))];
    fixture.story("c1", NOON, &story).ticks(NOON, NOON + 5 * MINUTE);
    assert_eq!(fixture.fold.call_counts(), (1, 0), "the call is in the ledger");

    for (offset, fact) in story {
        let mut again = call_event("c1", NOON + offset, fact);
        again.received_at = ms(NOON + 5 * MINUTE);
        fixture.apply(&again);
    }
    assert_eq!((fixture.metrics().oddities.duplicates, fixture.fold.call_counts()), (4, (1, 0)));

    fixture.call("c1", NOON + 6 * MINUTE, CallFact::Disposition(Disposition::Converted));
    let totals = fixture.metrics().totals;
    assert_eq!((totals[Counter::Converted], totals[Counter::OutcomeConverted]), (1, 1));
    assert_eq!((totals[Counter::OutcomeAnsweredOther], totals[Counter::Attempts]), (0, 1));
    fixture.ticks(NOON + 6 * MINUTE, NOON + 9 * MINUTE);
    assert_eq!(fixture.fold.call_counts(), (1, 0), "the call is back in the ledger");
    fixture.call("c1", NOON + 6 * MINUTE, CallFact::Disposition(Disposition::Converted));
    assert_eq!(fixture.metrics().oddities.duplicates, 5);
}

#[test]
fn a_closed_call_is_kept_for_the_whole_horizon() {
    let day = 24 * 60 * MINUTE;
    let mut fixture = Fixture::new();
    fixture.story("c1", NOON, &[(0, Dialing), (9_000, ended(19, EndedBy::Us))]).ticks(NOON, NOON + 5 * MINUTE);
    // The clock of the ticks is three minutes ahead of the intake's.
    fixture.ticks(NOON + day + 3 * MINUTE, NOON + day + 3 * MINUTE);
    let mut again = call_event("c1", NOON + 9_000, ended(19, EndedBy::Us));
    again.received_at = ms(NOON + day + 9_000);
    fixture.apply(&again);
    assert_eq!((fixture.metrics().totals[Counter::NoAnswer], fixture.metrics().oddities.duplicates), (1, 1));
    again.received_at = ms(NOON + day + 9_001);
    fixture.apply(&again);
    assert_eq!((fixture.metrics().totals[Counter::NoAnswer], fixture.metrics().oddities.too_old), (1, 1));
    fixture.ticks(NOON + day + 10 * MINUTE, NOON + day + 10 * MINUTE);
    assert_eq!(fixture.fold.call_counts(), (0, 0));
    assert_eq!(fixture.metrics().totals[Counter::Attempts], 1, "an evicted call is still counted");
}

#[test]
fn a_duplicate_extends_the_retention_of_a_closed_call() {
    let hour = 60 * MINUTE;
    let mut fixture = Fixture::new();
    fixture.story("c1", NOON, &[(0, Dialing), (9_000, ended(19, EndedBy::Us))]).ticks(NOON, NOON + 5 * MINUTE);
    // A second end, a day later, loses against the first one. It is repeated after another day.
    let second = call_event("c1", NOON + 23 * hour, ended(19, EndedBy::Us));
    fixture.ticks(NOON + 23 * hour, NOON + 23 * hour).apply(&second);
    fixture.ticks(NOON + 23 * hour + MINUTE, NOON + 23 * hour + 5 * MINUTE);
    fixture.ticks(NOON + 46 * hour, NOON + 46 * hour);
    let mut again = second.clone();
    again.received_at = ms(NOON + 46 * hour);
    fixture.apply(&again);
    let metrics = fixture.metrics();
    assert_eq!((metrics.totals[Counter::Attempts], metrics.oddities.duplicates), (1, 2));
}

fn seconds(fixture: &Fixture) -> Vec<SeriesPoint> {
    fixture.fold.campaign_series(&tenant(), &alpha()).unwrap().seconds
}

#[test]
fn a_chart_has_gaps_without_ticks_and_accepts_late_facts() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON, Dialing).ticks(NOON + 1_000, NOON + 5_000);
    // Ten seconds without ticks; a call is answered meanwhile.
    fixture.call("c1", NOON + 8_000, Answered).ticks(NOON + 15_000, NOON + 17_000);
    let points = seconds(&fixture);
    assert_eq!((points.len(), points[59].at), (60, ms(NOON + 16_000)));
    let active: Vec<_> = points[43..].iter().map(|point| point.active).collect();
    let mut expected = vec![Some(1); 5];
    expected.extend(vec![None; 9]);
    expected.extend(vec![Some(1); 3]);
    assert_eq!(active, expected);
    assert_eq!(
        points[42],
        SeriesPoint {
            at: ms(NOON - 1_000),
            active: None,
            queue: None,
            attempts: None,
            answered: None,
            abandoned_5m: None,
            human_5m: None,
        }
    );
    assert_eq!((points[43].attempts, points[44].attempts), (Some(1), Some(0)));
    assert_eq!((points[51].answered, points[57].human_5m), (None, Some(1)), "a gap has no values");

    let mut late = call_event("c2", NOON + 16_100, Dialing);
    late.received_at = ms(NOON + 17_100);
    fixture.apply(&late);
    assert_eq!((seconds(&fixture)[59].attempts, seconds(&fixture)[59].active), (Some(1), Some(1)));
    assert_eq!(fixture.metrics().point, Some(seconds(&fixture)[59]));
}

#[test]
fn late_ticks_leave_no_gap_and_old_ticks_change_nothing() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON, Dialing);
    for at in [900, 1_950, 2_990, 4_010, 4_000, 3_000, 5_050] {
        fixture.tick(NOON + at);
    }
    let active: Vec<_> = seconds(&fixture)[54..].iter().map(|point| point.active).collect();
    assert_eq!(active, [Some(1); 6]);
    assert_eq!(fixture.fold.last_tick(), Some(ms(NOON + 5_050)));
}

#[test]
fn a_minute_s_point_has_the_level_at_its_end() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON + 500, Answered).ticks(NOON + 1_000, NOON + 50_000);
    fixture.call("c2", NOON + 50_500, Answered).ticks(NOON + 51_000, NOON + 2 * MINUTE);
    fixture.call("c1", NOON + 2 * MINUTE + 500, ended(17, EndedBy::Them)).ticks(NOON + 121_000, NOON + 3 * MINUTE);
    let minutes = fixture.fold.campaign_series(&tenant(), &alpha()).unwrap().minutes;
    let last: Vec<_> = minutes[56..].iter().map(|point| (point.active, point.attempts)).collect();
    assert_eq!(last, [(None, None), (Some(2), Some(2)), (Some(2), Some(0)), (Some(1), Some(0))]);
}

#[test]
fn each_gauge_is_its_last_writer_s() {
    let mut fixture = Fixture::new();
    let gauges =
        |queue_depth, target_rate| CampaignEvent::Gauges(Gauges { queue_depth, target_rate, ..Gauges::default() });
    fixture.apply(&campaign_event(NOON + 2_000, gauges(Some(20), None)));
    fixture.apply(&campaign_event(NOON + 1_000, gauges(Some(10), Some(4.5))));
    fixture.apply(&campaign_event(
        NOON + 3_000,
        CampaignEvent::Gauges(Gauges {
            agents: Some(AgentCounts { ready: 3, incall: 4, ..AgentCounts::default() }),
            list_total: Some(1_000),
            list_attempted: Some(250),
            ..Gauges::default()
        }),
    ));
    let metrics = fixture.metrics();
    assert_eq!((metrics.queue_depth, metrics.target_rate, metrics.max_lines), (Some(20), Some(4.5), None));
    assert_eq!((metrics.list.value(), metrics.agents.unwrap().incall), (Some(0.25), 4));
    assert_eq!(metrics.oddities.outdated, 1);
}

#[test]
fn a_campaign_without_status_runs_while_its_calls_do() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON, Dialing).call("c1", NOON + 9_000, ended(19, EndedBy::Us));
    assert_eq!(fixture.metrics().status, CampaignStatus::Running);
    fixture.ticks(NOON + 10_000, NOON + 6 * MINUTE);
    assert_eq!(fixture.metrics().status, CampaignStatus::Unknown);
    let changes: Vec<_> = fixture.changes.statuses.iter().map(|(_, change)| (change.from, change.to)).collect();
    use CampaignStatus::{Paused, Running, Unknown};
    assert_eq!(changes, [(Unknown, Running), (Running, Unknown)]);

    let changes =
        CampaignEvent::State { name: Some("Alpha".into()), status: Some(Paused), reason: Some("lunch".into()) };
    fixture.apply(&campaign_event(NOON + 7 * MINUTE, changes)).call("c2", NOON + 8 * MINUTE, Dialing);
    let metrics = fixture.metrics();
    assert_eq!((metrics.status, metrics.status_reason.as_deref(), &*metrics.name), (Paused, Some("lunch"), "Alpha"));
    let older = CampaignEvent::State { name: Some("Old".into()), status: Some(Running), reason: None };
    fixture.apply(&campaign_event(NOON, older));
    assert_eq!((fixture.metrics().status, fixture.metrics().oddities.outdated), (Paused, 2));
}
