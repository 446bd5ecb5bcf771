//! Tokens of other issuers that the operator trusts, and single sign-on at them.
//!
//! A token arrives by `POST /auth/login {"token"}`, or from a provider by the code flow of `sso.rs`. It passes
//! `token` (parsed, not trusted) → `source` (the issuer's keys, cached) → `keys` (one algorithm per key) →
//! `token::Claims` (audience and time) → `mapping` (name, tenant, role, campaigns) → [`Identity`]. A token that fails
//! any step is rejected.
//!
//! Written on hyper and jsonwebtoken, which are dependencies anyway. The `openidconnect` crate would add another HTTP
//! client and a second implementation of signatures. Its other features (dynamic registration, implicit flows) are
//! not needed.

mod code_flow;
mod discovery;
mod keys;
mod mapping;
mod pending;
mod rejected;
mod settings;
mod source;
#[cfg(test)]
mod tests;
mod token;
mod unique_json;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::code_flow::ExchangeError;
pub use self::keys::{SignatureAlgorithm, VerifyingKey};
pub(crate) use self::pending::{PendingSso, SealKey};
pub use self::rejected::TokenRejected;
pub use self::settings::{
    BadIssuer, ClaimMapping, ClientSecret, IssuerSettings, KeySource, SsoSettings, TenantMapping,
};
use futures_util::future::join_all;
use ringside_fetch::{FetchLimits, Fetcher};
use ringside_model::Timestamp;
use tokio_util::sync::CancellationToken;

use self::source::Source;
use self::token::{Claims, Unverified};
use super::Identity;

/// The limits on a request to an issuer.
const LIMITS: FetchLimits = FetchLimits { timeout: Duration::from_secs(5), body_bytes: 256 << 10 };

/// The trusted issuers.
#[derive(Debug)]
pub struct Issuers(Vec<Arc<Issuer>>);

/// A trusted issuer.
#[derive(Debug)]
pub(crate) struct Issuer {
    settings: IssuerSettings,
    source: Source,
    fetcher: Fetcher,
}

impl Issuers {
    /// Returns the issuers of these settings, if they are valid.
    pub(crate) fn new(settings: Vec<IssuerSettings>) -> Result<Self, BadIssuer> {
        check_issuers(&settings)?;
        if settings.is_empty() {
            return Ok(Self(Vec::new()));
        }
        let fetcher = Fetcher::new(LIMITS);
        let issuer = |settings: IssuerSettings| {
            let source = Source::new(&settings, fetcher.clone());
            Arc::new(Issuer { settings, source, fetcher: fetcher.clone() })
        };
        Ok(Self(settings.into_iter().map(issuer).collect()))
    }

    /// Keeps the issuers' keys fresh until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        join_all(self.0.iter().map(|issuer| issuer.source.run(stop.clone()))).await;
    }

    /// Returns the identity of a valid token, and the id of its issuer.
    pub(crate) async fn identify(&self, token: &str, now: Timestamp) -> Result<(Identity, String), TokenRejected> {
        let token = Unverified::read(token)?;
        let iss = token.issuer();
        let issuer = self.0.iter().find(|issuer| Some(&*issuer.settings.issuer) == iss).ok_or(TokenRejected::Issuer)?;
        let claims = issuer.verify(token, &issuer.settings.audiences, now).await?;
        Ok((issuer.identity(&claims, now)?, issuer.settings.id.clone()))
    }

    /// Returns whether there is an issuer with this id.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|issuer| issuer.settings.id == id)
    }

    /// Returns the SSO provider with this id.
    pub(crate) fn for_sso(&self, id: &str) -> Option<&Issuer> {
        self.0.iter().map(|issuer| &**issuer).find(|it| it.settings.id == id && it.settings.sso.is_some())
    }

    /// Returns the names and ids of the SSO providers.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &str)> {
        let with_sso = self.0.iter().filter(|issuer| issuer.settings.sso.is_some());
        with_sso.map(|issuer| (&*issuer.settings.name, &*issuer.settings.id))
    }
}

impl Issuer {
    /// Returns the issuer's id.
    pub(crate) fn id(&self) -> &str {
        &self.settings.id
    }

    async fn verify(
        &self,
        token: Unverified<'_>,
        audiences: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<Claims, TokenRejected> {
        let key = self.source.key(token.kid()).await?;
        let claims = token.verify(&key)?;
        claims.check(&self.settings.issuer, audiences, now)?;
        Ok(claims)
    }

    fn identity(&self, claims: &Claims, now: Timestamp) -> Result<Identity, TokenRejected> {
        let mapping = &self.settings.claims;
        let prefixed = |name: &str| format!("{}:{name}", self.settings.id);
        let user = mapping.map_claims(claims).map_err(|reason| match mapping.name(claims) {
            Ok(name) => TokenRejected::NoAccess { user: prefixed(&name), reason: Box::new(reason) },
            Err(rejected) => rejected,
        })?;
        Ok(Identity {
            user: prefixed(&user.name),
            tenant: user.tenant,
            role: user.role,
            scope: user.scope,
            page: None,
            valid_until: Some(now.plus_millis(self.settings.session_limit.as_millis() as i64)),
        })
    }
}

/// Fetches an issuer's keys and endpoints once, to check its settings.
pub async fn try_issuer(settings: &IssuerSettings) -> Result<(), BadIssuer> {
    let fetched = Source::new(settings, Fetcher::new(LIMITS)).fetch().await;
    fetched.map(drop).map_err(|error| BadIssuer { id: settings.id.clone(), problem: error.to_string() })
}

/// Checks the settings of all issuers.
pub fn check_issuers(all: &[IssuerSettings]) -> Result<(), BadIssuer> {
    let (mut ids, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    for one in all {
        one.check()?;
        let bad = |problem: &str| Err(BadIssuer { id: one.id.clone(), problem: problem.to_owned() });
        if !ids.insert(&one.id) {
            return bad("two issuers have this id");
        }
        if !issuers.insert(&one.issuer) {
            return bad("two entries have the same issuer; a token can't tell which one is meant");
        }
    }
    Ok(())
}
