//! What an operator says of an issuer: whose tokens count here, for whom, and as what.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ringside_model::TenantId;

use super::keys::{SignatureAlgorithm, VerifyingKey};
use crate::{Role, Scope};

/// Somebody whose tokens count here.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its short name: before the colon in its users' names, and in `/auth/sso/{id}`.
    pub id: String,
    /// What people call it: on the sign-in page.
    pub name: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The `aud` of tokens that may be exchanged for a login; none means that none may.
    pub audiences: BTreeSet<String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// What keys that it publishes may be for.
    pub algorithms: BTreeSet<SignatureAlgorithm>,
    /// How its claims become ours.
    pub claims: ClaimMapping,
    /// How long such a login lasts at most.
    pub session_limit: Duration,
    /// Single sign-on there; none where it only issues tokens.
    pub sso: Option<SsoSettings>,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Written down here.
    Static(Vec<VerifyingKey>),
    /// A JWK set at this address.
    Url(String),
    /// A JWK set at the address that `{issuer}/.well-known/openid-configuration` names.
    Discovered,
}

/// Which of an issuer's claims say what. A claim is a name, or a dotted path such as `realm_access.roles`.
#[derive(Debug, Clone)]
pub struct ClaimMapping {
    /// Who it is.
    pub user: String,
    /// Whose data they see.
    pub tenant: TenantMapping,
    /// What they may do: a text or a list of texts.
    pub role: Option<String>,
    /// The issuer's names of our roles. Of several the most powerful one counts.
    pub roles: BTreeMap<String, Role>,
    /// Where none is named, or none that is mapped. Never an admin.
    pub default_role: Option<Role>,
    /// Which campaigns they see: `"*"`, a list, or a text with commas or spaces.
    pub campaigns: Option<String>,
    /// Where none are named.
    pub default_campaigns: Option<Scope>,
}

/// Which tenant an issuer's people belong to.
#[derive(Debug, Clone)]
pub enum TenantMapping {
    /// All of them to this one.
    Fixed(TenantId),
    /// To the one that a claim names, as it is.
    Claim(String),
    /// To the one that a claim's text stands for.
    Mapped {
        /// The claim.
        claim: String,
        /// The issuer's names of our tenants.
        tenants: BTreeMap<String, TenantId>,
    },
}

/// What we are to an OpenID Connect provider.
#[derive(Debug, Clone)]
pub struct SsoSettings {
    /// Our name there.
    pub client_id: String,
    /// Our secret there; none of a public client.
    pub client_secret: Option<ClientSecret>,
    /// What is asked for; `openid` always is.
    pub scopes: Vec<String>,
    /// True to ask the provider for claims that the ID token lacks.
    pub userinfo: bool,
}

/// A secret that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(pub String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// What is wrong with what an operator says of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("issuer \"{id}\": {problem}")]
pub struct BadIssuer {
    /// Its short name.
    pub id: String,
    /// What is wrong, as a sentence without its beginning.
    pub problem: String,
}

impl IssuerSettings {
    /// Says what can't work, if anything.
    pub fn check(&self) -> Result<(), BadIssuer> {
        let bad = |problem: &str| Err(BadIssuer { id: self.id.clone(), problem: problem.to_owned() });
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&self.id.len()) || !self.id.bytes().all(plain) {
            return bad("id must be 1 to 32 lower-case letters, digits or '-'");
        }
        if ["script", "wallboard"].contains(&&*self.id) {
            return bad("id is what tokens of ours are called; choose another one");
        }
        if self.name.is_empty() || self.name.chars().count() > 40 || self.name.chars().any(char::is_control) {
            return bad("name must be 1 to 40 printable characters");
        }
        if self.issuer.is_empty() {
            return bad("issuer is missing; it is the exact \"iss\" of its tokens");
        }
        if self.audiences.is_empty() && self.sso.is_none() {
            return bad("audience is missing; it is the \"aud\" of its tokens for us");
        }
        if self.audiences.contains("") {
            return bad("audience is empty");
        }
        match &self.keys {
            KeySource::Static(keys) => check_static(keys).or_else(|what| bad(&what))?,
            KeySource::Url(_) if self.algorithms.is_empty() => return bad("algorithms is empty; leave it out for all"),
            KeySource::Url(url) => ringside_fetch::parse_address(url).map(drop).or_else(|what| bad(&what))?,
            KeySource::Discovered if self.sso.is_none() => return bad("give jwks_url, keys or client_id"),
            KeySource::Discovered => {}
        }
        if self.algorithms.contains(&SignatureAlgorithm::Hs256) {
            return bad("algorithms can't have HS256: a secret is not published; give it under [[issuers.keys]]");
        }
        if let Some(sso) = &self.sso {
            if sso.client_id.is_empty() {
                return bad("client_id is empty");
            }
            if sso.client_secret.as_ref().is_some_and(|secret| secret.0.is_empty()) {
                return bad("client_secret is empty; leave it out for a public client");
            }
            ringside_fetch::parse_address(&self.issuer).map(drop).or_else(|what| bad(&what))?;
        }
        let mapping = &self.claims;
        let paths = [Some(&mapping.user), mapping.role.as_ref(), mapping.campaigns.as_ref()];
        if paths.into_iter().flatten().any(String::is_empty) {
            return bad("a claim's name is empty");
        }
        if mapping.role.is_none() && mapping.default_role.is_none() {
            return bad("give role_claim and its roles, or default_role");
        }
        if mapping.role.is_some() && mapping.roles.is_empty() {
            return bad("role_claim needs [issuers.roles]: which of its roles is which of ours");
        }
        if mapping.role.is_none() && !mapping.roles.is_empty() {
            return bad("roles without role_claim: which claim has them?");
        }
        if mapping.default_role == Some(Role::Admin) {
            return bad("default_role can't be admin; name who is one under [issuers.roles]");
        }
        if mapping.campaigns.is_none() && mapping.default_campaigns.is_none() {
            return bad("give campaigns_claim, or default_campaigns (\"*\" for all)");
        }
        if self.session_limit.is_zero() || self.session_limit > Duration::from_secs(7 * 24 * 3600) {
            return bad("login_minutes must be 1 to 10080");
        }
        Ok(())
    }
}

fn check_static(keys: &[VerifyingKey]) -> Result<(), String> {
    if keys.is_empty() {
        return Err("keys is empty".to_owned());
    }
    let names: BTreeSet<_> = keys.iter().filter_map(VerifyingKey::kid).collect();
    if keys.len() > 1 && names.len() < keys.len() {
        return Err("each of several keys needs a kid of its own".to_owned());
    }
    Ok(())
}
