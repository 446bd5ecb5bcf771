//! From a proof of identity to a session with its tokens.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use metrics::counter;
use ringside_model::{TenantId, Timestamp};
use serde_json::{Value, json};
use tracing::field::display;
use tracing::{info, warn};

use crate::access::Access;
use crate::account::Account;
use crate::accounts::Accounts;
use crate::api_token::{ApiToken, is_api_token};
use crate::audit::AuditEntry;
use crate::error::AccessError;
use crate::identity::Identity;
use crate::session::{NewSession, RenewError, Session, short};
use crate::throttle::{LOCKED_FOR, Throttled};
use crate::timeout::with_timeout;
use crate::viewer::Viewer;

/// How often rights are read at most, if they change while tokens are issued.
const RIGHTS_READ_AT_MOST: usize = 5;
/// How much of an unknown user name is logged: people type passwords there.
const UNKNOWN_NAME_CHARS: usize = 3;

/// How a person or a script has proved who they are.
#[derive(Debug)]
pub enum Proof {
    /// By the password of an account, which was read after this moment.
    Account(Box<Account>, Timestamp),
    /// By an API token.
    ApiToken(Box<ApiToken>),
    /// By the word of an issuer with this id.
    Issuer(Identity, String),
}

/// The client that signs in.
#[derive(Debug, Clone, Copy)]
pub struct SignInClient<'a> {
    /// Its address, if it is known.
    pub address: Option<IpAddr>,
    /// The browser's `User-Agent`.
    pub agent: &'a str,
    /// The refresh token of the session that the browser had before, which ends.
    pub previous: Option<&'a str>,
}

/// A session that was just started or renewed, and its tokens.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// The access token.
    pub token: String,
    /// The viewer that the access token describes.
    pub viewer: Viewer,
    /// The token for the next renewal.
    pub refresh_token: String,
    /// When the session expires if it is not renewed.
    pub session_expires_at: Timestamp,
}

impl Access {
    /// Checks a password.
    ///
    /// Returns the proof, and the cookie that makes the device known.
    pub async fn check_password(
        &self,
        address: Option<IpAddr>,
        username: &str,
        password: &str,
        device: Option<&str>,
    ) -> Result<(Proof, String), AccessError> {
        let shown_address = address.map(display);
        self.login_rate().check(username, Instant::now()).map_err(too_many)?;
        let attempt = self.throttle().attempt(self.engine(), username, address, device).await;
        let attempt = attempt.map_err(|throttled| match throttled {
            Throttled::Locked { wait } => {
                count_sign_in("locked");
                // The lock itself was logged as a warning.
                info!(user = truncate_name(username), address = shown_address, reason = "locked", "sign-in denied");
                AccessError::Locked { wait_secs: wait.as_secs().max(1) }
            }
            Throttled::Unavailable(error) => error.into(),
        })?;
        let read_after = Timestamp::now();
        let verified = Accounts::verify(self.engine(), self.passwords(), username, password).await;
        let (account, is_own) = match verified {
            Ok(verified) => verified,
            Err(error) => {
                // The password was not checked, so the attempt doesn't count. If undoing it fails, it does.
                attempt.cancel().await.ok();
                return Err(error.into());
            }
        };
        if is_own && let Some(account) = account {
            return Ok((Proof::Account(Box::new(account), read_after), attempt.succeeded().await?));
        }
        count_sign_in("wrong");
        let tries_left = attempt.failed();
        // An unknown name concerns the installation, not a tenant.
        let (user, tenant) = match &account {
            Some(account) => (account.name.clone(), account.home()),
            None => (truncate_name(username), &self.settings().tenant),
        };
        let entry = AuditEntry::by(&user, address, "login", "password");
        if tries_left == 0 {
            warn!(user, %tenant, address = shown_address, reason = "wrong_password", "sign-in denied; account locked");
            self.audit().record_soon(tenant, entry.denied("locked"));
            return Err(AccessError::Locked { wait_secs: LOCKED_FOR.as_secs() });
        }
        info!(user, %tenant, address = shown_address, reason = "wrong_password", tries_left, "sign-in denied");
        self.audit().record_denial(tenant, entry.denied("wrong_password"));
        Err(AccessError::WrongPassword { tries_left })
    }

    /// Checks an API token or a token of a trusted issuer, for signing in.
    pub async fn check_token(&self, address: Option<IpAddr>, token: &str) -> Result<Proof, AccessError> {
        if is_api_token(token)
            && let Some(token) = self.api_tokens().read(token, Timestamp::now()).await?
        {
            return Ok(Proof::ApiToken(Box::new(token)));
        }
        let rejected = match self.issuers().identify(token, Timestamp::now()).await {
            Ok((identity, issuer)) => return Ok(Proof::Issuer(identity, issuer)),
            Err(rejected) => rejected,
        };
        let (user, reason) = rejected.audit_fields();
        count_sign_in(reason);
        info!(user, address = address.map(display), reason, "sign-in denied: {rejected}");
        let entry = AuditEntry::by(user, address, "login", "token").denied(reason);
        self.audit().record_denial(&self.settings().tenant, entry);
        Err(rejected.into())
    }

    /// Starts a session.
    pub async fn sign_in(&self, client: SignInClient<'_>, proof: Proof) -> Result<SignedIn, AccessError> {
        let (identity, via, has_account, api_token, since) = match proof {
            Proof::Account(account, since) => {
                let identity = account.identity(None).ok_or(AccessError::Unauthorized)?;
                (identity, "password".to_owned(), true, None, since)
            }
            Proof::ApiToken(token) => {
                (token.identity(), "token".to_owned(), false, Some(token.id.clone()), Timestamp::now())
            }
            Proof::Issuer(identity, issuer) => (identity, issuer, false, None, Timestamp::now()),
        };
        self.login_rate().take(&identity.user, Instant::now()).map_err(too_many)?;
        // Signing in again from a browser ends the session that it had.
        if let Some(token) = client.previous {
            with_timeout(self.sessions().end_by_token(token, &self.tokens().keys().refresh)).await?;
        }
        let SignInClient { address, agent, .. } = client;
        let new = NewSession { identity: &identity, via: &via, has_account, api_token, address, agent };
        let session = with_timeout(self.sessions().start(new, since)).await?;
        // Password checks queue, so the account is read again here. Later changes revoke this token by its issue time.
        let now = Timestamp::now();
        let Some(identity) = self.identity_of(&session, now).await? else {
            with_timeout(self.sessions().end(&session.id)).await?;
            return Err(AccessError::SessionEnded);
        };
        let entry = AuditEntry::by(&identity.user, address, "login", &via);
        let (role, campaigns) = (identity.role.as_str(), identity.scope.to_string());
        let after = json!({ "session": short(&session.id), "role": role, "campaigns": campaigns });
        with_timeout(self.audit().record(&identity.tenant, &entry.changed(Value::Null, after))).await?;
        count_sign_in("ok");
        info!(user = %identity.user, tenant = %identity.tenant, via, session.id = short(&session.id), "signed in");
        self.issue_tokens(identity, &session, now).await
    }

    /// Renews a session by its refresh token.
    ///
    /// The new access token has the account's current rights.
    pub async fn renew(&self, address: Option<IpAddr>, refresh_token: &str) -> Result<SignedIn, AccessError> {
        let now = Timestamp::now();
        let secret = self.tokens().keys().refresh;
        let count = |result: &'static str| counter!("ringside_gateway_renewals_total", "result" => result).increment(1);
        let session = match self.sessions().renew(refresh_token, &secret, now).await {
            Ok(session) => session,
            Err(RenewError::Unknown) => {
                count("unknown");
                return Err(AccessError::SessionEnded);
            }
            Err(RenewError::TokenReuse(session)) => {
                count("reused");
                self.report_token_reuse(address, &session);
                return Err(AccessError::SessionEnded);
            }
            Err(RenewError::Engine(error)) => return Err(error.into()),
        };
        let Some(identity) = self.identity_of(&session, now).await? else {
            count("refused");
            with_timeout(self.sessions().end(&session.id)).await?;
            return Err(AccessError::SessionEnded);
        };
        count("ok");
        self.issue_tokens(identity, &session, now).await
    }

    /// Switches a session to another tenant of its account.
    pub async fn switch_tenant(
        &self,
        address: Option<IpAddr>,
        viewer: &Viewer,
        tenant: &TenantId,
    ) -> Result<SignedIn, AccessError> {
        let account = self.account_of(viewer).await?;
        account.filter(|account| account.membership(tenant).is_some()).ok_or(AccessError::NoSuchTenant)?;
        let session = with_timeout(self.sessions().switch(&viewer.session_id, tenant)).await?;
        let session = session.ok_or(AccessError::SessionEnded)?;
        let now = Timestamp::now();
        let identity = self.identity_of(&session, now).await?.ok_or(AccessError::SessionEnded)?;
        let entry = AuditEntry::by(&viewer.user, address, "tenant.switch", tenant.to_string());
        let entry = entry.changed(json!(viewer.tenant.as_str()), json!(tenant.as_str()));
        with_timeout(self.audit().record(tenant, &entry)).await?;
        self.issue_tokens(identity, &session, now).await
    }

    /// Ends a viewer's session.
    pub async fn sign_out(&self, address: Option<IpAddr>, viewer: &Viewer) -> Result<(), AccessError> {
        let session = short(&viewer.session_id);
        let entry = AuditEntry::by(&viewer.user, address, "logout", session);
        with_timeout(self.audit().record(&viewer.tenant, &entry)).await?;
        with_timeout(self.end_session(&viewer.session_id)).await?;
        info!(user = %viewer.user, tenant = %viewer.tenant, session.id = session, "signed out");
        Ok(())
    }

    /// Returns a session's current identity, or none if the session may not continue.
    async fn identity_of(&self, session: &Session, now: Timestamp) -> Result<Option<Identity>, AccessError> {
        if let Some(token) = &session.api_token {
            let token = self.api_tokens().of_session(token, now).await?;
            return Ok(token.map(|token| token.identity()));
        }
        if session.fixed.is_some() {
            // The operator must still trust the issuer.
            return Ok(session.fixed_identity().filter(|_| self.issuers().has(&session.via)));
        }
        let account = Account::get(self.engine(), &session.user).await?;
        let is_valid = |account: &Account| !account.disabled && session.started_at > account.sessions_after;
        Ok(account.filter(is_valid).and_then(|account| account.identity(Some(&session.tenant))))
    }

    /// Issues tokens for an identity that was read after `now`.
    async fn issue_tokens(
        &self,
        mut identity: Identity,
        session: &Session,
        mut now: Timestamp,
    ) -> Result<SignedIn, AccessError> {
        for _ in 0..RIGHTS_READ_AT_MOST {
            // Revocations of this second must be known: the token will claim to be issued after them.
            with_timeout(self.revocations().read()).await?;
            match self.revocations().issued_at(&identity.user, &identity.tenant, now) {
                Ok(issued_at) => {
                    let token_ms = self.settings().token_ttl.as_millis() as i64;
                    let expires_at = now.plus_millis(token_ms).min(session.expires_at);
                    let (token, viewer) = self.tokens().issue(&identity, &session.id, issued_at, expires_at, now);
                    let refresh_token = session.refresh_token(&self.tokens().keys().refresh);
                    return Ok(SignedIn { token, viewer, refresh_token, session_expires_at: session.expires_at });
                }
                // Rights changed since, or another gateway's clock is ahead: read them again.
                Err(since) => {
                    now = since.plus_millis(1);
                    let is_active = with_timeout(self.sessions().has(&session.id)).await?;
                    let current = self.identity_of(session, now).await?.filter(|_| is_active);
                    identity = current.ok_or(AccessError::SessionEnded)?;
                }
            }
        }
        Err(AccessError::RightsKeepChanging)
    }

    /// Reports a refresh token that was copied to the log and the audit log.
    fn report_token_reuse(&self, address: Option<IpAddr>, session: &Session) {
        let Session { user, tenant, id, .. } = session;
        warn!(%user, %tenant, session.id = short(id), "refresh token reused, so it was copied; session ended");
        let entry = AuditEntry::by(user, address, "login.renew", short(id)).denied("refresh_token_reused");
        self.audit().record_soon(tenant, entry);
    }
}

fn too_many(wait: Duration) -> AccessError {
    count_sign_in("too_many");
    AccessError::TooManySignIns { wait_secs: wait.as_secs().max(1) }
}

/// Counts a sign-in by its result.
pub(crate) fn count_sign_in(result: &'static str) {
    counter!("ringside_gateway_logins_total", "result" => result).increment(1);
}

/// Shortens an unknown user name for the log, since it may be a password.
///
/// Drops control characters.
fn truncate_name(username: &str) -> String {
    let mut shown: String = username.chars().filter(|c| !c.is_control()).take(UNKNOWN_NAME_CHARS).collect();
    shown.push('…');
    shown
}
