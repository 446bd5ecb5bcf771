//! Signing in, going on, and signing out. A form is answered with a redirect, JSON with JSON.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json, RequestExt};
use ringside_access::{Access, Membership, Proof, SignInClient, Viewer, is_api_token};
use ringside_http::Peer;
use ringside_model::TenantId;
use serde::Deserialize;
use serde_json::{Value, json};

use super::cookie::Cookie;
use super::response::{SessionResponse, without_cookies};
use super::return_to::{NextQuery, escape_query, local_path, login_error_address};
use crate::error::Error;
use crate::extract::{AnyViewer, Body, Query, User, offered};

/// How long others may cache our key set: less than a new key is published before it signs.
const KEY_SET_CACHED: &str = "public, max-age=300";

/// What a sign-in brings: name and password, or a token; and where a form goes on to.
#[derive(Deserialize)]
pub(crate) struct Credentials {
    username: Option<String>,
    password: Option<String>,
    token: Option<String>,
    next: Option<String>,
    /// False: the refresh token comes in the body, and no cookie is set.
    cookies: Option<bool>,
}

/// `POST /auth/login`
pub(crate) async fn sign_in(
    State(access): State<Access>,
    peer: Peer,
    headers: HeaderMap,
    request: Request,
) -> Response {
    if is_form(&headers) {
        let Ok(Form(credentials)) = request.extract::<Form<Credentials>, _>().await else {
            return Redirect::to("/login?error=incomplete").into_response();
        };
        let next = local_path(credentials.next.as_deref());
        return match check(&access, &headers, peer, credentials).await {
            Ok(response) => response.redirect(&next),
            Err(error) => Redirect::to(&login_error_address(&error, &next)).into_response(),
        };
    }
    let body = match request.extract::<Body, _>().await {
        Ok(Body(body)) => body,
        Err(error) => return error.into_response(),
    };
    let Ok(credentials) = serde_json::from_slice::<Credentials>(&body) else {
        return how_to_sign_in().into_response();
    };
    let cookies = credentials.cookies.unwrap_or(true);
    match check(&access, &headers, peer, credentials).await {
        Ok(response) => response.json(cookies),
        Err(error) => error.into_response(),
    }
}

/// True for what a page sends without a script.
fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.starts_with("application/x-www-form-urlencoded")
}

fn how_to_sign_in() -> Error {
    let message =
        "Send {\"username\":\"…\",\"password\":\"…\"} or {\"token\":\"…\"} as JSON, or name and password as a form.";
    Error::BadRequest(message.to_owned())
}

/// Checks credentials and begins a session.
async fn check(
    access: &Access,
    headers: &HeaderMap,
    peer: Peer,
    credentials: Credentials,
) -> Result<SessionResponse, Error> {
    match credentials {
        Credentials { username: Some(name), password: Some(password), token: None, .. } => {
            let device = Cookie::Device.find(headers, peer.secure);
            let (proof, device) = access.check_password(peer.address, &name, &password, device).await?;
            Ok(begin(access, headers, peer, proof).await?.with_device(device))
        }
        Credentials { token: Some(token), username: None, password: None, .. } => {
            let proof = access.check_token(peer.address, &token).await?;
            begin(access, headers, peer, proof).await
        }
        _ => Err(how_to_sign_in()),
    }
}

/// Begins a session instead of the one that the browser had.
pub(super) async fn begin(
    access: &Access,
    headers: &HeaderMap,
    peer: Peer,
    proof: Proof,
) -> Result<SessionResponse, Error> {
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let previous = Cookie::Refresh.find(headers, peer.secure);
    let client = SignInClient { address: peer.address, agent, previous };
    Ok(SessionResponse::new(access.sign_in(client, proof).await?, peer.secure))
}

/// What a refresh may bring if there is no cookie.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefreshBody {
    refresh_token: Option<String>,
}

/// `POST /auth/refresh`: with the cookie, or with `{"refreshToken":"…"}`.
pub(crate) async fn refresh(
    State(access): State<Access>,
    peer: Peer,
    headers: HeaderMap,
    Body(body): Body,
) -> Result<Response, Error> {
    let body: RefreshBody = if body.is_empty() {
        RefreshBody::default()
    } else {
        let how = "Send the cookie of the login and no body, or {\"refreshToken\":\"…\"}.";
        serde_json::from_slice(&body).map_err(|_| Error::BadRequest(how.to_owned()))?
    };
    if let Some(token) = body.refresh_token {
        return Ok(renew(&access, peer, &token).await?.json(false));
    }
    let token = Cookie::Refresh.find(&headers, peer.secure).ok_or(Error::SessionEnded)?;
    match renew(&access, peer, token).await {
        Ok(response) => Ok(response.json(true)),
        Err(Error::SessionEnded) => Ok(without_cookies(Error::SessionEnded.into_response(), peer.secure)),
        Err(error) => Err(error),
    }
}

async fn renew(access: &Access, peer: Peer, refresh_token: &str) -> Result<SessionResponse, Error> {
    Ok(SessionResponse::new(access.renew(peer.address, refresh_token).await?, peer.secure))
}

/// `GET /auth/resume?next=`: where a page sends a browser whose access token has expired.
///
/// A session that can be renewed is renewed; without one the browser goes to the sign-in.
pub(crate) async fn resume_session(
    State(access): State<Access>,
    peer: Peer,
    headers: HeaderMap,
    Query(query): Query<NextQuery>,
) -> Response {
    let next = query.path();
    let login = |more: &str| Redirect::to(&format!("/login?{more}next={}", escape_query(&next))).into_response();
    let Some(token) = Cookie::Refresh.find(&headers, peer.secure) else { return login("") };
    match renew(&access, peer, token).await {
        Ok(response) => response.redirect(&next),
        Err(Error::SessionEnded) => without_cookies(login("expired=1&"), peer.secure),
        Err(_) => login("error=unavailable&"),
    }
}

/// `POST /auth/logout`.
///
/// The browser loses its cookies even if the session can't be ended now: nobody is left there who could renew it.
pub(crate) async fn sign_out(
    State(access): State<Access>,
    peer: Peer,
    headers: HeaderMap,
    viewer: Result<AnyViewer, Error>,
) -> Response {
    let answer = match end(&access, peer, &headers, viewer).await {
        Ok(()) => Redirect::to("/login").into_response(),
        Err(_) if is_form(&headers) => Redirect::to("/login?error=not_ended").into_response(),
        Err(error) => error.into_response(),
    };
    without_cookies(answer, peer.secure)
}

/// Ends the session of the access token or, if that has expired, of the refresh token.
async fn end(access: &Access, peer: Peer, headers: &HeaderMap, viewer: Result<AnyViewer, Error>) -> Result<(), Error> {
    let viewer = match (viewer, Cookie::Refresh.find(headers, peer.secure)) {
        (Ok(AnyViewer(viewer)), _) => Viewer::clone(&viewer),
        (Err(Error::Unauthorized), Some(token)) => match access.renew(peer.address, token).await.map_err(Error::from) {
            Ok(signed_in) => signed_in.viewer,
            Err(Error::SessionEnded) => return Ok(()),
            Err(error) => return Err(error),
        },
        (Err(Error::Unauthorized), None) => return Ok(()),
        (Err(error), _) => return Err(error),
    };
    // An API token is no session: an admin revokes it.
    if offered(headers, peer.secure).is_some_and(is_api_token) {
        return Ok(());
    }
    Ok(access.sign_out(peer.address, &viewer).await?)
}

/// The tenant to switch to.
#[derive(Deserialize)]
pub(crate) struct SwitchBody {
    tenant: String,
}

/// `POST /auth/tenant`
pub(crate) async fn switch_tenant(
    State(access): State<Access>,
    peer: Peer,
    User(viewer): User,
    Body(body): Body,
) -> Result<Response, Error> {
    let how = || Error::BadRequest("Send {\"tenant\":\"…\"} with one of the tenants of GET /auth/me.".to_owned());
    let SwitchBody { tenant } = serde_json::from_slice(&body).map_err(|_| how())?;
    let tenant = TenantId::parse(&tenant).map_err(|_| how())?;
    let signed_in = access.switch_tenant(peer.address, &viewer, &tenant).await?;
    Ok(SessionResponse::new(signed_in, peer.secure).json(true))
}

/// `GET /auth/me`
pub(crate) async fn show_me(State(access): State<Access>, AnyViewer(viewer): AnyViewer) -> Result<Response, Error> {
    let mut body = viewer.profile_json();
    // While the engine is away, the current tenant is all that is known.
    let account = access.account_of(&viewer).await.ok().flatten();
    body["tenants"] = match &account {
        Some(account) => {
            let tenant = |m: &Membership| json!({ "tenant": m.tenant.as_str(), "role": m.role.as_str() });
            account.memberships.iter().map(tenant).collect()
        }
        None => json!([{ "tenant": viewer.tenant.as_str(), "role": viewer.role.as_str() }]),
    };
    Ok(Json(body).into_response())
}

/// `GET /.well-known/jwks.json`: what others verify our access tokens with.
pub(crate) async fn show_key_set(State(access): State<Access>) -> Response {
    let cached = [(header::CACHE_CONTROL, HeaderValue::from_static(KEY_SET_CACHED))];
    (cached, Json::<Value>(access.tokens().keys().key_set())).into_response()
}
