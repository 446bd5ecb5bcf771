//! The webhook: `POST /ingest/events`.
//!
//! ```text
//! request ─ key ─ signature ─ body ─▶ events ─ aliases ─▶ Intake::accept ─▶ one answer for all
//! ```
//!
//! [`body`] reads one event, an array or NDJSON, [`cloudevents`] unwraps CloudEvents, and [`signature`] checks Standard
//! Webhooks. Telephone numbers in texts are masked on reading; ids that hold one are replaced by aliases of the intake.
//!
//! A bad event is reported by its index, and the others are accepted. A whole request fails only for a wrong key or
//! signature, an unreadable or too large body, or a log that is full or unavailable. `docs/sources.md` is for senders.

mod answer;
mod body;
mod cloudevents;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod problem;
mod receive;
mod signature;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use problem::Problem;
use ringside_access::{ApiKey, KeyError, Keys};
use ringside_intake::Intake;

/// The state of the webhook's routes.
#[derive(Clone)]
pub struct Webhook {
    /// The intake that accepts the events.
    pub intake: Intake,
    /// The API keys of senders.
    pub keys: Keys,
    /// The limits of a request.
    pub limits: Limits,
}

/// The limits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body that is not NDJSON.
    pub body_bytes: usize,
    /// Bytes of an NDJSON body, which is read as it arrives.
    pub stream_bytes: usize,
    /// Events in an array or a CloudEvents batch.
    pub array_events: usize,
    /// Bytes of one event.
    pub event_bytes: usize,
    /// How long to wait for the next part of a body, in milliseconds.
    pub read_timeout_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            stream_bytes: 256 << 20,
            array_events: 10_000,
            event_bytes: 64 << 10,
            // Shorter than the server's own timeout, which closes the connection without a response.
            read_timeout_ms: 8_000,
        }
    }
}

/// Returns the routes for senders. They authenticate by API key.
pub fn webhook_routes(webhook: Webhook) -> Router {
    Router::new()
        .route("/ingest/events", post(receive_events).options(allow_webhook).fallback(reject_method))
        .with_state(Arc::new(webhook))
}

async fn receive_events(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match authenticate(&webhook.keys, &parts.headers).await {
        Ok(key) => receive::receive(&webhook, &key, &parts.headers, body).await,
        Err(problem) => Err(problem),
    };
    let response = answered.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    metrics::counter!("ringside_ingest_requests_total", "status" => response.status().as_u16().to_string())
        .increment(1);
    response
}

async fn authenticate(keys: &Keys, headers: &HeaderMap) -> Result<Arc<ApiKey>, Problem> {
    let given = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        Problem::unauthorized(
            "missing_key",
            "the request has no API key: send the header \"Authorization: Bearer <api key>\"; `ringside key issue` \
             creates a key",
        )
    })?;
    let unknown = || {
        Problem::unauthorized(
            "unknown_key",
            "the API key is unknown or revoked: send \"Authorization: Bearer <api key>\" with a key from \
             `ringside key issue`",
        )
    };
    let (scheme, key) = given.to_str().ok().and_then(|text| text.trim().split_once(' ')).ok_or_else(unknown)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(unknown());
    }
    match keys.find(key.trim()).await {
        Ok(Some(key)) => Ok(key),
        Ok(None) => Err(unknown()),
        Err(error @ KeyError::Engine(_)) => {
            tracing::warn!(error = ?error, "API key lookup failed");
            Err(Problem::unavailable(
                "API keys can't be checked right now; no event was accepted, send the same request again",
                2,
            ))
        }
        Err(error) => {
            tracing::error!(error = %error, "API key record unreadable");
            Err(unknown())
        }
    }
}

/// Answers the handshake of CloudEvents webhooks: any sender, at any rate.
async fn allow_webhook(headers: HeaderMap) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let answer = response.headers_mut();
    answer.insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    if let Some(origin) = headers.get("webhook-request-origin") {
        answer.insert("webhook-allowed-origin", origin.clone());
        answer.insert("webhook-allowed-rate", HeaderValue::from_static("*"));
        *response.status_mut() = StatusCode::OK;
    }
    response
}

async fn reject_method() -> Response {
    let mut response =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "send events with the method POST")
            .into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}
