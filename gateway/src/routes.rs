//! Every URL on one screen.

use axum::Router;
use axum::extract::Request;
use axum::http::HeaderValue;
use axum::http::header::{AUTHORIZATION, COOKIE, HeaderName, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodFilter, on};
use ringside_http::{guard, open_to, wrong_method};
use tower_http::CompressionLevel;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::request_id::{MakeRequestUuid, PropagateRequestIdLayer, RequestId, SetRequestIdLayer};
use tower_http::sensitive_headers::SetSensitiveHeadersLayer;
use tower_http::trace::TraceLayer;
use tracing::Instrument as _;

use crate::error::Error;
use crate::extract::body_limit;
use crate::gateway::Gateway;
use crate::{api, delivery, observe, pages, security_headers, sign_in};

/// Pages are long and much the same inside: a little more work than usual makes them a tenth smaller.
const PAGE_COMPRESSION: CompressionLevel = CompressionLevel::Precise(6);

/// Declares routes once: as routers by group, and as the list [`ROUTES`] that the permission table and the OpenAPI
/// document are held against.
macro_rules! routes {
    ($($(#[$doc:meta])* $group:ident { $($method:ident $path:literal => $handler:expr;)+ })+) => {
        $(
            $(#[$doc])*
            fn $group() -> Router<Gateway> {
                Router::new()$(.route($path, on(MethodFilter::$method, $handler)))+
            }
        )+

        /// Method and path of every route, without those of [`HEALTH_ROUTES`](ringside_http::HEALTH_ROUTES).
        pub const ROUTES: &[(&str, &str)] = &[$($((stringify!($method), $path),)+)+];
    };
}

routes! {
    /// Signing in with a password, or with a token of another issuer, which may be long.
    login {
        POST "/auth/login" => sign_in::sign_in;
    }

    /// Going on with a session, switching tenants, signing out.
    session {
        POST "/auth/refresh" => sign_in::refresh;
        GET "/auth/resume" => sign_in::resume_session;
        POST "/auth/tenant" => sign_in::switch_tenant;
        POST "/auth/logout" => sign_in::sign_out;
        GET "/auth/sso/{id}" => sign_in::start_sso;
        GET "/auth/sso/{id}/callback" => sign_in::sso_callback;
        GET "/auth/me" => sign_in::show_me;
    }

    /// The keys that verify access tokens.
    keys {
        GET "/.well-known/jwks.json" => sign_in::show_key_set;
    }

    /// Live connections, which last as long as the client listens.
    live {
        GET "/ws" => delivery::open_socket;
        GET "/ws/metrics" => delivery::open_metrics_socket;
        GET "/events" => delivery::stream_events;
        GET "/events/alerts" => delivery::stream_alerts;
        GET "/poll" => delivery::poll;
    }

    /// Single reads of the rooms.
    analytics {
        GET "/analytics/metrics" => api::list_campaigns;
        GET "/analytics/campaigns/{id}/metrics" => api::show_campaign;
        GET "/analytics/campaigns/{id}/calls" => api::list_calls;
        GET "/analytics/system/health" => api::show_system;
        GET "/analytics/stats" => api::show_stats;
        GET "/analytics/recent" => api::show_recent;
        GET "/analytics/latest" => api::show_latest;
        GET "/analytics/dashboard" => api::show_dashboard;
    }

    /// The same under the names that older scripts use.
    analytics_aliases {
        GET "/api/stats" => api::show_stats;
        GET "/api/metrics/recent" => api::show_recent;
        GET "/api/metrics/latest" => api::show_latest;
    }

    /// Access and connections, for admins and auditors.
    admin {
        GET "/admin/connections" => api::list_connections;
        GET "/admin/users" => api::list_users;
        POST "/admin/users" => api::add_user;
        PATCH "/admin/users/{name}" => api::change_user;
        DELETE "/admin/users/{name}" => api::remove_user;
        POST "/admin/users/{name}/password" => api::set_password;
        POST "/admin/users/{name}/end" => api::end_logins;
        GET "/admin/tokens" => api::list_api_tokens;
        POST "/admin/tokens" => api::issue_api_token;
        DELETE "/admin/tokens/{id}" => api::revoke_api_token;
        GET "/admin/keys" => api::list_keys;
        POST "/admin/keys" => api::issue_key;
        DELETE "/admin/keys/{id}" => api::revoke_key;
        GET "/admin/sessions" => api::list_sessions;
        POST "/admin/sessions/end" => api::end_all_sessions;
        DELETE "/admin/sessions/{id}" => api::end_session;
        GET "/admin/audit" => api::list_audit;
        GET "/admin/audit/export" => api::export_audit;
    }

    /// Pages.
    pages {
        GET "/" => pages::show_overview;
        GET "/analytics/realtime" => pages::show_overview;
        GET "/campaigns" => pages::list_campaigns;
        GET "/campaigns/{id}" => pages::show_campaign;
        GET "/admin" => pages::show_admin;
        GET "/login" => pages::show_login;
    }

    /// Scripts, styles, images.
    files {
        GET "/static/{*path}" => pages::send_asset;
        GET "/favicon.ico" => pages::send_favicon;
    }

    /// Load runs, only with `--bench`.
    bench {
        POST "/bench/{n}" => api::publish_bench;
    }
}

impl Gateway {
    /// Everything that this gateway answers.
    pub fn router(&self) -> Router {
        let access = login().layer(body_limit(32 << 10)).merge(session().layer(body_limit(8 << 10)));
        let admin = admin().layer(body_limit(64 << 10));
        // The files are many and small: no request id and no log line for each.
        pages::precompress();
        let files = files()
            .layer(CompressionLayer::new())
            .layer(from_fn_with_state(self.http().clone(), security_headers::set_security_headers));
        // Other origins may request these, if the operator has listed them; see `settings.rs`.
        let open = open_to(&self.http().cors_origins, access.merge(analytics()));
        let routes =
            open.merge(keys()).merge(analytics_aliases()).merge(admin).merge(pages()).merge(self.health().routes());
        let mut all = self.around(routes, live()).merge(files);
        if self.has_bench() {
            // Thousands a second, and each one's cost counts as part of what is measured: only the guard around them.
            let bench = bench().method_not_allowed_fallback(wrong_method).layer(body_limit(api::BODY_BYTES));
            all = all.merge(bench.layer(from_fn_with_state(self.http().clone(), guard)));
        }
        all.with_state(self.clone())
    }

    /// What every answer goes through, from the handler outwards. What is `live` lasts for as long as somebody listens.
    fn around(&self, routes: Router<Self>, live: Router<Self>) -> Router<Self> {
        let request_id = HeaderName::from_static("x-request-id");
        let secret = [AUTHORIZATION, COOKIE, SET_COOKIE, SEC_WEBSOCKET_PROTOCOL];
        let guarded = |routes: Router<Self>| {
            routes
                .method_not_allowed_fallback(wrong_method)
                .layer(CatchPanicLayer::custom(|panic: Box<dyn std::any::Any + Send>| answer_panic(panic.as_ref())))
                .layer(from_fn_with_state(self.http().clone(), guard))
                .layer(from_fn_with_state(self.clone(), sign_in::audit_denials))
        };
        guarded(routes.fallback(async || Error::NoSuchAddress))
            .layer(from_fn(run_to_completion))
            .merge(guarded(live))
            .layer(from_fn_with_state(self.clone(), pages::render_error_pages))
            .layer(from_fn(observe::count_requests))
            .layer(CompressionLayer::new().quality(PAGE_COMPRESSION))
            .layer(from_fn_with_state(self.http().clone(), security_headers::set_security_headers))
            .layer(TraceLayer::new_for_http().make_span_with(span))
            .layer(PropagateRequestIdLayer::new(request_id.clone()))
            .layer(SetRequestIdLayer::new(request_id, MakeRequestUuid))
            .layer(SetSensitiveHeadersLayer::new(secret))
    }
}

/// A handler goes on where whoever asked has hung up: what was changed is noted, and what has begun to end ends everywhere.
async fn run_to_completion(request: Request, next: Next) -> Response {
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

    use axum::routing::get;
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
