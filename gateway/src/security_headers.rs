//! What every answer carries so that a browser does no more with it than it should.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use ringside_http::{HttpSettings, Peer};

/// A browser that was here over TLS comes by no other way for a year.
const TLS_ONLY: &str = "max-age=31536000";
/// What holds for files too.
const EVERYWHERE: [(HeaderName, &str); 2] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];
/// What holds for all that is no file. Nothing of it is kept by anybody unless a handler says so: pages and answers
/// have people's data in them.
const BESIDES_FILES: [(HeaderName, &str); 5] = [
    (header::CACHE_CONTROL, "no-store"),
    // What `frame-ancestors` is for browsers that don't know it.
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
];

/// Sets the headers; what a handler has set stays.
pub(crate) async fn set_security_headers(
    State(settings): State<Arc<HttpSettings>>,
    request: Request,
    next: Next,
) -> Response {
    let secure = Peer::of(&settings, request.extensions(), request.headers()).secure;
    let policy = content_policy(request.headers(), secure);
    let below_files = request.uri().path().starts_with("/static/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let mut set = |name: HeaderName, value: HeaderValue| {
        headers.entry(name).or_insert(value);
    };
    if secure {
        set(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static(TLS_ONLY));
    }
    for (name, value) in EVERYWHERE {
        set(name, HeaderValue::from_static(value));
    }
    // A script or a font is bound by the page that it is in: forty files need not repeat the page's rules.
    if below_files && is_found(response.status()) {
        return response;
    }
    let headers = response.headers_mut();
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(policy);
    for (name, value) in BESIDES_FILES {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// True of a file, in whole or in part, and of one that a browser has already.
fn is_found(status: StatusCode) -> bool {
    status.is_success() || status == StatusCode::NOT_MODIFIED
}

fn content_policy(headers: &HeaderMap, secure: bool) -> HeaderValue {
    // Older Safari does not count a socket to the own host as 'self'.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain =
        |host: &&str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    let scheme = if secure { "wss" } else { "ws" };
    let socket = host.filter(plain).map(|host| format!(" {scheme}://{host}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src 'self' data:; \
         connect-src 'self'{socket}; manifest-src 'self'; media-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors 'none'"
    );
    HeaderValue::try_from(policy).expect("the host was checked")
}
