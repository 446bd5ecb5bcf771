//! Single sign-on by OpenID Connect.
//!
//! The browser keeps the sealed request in a cookie, so any gateway can finish a sign-in that another one started.
//! Signing out of Ringside does not sign out of the provider.

use std::net::IpAddr;

use ringside_engine::EngineError;
use ringside_model::Timestamp;
use tracing::{info, warn};
use url::Url;

use crate::access::Access;
use crate::audit::AuditEntry;
use crate::identity::Identity;
use crate::issuer::{ExchangeError, Issuer, PendingSso, SealKey, TokenRejected};
use crate::sign_in::{Proof, count_sign_in};
use crate::timeout::with_timeout;

/// The redirect to a provider.
#[derive(Debug)]
pub struct SsoRequest {
    /// The provider's address.
    pub address: Url,
    /// The value of the cookie that the callback needs.
    pub sealed: String,
}

/// The provider's answer, in the query of the callback.
#[derive(Debug, Default)]
pub struct SsoCallback {
    /// The code to exchange for an ID token.
    pub code: Option<String>,
    /// The `state` of the request.
    pub state: String,
    /// The issuer, if the provider sends it (RFC 9207).
    pub iss: Option<String>,
    /// An error instead of a code.
    pub error: Option<String>,
}

/// Why single sign-on did not end in a session.
#[derive(Debug, thiserror::Error)]
pub enum SsoError {
    /// There is no such provider.
    #[error("no such provider")]
    NoSuchProvider,
    /// The user declined.
    #[error("cancelled by the user")]
    Cancelled,
    /// It was started in another browser or too long ago, or is finished already.
    #[error("started elsewhere or too long ago")]
    Stale,
    /// The provider is unavailable, or its answer is invalid.
    #[error("the provider's answer is missing or invalid")]
    Provider,
    /// The provider vouches for the user, but no mapping admits them.
    #[error("no mapping admits the user")]
    NoAccess {
        /// Their name in Ringside.
        user: String,
    },
    /// The engine is unavailable.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl SsoError {
    /// Returns its name in metrics, in the audit log and in the sign-in page's query.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Cancelled => "sso_cancelled",
            Self::NoSuchProvider | Self::Stale => "sso_stale",
            Self::Provider => "sso_provider",
            Self::NoAccess { .. } => "sso_no_access",
            Self::Engine(_) => "unavailable",
        }
    }
}

/// A failed single sign-on, and the path to open after the next one.
#[derive(Debug)]
pub struct SsoFailure {
    /// Why it failed.
    pub error: SsoError,
    /// The path that the user asked for.
    pub next: String,
}

impl Access {
    /// Returns whether there is an SSO provider with this id.
    pub fn has_sso(&self, id: &str) -> bool {
        self.issuers().for_sso(id).is_some()
    }

    /// Starts single sign-on, to open the path `next` after it.
    ///
    /// `base` is the address that people open.
    pub async fn start_sso(&self, id: &str, next: String, base: &str) -> Result<SsoRequest, SsoError> {
        let issuer = self.issuers().for_sso(id).ok_or(SsoError::NoSuchProvider)?;
        let pending = PendingSso::new(id, next, Timestamp::now());
        let key = with_timeout(SealKey::load(self.engine())).await?;
        let address = issuer.authorization(&pending, base).await.map_err(|_| SsoError::Provider)?;
        Ok(SsoRequest { address, sealed: pending.seal(&key) })
    }

    /// Finishes single sign-on. Returns the proof and the path to open next.
    pub async fn finish_sso(
        &self,
        id: &str,
        callback: SsoCallback,
        sealed: Option<&str>,
        base: Option<&str>,
        address: Option<IpAddr>,
    ) -> Result<(Proof, String), SsoFailure> {
        let fail = |error: SsoError, next: &str| SsoFailure { error, next: next.to_owned() };
        let issuer = self.issuers().for_sso(id).ok_or_else(|| fail(SsoError::NoSuchProvider, "/"))?;
        let now = Timestamp::now();
        let key = with_timeout(SealKey::load(self.engine())).await.map_err(|error| fail(error.into(), "/"))?;
        let pending = sealed.and_then(|sealed| PendingSso::open(sealed, &key, id, &callback.state, now));
        let Some(pending) = pending else {
            info!(issuer.id = id, "SSO callback without a valid request cookie");
            count_sign_in("sso_stale");
            return Err(fail(SsoError::Stale, "/"));
        };
        match finish(issuer, callback, &pending, base).await {
            Ok(identity) => Ok((Proof::Issuer(identity, id.to_owned()), pending.next)),
            Err(error) => {
                count_sign_in(error.name());
                let user = match &error {
                    SsoError::Cancelled => None,
                    SsoError::NoAccess { user } => Some(user.as_str()),
                    SsoError::NoSuchProvider | SsoError::Stale | SsoError::Provider | SsoError::Engine(_) => Some("?"),
                };
                if let Some(user) = user {
                    let entry = AuditEntry::by(user, address, "login", id).denied(error.name());
                    self.audit().record_denial(&self.settings().tenant, entry);
                }
                Err(SsoFailure { error, next: pending.next })
            }
        }
    }
}

/// Returns the identity that the provider vouches for.
async fn finish(
    issuer: &Issuer,
    callback: SsoCallback,
    pending: &PendingSso,
    base: Option<&str>,
) -> Result<Identity, SsoError> {
    if !issuer.is_named(callback.iss.as_deref()).await.map_err(|_| SsoError::Provider)? {
        warn!(issuer.id = issuer.id(), "SSO callback from another issuer");
        return Err(SsoError::Stale);
    }
    if let Some(error) = callback.error {
        let error: String = error.chars().take(64).collect();
        info!(issuer.id = issuer.id(), ?error, "SSO denied by the provider");
        return Err(if error == "access_denied" { SsoError::Cancelled } else { SsoError::Provider });
    }
    let code = callback.code.ok_or(SsoError::Stale)?;
    let base = base.ok_or(SsoError::Stale)?;
    issuer.exchange(&code, pending, base, Timestamp::now()).await.map_err(|error| {
        warn!(issuer.id = issuer.id(), %error, "SSO failed");
        match error {
            ExchangeError::Code(error) if error == "invalid_grant" => SsoError::Stale,
            ExchangeError::Rejected(TokenRejected::NoAccess { user, .. }) => SsoError::NoAccess { user },
            ExchangeError::Rejected(TokenRejected::User) => SsoError::NoAccess { user: "?".to_owned() },
            ExchangeError::Code(_) | ExchangeError::Fetch(_) | ExchangeError::Rejected(_) => SsoError::Provider,
        }
    })
}
