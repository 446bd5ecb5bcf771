//! What a process answers before its engine does: alive, not ready, and why.
//!
//! The port is taken from the first moment. Once the role has started, requests go to its router.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use parking_lot::Mutex;
use ringside_http::{Problem, alive, ready};
use tower::ServiceExt;

const RETRY_AFTER_SECS: u64 = 2;

/// Answers for a role until it has started. Cheap to clone; clones are the same one.
#[derive(Clone, Default)]
pub(crate) struct StartupResponder(Arc<Inner>);

#[derive(Default)]
struct Inner {
    started: OnceLock<Router>,
    /// Why the role has not started.
    reason: Mutex<String>,
}

impl StartupResponder {
    /// The router that the port serves from the start.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(answer).with_state(self.clone())
    }

    /// Sends all requests to the role's router from now on.
    pub(crate) fn open(&self, role: Router) {
        assert!(self.0.started.set(role).is_ok(), "a role starts once");
    }

    /// Says why the role has not started yet.
    pub(crate) fn wait_for(&self, reason: String) {
        *self.0.reason.lock() = reason;
    }
}

async fn answer(State(startup): State<StartupResponder>, request: Request) -> Response {
    if let Some(role) = startup.0.started.get() {
        return role.clone().oneshot(request).await.into_response();
    }
    match request.uri().path() {
        "/healthz" => alive(env!("CARGO_PKG_VERSION")),
        "/readyz" => {
            let reason = startup.0.reason.lock().clone();
            ready(&[if reason.is_empty() { "starting".to_owned() } else { reason }])
        }
        _ => {
            let detail = "Ringside is starting and waits for its engine; try again in some seconds.";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
                .with_retry_after(RETRY_AFTER_SECS)
                .into_response()
        }
    }
}
