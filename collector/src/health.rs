//! What a collector says of itself over HTTP: `/healthz`, `/readyz`, `/metrics`.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use ringside_engine::Engine;
use serde_json::json;

/// A probe never waits longer for an engine that is away.
const PING_WITHIN: Duration = Duration::from_secs(1);

/// Says what is not well, if anything.
pub type Readiness = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// What a collector's health is made of.
#[derive(Clone)]
pub struct Health {
    /// It must answer.
    pub engine: Arc<dyn Engine>,
    /// What else must be well: each says what is not.
    pub readiness: Vec<Readiness>,
    /// The text of `/metrics`; none where nothing is counted.
    pub metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
    /// What this build calls itself.
    pub version: &'static str,
}

/// The routes for probes and Prometheus.
pub fn health_routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(show_liveness))
        .route("/readyz", get(show_readiness))
        .route("/metrics", get(show_metrics))
        .with_state(health)
}

async fn show_liveness(State(health): State<Health>) -> Response {
    Json(json!({ "status": "ok", "version": health.version })).into_response()
}

async fn show_readiness(State(health): State<Health>) -> Response {
    let mut reasons = Vec::new();
    match tokio::time::timeout(PING_WITHIN, health.engine.ping()).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => reasons.push("the engine does not answer".to_owned()),
    }
    reasons.extend(health.readiness.iter().filter_map(|ask| ask()));
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

async fn show_metrics(State(health): State<Health>) -> Response {
    let Some(render) = &health.metrics else { return StatusCode::NOT_FOUND.into_response() };
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], render()).into_response()
}
