//! Business metrics: revenue, bookings, users, requests.
//!
//! They vary at random and by the time of day.

use std::collections::BTreeMap;

use ringside_model::{MetricSample, Timestamp};

use super::dice::Dice;

const DAY_MS: i64 = 86_400_000;
/// The totals of a usual day, for a plausible beginning in the middle of one.
const USUAL_REVENUE: f64 = 240_000.0;
const USUAL_BOOKINGS: f64 = 5_900.0;

/// The current values.
pub(super) struct Business {
    day: i64,
    revenue: f64,
    bookings: f64,
    customers: f64,
    /// A random factor around 1.
    crowd: f64,
    latency_ms: f64,
    /// Whether the service is slow now.
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

    /// Records a conversion.
    pub(super) fn sell(&mut self, worth: f64, dice: &mut Dice) {
        self.revenue += worth * (0.6 + 0.8 * dice.unit());
        if dice.chance(0.3) {
            self.customers += 1.0;
        }
    }

    /// Records a confirmed booking.
    pub(super) fn book(&mut self, dice: &mut Dice) {
        self.bookings += 1.0;
        self.revenue += dice.between(9, 48) as f64;
    }

    /// Returns the samples of the next second.
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
        // It tends to its usual value, or in an incident to one above the alert threshold.
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
