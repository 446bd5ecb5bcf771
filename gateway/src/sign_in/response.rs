//! A session that was begun or renewed, as a response with cookies or without.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Redirect, Response};
use ringside_access::SignedIn;
use ringside_model::Timestamp;
use serde_json::json;

use super::cookie::Cookie;

/// How long a device is known after its last sign-in.
const DEVICE_KNOWN_SECS: i64 = 180 * 24 * 3600;

/// A response to a client that has signed in or renewed its session.
pub(crate) struct SessionResponse {
    signed_in: SignedIn,
    secure: bool,
    device: Option<String>,
}

impl SessionResponse {
    /// Sets cookies that insist on TLS if the client came over it.
    pub(crate) fn new(signed_in: SignedIn, secure: bool) -> Self {
        Self { signed_in, secure, device: None }
    }

    /// Sets the cookie by which the device is known from now on.
    pub(crate) fn with_device(mut self, cookie: String) -> Self {
        self.device = Some(cookie);
        self
    }

    /// Answers with JSON and cookies; or, for clients that keep none, with the refresh token in the body instead.
    pub(crate) fn json(self, cookies: bool) -> Response {
        let mut body = self.signed_in.viewer.profile_json();
        body["token"] = json!(self.signed_in.token);
        body["loginEndsAt"] = json!(self.signed_in.session_expires_at.to_string());
        if cookies {
            return self.with_cookies(Json(body).into_response());
        }
        body["refreshToken"] = json!(self.signed_in.refresh_token);
        Json(body).into_response()
    }

    /// Redirects to a path of ours, with cookies.
    pub(crate) fn redirect(self, path: &str) -> Response {
        self.with_cookies(Redirect::to(path).into_response())
    }

    fn with_cookies(self, mut response: Response) -> Response {
        let now = Timestamp::now();
        let secs = |until: Timestamp| until.since(now).max(0) / 1000;
        let SignedIn { token, viewer, refresh_token, session_expires_at } = &self.signed_in;
        let headers = response.headers_mut();
        let access = Cookie::Access.set(self.secure, token, secs(viewer.expires_at));
        let refresh = Cookie::Refresh.set(self.secure, refresh_token, secs(*session_expires_at));
        headers.append(header::SET_COOKIE, access);
        headers.append(header::SET_COOKIE, refresh);
        if let Some(device) = &self.device {
            headers.append(header::SET_COOKIE, Cookie::Device.set(self.secure, device, DEVICE_KNOWN_SECS));
        }
        response
    }
}

/// Removes the cookies of a session.
pub(crate) fn without_cookies(mut response: Response, secure: bool) -> Response {
    for cookie in [Cookie::Access, Cookie::Refresh] {
        response.headers_mut().append(header::SET_COOKIE, cookie.set(secure, "", 0));
    }
    response
}
