//! Alerts: the banner for the worst open one, and the feed of the newest transitions.

use std::collections::HashMap;

use ringside_wire::AlertJson;

use super::format;

/// One row of the feed.
#[derive(Debug)]
pub(super) struct AlertRow {
    /// `critical`, `warning`, `info`.
    pub severity: String,
    /// Its icon.
    pub icon: &'static str,
    /// What it is.
    pub title: String,
    /// `Firing` or `Resolved`.
    pub state: &'static str,
    /// Where, and against what limit.
    pub sentence: String,
    /// The value.
    pub value: String,
    /// When.
    pub clock: String,
    /// The moment, for machines.
    pub at: String,
    /// Fingerprint and transition: what a dismissal remembers.
    pub key: String,
}

/// The worst open critical.
#[derive(Debug)]
pub(super) struct Banner {
    /// Value and place.
    pub bold: String,
    /// Limit, and since when.
    pub rest: String,
    /// The campaign's page.
    pub campaign: Option<String>,
    /// How many more there are.
    pub more: usize,
}

fn icon(severity: &str) -> &'static str {
    match severity {
        "critical" => "octagon",
        "warning" => "triangle",
        _ => "info",
    }
}

/// A value in the unit of its alert. Shares are fractions.
pub(super) fn value_text(value: f64, unit: &str) -> String {
    match unit {
        "ratio" | "fraction" => format::percent(Some(value)),
        "%" => format::percent(Some(value / 100.0)),
        "/s" => format::rate(value),
        unit => {
            let (value, unit) = format::metric(value, unit);
            if unit.is_empty() { value } else { format!("{value}\u{202f}{unit}") }
        }
    }
}

fn place<'a>(alert: &'a AlertJson, names: &HashMap<&'a str, &'a str>) -> Option<&'a str> {
    alert.campaign_id.as_deref().map(|id| names.get(id).copied().unwrap_or(id))
}

/// The newest transitions as rows, newest first.
pub(super) fn alert_rows(alerts: &[AlertJson], names: &HashMap<&str, &str>) -> Vec<AlertRow> {
    let mut rows: Vec<&AlertJson> = alerts.iter().collect();
    rows.sort_by(|a, b| b.at.cmp(&a.at));
    rows.into_iter()
        .take(50)
        .map(|alert| {
            let limit = value_text(alert.threshold, &alert.unit);
            let bound = format!("{} {limit}", alert.comparison);
            AlertRow {
                severity: alert.severity.clone().into(),
                icon: icon(&alert.severity),
                title: alert.title.clone().into(),
                state: if &*alert.state == "firing" { "Firing" } else { "Resolved" },
                sentence: match place(alert, names) {
                    Some(place) => format!("{place}, {} {bound}", alert.metric.replace('_', " ")),
                    None => format!("{} {bound}", alert.metric.replace('_', " ")),
                },
                value: value_text(alert.value, &alert.unit),
                clock: format::clock(&alert.at).into(),
                at: alert.at.clone().into(),
                key: format!("{}:{}", alert.fingerprint, alert.transition),
            }
        })
        .collect()
}

/// The banner, where an alert that is critical is open. `open` is worst first.
pub(super) fn banner(open: &[AlertJson], names: &HashMap<&str, &str>) -> Option<Banner> {
    let critical: Vec<&AlertJson> = open.iter().filter(|alert| &*alert.severity == "critical").collect();
    let worst = critical.first()?;
    let limit = value_text(worst.threshold, &worst.unit);
    Some(Banner {
        bold: format!("{}.", worst.title.trim_end_matches('.')),
        rest: match place(worst, names) {
            Some(place) => {
                format!("{place}, {} {limit} since {} UTC.", worst.comparison, format::clock(&worst.since))
            }
            None => format!("{} {limit} since {} UTC.", capital(&worst.comparison), format::clock(&worst.since)),
        },
        campaign: worst.campaign_id.as_deref().map(Into::into),
        more: critical.len() - 1,
    })
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
