//! Every URL on one screen.

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderName, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE};
use axum::middleware::from_fn;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;
use tower_http::trace::TraceLayer;

use crate::error::Error;
use crate::gateway::Gateway;
use crate::{api, auth, delivery, observe, pages, protect};

impl Gateway {
    /// Everything that this gateway answers.
    pub fn router(&self) -> Router {
        let who = Router::new()
            .route("/auth/login", post(auth::log_in))
            .route("/auth/logout", post(auth::log_out))
            .route("/auth/me", get(auth::show_me))
            .layer(DefaultBodyLimit::max(8 * 1024));
        let live = Router::new()
            .route("/ws", get(delivery::open_socket))
            .route("/ws/metrics", get(delivery::open_metrics_socket))
            .route("/events", get(delivery::stream_events))
            .route("/events/alerts", get(delivery::stream_alerts))
            .route("/poll", get(delivery::poll));
        let questions = Router::new()
            .route("/analytics/metrics", get(api::list_campaigns))
            .route("/analytics/campaigns/{id}/metrics", get(api::show_campaign))
            .route("/analytics/campaigns/{id}/calls", get(api::list_calls))
            .route("/analytics/system/health", get(api::show_system))
            .route("/analytics/stats", get(api::show_stats))
            .route("/api/stats", get(api::show_stats))
            .route("/analytics/recent", get(api::show_recent))
            .route("/api/metrics/recent", get(api::show_recent))
            .route("/analytics/latest", get(api::show_latest))
            .route("/api/metrics/latest", get(api::show_latest))
            .route("/analytics/dashboard", get(api::show_dashboard));
        let operators = Router::new()
            .route("/healthz", get(api::show_liveness))
            .route("/readyz", get(api::show_readiness))
            .route("/metrics", get(api::show_metrics));
        let pages = pages::page_routes().merge(pages::asset_routes());

        let request_id = HeaderName::from_static("x-request-id");
        let secret = [AUTHORIZATION, COOKIE, SET_COOKIE, SEC_WEBSOCKET_PROTOCOL];
        who.merge(live)
            .merge(questions)
            .merge(operators)
            .merge(pages)
            .method_not_allowed_fallback(async || Error::WrongMethod)
            .fallback(async || Error::NoSuchAddress)
            .layer(from_fn(observe::count_requests))
            .layer(CompressionLayer::new())
            .layer(from_fn(protect::protect))
            .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| answer_panic(panic.as_ref())))
            .layer(TraceLayer::new_for_http().make_span_with(span))
            .layer(PropagateRequestIdLayer::new(request_id.clone()))
            .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
            .layer(SetSensitiveHeadersLayer::new(secret))
            .with_state(self.clone())
    }
}

/// What a request is called in the log: its path without the query, and its id.
fn span(request: &Request) -> tracing::Span {
    let id = request.extensions().get::<RequestId>().map(RequestId::header_value).map(HeaderValue::to_str);
    let id = id.and_then(Result::ok).unwrap_or_default();
    tracing::debug_span!("request", method = %request.method(), path = request.uri().path(), id)
}

fn answer_panic(panic: &(dyn std::any::Any + Send)) -> Response {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::internal(&text.unwrap_or("a panic without a text")).into_response()
}
