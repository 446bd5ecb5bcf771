//! What a process answers while its engine is not there yet: that it lives, that it is not ready, and why.
//!
//! The port is taken and answered from the first moment. Once the rooms behind it are open, requests walk through.

use std::sync::{Arc, Mutex, OnceLock};

use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router};
use serde_json::json;
use tower::ServiceExt;

const RETRY_AFTER_S: u64 = 2;

/// The way in. Cloning makes another handle to the same.
#[derive(Clone, Default)]
pub(crate) struct Lobby(Arc<Inside>);

#[derive(Default)]
struct Inside {
    rooms: OnceLock<Router>,
    /// What is being waited for.
    reason: Mutex<String>,
}

impl Lobby {
    /// Everything goes through here.
    pub(crate) fn router(&self) -> Router {
        Router::new().fallback(receive).with_state(self.clone())
    }

    /// From now on requests walk through.
    pub(crate) fn open(&self, rooms: Router) {
        assert!(self.0.rooms.set(rooms).is_ok(), "a lobby opens once");
    }

    /// Says what is being waited for.
    pub(crate) fn wait_for(&self, reason: String) {
        *self.0.reason.lock().expect("nobody panics in the lobby") = reason;
    }
}

async fn receive(State(lobby): State<Lobby>, request: Request) -> Response {
    if let Some(rooms) = lobby.0.rooms.get() {
        return rooms.clone().oneshot(request).await.into_response();
    }
    let reason = lobby.0.reason.lock().expect("nobody panics in the lobby").clone();
    let reason = if reason.is_empty() { "starting".to_owned() } else { reason };
    match request.uri().path() {
        "/healthz" => Json(json!({ "status": "ok", "version": env!("CARGO_PKG_VERSION") })).into_response(),
        "/readyz" => {
            (StatusCode::SERVICE_UNAVAILABLE, Json(json!({ "ready": false, "reasons": [reason] }))).into_response()
        }
        _ => {
            let problem = json!({
                "type": "about:blank",
                "title": "Service Unavailable",
                "status": 503,
                "detail": "Ringside is starting and waits for its engine; try again in some seconds.",
                "code": "unavailable",
            });
            let mut response = (StatusCode::SERVICE_UNAVAILABLE, problem.to_string()).into_response();
            let kind = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(header::CONTENT_TYPE, kind);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S));
            response
        }
    }
}
