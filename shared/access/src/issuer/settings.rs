//! The operator's settings of a trusted issuer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use ringside_model::TenantId;

use super::keys::{SignatureAlgorithm, VerifyingKey};
use crate::{Role, Scope};

/// A trusted issuer.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// Its short name, in its users' names (`{id}:{name}`) and in `/auth/sso/{id}`.
    pub id: String,
    /// Its name on the sign-in page.
    pub name: String,
    /// The exact `iss` of its tokens.
    pub issuer: String,
    /// The `aud` of tokens that may be exchanged for a session. If empty, no token may.
    pub audiences: BTreeSet<String>,
    /// Where its keys are.
    pub keys: KeySource,
    /// The algorithms that its published keys may have.
    pub algorithms: BTreeSet<SignatureAlgorithm>,
    /// The mapping of its claims.
    pub claims: ClaimMapping,
    /// How long a session of its users lasts at most.
    pub session_limit: Duration,
    /// Single sign-on at it, or none if it only issues tokens.
    pub sso: Option<SsoSettings>,
}

/// The source of an issuer's keys.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// Keys in the configuration.
    Static(Vec<VerifyingKey>),
    /// A JWK set at this address.
    Url(String),
    /// A JWK set at the address that `{issuer}/.well-known/openid-configuration` names.
    Discovered,
}

/// The mapping of an issuer's claims.
///
/// A claim is a name, or a dotted path such as `realm_access.roles`.
#[derive(Debug, Clone)]
pub struct ClaimMapping {
    /// The claim with the user's name.
    pub user: String,
    /// The tenant whose data they see.
    pub tenant: TenantMapping,
    /// The claim with their roles: a text or a list of texts.
    pub role: Option<String>,
    /// The roles by the issuer's names.
    ///
    /// If several match, the most powerful one applies.
    pub roles: BTreeMap<String, Role>,
    /// The role if no mapped one is claimed. Never admin.
    pub default_role: Option<Role>,
    /// The claim with their campaigns: `"*"`, a list, or a text with commas or spaces.
    pub campaigns: Option<String>,
    /// The campaigns if none are claimed.
    pub default_campaigns: Option<Scope>,
}

/// The tenant of an issuer's users.
#[derive(Debug, Clone)]
pub enum TenantMapping {
    /// This tenant for all.
    Fixed(TenantId),
    /// The tenant whose id a claim contains.
    Claim(String),
    /// The tenant that a claim's value is mapped to.
    Mapped {
        /// The claim.
        claim: String,
        /// The tenants by the issuer's names.
        tenants: BTreeMap<String, TenantId>,
    },
}

/// The settings of this installation as a client of an OpenID Connect provider.
#[derive(Debug, Clone)]
pub struct SsoSettings {
    /// The client's id.
    pub client_id: String,
    /// The client's secret, or none for a public client.
    pub client_secret: Option<ClientSecret>,
    /// The requested scopes. `openid` is always requested.
    pub scopes: Vec<String>,
    /// Whether to request claims that the ID token lacks from the userinfo endpoint.
    pub userinfo: bool,
}

/// A client secret that debug output hides.
#[derive(Clone, PartialEq, Eq)]
pub struct ClientSecret(pub String);

impl fmt::Debug for ClientSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientSecret")
    }
}

/// An error in the settings of an issuer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("issuer \"{id}\": {problem}")]
pub struct BadIssuer {
    /// The issuer's id.
    pub id: String,
    /// The problem, in words that follow the id.
    pub problem: String,
}

impl IssuerSettings {
    /// Checks the settings.
    pub fn check(&self) -> Result<(), BadIssuer> {
        let bad = |problem: &str| Err(BadIssuer { id: self.id.clone(), problem: problem.to_owned() });
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if !(1..=32).contains(&self.id.len()) || !self.id.bytes().all(plain) {
            return bad("id must be 1 to 32 lower-case letters, digits or '-'");
        }
        if ["script", "wallboard"].contains(&&*self.id) {
            return bad("id is reserved for API tokens; choose another one");
        }
        if self.name.is_empty() || self.name.chars().count() > 40 || self.name.chars().any(char::is_control) {
            return bad("name must be 1 to 40 printable characters");
        }
        if self.issuer.is_empty() {
            return bad("issuer is missing; it is the exact \"iss\" of its tokens");
        }
        if self.audiences.is_empty() && self.sso.is_none() {
            return bad("audience is missing; it is the \"aud\" of its tokens for Ringside");
        }
        if self.audiences.contains("") {
            return bad("audience is empty");
        }
        match &self.keys {
            KeySource::Static(keys) => check_static(keys).or_else(|problem| bad(&problem))?,
            KeySource::Url(_) if self.algorithms.is_empty() => return bad("algorithms is empty; leave it out for all"),
            KeySource::Url(url) => ringside_fetch::parse_address(url).map(drop).or_else(|problem| bad(&problem))?,
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
            ringside_fetch::parse_address(&self.issuer).map(drop).or_else(|problem| bad(&problem))?;
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
            return bad("role_claim needs [issuers.roles]: which of its roles are which of Ringside's");
        }
        if mapping.role.is_none() && !mapping.roles.is_empty() {
            return bad("roles without role_claim; name the claim that has them");
        }
        if mapping.default_role == Some(Role::Admin) {
            return bad("default_role can't be admin; map the role of admins under [issuers.roles]");
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
