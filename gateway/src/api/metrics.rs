//! Generic metrics: rolling statistics, recent points, newest values.

use axum::extract::{Query, State};
use axum::response::Response;
use ringside_shared::wire::{MetricsBody, MetricsSnapshot};
use serde::Deserialize;
use serde_json::json;

use super::{json_answer, metrics_of};
use crate::auth::Viewer;
use crate::error::Error;
use crate::gateway::Gateway;

/// A chart's points, which is as many as are kept.
const POINTS: usize = 60;

/// `GET /analytics/stats`
pub(crate) async fn show_stats(State(gateway): State<Gateway>, viewer: Viewer) -> Result<Response, Error> {
    let metrics = metrics_of(&gateway, &viewer).await?.body.metrics;
    Ok(json_answer(ringside_shared::wire::body_bytes(&MetricsBody { metrics })))
}

#[derive(Deserialize)]
pub(crate) struct RecentQuery {
    count: Option<usize>,
}

/// `GET /analytics/recent?count=60`
pub(crate) async fn show_recent(
    State(gateway): State<Gateway>,
    viewer: Viewer,
    Query(query): Query<RecentQuery>,
) -> Result<Response, Error> {
    let count = query.count.unwrap_or(POINTS);
    if count == 0 {
        return Err(Error::BadRequest("count must be 1 or more.".to_owned()));
    }
    let mut series = metrics_of(&gateway, &viewer).await?.series;
    for metric in &mut series {
        metric.points.drain(..metric.points.len().saturating_sub(count));
    }
    Ok(json_answer(ringside_shared::wire::body_bytes(&MetricsSnapshot { series })))
}

/// `GET /analytics/latest`
pub(crate) async fn show_latest(State(gateway): State<Gateway>, viewer: Viewer) -> Result<Response, Error> {
    let metrics = metrics_of(&gateway, &viewer).await?.body.metrics;
    let latest: Vec<_> = metrics
        .iter()
        .map(|metric| {
            json!({
                "name": metric.name, "labels": metric.labels, "unit": metric.unit,
                "value": metric.value, "at": metric.at,
            })
        })
        .collect();
    Ok(json_answer(json!({ "metrics": latest }).to_string()))
}
