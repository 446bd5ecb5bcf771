//! Single sign-on as the browser goes through it: away to the provider, and back with a code.
//!
//! `GET /auth/sso/{id}` seals what was asked into a cookie and sends the browser to the provider; the provider sends it to
//! `GET /auth/sso/{id}/callback`, at whichever gateway. Whatever goes wrong ends at `/login` with a sentence. Logging out
//! here does not log out there.

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use ringside_http::Peer;
use ringside_model::Timestamp;
use serde::Deserialize;
use tracing::{info, warn};

use super::Issuer;
use super::code::NotExchanged;
use super::pending::{LASTS_SECS, Pending, PendingKey};
use super::refused::Refused;
use crate::auth::in_time::in_time;
use crate::auth::sign_in::{Shown, count_login, sign_in};
use crate::auth::way_back::{NextQuery, escape_query, login_error_address};
use crate::auth::{AuditEntry, Cookie, Identity};
use crate::error::Error;
use crate::extract::{Path, Query, QueryParams};
use crate::gateway::Gateway;

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

/// Why somebody is back at the sign-in page, as its address has it.
#[derive(Debug)]
enum Ended {
    /// The user did not want to.
    Cancelled,
    /// It was begun elsewhere, too long ago, or is over already.
    Stale,
    /// The provider does not answer, or not what it should.
    Provider,
    /// They are who they are, and have no access here.
    NoAccess {
        /// As they would be called here.
        who: String,
    },
}

impl Ended {
    fn as_str(&self) -> &'static str {
        match self {
            Self::Cancelled => "sso_cancelled",
            Self::Stale => "sso_stale",
            Self::Provider => "sso_provider",
            Self::NoAccess { .. } => "sso_no_access",
        }
    }
}

/// `GET /auth/sso/{id}?next=`
pub(crate) async fn begin_sso(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<NextQuery>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    let Some(issuer) = gateway.issuers().for_sign_on(&id) else { return Error::NoSuchAddress.into_response() };
    let next = query.path();
    let pending = Pending::new(&id, next.clone(), Timestamp::now());
    let Some(base) = base_of(&gateway, &peer, &headers) else { return back(&Ended::Stale, &next, peer.secure) };
    let Ok(key) = in_time(PendingKey::load(gateway.engine())).await else {
        return not_signed_in(&Error::Unavailable, &next, peer.secure);
    };
    let Ok(address) = issuer.authorization(&pending, &base).await else {
        return back(&Ended::Provider, &next, peer.secure);
    };
    let mut response = Redirect::to(address.as_str()).into_response();
    let cookie = Cookie::SignOn.set(peer.secure, &pending.seal(&key), LASTS_SECS);
    response.headers_mut().append(header::SET_COOKIE, cookie);
    response
}

/// `GET /auth/sso/{id}/callback`
pub(crate) async fn end_sso(
    State(gateway): State<Gateway>,
    Path(id): Path<String>,
    Query(query): Query<CallbackQuery>,
    peer: Peer,
    headers: HeaderMap,
) -> Response {
    let Some(issuer) = gateway.issuers().for_sign_on(&id) else { return Error::NoSuchAddress.into_response() };
    let now = Timestamp::now();
    let cookie = Cookie::SignOn.find(&headers, peer.secure);
    let Ok(key) = in_time(PendingKey::load(gateway.engine())).await else {
        return not_signed_in(&Error::Unavailable, "/", peer.secure);
    };
    let pending = cookie.and_then(|cookie| Pending::open(cookie, &key, &id, &query.state, now));
    let Some(pending) = pending else {
        info!(issuer.id = id, "a sign-in came back that was not begun here");
        count_login("sso_stale");
        return back(&Ended::Stale, "/", peer.secure);
    };
    let next = pending.next.clone();
    let identity = match finish(&gateway, issuer, query, pending, &peer, &headers).await {
        Ok(identity) => identity,
        Err(ended) => {
            count_login(ended.as_str());
            let who = match &ended {
                Ended::Cancelled => None,
                Ended::Stale | Ended::Provider => Some("?"),
                Ended::NoAccess { who } => Some(&**who),
            };
            if let Some(who) = who {
                let entry = AuditEntry::by(who, peer.address, "login", &*id).refused(ended.as_str());
                gateway.audit().note_refusal(&gateway.settings().tenant, entry);
            }
            return back(&ended, &next, peer.secure);
        }
    };
    match sign_in(&gateway, &peer, &headers, Shown::Trusted(identity, id)).await {
        Ok(signed_in) => forget(signed_in.redirect(&next), peer.secure),
        Err(error) => not_signed_in(&error, &next, peer.secure),
    }
}

/// Who the provider says that it is.
async fn finish(
    gateway: &Gateway,
    issuer: &Issuer,
    query: CallbackQuery,
    pending: Pending,
    peer: &Peer,
    headers: &HeaderMap,
) -> Result<Identity, Ended> {
    if !issuer.is_named(query.iss.as_deref()).await.map_err(|_| Ended::Provider)? {
        warn!(issuer.id = issuer.settings.id, "a sign-in came back from another provider than it was sent to");
        return Err(Ended::Stale);
    }
    if let Some(error) = query.error {
        let error: String = error.chars().take(64).collect();
        info!(issuer.id = issuer.settings.id, ?error, "a sign-in was not granted");
        return Err(if error == "access_denied" { Ended::Cancelled } else { Ended::Provider });
    }
    let code = query.code.ok_or(Ended::Stale)?;
    let base = base_of(gateway, peer, headers).ok_or(Ended::Stale)?;
    issuer.exchange(&code, &pending, &base, Timestamp::now()).await.map_err(|error| {
        warn!(issuer.id = issuer.settings.id, %error, "a sign-in did not come to its end");
        match error {
            NotExchanged::Code(error) if error == "invalid_grant" => Ended::Stale,
            NotExchanged::Refused(Refused::NoAccess { who, .. }) => Ended::NoAccess { who },
            NotExchanged::Refused(Refused::User) => Ended::NoAccess { who: "?".to_owned() },
            NotExchanged::Code(_) | NotExchanged::Fetch(_) | NotExchanged::Refused(_) => Ended::Provider,
        }
    })
}

/// The address that people open, as the provider knows it.
fn base_of(gateway: &Gateway, peer: &Peer, headers: &HeaderMap) -> Option<String> {
    if let Some(url) = &gateway.settings().public_url {
        return Some(url.clone());
    }
    let host = headers.get(header::HOST)?.to_str().ok()?;
    let scheme = if peer.secure { "https" } else { "http" };
    Some(format!("{scheme}://{host}"))
}

fn back(ended: &Ended, next: &str, secure: bool) -> Response {
    let address = format!("/login?error={}&next={}", ended.as_str(), escape_query(next));
    forget(Redirect::to(&address).into_response(), secure)
}

/// Who it is is known, or never asked, and there is no login all the same.
fn not_signed_in(error: &Error, next: &str, secure: bool) -> Response {
    forget(Redirect::to(&login_error_address(error, next)).into_response(), secure)
}

/// The cookie is for one sign-in, however it ends.
fn forget(mut response: Response, secure: bool) -> Response {
    response.headers_mut().append(header::SET_COOKIE, Cookie::SignOn.set(secure, "", 0));
    response
}
