//! Pages of other origins that may ask `/analytics` and `/auth` with `fetch`: those that the operator has listed, by
//! default none.
//!
//! Cookies are `SameSite=Lax`: a page of another site is answered, but its requests carry no login. It logs in with
//! `POST /auth/login` and sends the token that comes back as `Authorization: Bearer`. A page of another name of the same
//! site may use the cookie.

use std::time::Duration;

use axum::Router;
use axum::http::{HeaderValue, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::error::Error;
use crate::origin::Origins;

/// So long a browser need not ask again whether it may ask.
const KEPT: Duration = Duration::from_secs(600);

/// True for addresses that listed origins may ask.
pub(crate) fn covers(path: &str) -> bool {
    path.starts_with("/analytics/") || path.starts_with("/auth/")
}

/// Adds what browsers want to read before a page of another origin gets an answer of these routes.
pub(crate) fn open_to<S: Clone + Send + Sync + 'static>(origins: &Origins, routes: Router<S>) -> Router<S> {
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
        .max_age(KEPT);
    // Set before the layer, so that what browsers ask beforehand (`OPTIONS`) comes through it too.
    routes.method_not_allowed_fallback(async || Error::WrongMethod).layer(layer)
}
