//! The numbers of the business behind the calls: money, bookings, users, requests. They wander and have a daily shape.

use std::collections::BTreeMap;

use ringside_model::{MetricSample, Timestamp};

use super::dice::Dice;

const DAY_MS: i64 = 86_400_000;
/// What a usual day brings, to begin somewhere believable in the middle of one.
const USUAL_REVENUE: f64 = 240_000.0;
const USUAL_BOOKINGS: f64 = 5_900.0;

/// The numbers as they stand.
pub(super) struct Business {
    day: i64,
    revenue: f64,
    bookings: f64,
    customers: f64,
    /// Wanders around 1.
    crowd: f64,
    latency_ms: f64,
    /// The service is slow now.
    pub(super) slow: bool,
}

impl Business {
    pub(super) fn new(at: Timestamp) -> Self {
        let passed = at.millis().rem_euclid(DAY_MS) as f64 / DAY_MS as f64;
        Self {
            day: at.millis().div_euclid(DAY_MS),
            revenue: USUAL_REVENUE * passed,
            bookings: (USUAL_BOOKINGS * passed).floor(),
            customers: 48_210.0,
            crowd: 1.0,
            latency_ms: 52.0,
            slow: false,
        }
    }

    /// A call ended as hoped.
    pub(super) fn sell(&mut self, worth: f64, dice: &mut Dice) {
        self.revenue += worth * (0.6 + 0.8 * dice.unit());
        if dice.chance(0.3) {
            self.customers += 1.0;
        }
    }

    /// A booking was confirmed.
    pub(super) fn book(&mut self, dice: &mut Dice) {
        self.bookings += 1.0;
        self.revenue += dice.between(9, 48) as f64;
    }

    /// One second has passed.
    pub(super) fn sample(&mut self, at: Timestamp, dice: &mut Dice) -> Vec<MetricSample> {
        let day = at.millis().div_euclid(DAY_MS);
        if day != self.day {
            (self.day, self.revenue, self.bookings) = (day, 0.0, 0.0);
        }
        let hour = at.millis().rem_euclid(DAY_MS) as f64 / 3_600_000.0;
        let daily = 0.7 + 0.3 * ((hour - 9.0) / 24.0 * std::f64::consts::TAU).sin();
        self.crowd += 0.002 * (1.0 - self.crowd) + 0.004 * dice.normal();
        let users = (2_100.0 * daily * self.crowd).max(0.0).round();
        let requests = (users * 0.17 * (1.0 + 0.03 * dice.normal())).max(0.0);
        // It is drawn to its usual value, or in an incident to one above what anybody likes.
        let (usual, pull) = if self.slow { (112.0, 0.25) } else { (51.0, 0.08) };
        self.latency_ms += pull * (usual - self.latency_ms) + 1.5 * dice.normal();
        let latency = if self.slow { self.latency_ms } else { self.latency_ms.clamp(34.0, 125.0) };
        [
            ("revenue", "EUR", self.revenue, 100.0),
            ("bookings", "", self.bookings, 1.0),
            ("customers", "", self.customers, 1.0),
            ("active_users", "", users, 1.0),
            ("requests_per_second", "1/s", requests, 10.0),
            ("latency", "ms", latency, 10.0),
        ]
        .map(|(name, unit, value, steps)| MetricSample {
            name: name.into(),
            unit: unit.into(),
            value: (value * steps).round() / steps,
            labels: BTreeMap::new(),
        })
        .into()
    }
}
