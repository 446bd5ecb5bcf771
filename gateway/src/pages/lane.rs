//! Chart lanes as they stand before a script has run: name, newest value, mean and greatest, and the line as a plain
//! SVG path. `static/js/charts/lanes.js` puts the live chart in the same place.

use ringside_wire::SeriesPointJson;

use super::format;
use super::kpi::{Kpi, share};

/// One lane.
#[derive(Debug)]
pub(super) struct Lane {
    /// Which series; also its colour class `c-…`.
    pub key: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// The newest value.
    pub now: String,
    /// Mean and greatest.
    pub meta: String,
    /// Plot height in pixels.
    pub height: u32,
    /// The line in a box of 1000 × 100.
    pub path: String,
}

/// What a lane shows of a minute.
fn value_of(key: &str, point: &SeriesPointJson) -> Option<f64> {
    match key {
        "active" => point.active.map(|n| n as f64),
        "queue" => point.queue.map(|n| n as f64),
        "rate" => point.attempts.map(|n| n as f64 / 60.0),
        _ => share(point.abandoned_5m, point.human_5m),
    }
}

fn text_of(key: &str, value: Option<f64>) -> String {
    match key {
        "active" | "queue" => format::count(value.map(|v| v.round() as i64)),
        "rate" => format::rate(value),
        _ => format::percent(value),
    }
}

impl Lane {
    /// A lane over the last hour, headed by what the KPI of the same number says.
    pub(super) fn new(key: &'static str, kpi: &Kpi, height: u32, minutes: &[SeriesPointJson]) -> Self {
        let values: Vec<Option<f64>> = minutes.iter().map(|point| value_of(key, point)).collect();
        let known: Vec<f64> = values.iter().flatten().copied().collect();
        let greatest = known.iter().copied().reduce(f64::max);
        let mean = (!known.is_empty()).then(|| known.iter().sum::<f64>() / known.len() as f64);
        let meta = if key == "abandon" {
            "abandoned ÷ answered by a person, 5m window".into()
        } else if mean.is_none() {
            "no data yet".into()
        } else {
            format!("avg {} · max {}", text_of(key, mean), text_of(key, greatest))
        };
        let unit = if key == "rate" || key == "abandon" { &*kpi.unit } else { "" };
        Self {
            key,
            name: match key {
                "abandon" => "Abandon rate, 5m",
                _ => kpi.label,
            },
            now: format!("{}{unit}", kpi.value),
            meta,
            height,
            path: path(&values, greatest.unwrap_or(0.0) * 1.15),
        }
    }
}

fn path(values: &[Option<f64>], top: f64) -> String {
    let mut drawn = String::new();
    let mut pen_up = true;
    let step = 1000.0 / (values.len().max(2) - 1) as f64;
    for (index, value) in values.iter().enumerate() {
        let Some(value) = value else {
            pen_up = true;
            continue;
        };
        let y = if top > 0.0 { 100.0 - value / top * 100.0 } else { 100.0 };
        drawn.push_str(&format!("{}{:.0} {y:.1}", if pen_up { 'M' } else { 'L' }, step * index as f64));
        pen_up = false;
    }
    drawn
}
