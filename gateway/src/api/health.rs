//! Whether the machines, and this gateway, are well.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use ringside_model::Room;
use serde_json::json;

use super::{json_answer, with_place};
use crate::auth::Viewer;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::observe;

/// `GET /analytics/system/health`
pub(crate) async fn show_system(State(gateway): State<Gateway>, viewer: Viewer) -> Result<Response, Error> {
    let initial = gateway.initial(&viewer, &Room::System).await?;
    Ok(json_answer(with_place(&initial)?.to_string()))
}

/// `GET /healthz`: this process answers.
pub(crate) async fn show_liveness(State(gateway): State<Gateway>) -> Response {
    Json(json!({ "status": "ok", "version": gateway.settings().version })).into_response()
}

/// `GET /readyz`: it can serve, or why not. Answers at once, whatever is broken.
pub(crate) async fn show_readiness(State(gateway): State<Gateway>) -> Response {
    let mut reasons = Vec::new();
    if !gateway.pulse().is_well() {
        reasons.push("the engine does not answer".to_owned());
    }
    match gateway.hub().broken_links() {
        0 => {}
        broken => reasons.push(format!("{broken} subscriptions are being restored")),
    }
    reasons.extend(gateway.memory().trouble());
    reasons.extend(gateway.settings().readiness.iter().filter_map(|ask| ask()));
    if gateway.goodbye().has_begun() {
        reasons.push("draining".to_owned());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

/// `GET /metrics`: Prometheus text.
pub(crate) async fn show_metrics(State(gateway): State<Gateway>) -> Result<Response, Error> {
    let handle = gateway.settings().metrics.as_ref().ok_or(Error::NoSuchAddress)?;
    observe::queues(gateway.ledger().queued_bytes());
    handle.run_upkeep();
    let headers = [(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"))];
    Ok((headers, handle.render() + &crate::data_age::render()).into_response())
}
