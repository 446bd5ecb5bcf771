//! `/healthz`, `/readyz` and `/metrics`, the same for every role.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::problem::Problem;

/// Says what is not well, if anything. Called for each probe, so it must not wait.
pub type Readiness = Arc<dyn Fn() -> Option<String> + Send + Sync>;

/// The text of `/metrics`.
pub type RenderMetrics = Arc<dyn Fn() -> String + Send + Sync>;

/// Method and path of the routes of [`Health::routes`].
pub const HEALTH_ROUTES: [(&str, &str); 3] = [("GET", "/healthz"), ("GET", "/readyz"), ("GET", "/metrics")];

/// What a process reports about itself.
#[derive(Clone)]
pub struct Health {
    /// What must be well before the process counts as ready.
    pub readiness: Vec<Readiness>,
    /// Renders `/metrics`; none if no recorder is installed.
    pub metrics: Option<RenderMetrics>,
    /// The build's version.
    pub version: &'static str,
}

impl Health {
    /// The routes for probes and Prometheus.
    pub fn routes<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/healthz", get(show_liveness))
            .route("/readyz", get(show_readiness))
            .route("/metrics", get(show_metrics))
            .with_state(self)
    }
}

/// Answers a liveness probe.
pub fn alive(version: &str) -> Response {
    Json(json!({ "status": "ok", "version": version })).into_response()
}

/// Answers a readiness probe: 200 if there are no reasons against it, 503 with the reasons otherwise.
pub fn ready(reasons: &[String]) -> Response {
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

async fn show_liveness(State(health): State<Health>) -> Response {
    alive(health.version)
}

async fn show_readiness(State(health): State<Health>) -> Response {
    ready(&health.readiness.iter().filter_map(|check| check()).collect::<Vec<_>>())
}

async fn show_metrics(State(health): State<Health>) -> Response {
    let Some(render) = &health.metrics else {
        let detail = "This process has no metrics recorder.";
        return Problem::new(StatusCode::NOT_FOUND, "not_found", detail).into_response();
    };
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, kind)], render()).into_response()
}
