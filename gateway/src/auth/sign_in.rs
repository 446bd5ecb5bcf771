//! From somebody who has shown who they are to a login: its record, its access token, its cookies.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Redirect, Response};
use metrics::counter;
use ringside_http::Peer;
use ringside_model::Timestamp;
use serde_json::{Value, json};
use tracing::{info, warn};

use super::Scope;
use super::account::{Account, Accounts};
use super::audit::AuditEntry;
use super::cookie::Cookie;
use super::identity::Identity;
use super::in_time::in_time;
use super::pass::Pass;
use super::session::{Beginning, NotRenewed, Session};
use super::viewer::Viewer;
use crate::error::Error;
use crate::gateway::Gateway;

/// For how long a device is known after its last login.
const DEVICE_KNOWN_SECS: i64 = 180 * 24 * 3600;

/// How somebody has shown who they are.
pub(crate) enum Shown {
    /// By the password of an account, which was read after this moment.
    Account(Box<Account>, Timestamp),
    /// By a pass of ours.
    Pass(Box<Pass>),
    /// By somebody whom we trust, who is called so.
    Trusted(Identity, String),
}

/// So often somebody is looked up whose rights change meanwhile.
const LOOKED_UP: usize = 5;

/// A login that has just begun, or was renewed.
pub(crate) struct SignedIn {
    token: String,
    viewer: Viewer,
    refresh_token: String,
    ends: Timestamp,
    secure: bool,
    device: Option<String>,
}

/// Begins a login.
pub(crate) async fn sign_in(
    gateway: &Gateway,
    peer: &Peer,
    headers: &HeaderMap,
    shown: Shown,
) -> Result<SignedIn, Error> {
    let (identity, via, has_account, pass, since) = match shown {
        Shown::Account(account, since) => {
            let identity = account.identity(None).ok_or(Error::Unauthorized)?;
            (identity, "password".to_owned(), true, None, since)
        }
        Shown::Pass(pass) => (pass.identity(), "token".to_owned(), false, Some(pass.id.clone()), Timestamp::now()),
        Shown::Trusted(identity, via) => (identity, via, false, None, Timestamp::now()),
    };
    gateway.turnstile().pass(&identity.user, Instant::now()).map_err(too_many)?;
    // Whoever logs in anew from a browser has left the login that it had.
    if let Some(token) = Cookie::Refresh.find(headers, peer.secure) {
        in_time(gateway.sessions().leave(token, &gateway.tokens().keys().refresh)).await?;
    }
    let agent = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let beginning = Beginning { identity: &identity, via: &via, has_account, pass, address: peer.address, agent };
    let session = in_time(gateway.sessions().begin(beginning, since)).await?;
    // A password may wait for its turn: what was changed meanwhile counts, and what is changed from here on takes back a
    // token that says that it is from now.
    let now = Timestamp::now();
    let Some(identity) = identity_of(gateway, &session, now).await? else {
        in_time(gateway.sessions().end(&session.id)).await?;
        return Err(Error::LoginEnded);
    };
    let entry = AuditEntry::by(&identity.user, peer.address, "login", &via);
    let (role, campaigns) = (identity.role.as_str(), identity.scope.to_string());
    let after = json!({ "session": short(&session.id), "role": role, "campaigns": campaigns });
    in_time(gateway.audit().note(&identity.tenant, &entry.changed(Value::Null, after))).await?;
    count_login("ok");
    info!(user = %identity.user, tenant = %identity.tenant, via, session.id = short(&session.id), "logged in");
    issue(gateway, peer, identity, &session, now).await
}

/// Somebody logs in too often.
pub(super) fn too_many(wait: Duration) -> Error {
    count_login("too_many");
    Error::TooManyLogins { wait_secs: wait.as_secs().max(1) }
}

/// Counts a try to log in.
pub(super) fn count_login(result: &'static str) {
    counter!("ringside_gateway_logins_total", "result" => result).increment(1);
}

/// Renews a login by its refresh token. Whoever has an account gets what the account may see by now.
pub(crate) async fn renew(gateway: &Gateway, peer: &Peer, refresh_token: &str) -> Result<SignedIn, Error> {
    let now = Timestamp::now();
    let secret = gateway.tokens().keys().refresh;
    let count = |result: &'static str| counter!("ringside_gateway_renewals_total", "result" => result).increment(1);
    let session = match gateway.sessions().renew(refresh_token, &secret, now).await {
        Ok(session) => session,
        Err(NotRenewed::Unknown) => {
            count("unknown");
            return Err(Error::LoginEnded);
        }
        Err(NotRenewed::Reused(session)) => {
            count("reused");
            tell_reuse(gateway, peer.address, &session);
            return Err(Error::LoginEnded);
        }
        Err(NotRenewed::Engine(error)) => return Err(error.into()),
    };
    let Some(identity) = identity_of(gateway, &session, now).await? else {
        count("refused");
        in_time(gateway.sessions().end(&session.id)).await?;
        return Err(Error::LoginEnded);
    };
    count("ok");
    issue(gateway, peer, identity, &session, now).await
}

/// Lets a login look at another tenant that its account belongs to.
pub(crate) async fn switch(
    gateway: &Gateway,
    peer: &Peer,
    viewer: &Viewer,
    tenant: &ringside_model::TenantId,
) -> Result<SignedIn, Error> {
    let account = Accounts::get(gateway.engine(), &viewer.user).await.map_err(Error::of_account)?;
    account.filter(|account| account.membership(tenant).is_some()).ok_or(Error::NoSuchTenant)?;
    let session = in_time(gateway.sessions().switch(&viewer.session_id, tenant)).await?.ok_or(Error::LoginEnded)?;
    let now = Timestamp::now();
    let identity = identity_of(gateway, &session, now).await?.ok_or(Error::LoginEnded)?;
    let entry = AuditEntry::of(viewer, peer, "tenant.switch", tenant.to_string());
    in_time(gateway.audit().note(tenant, &entry.changed(json!(viewer.tenant.as_str()), json!(tenant.as_str()))))
        .await?;
    issue(gateway, peer, identity, &session, now).await
}

/// Who a login's owner is by now; none where they may not go on.
async fn identity_of(gateway: &Gateway, session: &Session, now: Timestamp) -> Result<Option<Identity>, Error> {
    if let Some(pass) = &session.pass {
        let pass = gateway.passes().of_session(pass, now).await?;
        return Ok(pass.map(|pass| pass.identity()));
    }
    if session.fixed.is_some() {
        // Whom the operator does not trust any more has nobody's word to go on.
        return Ok(session.fixed_identity().filter(|_| gateway.issuers().has(&session.via)));
    }
    let account = Accounts::get(gateway.engine(), &session.user).await.map_err(Error::of_account)?;
    let counts = |account: &Account| !account.disabled && session.began > account.logins_since;
    Ok(account.filter(counts).and_then(|account| account.identity(Some(&session.tenant))))
}

/// Tokens for somebody who was looked up after `now`.
async fn issue(
    gateway: &Gateway,
    peer: &Peer,
    mut identity: Identity,
    session: &Session,
    mut now: Timestamp,
) -> Result<SignedIn, Error> {
    for _ in 0..LOOKED_UP {
        // What was taken back in this very second has to be known: the token says that it is from after it.
        in_time(gateway.standing().read()).await?;
        match gateway.standing().issued_at(&identity.user, &identity.tenant, now) {
            Ok(issued_at) => {
                let token_ms = gateway.settings().token_ttl.as_millis() as i64;
                let ends = now.plus_millis(token_ms).min(session.ends);
                let (token, viewer) = gateway.tokens().issue(&identity, &session.id, issued_at, ends, now);
                let refresh_token = session.refresh_token(&gateway.tokens().keys().refresh);
                let secure = peer.secure;
                return Ok(SignedIn { token, viewer, refresh_token, ends: session.ends, secure, device: None });
            }
            // Rights were changed since, or all was taken back: looked up after that, perhaps by a clock ahead of ours.
            Err(since) => {
                now = since.plus_millis(1);
                let goes_on = in_time(gateway.sessions().has(&session.id)).await?;
                identity = identity_of(gateway, session, now).await?.filter(|_| goes_on).ok_or(Error::LoginEnded)?;
            }
        }
    }
    Err(Error::Unavailable)
}

/// A copied token is something that somebody should hear of.
fn tell_reuse(gateway: &Gateway, address: Option<IpAddr>, session: &Session) {
    let Session { user, tenant, id, .. } = session;
    warn!(%user, %tenant, session.id = short(id), "a refresh token was used twice: somebody has copied it; the login was ended");
    let entry = AuditEntry::by(user, address, "login.renew", short(id)).refused("refresh_token_reused");
    gateway.audit().note_soon(tenant, entry);
}

/// Enough of a login's id to find it, and too little to be one.
pub(crate) fn short(id: &str) -> &str {
    id.get(..8).unwrap_or(id)
}

impl SignedIn {
    /// Who it is.
    pub(crate) fn viewer(&self) -> &Viewer {
        &self.viewer
    }

    /// Whoever logs in from there is known again by this cookie.
    pub(crate) fn at_device(mut self, cookie: String) -> Self {
        self.device = Some(cookie);
        self
    }

    /// As JSON, with the cookies; or without them and with the refresh token in place of them, for who keeps no cookies.
    pub(crate) fn answer(self, cookies: bool) -> Response {
        let mut body = about(&self.viewer);
        body["token"] = json!(self.token);
        body["loginEndsAt"] = json!(self.ends.to_string());
        if cookies {
            return self.with_cookies(Json(body).into_response());
        }
        body["refreshToken"] = json!(self.refresh_token);
        Json(body).into_response()
    }

    /// A redirect to a path of ours, with the cookies.
    pub(crate) fn redirect(self, path: &str) -> Response {
        self.with_cookies(Redirect::to(path).into_response())
    }

    fn with_cookies(self, mut response: Response) -> Response {
        let now = Timestamp::now();
        let secs = |until: Timestamp| until.since(now).max(0) / 1000;
        let headers = response.headers_mut();
        let access = Cookie::Access.set(self.secure, &self.token, secs(self.viewer.expires_at));
        let refresh = Cookie::Refresh.set(self.secure, &self.refresh_token, secs(self.ends));
        headers.append(header::SET_COOKIE, access);
        headers.append(header::SET_COOKIE, refresh);
        if let Some(device) = &self.device {
            headers.append(header::SET_COOKIE, Cookie::Device.set(self.secure, device, DEVICE_KNOWN_SECS));
        }
        response
    }
}

/// Takes the cookies away.
pub(crate) fn without_cookies(mut response: Response, secure: bool) -> Response {
    for cookie in [Cookie::Access, Cookie::Refresh] {
        response.headers_mut().append(header::SET_COOKIE, cookie.set(secure, "", 0));
    }
    response
}

/// What a viewer is told of themselves.
pub(crate) fn about(viewer: &Viewer) -> Value {
    let campaigns = match &viewer.scope {
        Scope::All => json!("*"),
        Scope::Only(ids) => json!(ids.iter().map(|id| id.as_str()).collect::<Vec<_>>()),
    };
    json!({
        "user": viewer.user,
        "tenant": viewer.tenant.as_str(),
        "role": viewer.role.as_str(),
        "campaigns": campaigns,
        "page": viewer.page.as_ref().map(ToString::to_string),
        "expiresAt": viewer.expires_at.to_string(),
    })
}
