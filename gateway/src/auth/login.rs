//! Logging in, going on, and logging out. A form's post is answered with a redirect, JSON with JSON.

use std::time::Instant;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::{Form, Json, RequestExt};
use ringside_engine::EngineError;
use ringside_http::Peer;
use ringside_model::{TenantId, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use tracing::field::display;
use tracing::{info, warn};

use super::account::{AccountError, Accounts};
use super::audit::AuditEntry;
use super::cookie::Cookie;
use super::in_time::in_time;
use super::pass::is_pass;
use super::sign_in::{Shown, SignedIn, about, count_login, renew, short, sign_in, switch, too_many, without_cookies};
use super::throttle::{LOCKED_FOR, Refused};
use super::viewer::{AnyViewer, Viewer, offered};
use super::way_back::{NextQuery, escape_query, local_path, login_error_address};
use crate::error::Error;
use crate::extract::{Body, Query};
use crate::gateway::Gateway;

/// So much is kept of a name that is perhaps nobody's.
const KEPT_CHARS: usize = 3;
/// Whoever reads our key set may keep it for so long: less than a key is known before it signs.
const KEY_SET_KEPT: &str = "public, max-age=300";

/// What a login can be asked for with: name and password, or a token; and where a form wants to go after.
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
pub(crate) async fn log_in(
    State(gateway): State<Gateway>,
    peer: Peer,
    headers: HeaderMap,
    request: axum::extract::Request,
) -> Response {
    if is_form(&headers) {
        let Ok(Form(credentials)) = request.extract::<Form<Credentials>, _>().await else {
            return Redirect::to("/login?error=incomplete").into_response();
        };
        let next = local_path(credentials.next.as_deref());
        return match check(&gateway, &headers, &peer, credentials).await {
            Ok(signed_in) => signed_in.redirect(&next),
            Err(error) => Redirect::to(&login_error_address(&error, &next)).into_response(),
        };
    }
    let body = match request.extract::<Body, _>().await {
        Ok(Body(body)) => body,
        Err(error) => return error.into_response(),
    };
    let Ok(credentials) = serde_json::from_slice::<Credentials>(&body) else {
        return how_to_log_in().into_response();
    };
    let cookies = credentials.cookies.unwrap_or(true);
    match check(&gateway, &headers, &peer, credentials).await {
        Ok(signed_in) => signed_in.answer(cookies),
        Err(error) => error.into_response(),
    }
}

/// True of what a page sends without a script, and reads as a page.
fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    content_type.starts_with("application/x-www-form-urlencoded")
}

fn how_to_log_in() -> Error {
    let message =
        "Send {\"username\":\"…\",\"password\":\"…\"} or {\"token\":\"…\"} as JSON, or name and password as a form.";
    Error::BadRequest(message.to_owned())
}

/// What a refresh may bring where there is no cookie.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RefreshBody {
    refresh_token: Option<String>,
}

/// `POST /auth/refresh`: with the cookie, or with `{"refreshToken":"…"}`.
pub(crate) async fn refresh(
    State(gateway): State<Gateway>,
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
        return Ok(renew(&gateway, &peer, &token).await?.answer(false));
    }
    let token = Cookie::Refresh.find(&headers, peer.secure).ok_or(Error::LoginEnded)?;
    match renew(&gateway, &peer, token).await {
        Ok(signed_in) => Ok(signed_in.answer(true)),
        Err(Error::LoginEnded) => Ok(without_cookies(Error::LoginEnded.into_response(), peer.secure)),
        Err(error) => Err(error),
    }
}

/// `GET /auth/resume?next=`: where a page sends a browser whose access token is over. A login that can be renewed is; who
/// has none is asked to log in.
pub(crate) async fn resume(
    State(gateway): State<Gateway>,
    peer: Peer,
    headers: HeaderMap,
    Query(query): Query<NextQuery>,
) -> Response {
    let next = query.path();
    let login = |more: &str| Redirect::to(&format!("/login?{more}next={}", escape_query(&next))).into_response();
    let Some(token) = Cookie::Refresh.find(&headers, peer.secure) else { return login("") };
    match renew(&gateway, &peer, token).await {
        Ok(signed_in) => signed_in.redirect(&next),
        Err(Error::LoginEnded) => without_cookies(login("expired=1&"), peer.secure),
        Err(_) => login("error=unavailable&"),
    }
}

/// `POST /auth/logout`. Whoever leaves a browser is out of it, also where the login itself can't be ended now: nobody is
/// left there who could renew it.
pub(crate) async fn log_out(
    State(gateway): State<Gateway>,
    peer: Peer,
    headers: HeaderMap,
    viewer: Result<AnyViewer, Error>,
) -> Response {
    let answer = match end(&gateway, &peer, &headers, viewer).await {
        Ok(()) => Redirect::to("/login").into_response(),
        Err(_) if is_form(&headers) => Redirect::to("/login?error=not_ended").into_response(),
        Err(error) => error.into_response(),
    };
    without_cookies(answer, peer.secure)
}

/// Ends the login of a token, or, where that is over already, of the refresh token.
async fn end(
    gateway: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
    viewer: Result<AnyViewer, Error>,
) -> Result<(), Error> {
    let viewer = match (viewer, Cookie::Refresh.find(headers, peer.secure)) {
        (Ok(AnyViewer(viewer)), _) => Viewer::clone(&viewer),
        (Err(Error::Unauthorized), Some(token)) => match renew(gateway, peer, token).await {
            Ok(signed_in) => signed_in.viewer().clone(),
            Err(Error::LoginEnded) => return Ok(()),
            Err(error) => return Err(error),
        },
        (Err(Error::Unauthorized), None) => return Ok(()),
        (Err(error), _) => return Err(error),
    };
    // A token that lasts is no login: it is revoked, and not logged out.
    if offered(headers, peer.secure).is_some_and(is_pass) {
        return Ok(());
    }
    let entry = AuditEntry::of(&viewer, peer, "logout", short(&viewer.session_id));
    in_time(gateway.audit().note(&viewer.tenant, &entry)).await?;
    in_time(gateway.end_session(&viewer.session_id)).await?;
    info!(user = %viewer.user, tenant = %viewer.tenant, session.id = short(&viewer.session_id), "logged out");
    Ok(())
}

/// Which tenant to look at.
#[derive(Deserialize)]
pub(crate) struct SwitchBody {
    tenant: String,
}

/// `POST /auth/tenant`
pub(crate) async fn switch_tenant(
    State(gateway): State<Gateway>,
    peer: Peer,
    viewer: Viewer,
    Body(body): Body,
) -> Result<Response, Error> {
    let how = || Error::BadRequest("Send {\"tenant\":\"…\"} with one of the tenants of GET /auth/me.".to_owned());
    let SwitchBody { tenant } = serde_json::from_slice(&body).map_err(|_| how())?;
    let tenant = TenantId::parse(&tenant).map_err(|_| how())?;
    Ok(switch(&gateway, &peer, &viewer, &tenant).await?.answer(true))
}

/// `GET /auth/me`
pub(crate) async fn show_me(State(gateway): State<Gateway>, AnyViewer(viewer): AnyViewer) -> Result<Response, Error> {
    let mut body = about(&viewer);
    // While the engine is away, the one that is looked at is all that is known.
    let account = Accounts::get(gateway.engine(), &viewer.user).await.ok().flatten();
    body["tenants"] = match &account {
        Some(account) => {
            let tenant = |m: &super::Membership| json!({ "tenant": m.tenant.as_str(), "role": m.role.as_str() });
            account.memberships.iter().map(tenant).collect()
        }
        None => json!([{ "tenant": viewer.tenant.as_str(), "role": viewer.role.as_str() }]),
    };
    Ok(Json(body).into_response())
}

/// `GET /.well-known/jwks.json`: what others verify our access tokens with.
pub(crate) async fn show_key_set(State(gateway): State<Gateway>) -> Response {
    let kept = [(header::CACHE_CONTROL, HeaderValue::from_static(KEY_SET_KEPT))];
    (kept, Json::<Value>(gateway.tokens().keys().key_set())).into_response()
}

async fn check(
    gateway: &Gateway,
    headers: &HeaderMap,
    peer: &Peer,
    credentials: Credentials,
) -> Result<SignedIn, Error> {
    match credentials {
        Credentials { username: Some(name), password: Some(password), token: None, .. } => {
            let device = Cookie::Device.find(headers, peer.secure);
            let (shown, device) = check_password(gateway, peer, &name, &password, device).await?;
            Ok(sign_in(gateway, peer, headers, shown).await?.at_device(device))
        }
        Credentials { token: Some(token), username: None, password: None, .. } => {
            let shown = check_token(gateway, peer, &token).await?;
            sign_in(gateway, peer, headers, shown).await
        }
        _ => Err(how_to_log_in()),
    }
}

/// Who it is, and the cookie by which the device is known from now on.
async fn check_password(
    gateway: &Gateway,
    peer: &Peer,
    username: &str,
    password: &str,
    device: Option<&str>,
) -> Result<(Shown, String), Error> {
    let address = peer.address;
    let shown_address = address.map(display);
    gateway.turnstile().look(username, Instant::now()).map_err(too_many)?;
    let attempt = gateway.throttle().attempt(gateway.engine(), username, address, device).await;
    let attempt = attempt.map_err(|refused| match refused {
        Refused::Locked { wait } => {
            count_login("locked");
            // That it was locked has been a warning already.
            info!(user = beginning(username), address = shown_address, reason = "locked", "login refused");
            Error::Locked { wait_secs: wait.as_secs().max(1) }
        }
        Refused::Uncounted(error) => error.into(),
    })?;
    let asked = Timestamp::now();
    let (account, is_own) = match Accounts::verify(gateway.engine(), gateway.passwords(), username, password).await {
        Ok(verified) => verified,
        Err(error) => {
            // Too many wait, or nobody knows the account right now. Where it can't be taken back, it stays counted.
            attempt.never_was().await.ok();
            return Err(Error::of_account(error));
        }
    };
    if is_own && let Some(account) = account {
        return Ok((Shown::Account(Box::new(account), asked), attempt.succeeded().await?));
    }
    count_login("wrong");
    let tries_left = attempt.failed();
    // A name that nobody has is the installation's own matter.
    let (user, tenant) = match &account {
        Some(account) => (account.name.clone(), account.home()),
        None => (beginning(username), &gateway.settings().tenant),
    };
    let entry = AuditEntry::by(&user, address, "login", "password");
    if tries_left == 0 {
        warn!(user, %tenant, address = shown_address, reason = "wrong_password", "login refused, and locked from now on");
        gateway.audit().note_soon(tenant, entry.refused("locked"));
        return Err(Error::Locked { wait_secs: LOCKED_FOR.as_secs() });
    }
    info!(user, %tenant, address = shown_address, reason = "wrong_password", tries_left, "login refused");
    gateway.audit().note_refusal(tenant, entry.refused("wrong_password"));
    Err(Error::WrongPassword { tries_left })
}

/// What may be kept of a name that is perhaps nobody's: people type passwords there. Line ends and the like are left out.
fn beginning(username: &str) -> String {
    let mut shown: String = username.chars().filter(|c| !c.is_control()).take(KEPT_CHARS).collect();
    shown.push('…');
    shown
}

/// Somebody who brings a token in place of a password: one of ours that lasts, or one of an issuer that we trust.
async fn check_token(gateway: &Gateway, peer: &Peer, token: &str) -> Result<Shown, Error> {
    if is_pass(token)
        && let Some(pass) = gateway.passes().ask(token, Timestamp::now()).await?
    {
        return Ok(Shown::Pass(Box::new(pass)));
    }
    let refused = match gateway.issuers().identify(token, Timestamp::now()).await {
        Ok((identity, issuer)) => return Ok(Shown::Trusted(identity, issuer)),
        Err(refused) => refused,
    };
    let (who, reason) = refused.audited();
    count_login(reason);
    info!(user = who, address = peer.address.map(display), reason, "login refused: {refused}");
    let entry = AuditEntry::by(who, peer.address, "login", "token").refused(reason);
    gateway.audit().note_refusal(&gateway.settings().tenant, entry);
    Err(refused.into())
}

impl Error {
    /// Of an account that could not be asked for.
    pub(crate) fn of_account(error: AccountError) -> Self {
        match error {
            AccountError::Engine(error @ EngineError::Unavailable(_)) => Self::from(error),
            AccountError::Engine(error) => Self::internal(&error),
            error => Self::BadRequest(sentence(&error.to_string())),
        }
    }
}

/// A text of the command line as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
