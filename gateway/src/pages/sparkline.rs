//! Sparklines: a row of values as SVG paths, on their own scale. `static/js/charts/sparkline.js` draws the same ones.

/// The box that all sparklines are drawn in; the page stretches it.
const WIDTH: f64 = 104.0;
const HEIGHT: f64 = 36.0;
const EDGE: f64 = 3.0;

/// One sparkline's paths. Gaps in the values are gaps in the line.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sparkline {
    /// The line.
    pub line: String,
    /// The area below the line.
    pub area: String,
    /// The newest point.
    pub end: String,
    /// The values it was drawn from, for the browser to go on with.
    pub values: String,
}

impl Sparkline {
    /// Draws values, oldest first. Nothing where fewer than two are known.
    pub(super) fn draw(values: &[Option<f64>]) -> Option<Self> {
        // A young series starts at the left edge: nothing is said of the time before it.
        let values = &values[values.iter().position(Option::is_some).unwrap_or(0)..];
        let known = || values.iter().flatten().copied();
        if known().count() < 2 {
            return None;
        }
        let (low, high) = known().fold((f64::MAX, f64::MIN), |(low, high), v| (low.min(v), high.max(v)));
        let span = high - low;
        let step = (WIDTH - 2.0 * EDGE) / (values.len() - 1) as f64;
        let place = |index: usize, value: f64| {
            let x = EDGE + step * index as f64;
            let share = if span > 0.0 { (value - low) / span } else { 0.5 };
            (x, HEIGHT - EDGE - share * (HEIGHT - 2.0 * EDGE))
        };
        let (mut line, mut area, mut end) = (String::new(), String::new(), String::new());
        let mut index = 0;
        while index < values.len() {
            let run: Vec<(f64, f64)> =
                values[index..].iter().enumerate().map_while(|(n, v)| v.map(|v| place(index + n, v))).collect();
            let (Some(first), Some(last)) = (run.first(), run.last()) else {
                index += 1;
                continue;
            };
            let points: Vec<String> = run.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            line.push_str(&format!("M{}", points.join("L")));
            area.push_str(&format!("M{:.1} {HEIGHT}L{}L{:.1} {HEIGHT}Z", first.0, points.join("L"), last.0));
            end = format!("M{:.1} {:.1}h0.01", last.0, last.1);
            index += run.len();
        }
        let values = values.iter().map(|v| v.map(compact).unwrap_or_default()).collect::<Vec<_>>().join(",");
        Some(Self { line, area, end, values })
    }
}

fn compact(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_the_values_is_a_gap_in_the_line() {
        let drawn = Sparkline::draw(&[Some(0.0), Some(1.0), None, Some(0.5), Some(1.0)]).unwrap();
        assert_eq!(drawn.line, "M3.0 33.0L27.5 3.0M76.5 18.0L101.0 3.0");
        assert_eq!(drawn.end, "M101.0 3.0h0.01");
        assert_eq!(drawn.values, "0,1,,0.5,1");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(Sparkline::draw(&[None, Some(1.0), None]), None);
        assert_eq!(Sparkline::draw(&[]), None);
    }

    #[test]
    fn a_constant_runs_through_the_middle() {
        let drawn = Sparkline::draw(&[Some(4.0), Some(4.0)]).unwrap();
        assert_eq!(drawn.line, "M3.0 18.0L101.0 18.0");
    }
}
