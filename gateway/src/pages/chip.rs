//! Trend chips: which way a number went against an earlier one, and whether that is good.

use ringside_wire::RatioJson;

use super::format;
use super::sample::FEW;

/// What a rise means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rise {
    /// Neither good nor bad.
    Neutral,
    /// Good.
    Good,
    /// Bad.
    Bad,
}

/// A trend chip, ready to be drawn: an arrow for the direction, a fill for "worse", words for those who hear the page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chip {
    /// `is-good`, `is-bad` or nothing.
    pub class: &'static str,
    /// `up`, `down`, `flat`; empty where there is no earlier number.
    pub icon: &'static str,
    /// `6.2%`, `0.6 pp`.
    pub text: String,
    /// Read out after the figure by screen readers.
    pub spoken: &'static str,
}

impl Chip {
    /// No earlier number to hold against.
    pub(super) fn unknown() -> Self {
        Self { class: "", icon: "", text: format::UNKNOWN.into(), spoken: "no earlier data" }
    }

    /// Counts change in percent.
    pub(super) fn of_counts(now: Option<i64>, before: Option<i64>, rise: Rise) -> Self {
        let (Some(now), Some(before)) = (now, before) else { return Self::unknown() };
        Self::of_values(now as f64, before as f64, rise)
    }

    /// Plain values change in percent.
    pub(super) fn of_values(now: f64, before: f64, rise: Rise) -> Self {
        if before == 0.0 {
            return if now == 0.0 { Self::flat("no change") } else { Self::moved(1.0, "new".into(), rise) };
        }
        let change = (now - before) / before.abs();
        let percent = change.abs() * 100.0;
        match percent {
            _ if percent < 0.5 => Self::flat("no change"),
            _ if percent > 999.0 => Self::moved(change, ">999%".into(), rise),
            _ => Self::moved(change, format::percent(Some(change.abs())), rise),
        }
    }

    /// Rates change in percentage points.
    pub(super) fn of_ratios(now: RatioJson, before: RatioJson, rise: Rise) -> Self {
        // A few calls are no yardstick.
        let before = before.value.filter(|_| before.denominator >= FEW);
        let (Some(now), Some(before)) = (now.value, before) else { return Self::unknown() };
        let points = (now - before) * 100.0;
        if points.abs() < 0.05 {
            return Self::flat("0.0\u{202f}pp");
        }
        Self::moved(points, format!("{:.1}\u{202f}pp", (points.abs() * 10.0).round() / 10.0), rise)
    }

    fn flat(text: &str) -> Self {
        Self { class: "", icon: "flat", text: text.into(), spoken: "" }
    }

    fn moved(change: f64, text: String, rise: Rise) -> Self {
        let up = change > 0.0;
        let (class, spoken) = match (rise, up) {
            (Rise::Neutral, true) => ("", "higher"),
            (Rise::Neutral, false) => ("", "lower"),
            (Rise::Good, true) | (Rise::Bad, false) => ("is-good", "better"),
            (Rise::Good, false) | (Rise::Bad, true) => ("is-bad", "worse"),
        };
        Self { class, icon: if up { "up" } else { "down" }, text, spoken }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ratio(value: Option<f64>) -> RatioJson {
        RatioJson { value, numerator: 0, denominator: 100 }
    }

    #[test]
    fn a_chip_says_direction_and_worth() {
        let worse = Chip::of_ratios(ratio(Some(0.03)), ratio(Some(0.024)), Rise::Bad);
        assert_eq!((worse.class, worse.icon, &*worse.text, worse.spoken), ("is-bad", "up", "0.6\u{202f}pp", "worse"));
        let neutral = Chip::of_counts(Some(106), Some(100), Rise::Neutral);
        assert_eq!((neutral.class, neutral.icon, &*neutral.text), ("", "up", "6.0%"));
        assert_eq!(Chip::of_counts(Some(5), Some(0), Rise::Good).text, "new");
        assert_eq!(Chip::of_counts(Some(5000), Some(1), Rise::Neutral).text, ">999%");
        assert_eq!(Chip::of_counts(Some(1001), Some(1000), Rise::Neutral).text, "no change");
        assert_eq!(Chip::of_ratios(ratio(None), ratio(Some(0.1)), Rise::Good), Chip::unknown());
        let few = RatioJson { denominator: 29, ..ratio(Some(0.1)) };
        assert_eq!(Chip::of_ratios(ratio(Some(0.2)), few, Rise::Good), Chip::unknown());
    }
}
