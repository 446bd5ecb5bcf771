//! The state of a rule on one series, and a tenant's alerts.
//!
//! ```text
//! idle ─breach→ pending ─for_ms→ firing ─inside→ recovering ─keep_firing_ms, beyond the margin→ resolved
//! ```
//!
//! A pending alert that clears causes no transition, and neither does a recovering one with another breach. A warning
//! that becomes critical is a transition. The way back is not: an alert keeps its worst severity until it resolves. A
//! firing alert without a reading (no samples, or too few) resolves after a minute, with a title that says so.
//!
//! Every transition travels as a derived event through the log of the tenant's home partition, even if that is the same
//! log. There [`TenantAlerts`] deduplicates it, and only then is it published.

use std::collections::{BTreeMap, VecDeque};

use ringside_model::{Alert, AlertState, CampaignId, Severity, Timestamp};
use serde::{Deserialize, Serialize};

use super::Rule;

const NO_DATA_MS: i64 = 60_000;
const KEEP_RECENT: usize = 50;
/// How long transitions are remembered for deduplication.
/// Derived events repeat only during a takeover.
const KNOWN_MS: i64 = 12 * 3_600_000;

/// The value that a rule evaluates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reading {
    pub(super) value: f64,
    /// The number of calls or samples behind it.
    pub(super) n: i64,
}

/// The series that a rule evaluates.
#[derive(Debug, Clone)]
pub(super) struct Subject<'a> {
    pub(super) fingerprint: Box<str>,
    /// Its name for people.
    pub(super) name: Box<str>,
    pub(super) campaign: Option<&'a CampaignId>,
    pub(super) metric: &'a str,
    pub(super) unit: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Stage {
    Idle,
    Pending { since: i64 },
    Firing,
    Recovering { since: i64 },
}

/// The state of one rule on one series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Watch {
    stage: Stage,
    /// Never reset while the series exists, so that transition numbers are unique.
    transition: u32,
    critical: bool,
    fired_at: i64,
    no_data_since: Option<i64>,
    value: f64,
    n: i64,
}

impl Default for Watch {
    fn default() -> Self {
        Self { stage: Stage::Idle, transition: 0, critical: false, fired_at: 0, no_data_since: None, value: 0.0, n: 0 }
    }
}

/// A change of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transition {
    Fired,
    Escalated,
    Recovered,
    NoData,
}

impl Watch {
    /// Whether the alert is neither pending nor firing.
    pub(super) fn is_idle(&self) -> bool {
        self.stage == Stage::Idle
    }

    /// Evaluates the rule once.
    /// State may change without a transition; callers compare to find out.
    pub(super) fn evaluate(&mut self, rule: &Rule, now: i64, reading: Option<Reading>) -> Option<Transition> {
        let Some(reading) = reading.filter(|reading| reading.n >= rule.min_samples) else {
            return self.evaluate_no_data(now);
        };
        self.no_data_since = None;
        match (self.stage, rule.severity(reading.value)) {
            (Stage::Idle, None) => None,
            (Stage::Pending { .. }, None) => {
                self.stage = Stage::Idle;
                None
            }
            (Stage::Idle, Some(severity)) => {
                self.stage = Stage::Pending { since: now };
                self.fire_if_due(rule, now, reading, now, severity)
            }
            (Stage::Pending { since }, Some(severity)) => self.fire_if_due(rule, now, reading, since, severity),
            (Stage::Firing | Stage::Recovering { .. }, Some(severity)) => {
                self.stage = Stage::Firing;
                (severity == Severity::Critical && !self.critical).then(|| {
                    self.critical = true;
                    self.record(reading, Transition::Escalated)
                })
            }
            (Stage::Firing, None) => {
                self.stage = Stage::Recovering { since: now };
                None
            }
            (Stage::Recovering { since }, None) => {
                let over = now - since >= rule.keep_firing_ms && rule.is_clear(reading.value);
                over.then(|| {
                    self.stage = Stage::Idle;
                    self.record(reading, Transition::Recovered)
                })
            }
        }
    }

    fn evaluate_no_data(&mut self, now: i64) -> Option<Transition> {
        match self.stage {
            Stage::Idle => None,
            Stage::Pending { .. } => {
                self.stage = Stage::Idle;
                None
            }
            Stage::Firing | Stage::Recovering { .. } => {
                let since = *self.no_data_since.get_or_insert(now);
                if now - since < NO_DATA_MS {
                    return None;
                }
                let last = Reading { value: self.value, n: self.n };
                self.stage = Stage::Idle;
                self.no_data_since = None;
                Some(self.record(last, Transition::NoData))
            }
        }
    }

    fn fire_if_due(
        &mut self,
        rule: &Rule,
        now: i64,
        reading: Reading,
        since: i64,
        severity: Severity,
    ) -> Option<Transition> {
        (now - since >= rule.for_ms).then(|| {
            self.stage = Stage::Firing;
            self.critical = severity == Severity::Critical;
            self.fired_at = now;
            self.record(reading, Transition::Fired)
        })
    }

    fn record(&mut self, reading: Reading, transition: Transition) -> Transition {
        self.transition += 1;
        self.value = reading.value;
        self.n = reading.n;
        transition
    }

    /// Returns the alert after a transition.
    pub(super) fn alert(&self, rule: &Rule, subject: &Subject<'_>, transition: Transition, now: i64) -> Alert {
        let severity = if self.critical { Severity::Critical } else { Severity::Warning };
        let limit = rule.limit(severity);
        let value = amount(self.value, subject.unit);
        let title = match transition {
            Transition::Fired | Transition::Escalated => rule
                .title
                .replace("{subject}", &subject.name)
                .replace("{value}", &value)
                .replace("{limit}", &amount(limit, subject.unit))
                .replace("{n}", &self.n.to_string()),
            Transition::Recovered => format!("{} of {} is back at {value}", subject.metric, subject.name),
            Transition::NoData => {
                format!("{} of {} gave no data for a minute; it was last at {value}", subject.metric, subject.name)
            }
        };
        Alert {
            fingerprint: subject.fingerprint.clone(),
            transition: self.transition,
            rule: rule.id.clone(),
            severity,
            state: match transition {
                Transition::Fired | Transition::Escalated => AlertState::Firing,
                Transition::Recovered | Transition::NoData => AlertState::Resolved,
            },
            title: title.into(),
            campaign: subject.campaign.cloned(),
            metric: subject.metric.into(),
            unit: subject.unit.into(),
            comparison: rule.comparison,
            threshold: limit,
            value: self.value,
            n: Some(self.n),
            since: Timestamp::from_millis(self.fired_at),
            at: Timestamp::from_millis(now),
        }
    }
}

/// Formats a number with its unit for people.
fn amount(value: f64, unit: &str) -> String {
    let rounded = (value * 100.0).round() / 100.0;
    if unit.is_empty() { rounded.to_string() } else { format!("{rounded} {unit}") }
}

/// A tenant's alerts: those firing, and the latest transitions.
#[derive(Debug, Clone, Default)]
pub(super) struct TenantAlerts {
    pub(super) open: BTreeMap<Box<str>, Alert>,
    /// Oldest first.
    pub(super) recent: VecDeque<Alert>,
    /// The newest transition of each alert, for deduplication.
    pub(super) known: BTreeMap<Box<str>, (u32, i64)>,
    pub(super) dirty: bool,
}

impl TenantAlerts {
    /// Applies a transition; returns false if it is a duplicate.
    pub(super) fn apply(&mut self, alert: &Alert) -> bool {
        let known = self.known.get(&alert.fingerprint).map_or(0, |(transition, _)| *transition);
        if alert.transition <= known {
            return false;
        }
        self.known.insert(alert.fingerprint.clone(), (alert.transition, alert.at.millis()));
        match alert.state {
            AlertState::Firing => drop(self.open.insert(alert.fingerprint.clone(), alert.clone())),
            AlertState::Resolved => drop(self.open.remove(&alert.fingerprint)),
        }
        self.recent.push_back(alert.clone());
        if self.recent.len() > KEEP_RECENT {
            self.recent.pop_front();
        }
        self.dirty = true;
        true
    }

    /// Evicts the transitions of alerts that resolved long ago.
    pub(super) fn evict(&mut self, now: i64) {
        let before = self.known.len();
        let open = &self.open;
        self.known.retain(|fingerprint, (_, at)| now - *at < KNOWN_MS || open.contains_key(fingerprint));
        self.dirty |= self.known.len() != before;
    }
}
