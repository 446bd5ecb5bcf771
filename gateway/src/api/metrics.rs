//! Generic metrics: rolling statistics, recent points, newest values.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use ringside_wire::{MetricJson, MetricsBody, MetricsSnapshot, body_bytes};
use serde::{Deserialize, Serialize};

use super::{json_answer, metrics_of};
use crate::error::Error;
use crate::extract::{Query, QueryParams, User};
use crate::hub::RoomReader;

/// A chart's points, which is as many as are kept.
const POINTS: usize = 60;

/// `GET /analytics/stats`
pub(crate) async fn show_stats(State(reader): State<RoomReader>, User(viewer): User) -> Result<Response, Error> {
    let metrics = metrics_of(&reader, &viewer).await?.body.metrics;
    Ok(json_answer(body_bytes(&MetricsBody { metrics })))
}

#[derive(Deserialize)]
pub(crate) struct RecentQuery {
    count: Option<usize>,
}

impl QueryParams for RecentQuery {
    const ALLOWED: &'static str = "count is a whole number, 1 or more. Give it at most once, such as count=60.";
}

/// `GET /analytics/recent?count=60`
pub(crate) async fn show_recent(
    State(reader): State<RoomReader>,
    User(viewer): User,
    Query(query): Query<RecentQuery>,
) -> Result<Response, Error> {
    let count = query.count.unwrap_or(POINTS);
    if count == 0 {
        return Err(Error::BadRequest("count must be 1 or more.".to_owned()));
    }
    let mut series = metrics_of(&reader, &viewer).await?.series;
    for metric in &mut series {
        metric.points.drain(..metric.points.len().saturating_sub(count));
    }
    Ok(json_answer(body_bytes(&MetricsSnapshot { series })))
}

#[derive(Serialize)]
struct Latest<'a> {
    metrics: Vec<LatestMetric<'a>>,
}

/// A metric without its window.
#[derive(Serialize)]
struct LatestMetric<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: &'a BTreeMap<Box<str>, Box<str>>,
    unit: &'a str,
    value: f64,
    at: &'a str,
}

impl<'a> From<&'a MetricJson> for LatestMetric<'a> {
    fn from(metric: &'a MetricJson) -> Self {
        let MetricJson { name, labels, unit, value, at, .. } = metric;
        Self { name, labels, unit, value: *value, at }
    }
}

/// `GET /analytics/latest`
pub(crate) async fn show_latest(State(reader): State<RoomReader>, User(viewer): User) -> Result<Response, Error> {
    let metrics = metrics_of(&reader, &viewer).await?.body.metrics;
    Ok(json_answer(body_bytes(&Latest { metrics: metrics.iter().map(LatestMetric::from).collect() })))
}
