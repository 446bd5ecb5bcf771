//! Pages of other origins that may request some routes with `fetch`: those that the operator has listed, by default none.
//!
//! Cookies are `SameSite=Lax`: a page of another site gets a response, but its requests carry no session. It signs in with
//! `POST /auth/login` and sends the token it gets as `Authorization: Bearer`. A page on another name of the same site may
//! use the cookie.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, StatusCode, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::origins::Origins;
use crate::problem::Problem;

/// How long a browser may cache the answer to a preflight.
const PREFLIGHT_CACHED: Duration = Duration::from_secs(600);

/// Lets pages of these origins read the responses of these routes.
pub fn open_to<S: Clone + Send + Sync + 'static>(origins: &Origins, routes: Router<S>) -> Router<S> {
    if origins.is_empty() {
        return routes;
    }
    let listed = origins.iter().map(|origin| HeaderValue::from_str(origin).expect("an origin was parsed"));
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(listed))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::AUTHORIZATION, header::CONTENT_TYPE])
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT_CACHED);
    // Set before the layer, so that preflights (`OPTIONS`) pass through it too.
    routes.method_not_allowed_fallback(wrong_method).layer(layer)
}

/// 405: the address has other methods.
pub async fn wrong_method() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", "This address does not take that method.")
}
