//! Cards for generic metrics: anything with a name and a number.

use std::collections::BTreeMap;

use ringside_wire::{MetricJson, MetricPointJson};

use super::chip::Chip;
use super::format;
use super::sparkline::Sparkline;

/// One card.
#[derive(Debug)]
pub(super) struct MetricCard {
    /// Name and labels, as one key for the browser.
    pub key: String,
    /// The name in words.
    pub name: String,
    /// True of a host's own metrics, which System health shows too.
    pub of_host: bool,
    /// The labels, readable.
    pub labels: String,
    /// The newest value.
    pub value: String,
    /// Its unit.
    pub unit: String,
    /// Which way it goes.
    pub chip: Chip,
    /// Its course.
    pub spark: Option<Sparkline>,
    /// Name and value of each figure below it.
    pub figures: Vec<(&'static str, String)>,
}

/// Name and labels as one text, the same as `static/js/store.js` makes.
fn key(name: &str, labels: &BTreeMap<Box<str>, Box<str>>) -> String {
    labels.iter().fold(name.to_owned(), |key, (label, value)| format!("{key},{label}={value}"))
}

/// `cpu_usage` as `Cpu usage`.
fn words(name: &str) -> String {
    let spaced = name.replace(['_', '.'], " ");
    let mut letters = spaced.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Cards in the order of their names.
pub(super) fn cards(metrics: &[MetricJson], series: &[MetricPointJson]) -> Vec<MetricCard> {
    let mut cards: Vec<MetricCard> = metrics
        .iter()
        .map(|metric| {
            let key = key(&metric.name, &metric.labels);
            let points = series.iter().find(|s| self::key(&s.name, &s.labels) == key);
            let (value, unit) = format::metric(metric.value, &metric.unit);
            // Units that change with the size; others are said once, beside the value.
            let scaled = matches!(&*metric.unit, "ms" | "bytes" | "B" | "bytes/s" | "B/s" | "%");
            let short = |value: f64| {
                if !scaled {
                    return format::decimal(value);
                }
                let (value, unit) = format::metric(value, &metric.unit);
                match &*unit {
                    "" => value,
                    "%" => format!("{value}%"),
                    unit => format!("{value}\u{202f}{unit}"),
                }
            };
            MetricCard {
                of_host: metric.labels.contains_key("host"),
                name: words(&metric.name),
                labels: metric
                    .labels
                    .iter()
                    .map(|(label, value)| format!("{label} {value}"))
                    .collect::<Vec<_>>()
                    .join(", "),
                value,
                unit,
                chip: trend_chip(&metric.trend, metric.change),
                spark: points
                    .and_then(|s| Sparkline::draw(&s.points.iter().map(|(_, value)| Some(*value)).collect::<Vec<_>>())),
                figures: vec![
                    ("min", short(metric.min)),
                    ("avg", short(metric.avg)),
                    ("p95", short(metric.p95)),
                    ("max", short(metric.max)),
                    ("samples", format::count(i64::from(metric.count))),
                ],
                key,
            }
        })
        .collect();
    cards.sort_by(|a, b| a.key.cmp(&b.key));
    cards
}

fn trend_chip(trend: &str, change: Option<f64>) -> Chip {
    let icon = match trend {
        "up" => "up",
        "down" => "down",
        "flat" => "flat",
        _ => return Chip::unknown(),
    };
    let text = match change {
        _ if icon == "flat" => "steady".into(),
        Some(change) if change.abs() > 9.99 => ">999%".into(),
        Some(change) => format::percent(Some(change.abs())),
        None => trend.into(),
    };
    Chip { class: "", icon, text, spoken: "over its window" }
}
