//! Points of charts.

use ringside_model::{SeriesPoint, Timestamp};
use serde::{Deserialize, Serialize};

/// One point of a campaign's chart; null is "no data", and the line breaks there.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of SeriesPoint")]
pub struct SeriesPointJson {
    /// Start of the second (or minute), in seconds since the epoch.
    pub t: i64,
    pub active: Option<i64>,
    pub queue: Option<i64>,
    pub attempts: Option<i64>,
    pub answered: Option<i64>,
    #[serde(rename = "abandoned5m")]
    pub abandoned_5m: Option<i64>,
    #[serde(rename = "human5m")]
    pub human_5m: Option<i64>,
}

impl From<&SeriesPoint> for SeriesPointJson {
    fn from(point: &SeriesPoint) -> Self {
        Self {
            t: point.at.seconds(),
            active: point.active,
            queue: point.queue,
            attempts: point.attempts,
            answered: point.answered,
            abandoned_5m: point.abandoned_5m,
            human_5m: point.human_5m,
        }
    }
}

impl From<&SeriesPointJson> for SeriesPoint {
    fn from(json: &SeriesPointJson) -> Self {
        Self {
            at: Timestamp::from_millis(json.t * 1000),
            active: json.active,
            queue: json.queue,
            attempts: json.attempts,
            answered: json.answered,
            abandoned_5m: json.abandoned_5m,
            human_5m: json.human_5m,
        }
    }
}

/// A campaign's charts: the newest seconds and the last hour by minute.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SeriesJson {
    /// One point a second.
    pub seconds: Vec<SeriesPointJson>,
    /// One point a minute.
    pub minutes: Vec<SeriesPointJson>,
}
