//! Windows at their edges: seconds, minutes, the local day, the 30-day period.

use CallFact::{Answered, Dialing};
use jiff::tz::TimeZone;
use ringside_collector::fold::FoldSettings;
use ringside_model::{CallFact, Counter, EndedBy, Ratio};

use crate::fixture::{Fixture, NOON, alpha, ended, ms, tenant};

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// Applies a call that a person answers and that we drop.
fn drop_at(fixture: &mut Fixture, at: i64) {
    fixture.story(&format!("c{at}"), at, &[(0, Answered), (10, ended(16, EndedBy::Us))]);
}

#[test]
fn the_dialing_rate_is_of_completed_seconds() {
    let mut fixture = Fixture::new();
    for (call, at) in [NOON - 60_001, NOON - 60_000, NOON - 10_001, NOON - 10_000, NOON - 1, NOON].iter().enumerate() {
        fixture.call(&format!("c{call}"), *at, Dialing);
    }
    fixture.tick(NOON + 999);
    let metrics = fixture.metrics();
    assert_eq!((metrics.attempts_10s, metrics.attempts_60s), (2, 4));
    fixture.tick(NOON + 1_000);
    assert_eq!(fixture.metrics().attempts_10s, 2, "one attempt entered the window and one left it");
}

#[test]
fn the_live_abandon_rate_is_of_five_minutes() {
    let mut fixture = Fixture::new();
    drop_at(&mut fixture, NOON - 300_001);
    drop_at(&mut fixture, NOON - 300_000);
    drop_at(&mut fixture, NOON - 1);
    fixture.tick(NOON);
    assert_eq!(fixture.metrics().abandon.live, Ratio::new(2, 2));
    fixture.tick(NOON + 1_000);
    assert_eq!(fixture.metrics().abandon.live, Ratio::new(1, 1));
}

#[test]
fn the_hour_is_this_minute_and_the_59_before_it() {
    let mut fixture = Fixture::new();
    drop_at(&mut fixture, NOON - 59 * MINUTE - 1);
    drop_at(&mut fixture, NOON - 59 * MINUTE);
    drop_at(&mut fixture, NOON - 119 * MINUTE);
    drop_at(&mut fixture, NOON - 119 * MINUTE - 1);
    fixture.tick(NOON + 30_000);
    let metrics = fixture.metrics();
    assert_eq!((metrics.hour[Counter::Human], metrics.hour_before[Counter::Human]), (1, 2));
    assert_eq!(metrics.abandon.hour, Ratio::new(1, 1));
    assert_eq!(metrics.totals[Counter::Human], 4);
}

#[test]
fn windows_follow_the_newest_receipt_before_the_first_tick() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON - 9_000, Dialing).call("c2", NOON, Dialing);
    assert_eq!(fixture.metrics().attempts_10s, 1);
    assert_eq!(fixture.metrics().as_of, ms(NOON));
}

#[test]
fn a_late_fact_lands_in_its_own_minute() {
    let mut fixture = Fixture::new();
    fixture.call("c1", NOON - 3 * HOUR, Dialing).tick(NOON - 3 * HOUR + 1_000);
    fixture.ticks(NOON - 10_000, NOON);
    let mut late = crate::fixture::call_event("c1", NOON - 3 * HOUR + 5_000, Answered);
    late.received_at = ms(NOON);
    fixture.apply(&late);
    let metrics = fixture.metrics();
    assert_eq!(
        (metrics.totals[Counter::Human], metrics.hour[Counter::Human], metrics.abandon.today.denominator),
        (1, 0, 1)
    );
}

#[test]
fn today_begins_at_midnight_of_the_zone_even_on_clock_changes() {
    let berlin = || FoldSettings { time_zone: TimeZone::get("Europe/Berlin").unwrap(), ..FoldSettings::default() };
    let at = |text: &str| text.parse::<jiff::Timestamp>().unwrap().as_millisecond();
    for (midnight, now) in [
        // A day of 23 hours, a day of 25 hours, and an ordinary one.
        ("2026-03-28T23:00:00Z", "2026-03-29T21:59:00Z"),
        ("2026-10-24T22:00:00Z", "2026-10-25T22:59:00Z"),
        ("2026-06-09T22:00:00Z", "2026-06-10T21:59:00Z"),
    ] {
        let mut fixture = Fixture::with(berlin());
        drop_at(&mut fixture, at(midnight) - 1);
        drop_at(&mut fixture, at(midnight));
        drop_at(&mut fixture, at(now));
        fixture.tick(at(now));
        assert_eq!(fixture.metrics().abandon.today, Ratio::new(2, 2), "{now}");
        fixture.tick(at(now) + MINUTE);
        assert_eq!(fixture.metrics().abandon.today, Ratio::new(0, 0), "a minute after {now} a new day begins");
    }
    // In Havana the clocks skip from midnight to one, so the day begins at one.
    let mut fixture = Fixture::with(FoldSettings { time_zone: TimeZone::get("America/Havana").unwrap(), ..berlin() });
    drop_at(&mut fixture, at("2026-03-08T04:59:59Z"));
    drop_at(&mut fixture, at("2026-03-08T05:00:00Z"));
    fixture.tick(at("2026-03-08T12:00:00Z"));
    assert_eq!(fixture.metrics().abandon.today, Ratio::new(1, 1));
    // In Nepal midnight is a quarter past a full hour in UTC.
    let mut fixture = Fixture::with(FoldSettings { time_zone: TimeZone::get("Asia/Kathmandu").unwrap(), ..berlin() });
    drop_at(&mut fixture, at("2026-06-10T18:14:59Z"));
    drop_at(&mut fixture, at("2026-06-10T18:15:00Z"));
    fixture.tick(at("2026-06-10T20:00:00Z"));
    assert_eq!(fixture.metrics().abandon.today, Ratio::new(1, 1));
}

#[test]
fn the_regulators_period_is_thirty_days_from_the_first_hour() {
    let mut fixture = Fixture::new();
    drop_at(&mut fixture, NOON + 10 * MINUTE);
    fixture.tick(NOON + 30 * DAY - 1);
    assert_eq!(fixture.metrics().abandon.us30, Ratio::new(1, 1));
    drop_at(&mut fixture, NOON + 30 * DAY);
    fixture.tick(NOON + 30 * DAY + 1);
    let abandon = fixture.metrics().abandon;
    assert_eq!(abandon.us30, Ratio::new(1, 1), "a new period began with the hour of the first event");
    assert_eq!(abandon.us30_headroom, -1);
    fixture.tick(NOON + 60 * DAY);
    assert_eq!(fixture.metrics().abandon.us30, Ratio::new(0, 0));
}

#[test]
fn evicted_counts_stay_in_the_totals() {
    let mut fixture = Fixture::new();
    drop_at(&mut fixture, NOON);
    fixture.tick(NOON + 36 * DAY);
    fixture.fold.take_dirty();
    fixture.tick(NOON + 37 * DAY);
    let metrics = fixture.metrics();
    assert_eq!((metrics.totals[Counter::Human], metrics.abandon.us30.denominator), (1, 0));
    let (bytes, ledger) = fixture.fold.campaign_bytes(&tenant(), &alpha()).unwrap();
    assert!(bytes + ledger < 8_000, "an idle campaign is small: {bytes} and {ledger}");
}
