//! Somebody else's word on who somebody is: tokens of issuers that an operator trusts, and single sign-on there.
//!
//! A token comes in by `POST /auth/login {"token"}`, or from a provider by the code flow of `sso.rs`. Either way it goes
//! `token` (taken apart, nothing believed) → `source` (the issuer's keys, cached) → `keys` (one algorithm a key) →
//! `token::Claims` (for us, for now) → `mapping` (who that is here) → [`Identity`]. What can't be told for certain is
//! refused.
//!
//! By hand on hyper and jsonwebtoken, which are in the tree: the `openidconnect` crate would bring another HTTP client and
//! a second set of signatures, and what it has beyond this (dynamic registration, implicit flows) is not for us.

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

/// What a request to an issuer may cost.
const LIMITS: FetchLimits = FetchLimits { timeout: Duration::from_secs(5), body_bytes: 256 << 10 };

/// Everybody whose tokens count here.
#[derive(Debug)]
pub struct Issuers(Vec<Arc<Issuer>>);

/// Somebody whose tokens count here.
#[derive(Debug)]
pub(crate) struct Issuer {
    settings: IssuerSettings,
    source: Source,
    fetcher: Fetcher,
}

impl Issuers {
    /// As an operator has set them.
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

    /// Keeps their keys fresh, until cancelled.
    pub(crate) async fn run(self: Arc<Self>, stop: CancellationToken) {
        join_all(self.0.iter().map(|issuer| issuer.source.run(stop.clone()))).await;
    }

    /// Who a token is for, if it is from one of them, for us, and for now; and from whom it is.
    pub(crate) async fn identify(&self, token: &str, now: Timestamp) -> Result<(Identity, String), TokenRejected> {
        let token = Unverified::read(token)?;
        let from = token.issuer();
        let issuer =
            self.0.iter().find(|issuer| Some(&*issuer.settings.issuer) == from).ok_or(TokenRejected::Issuer)?;
        let claims = issuer.verify(token, &issuer.settings.audiences, now).await?;
        Ok((issuer.identity(&claims, now)?, issuer.settings.id.clone()))
    }

    /// True where the operator trusts one that is called so.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|issuer| issuer.settings.id == id)
    }

    /// One where people can sign on.
    pub(crate) fn for_sso(&self, id: &str) -> Option<&Issuer> {
        self.0.iter().map(|issuer| &**issuer).find(|it| it.settings.id == id && it.settings.sso.is_some())
    }

    /// The providers where people can sign in: name and id.
    pub fn providers(&self) -> impl Iterator<Item = (&str, &str)> {
        let with_sso = self.0.iter().filter(|issuer| issuer.settings.sso.is_some());
        with_sso.map(|issuer| (&*issuer.settings.name, &*issuer.settings.id))
    }
}

impl Issuer {
    /// What the operator calls it.
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
        let called = |name: &str| format!("{}:{name}", self.settings.id);
        let person = mapping.person(claims).map_err(|reason| match mapping.name(claims) {
            Ok(name) => TokenRejected::NoAccess { user: called(&name), reason: Box::new(reason) },
            Err(rejected) => rejected,
        })?;
        Ok(Identity {
            user: called(&person.name),
            tenant: person.tenant,
            role: person.role,
            scope: person.scope,
            page: None,
            valid_until: Some(now.plus_millis(self.settings.session_limit.as_millis() as i64)),
        })
    }
}

/// Asks an issuer once for what it publishes: its keys, and where to sign on.
pub async fn try_issuer(settings: &IssuerSettings) -> Result<(), BadIssuer> {
    let read = Source::new(settings, Fetcher::new(LIMITS)).read().await;
    read.map(drop).map_err(|error| BadIssuer { id: settings.id.clone(), problem: error.to_string() })
}

/// Says what can't work of what an operator says of issuers, if anything.
pub fn check_issuers(all: &[IssuerSettings]) -> Result<(), BadIssuer> {
    let (mut ids, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    for one in all {
        one.check()?;
        let bad = |problem: &str| Err(BadIssuer { id: one.id.clone(), problem: problem.to_owned() });
        if !ids.insert(&one.id) {
            return bad("two issuers have this id");
        }
        if !issuers.insert(&one.issuer) {
            return bad("two entries have the same issuer; a token could not tell which is meant");
        }
    }
    Ok(())
}
