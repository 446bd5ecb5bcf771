//! Logging in and out. A form's post is answered with a redirect, JSON with JSON.

use std::net::IpAddr;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json, RequestExt};
use metrics::counter;
use ringside_shared::engine::EngineError;
use ringside_shared::model::Timestamp;
use serde::Deserialize;
use serde_json::json;
use tracing::field::display;
use tracing::{info, warn};

use super::account::{AccountError, Accounts, in_time};
use super::viewer::{Viewer, cookie_name, escape_query};
use crate::caller::Caller;
use crate::error::Error;
use crate::gateway::Gateway;
use crate::origin::{log_foreign, require_own_origin};

/// So much of a name goes to the log: more than any account has.
const LOGGED_NAME_CHARS: usize = 64;

/// Name and password as they come, and where a form wants to go after.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    username: String,
    password: String,
    next: Option<String>,
}

/// `POST /auth/login`
pub(crate) async fn log_in(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Response {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if content_type.starts_with("application/x-www-form-urlencoded") {
        let Ok(Form(credentials)) = request.extract::<Form<Credentials>, _>().await else {
            return Redirect::to("/login?error=incomplete").into_response();
        };
        let next = local_path(credentials.next.as_deref());
        return match check(&gateway, &headers, caller.address, credentials).await {
            Ok((token, viewer)) => with_cookie(Redirect::to(&next), caller.secure, &token, &viewer),
            Err(error) => Redirect::to(&login_error_address(&error, &next)).into_response(),
        };
    }
    let Ok(body) = request.extract::<Bytes, _>().await else {
        return Error::BadRequest("Send a smaller body.".to_owned()).into_response();
    };
    let Ok(credentials) = serde_json::from_slice::<Credentials>(&body) else {
        let message = "Send {\"username\":\"…\",\"password\":\"…\"} as JSON, or the same as a form.";
        return Error::BadRequest(message.to_owned()).into_response();
    };
    match check(&gateway, &headers, caller.address, credentials).await {
        Ok((token, viewer)) => {
            let mut body = about(&viewer);
            body["token"] = json!(token);
            with_cookie(Json(body), caller.secure, &token, &viewer)
        }
        Err(error) => error.into_response(),
    }
}

/// `POST /auth/logout`
pub(crate) async fn log_out(
    State(gateway): State<Gateway>,
    caller: Caller,
    headers: HeaderMap,
    viewer: Result<Viewer, Error>,
) -> Response {
    if let Err(error) = require_own_origin(&headers, &gateway.settings().allowed_origins) {
        log_foreign("logout", &headers, viewer.as_ref().ok().map(|viewer| &*viewer.user), caller.address);
        return error.into_response();
    }
    if let Ok(viewer) = viewer
        && let Err(error) = in_time(gateway.standing().end(&viewer)).await
    {
        return Error::from(error).into_response();
    }
    let mut response = Redirect::to("/login").into_response();
    response.headers_mut().insert(header::SET_COOKIE, cookie_value(caller.secure, "", 0));
    response
}

/// `GET /auth/me`
pub(crate) async fn show_me(viewer: Viewer) -> Json<serde_json::Value> {
    Json(about(&viewer))
}

async fn check(
    gateway: &Gateway,
    headers: &HeaderMap,
    address: Option<IpAddr>,
    credentials: Credentials,
) -> Result<(String, Viewer), Error> {
    let Credentials { username, password, .. } = credentials;
    // Anybody may send any name, line ends and all: `user` is logged as a quoted text.
    let user: String = username.chars().take(LOGGED_NAME_CHARS).collect();
    if let Err(error) = require_own_origin(headers, &gateway.settings().allowed_origins) {
        log_foreign("login", headers, Some(&user), address);
        return Err(error);
    }
    let shown_address = address.map(display);
    let count = |result: &'static str| counter!("ringside_gateway_logins_total", "result" => result).increment(1);
    if let Some(wait) = gateway.throttle().locked(&username, address, Instant::now()) {
        count("locked");
        // That it was locked has been a warning already.
        info!(?user, address = shown_address, reason = "locked", "login refused");
        return Err(Error::Locked { wait_secs: wait.as_secs().max(1) });
    }
    let account = Accounts::verify(gateway.engine(), gateway.passwords(), &username, &password);
    let account = account.await.map_err(|error| match error {
        AccountError::Engine(error @ EngineError::Unavailable(_)) => Error::from(error),
        error => Error::internal(&error),
    })?;
    let Some(account) = account else {
        count("wrong");
        let tries_left = gateway.throttle().count_wrong(&username, address, Instant::now());
        if tries_left == 0 {
            warn!(?user, address = shown_address, reason = "wrong_password", "login refused, and locked from now on");
            return Err(Error::Locked { wait_secs: 15 * 60 });
        }
        info!(?user, address = shown_address, reason = "wrong_password", tries_left, "login refused");
        return Err(Error::WrongPassword { tries_left });
    };
    gateway.throttle().forget(&username);
    count("ok");
    info!(user = %account.name, tenant = %account.tenant, "logged in");
    let ttl = gateway.settings().token_ttl;
    Ok(gateway.tokens().issue(&account.name, &account.tenant, account.role, &account.scope, ttl, Timestamp::now()))
}

fn about(viewer: &Viewer) -> serde_json::Value {
    let campaigns = match &viewer.scope {
        super::Scope::All => json!("*"),
        super::Scope::Only(ids) => json!(ids.iter().map(|id| id.as_str()).collect::<Vec<_>>()),
    };
    json!({
        "user": viewer.user,
        "tenant": viewer.tenant.as_str(),
        "role": viewer.role.as_str(),
        "campaigns": campaigns,
        "expiresAt": viewer.expires_at.to_string(),
    })
}

fn with_cookie(answer: impl IntoResponse, secure: bool, token: &str, viewer: &Viewer) -> Response {
    let seconds = viewer.expires_at.since(Timestamp::now()).max(0) / 1000;
    let mut response = answer.into_response();
    let headers = response.headers_mut();
    headers.insert(header::SET_COOKIE, cookie_value(secure, token, seconds));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn cookie_value(secure: bool, token: &str, max_age_secs: i64) -> HeaderValue {
    let name = cookie_name(secure);
    let flag = if secure { "; Secure" } else { "" };
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_secs}{flag}");
    HeaderValue::try_from(text).expect("a token is base64 and dots")
}

fn login_error_address(error: &Error, next: &str) -> String {
    let reason = match error {
        Error::WrongPassword { tries_left } => format!("wrong&left={tries_left}"),
        Error::Locked { wait_secs } => format!("locked&minutes={}", wait_secs.div_ceil(60)),
        Error::ForeignOrigin => "origin".to_owned(),
        _ => "unavailable".to_owned(),
    };
    format!("/login?error={reason}&next={}", escape_query(next))
}

/// A path of ours to go on to; anything else becomes the first page.
fn local_path(next: Option<&str>) -> String {
    // "//host" and "/\host" leave the site; control characters end headers.
    let local = |path: &&str| {
        path.starts_with('/') && !path[1..].starts_with(['/', '\\']) && path.bytes().all(|b| (0x21..0x7f).contains(&b))
    };
    next.filter(local).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_never_leaves_the_site() {
        for (next, path) in [
            (None, "/"),
            (Some("/campaigns/a?x=1"), "/campaigns/a?x=1"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/a\r\nSet-Cookie: x"), "/"),
            (Some(""), "/"),
        ] {
            assert_eq!(local_path(next), path, "{next:?}");
        }
    }
}
