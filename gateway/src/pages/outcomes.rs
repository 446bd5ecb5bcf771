//! Outcomes: the donut and its bars. The tiles are disjoint and sum to the calls that have ended.

use std::f64::consts::TAU;

use ringside_wire::{OutcomesJson, SpanJson};

use super::format;

const CENTER: f64 = 74.0;
const RADIUS: f64 = 65.5;
/// Between two arcs.
const GAP_PX: f64 = 2.0;
/// Smaller shares are drawn this wide, so that they can be seen.
const SMALLEST_ARC: f64 = TAU / 360.0;

/// The panel.
#[derive(Debug)]
pub(super) struct Outcomes {
    /// Ended calls.
    pub total: String,
    /// Its arcs and bars, in the order that is the same everywhere; what is zero is left out.
    pub tiles: Vec<Tile>,
    /// The donut in a sentence.
    pub summary: String,
    /// Calls that a person answered.
    pub reached: String,
    /// Converted calls.
    pub converted: String,
    /// Mean talk time.
    pub talk: String,
}

/// One outcome.
#[derive(Debug)]
pub(super) struct Tile {
    /// Its key and colour class.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How many.
    pub count: String,
    /// Of all ended.
    pub share: String,
    /// The bar's width of 100, on the scale of the largest.
    pub width: String,
    /// The arc's path.
    pub arc: String,
}

/// Key, name and count of each, in the fixed order.
fn counts(outcomes: &OutcomesJson) -> [(&'static str, &'static str, i64); 10] {
    [
        ("converted", "Converted", outcomes.converted),
        ("answered", "Answered", outcomes.answered_other),
        ("optout", "Opt-out", outcomes.opt_out),
        ("abandoned", "Abandoned", outcomes.abandoned),
        ("machine", "Machine", outcomes.machine),
        ("busy", "Busy", outcomes.busy),
        ("noanswer", "No answer", outcomes.no_answer),
        ("canceled", "Canceled", outcomes.canceled),
        ("failed", "Failed", outcomes.failed),
        ("lost", "Lost", outcomes.lost),
    ]
}

impl Outcomes {
    /// Of a span of time.
    pub(super) fn of(span: &SpanJson) -> Self {
        let shown: Vec<_> = counts(&span.outcomes).into_iter().filter(|(_, _, count)| *count > 0).collect();
        let total: i64 = shown.iter().map(|(_, _, count)| count).sum();
        let largest = shown.iter().map(|(_, _, count)| *count).max().unwrap_or(0);
        let share = |count: i64| count as f64 / total as f64;
        let arcs = arcs(&shown.iter().map(|(_, _, count)| share(*count)).collect::<Vec<_>>());
        let tiles: Vec<Tile> = shown
            .iter()
            .zip(arcs)
            .map(|((key, name, count), arc)| Tile {
                key,
                name,
                count: format::count(*count),
                share: format::percent(Some(share(*count))),
                width: format!("{:.1}", *count as f64 / largest as f64 * 100.0),
                arc,
            })
            .collect();
        let parts: Vec<String> =
            tiles.iter().map(|tile| format!("{} {}", tile.name.to_lowercase(), tile.share)).collect();
        let summary = if tiles.is_empty() {
            "No call has ended in the last hour".into()
        } else {
            format!("Outcomes of {} ended calls: {}", format::full(total), parts.join(", "))
        };
        let counters = &span.counters;
        Self {
            total: format::count(total),
            tiles,
            summary,
            reached: format::full(counters.human),
            converted: format::full(counters.converted),
            talk: format::duration((counters.bridged > 0).then(|| counters.talk_ms / counters.bridged.max(1))),
        }
    }
}

/// Arc paths clockwise from 12 o'clock, with gaps.
fn arcs(shares: &[f64]) -> Vec<String> {
    if shares.len() == 1 {
        let (top, bottom) = (CENTER - RADIUS, CENTER + RADIUS);
        return vec![format!(
            "M{CENTER} {top}A{RADIUS} {RADIUS} 0 1 1 {CENTER} {bottom}A{RADIUS} {RADIUS} 0 1 1 {CENTER} {top}"
        )];
    }
    let gap = GAP_PX / RADIUS;
    let room = TAU - gap * shares.len() as f64;
    let widened: Vec<f64> = shares.iter().map(|share| (share * room).max(SMALLEST_ARC)).collect();
    let scale = room / widened.iter().sum::<f64>();
    let point = |angle: f64| (CENTER + RADIUS * angle.sin(), CENTER - RADIUS * angle.cos());
    let mut at = gap / 2.0;
    widened
        .iter()
        .map(|width| {
            let width = width * scale;
            let ((x1, y1), (x2, y2)) = (point(at), point(at + width));
            let large = u8::from(width > TAU / 2.0);
            at += width + gap;
            format!("M{x1:.2} {y1:.2}A{RADIUS} {RADIUS} 0 {large} 1 {x2:.2} {y2:.2}")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arcs_start_at_twelve_and_go_clockwise() {
        let drawn = arcs(&[0.5, 0.5]);
        assert!(drawn[0].starts_with("M75.00 8.51A65.5 65.5 0 0 1 75.00 139.49"), "{}", drawn[0]);
        assert!(drawn[1].starts_with("M73.00 139.49"), "{}", drawn[1]);
        assert_eq!(arcs(&[]).len(), 0);
        assert_eq!(arcs(&[1.0]).len(), 1);
    }
}
