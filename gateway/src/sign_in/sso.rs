//! Single sign-on as the browser goes through it: away to the provider, and back with a code.
//!
//! Every failure ends at `/login` with a sentence.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use ringside_access::{Access, SsoCallback, SsoError};
use ringside_http::Peer;
use serde::Deserialize;

use super::cookie::Cookie;
use super::handlers::begin;
use super::return_to::{NextQuery, escape_query, login_error_address};
use crate::error::Error;
use crate::extract::{Path, Query, QueryParams};

/// How long the browser keeps the sealed request.
const COOKIE_SECS: i64 = 10 * 60;

/// What a provider sends back.
#[derive(Deserialize)]
pub(crate) struct CallbackQuery {
    code: Option<String>,
    #[serde(default)]
    state: String,
    iss: Option<String>,
    error: Option<String>,
}

impl QueryParams for CallbackQuery {
    const ALLOWED: &'static str = "A provider sends code and state, or error and state, each once.";
}

/// `GET /auth/sso/{id}?next=`
pub(crate) async fn start_sso(
    State(access): State<Access>,
    Path(id): Path<String>,
    Query(query): Query<NextQuery>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    if !access.has_sso(&id) {
        return Error::NoSuchAddress.into_response();
    }
    let next = query.path();
    let Some(base) = base_of(&access, peer, &headers) else { return failed(SsoError::Stale, &next, peer.secure) };
    let request = match access.start_sso(&id, next.clone(), &base).await {
        Ok(request) => request,
        Err(error) => return failed(error, &next, peer.secure),
    };
    let mut response = Redirect::to(request.address.as_str()).into_response();
    let cookie = Cookie::Sso.set(peer.secure, &request.sealed, COOKIE_SECS);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// `GET /auth/sso/{id}/callback`
pub(crate) async fn sso_callback(
    State(access): State<Access>,
    Path(id): Path<String>,
    Query(query): Query<CallbackQuery>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    if !access.has_sso(&id) {
        return Error::NoSuchAddress.into_response();
    }
    let CallbackQuery { code, state, iss, error } = query;
    let callback = SsoCallback { code, state, iss, error };
    let sealed = Cookie::Sso.find(&headers, peer.secure);
    let base = base_of(&access, peer, &headers);
    let (proof, next) = match access.finish_sso(&id, callback, sealed, base.as_deref(), peer.address).await {
        Ok(finished) => finished,
        Err(failure) => return failed(failure.error, &failure.next, peer.secure),
    };
    match begin(&access, &headers, peer, proof).await {
        Ok(response) => forget(response.redirect(&next), peer.secure),
        Err(error) => forget(Redirect::to(&login_error_address(&error, &next)).into_response(), peer.secure),
    }
}

/// The address that people open, as the provider knows it.
fn base_of(access: &Access, peer: Peer, headers: &HeaderMap) -> Option<String> {
    if let Some(url) = &access.settings().public_url {
        return Some(url.clone());
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let scheme = if peer.secure { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

/// Goes back to the sign-in, which says what went wrong.
fn failed(error: SsoError, next: &str, secure: bool) -> Response {
    let address = match error {
        SsoError::Engine(error) => login_error_address(&error.into(), next),
        error => format!("/login?error={}&next={}", error.name(), escape_query(next)),
    };
    forget(Redirect::to(&address).into_response(), secure)
}

/// Removes the cookie, which is for one sign-in only.
fn forget(mut response: Response, secure: bool) -> Response {
    response.headers_mut().append(header::SET_COOKIE, Cookie::Sso.set(secure, "", 0));
    response
}
