//! The webhook: `POST /ingest/events`.
//!
//! ```text
//! request ─ key ─ signature ─ body ─▶ events ─ aliases ─▶ Intake::accept ─▶ one answer for all
//! ```
//!
//! [`body`] reads one event, an array or NDJSON, [`cloudevents`] unwraps CloudEvents, [`signature`] checks Standard
//! Webhooks, [`alias`] keeps telephone numbers out that come as ids; those in texts were masked as they were read. One bad
//! event is named by its index and the rest is taken; the whole request fails only for a wrong key, a body that is none of
//! these, or too much of it. `docs/sources.md` says all of it for senders.

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

/// What the webhook routes need.
#[derive(Clone)]
pub struct Webhook {
    /// Where events go.
    pub intake: Intake,
    /// Who may send them.
    pub keys: Keys,
    /// How much one request may bring.
    pub limits: Limits,
}

/// How much one request may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a body that is read as a whole.
    pub body_bytes: usize,
    /// Bytes of an NDJSON body, which is read line by line.
    pub stream_bytes: usize,
    /// Events of an array or a CloudEvents batch.
    pub array_events: usize,
    /// Bytes of one event.
    pub event_bytes: usize,
    /// How long the next piece of a body may take, in milliseconds.
    pub patience_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 16 << 20,
            stream_bytes: 256 << 20,
            array_events: 10_000,
            event_bytes: 64 << 10,
            // Shorter than the port's own (`asks_within`), which would end the connection without a word.
            patience_ms: 8_000,
        }
    }
}

/// The routes for senders. They carry their own authentication.
pub fn webhook_routes(webhook: Webhook) -> Router {
    Router::new()
        .route("/ingest/events", post(take_events).options(allow_webhook).fallback(refuse_method))
        .with_state(Arc::new(webhook))
}

async fn take_events(State(webhook): State<Arc<Webhook>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match find_key(&webhook.keys, &parts.headers).await {
        Ok(key) => receive::receive(&webhook, &key, &parts.headers, body).await,
        Err(problem) => Err(problem),
    };
    let response = answered.map_or_else(IntoResponse::into_response, IntoResponse::into_response);
    metrics::counter!("ringside_ingest_requests_total", "status" => response.status().as_u16().to_string())
        .increment(1);
    response
}

async fn find_key(keys: &Keys, headers: &HeaderMap) -> Result<Arc<ApiKey>, Problem> {
    let given = headers.get(header::AUTHORIZATION).ok_or_else(|| {
        Problem::unauthorized(
            "missing_key",
            "send the header \"Authorization: Bearer <api key>\"; `ringside key issue` makes a key",
        )
    })?;
    let unknown = || {
        Problem::unauthorized(
            "unknown_key",
            "this is not an API key, or no longer one: \"Authorization\" must be \"Bearer\" and a key that \
             `ringside key issue` made",
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
            tracing::warn!(error = ?error, "an API key could not be looked up");
            Err(Problem::unavailable("keys can't be checked now; nothing was taken, send the same again", 2))
        }
        Err(error) => {
            tracing::error!(error = %error, "an API key could not be read");
            Err(unknown())
        }
    }
}

/// The handshake of CloudEvents webhooks: yes, whoever has a key may send here, at any rate.
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

async fn refuse_method() -> Response {
    let mut response =
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "send events with POST").into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST, OPTIONS"));
    response
}
