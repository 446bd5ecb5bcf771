//! How numbers read.
//!
//! `static/js/lib/format.js` is the same rules for the browser; both are held to `tests/fixtures/formats.json`, so that
//! a number does not change its looks when the page comes alive. Unknown is an en dash, never 0, blank or NaN.

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "–";

/// Joins a number and its unit: narrow, and no line breaks in it.
const THIN: char = '\u{202f}';

/// Half away from zero, as the browser's rounding does for what we show.
fn round_to(value: f64, digits: i32) -> f64 {
    let scale = 10f64.powi(digits);
    (value * scale).round() / scale
}

fn minus(text: &str) -> String {
    text.replacen('-', "−", 1)
}

/// Every digit, with separators: `166,842`.
pub(super) fn full(value: impl Into<Option<i64>>) -> String {
    let Some(value) = value.into() else { return UNKNOWN.into() };
    let digits = value.unsigned_abs().to_string();
    let mut text = String::from(if value < 0 { "−" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn shortened(value: f64) -> String {
    let size = value.abs();
    let (divisor, letter) = match size {
        _ if size < 999_950.0 => (1e3, 'K'),
        _ if size < 999_950_000.0 => (1e6, 'M'),
        _ => (1e9, 'B'),
    };
    minus(&format!("{:.1}{letter}", round_to(value / divisor, 1)))
}

/// Exact to 9,999, then `18.4K`, `1.2M`.
pub(super) fn count(value: impl Into<Option<i64>>) -> String {
    match value.into() {
        None => UNKNOWN.into(),
        Some(value) if value.abs() < 10_000 => full(value),
        Some(value) => shortened(value as f64),
    }
}

/// A share as percent: `32.6%`. What is not zero never reads as zero.
pub(super) fn percent(share: Option<f64>) -> String {
    let Some(share) = share else { return UNKNOWN.into() };
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.05 {
        return "<0.1%".into();
    }
    minus(&format!("{:.1}%", round_to(percent, 1)))
}

/// Per second: one decimal below 100, then none.
pub(super) fn rate(value: impl Into<Option<f64>>) -> String {
    let Some(value) = value.into() else { return UNKNOWN.into() };
    let tenths = round_to(value, 1);
    if tenths < 100.0 { format!("{tenths:.1}/s") } else { format!("{}/s", count(value.round() as i64)) }
}

/// Two units at most: `0.4s`, `48s`, `3m 12s`, `4h 02m`, `9d 6h`.
pub(super) fn duration(ms: impl Into<Option<i64>>) -> String {
    let Some(ms) = ms.into() else { return UNKNOWN.into() };
    let ms = ms.max(0);
    let seconds = ms / 1000;
    match seconds {
        0 if ms == 0 => "0s".into(),
        0 => format!("0.{}s", ms / 100),
        1..60 => format!("{seconds}s"),
        60..3600 => format!("{}m {}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

/// `184 ms`, from a second on `2.3s`.
pub(super) fn latency(ms: Option<f64>) -> String {
    match ms {
        None => UNKNOWN.into(),
        Some(ms) if ms.round() < 1000.0 => format!("{}{THIN}ms", ms.round()),
        Some(ms) => format!("{:.1}s", round_to(ms / 1000.0, 1)),
    }
}

/// Binary powers: `20.2 GB`.
pub(super) fn bytes(value: impl Into<Option<f64>>) -> String {
    let Some(value) = value.into() else { return UNKNOWN.into() };
    let mut rest = value;
    for unit in ["B", "KB", "MB", "GB", "TB"] {
        if unit == "B" && rest < 1024.0 {
            return format!("{}{THIN}B", rest.round());
        }
        if round_to(rest, 1) < 1000.0 && unit != "B" || unit == "TB" {
            return format!("{:.1}{THIN}{unit}", round_to(rest, 1));
        }
        rest /= 1024.0;
    }
    unreachable!("the last unit takes any size")
}

/// A number of which nothing is known: whole ones in full, others with as many digits as still say something.
pub(super) fn decimal(value: impl Into<Option<f64>>) -> String {
    let Some(value) = value.into() else { return UNKNOWN.into() };
    if value.abs() >= 10_000.0 {
        return shortened(value);
    }
    let digits = if value.abs() < 10.0 { 2 } else { 1 };
    let rounded = round_to(value, digits);
    let whole = rounded.trunc() as i64;
    let text = format!("{:.*}", digits as usize, (rounded - rounded.trunc()).abs());
    let fraction = text.trim_start_matches('0').trim_end_matches('0').trim_end_matches('.');
    let sign = if rounded < 0.0 && whole == 0 { "−" } else { "" };
    format!("{sign}{}{fraction}", full(whole))
}

/// A generic metric's value and its unit, to be set apart: `("41.2", "%")`.
pub(super) fn metric(value: f64, unit: &str) -> (String, String) {
    match unit {
        "ms" => split_unit(&latency(Some(value))),
        "bytes" | "B" => split_unit(&bytes(value)),
        "bytes/s" | "B/s" => {
            let (number, unit) = split_unit(&bytes(value));
            (number, format!("{unit}/s"))
        }
        "%" => (minus(&format!("{:.1}", round_to(value, 1))), "%".into()),
        unit => (decimal(value), unit.into()),
    }
}

fn split_unit(text: &str) -> (String, String) {
    match text.split_once(THIN) {
        Some((number, unit)) => (number.into(), unit.into()),
        None => match text.strip_suffix('s') {
            Some(number) => (number.into(), "s".into()),
            None => (text.into(), String::new()),
        },
    }
}

/// The time of day of an RFC 3339 moment in UTC, to the second.
pub(super) fn clock(moment: &str) -> &str {
    moment.get(11..19).unwrap_or(UNKNOWN)
}

/// Its milliseconds, with the dot.
pub(super) fn clock_ms(moment: &str) -> &str {
    moment.get(19..23).filter(|ms| ms.starts_with('.')).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_the_shared_table_says() {
        let table: Vec<serde_json::Value> =
            serde_json::from_str(include_str!("../../../tests/fixtures/formats.json")).unwrap();
        assert!(table.len() > 40);
        for row in table {
            let number = row["in"].as_f64();
            let whole = number.map(|n| n as i64);
            let text = match row["kind"].as_str().unwrap() {
                "count" => count(whole),
                "full" => full(whole),
                "percent" => percent(number),
                "rate" => rate(number),
                "duration" => duration(whole),
                "latency" => latency(number),
                "bytes" => bytes(number),
                "decimal" => decimal(number),
                kind => panic!("no such kind: {kind}"),
            };
            assert_eq!(text, row["out"].as_str().unwrap(), "{row}");
        }
    }

    #[test]
    fn metrics_are_read_in_their_unit() {
        assert_eq!(metric(41.25, "%"), ("41.3".into(), "%".into()));
        assert_eq!(metric(2300.0, "ms"), ("2.3".into(), "s".into()));
        assert_eq!(metric(2048.0, "bytes/s"), ("2.0".into(), "KB/s".into()));
        assert_eq!(metric(1250.5, "EUR"), ("1,250.5".into(), "EUR".into()));
    }
}
