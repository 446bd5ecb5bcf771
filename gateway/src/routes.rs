//! Every URL on one screen.

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderName, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;
use tower_http::trace::TraceLayer;
use tracing::Instrument as _;

use crate::error::Error;
use crate::gateway::Gateway;
use crate::{api, auth, cors, delivery, observe, origin, pages, protect};

/// Pages are long and much the same inside: a little more work than usual makes them a tenth smaller.
const PAGE_COMPRESSION: CompressionLevel = CompressionLevel::Precise(6);

impl Gateway {
    /// Everything that this gateway answers.
    pub fn router(&self) -> Router {
        let who = Router::new()
            // A token of somebody else's may be long, and is refused as any other.
            .route("/auth/login", post(auth::log_in).layer(api::body_limit(32 << 10)))
            .route("/auth/refresh", post(auth::refresh))
            .route("/auth/resume", get(auth::resume))
            .route("/auth/tenant", post(auth::switch_tenant))
            .route("/auth/logout", post(auth::log_out))
            .route("/auth/sso/{id}", get(auth::begin_sso))
            .route("/auth/sso/{id}/callback", get(auth::end_sso))
            .route("/auth/me", get(auth::show_me))
            .layer(api::body_limit(8 << 10));
        let keys = Router::new().route("/.well-known/jwks.json", get(auth::show_key_set));
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
            .route("/analytics/recent", get(api::show_recent))
            .route("/analytics/latest", get(api::show_latest))
            .route("/analytics/dashboard", get(api::show_dashboard));
        let by_other_names = Router::new()
            .route("/api/stats", get(api::show_stats))
            .route("/api/metrics/recent", get(api::show_recent))
            .route("/api/metrics/latest", get(api::show_latest));
        let operators = Router::new()
            .route("/healthz", get(api::show_liveness))
            .route("/readyz", get(api::show_readiness))
            .route("/metrics", get(api::show_metrics))
            .route("/admin/connections", get(api::list_connections));
        let admins = Router::new()
            .route("/admin/users", get(api::list_users).post(api::add_user))
            .route("/admin/users/{name}", patch(api::change_user).delete(api::remove_user))
            .route("/admin/users/{name}/password", post(api::set_password))
            .route("/admin/users/{name}/end", post(api::end_logins))
            .route("/admin/tokens", get(api::list_passes).post(api::issue_pass))
            .route("/admin/tokens/{id}", delete(api::revoke_pass))
            .route("/admin/keys", get(api::list_keys).post(api::issue_key))
            .route("/admin/keys/{id}", delete(api::revoke_key))
            .route("/admin/sessions", get(api::list_sessions))
            .route("/admin/sessions/end", post(api::end_all_sessions))
            .route("/admin/sessions/{id}", delete(api::end_session))
            .route("/admin/audit", get(api::list_audit))
            .route("/admin/audit/export", get(api::export_audit))
            .layer(api::body_limit(64 << 10));
        let pages = Router::new()
            .route("/", get(pages::show_overview))
            .route("/analytics/realtime", get(pages::show_overview))
            .route("/campaigns", get(pages::list_campaigns))
            .route("/campaigns/{id}", get(pages::show_campaign))
            .route("/admin", get(pages::show_admin))
            .route("/login", get(pages::show_login));
        // The files are many and small: no request id and no log line for each.
        pages::begin_packing();
        let files = Router::new()
            .route("/static/{*path}", get(pages::send_asset))
            .route("/favicon.ico", get(pages::send_favicon))
            .layer(CompressionLayer::new())
            .layer(from_fn_with_state(self.clone(), protect::protect));

        // What other origins may ask, where the operator has listed them; see `cors::covers`.
        let open = cors::open_to(&self.settings().cors_origins, who.merge(questions));
        let routes = open.merge(keys).merge(by_other_names).merge(operators).merge(admins).merge(pages);
        let mut all = self.around(routes, live).merge(files);
        if self.bench().is_some() {
            // Thousands a second, and what each costs is taken for the cost of what is measured: only the guard around them.
            let bench = post(api::publish_bench).fallback(async || Error::WrongMethod);
            let bench = bench.layer(api::body_limit(api::BODY_BYTES));
            let guard = from_fn_with_state(self.clone(), origin::guard);
            all = all.merge(Router::new().route("/bench/{n}", bench).layer(guard));
        }
        all.with_state(self.clone())
    }

    /// What every answer goes through, from the handler outwards. What is `live` lasts for as long as somebody listens.
    fn around(&self, routes: Router<Self>, live: Router<Self>) -> Router<Self> {
        let request_id = HeaderName::from_static("x-request-id");
        let secret = [AUTHORIZATION, COOKIE, SET_COOKIE, SEC_WEBSOCKET_PROTOCOL];
        let guarded = |routes: Router<Self>| {
            routes
                .method_not_allowed_fallback(async || Error::WrongMethod)
                .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| answer_panic(panic.as_ref())))
                .layer(from_fn_with_state(self.clone(), origin::guard))
                .layer(from_fn_with_state(self.clone(), auth::note_refusals))
        };
        guarded(routes.fallback(async || Error::NoSuchAddress))
            .layer(from_fn(to_its_end))
            .merge(guarded(live))
            .layer(from_fn_with_state(self.clone(), pages::tell_browsers))
            .layer(from_fn(observe::count_requests))
            .layer(CompressionLayer::new().quality(PAGE_COMPRESSION))
            .layer(from_fn_with_state(self.clone(), protect::protect))
            .layer(TraceLayer::new_for_http().make_span_with(span))
            .layer(PropagateRequestIdLayer::new(request_id.clone()))
            .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
            .layer(SetSensitiveHeadersLayer::new(secret))
    }
}

/// A handler goes on where whoever asked has hung up: what was changed is noted, and what has begun to end ends everywhere.
async fn to_its_end(request: Request, next: Next) -> Response {
    match tokio::spawn(next.run(request).in_current_span()).await {
        Ok(response) => response,
        Err(ended) => Error::internal(&ended).into_response(),
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use ringside_engine::embedded::{Embedded, EmbeddedSettings};
    use tower::ServiceExt;

    use super::*;
    use crate::settings::GatewaySettings;

    #[tokio::test]
    async fn a_panic_is_answered_with_a_reference_and_no_detail() {
        let folder = tempfile::TempDir::new().unwrap();
        let engine = Embedded::open(folder.path(), EmbeddedSettings::default()).unwrap();
        let gateway = Gateway::start(Arc::new(engine), GatewaySettings::default()).await.unwrap();
        async fn fail() -> &'static str {
            panic!("the drawer has {} in it", 50)
        }
        let routes =
            gateway.around(Router::new().route("/fails", get(fail)), Router::new()).with_state(gateway.clone());
        for (accept, kind, sentence) in [
            ("*/*", "application/problem+json", "Something broke on our side. Reference "),
            ("text/html", "text/html; charset=utf-8", "Live numbers may still work."),
        ] {
            let request = Request::get("/fails").header("accept", accept).body(axum::body::Body::empty()).unwrap();
            let response = routes.clone().oneshot(request).await.unwrap();
            assert_eq!((response.status().as_u16(), response.headers()["content-type"].to_str().unwrap()), (500, kind));
            assert!(response.headers().contains_key("content-security-policy"), "it is protected like any other");
            let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
            let text = str::from_utf8(&body).unwrap();
            assert!(text.contains(sentence) && !text.contains("drawer"), "{text}");
        }
        gateway.drain().await;
    }
}
