//! `[[issuers]]` of `ringside.toml`: whose tokens count, and where people can sign on.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use ringside_access::{
    ClaimMapping, ClientSecret, IssuerSettings, KeySource, Role, Scope, SignatureAlgorithm, SsoSettings, TenantMapping,
    VerifyingKey, check_issuers,
};
use ringside_model::{CampaignId, TenantId};
use serde::{Deserialize, Serialize};

/// One issuer, as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IssuerConfig {
    /// Its short name: lower-case letters, digits and `-`.
    id: String,
    /// What people call it; its id where it is left out.
    name: Option<String>,
    /// The exact `iss` of its tokens.
    issuer: String,
    /// The `aud` of tokens for us.
    audience: Option<OneOrMore>,
    /// Where it publishes its keys.
    jwks_url: Option<String>,
    /// Its keys, where it publishes none.
    keys: Option<Vec<KeyConfig>>,
    /// What published keys may be for.
    algorithms: Option<Vec<String>>,
    /// Our name there, for single sign-on.
    client_id: Option<String>,
    /// Our secret there.
    client_secret: Option<String>,
    /// A file that holds it.
    client_secret_file: Option<PathBuf>,
    /// Scopes to request in addition to `openid`.
    scopes: Option<Vec<String>>,
    /// Ask for claims that the ID token lacks.
    userinfo: Option<bool>,
    /// The claim that names the user.
    user_claim: Option<String>,
    /// The tenant of all its people.
    tenant: Option<String>,
    /// Or the claim that names it.
    tenant_claim: Option<String>,
    /// Its names of our tenants.
    tenants: Option<BTreeMap<String, String>>,
    /// The claim that has the roles.
    role_claim: Option<String>,
    /// Its names of our roles.
    roles: Option<BTreeMap<String, String>>,
    /// Where none of its roles is ours.
    default_role: Option<String>,
    /// The claim that has the campaigns.
    campaigns_claim: Option<String>,
    /// Where it has none.
    default_campaigns: Option<OneOrMore>,
    /// How long such a login lasts at most.
    login_minutes: Option<u64>,
}

/// One of its keys, under `[[issuers.keys]]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeyConfig {
    /// Its name in the head of tokens; may be left out where it is the only one.
    kid: Option<String>,
    /// `RS256`, `ES256`, `EdDSA` or `HS256`.
    algorithm: String,
    /// A public key in PEM form.
    public_key: Option<String>,
    /// A file that holds it.
    public_key_file: Option<PathBuf>,
    /// The secret of HS256.
    secret: Option<String>,
    /// A file that holds it.
    secret_file: Option<PathBuf>,
}

/// `"a"` or `["a", "b"]`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMore {
    /// One.
    One(String),
    /// A list.
    More(Vec<String>),
}

impl OneOrMore {
    fn list(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(list) => list,
        }
    }
}

/// Reads all of them, and the files that they name.
pub(crate) fn read(all: &[IssuerConfig]) -> anyhow::Result<Vec<IssuerSettings>> {
    let settings =
        all.iter().map(|one| one.clone().read().with_context(|| format!("issuer \"{}\" under [[issuers]]", one.id)));
    let settings = settings.collect::<anyhow::Result<Vec<_>>>()?;
    check_issuers(&settings)?;
    Ok(settings)
}

impl IssuerConfig {
    fn read(self) -> anyhow::Result<IssuerSettings> {
        let keys = match (self.jwks_url, self.keys) {
            (Some(_), Some(_)) => bail!("give jwks_url or keys, not both"),
            (Some(url), None) => KeySource::Url(url),
            (None, Some(keys)) => {
                KeySource::Static(keys.into_iter().map(KeyConfig::read).collect::<anyhow::Result<_>>()?)
            }
            (None, None) => KeySource::Discovered,
        };
        let algorithms = match self.algorithms {
            None => SignatureAlgorithm::PUBLIC.into(),
            Some(names) => names.iter().map(|name| algorithm(name)).collect::<anyhow::Result<_>>()?,
        };
        let client_secret = secret("client_secret", self.client_secret, self.client_secret_file.as_deref())?;
        let sso = match self.client_id {
            Some(client_id) => Some(SsoSettings {
                client_id,
                client_secret: client_secret.map(ClientSecret),
                scopes: self.scopes.unwrap_or_default(),
                userinfo: self.userinfo.unwrap_or(false),
            }),
            None if client_secret.is_some() || self.scopes.is_some() || self.userinfo.is_some() => {
                bail!("client_secret, scopes and userinfo need client_id")
            }
            None => None,
        };
        let tenant_id = |text: &str| TenantId::parse(text).with_context(|| format!("tenant \"{text}\""));
        let tenant = match (self.tenant, self.tenant_claim, self.tenants) {
            (Some(tenant), None, None) => TenantMapping::Fixed(tenant_id(&tenant)?),
            (None, Some(claim), None) => TenantMapping::Claim(claim),
            (None, Some(claim), Some(tenants)) => {
                let tenants = tenants.into_iter().map(|(name, tenant)| Ok((name, tenant_id(&tenant)?)));
                TenantMapping::Mapped { claim, tenants: tenants.collect::<anyhow::Result<_>>()? }
            }
            _ => bail!("give tenant (for all of its people), or tenant_claim, with or without [issuers.tenants]"),
        };
        let roles = self.roles.unwrap_or_default().into_iter();
        let roles = roles.map(|(name, ours)| Ok((name, role(&ours)?))).collect::<anyhow::Result<_>>()?;
        let default_campaigns = match self.default_campaigns.map(OneOrMore::list) {
            None => None,
            Some(list) if list == ["*"] => Some(Scope::All),
            Some(list) => {
                let ids = list.iter().map(|id| CampaignId::parse(id).with_context(|| format!("campaign \"{id}\"")));
                Some(Scope::Only(ids.collect::<anyhow::Result<_>>().context("default_campaigns")?))
            }
        };
        Ok(IssuerSettings {
            name: self.name.unwrap_or_else(|| self.id.clone()),
            id: self.id,
            issuer: self.issuer,
            audiences: self.audience.map(OneOrMore::list).unwrap_or_default().into_iter().collect(),
            keys,
            algorithms,
            claims: ClaimMapping {
                user: self.user_claim.unwrap_or_else(|| "sub".to_owned()),
                tenant,
                role: self.role_claim,
                roles,
                default_role: self.default_role.as_deref().map(role).transpose()?,
                campaigns: self.campaigns_claim,
                default_campaigns,
            },
            session_limit: Duration::from_secs(self.login_minutes.unwrap_or(480).saturating_mul(60)),
            sso,
        })
    }
}

impl KeyConfig {
    fn read(self) -> anyhow::Result<VerifyingKey> {
        let algorithm = algorithm(&self.algorithm)?;
        let public = secret("public_key", self.public_key, self.public_key_file.as_deref())?;
        let secret = secret("secret", self.secret, self.secret_file.as_deref())?;
        let material = match (algorithm, public, secret) {
            (SignatureAlgorithm::Hs256, None, Some(secret)) => secret,
            (SignatureAlgorithm::Hs256, ..) => bail!("an HS256 key has secret or secret_file"),
            (_, Some(public), None) => public,
            (other, ..) => bail!("an {} key has public_key or public_key_file", other.as_str()),
        };
        VerifyingKey::new(self.kid, algorithm, material.as_bytes()).map_err(|what| anyhow!("keys: {what}"))
    }
}

fn algorithm(name: &str) -> anyhow::Result<SignatureAlgorithm> {
    SignatureAlgorithm::parse(name)
        .ok_or_else(|| anyhow!("there is no algorithm \"{name}\" here; write RS256, ES256, EdDSA or HS256"))
}

fn role(name: &str) -> anyhow::Result<Role> {
    Role::of_person(name).ok_or_else(|| {
        anyhow!("there is no role \"{name}\"; the roles are viewer, auditor, operator, supervisor and admin")
    })
}

/// A text that stands here or in a file.
fn secret(key: &str, here: Option<String>, file: Option<&Path>) -> anyhow::Result<Option<String>> {
    match (here, file) {
        (Some(_), Some(_)) => bail!("give {key} or {key}_file, not both"),
        (here, None) => Ok(here),
        (None, Some(file)) => {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("{key}_file names {}, which can't be read", file.display()))?;
            Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use figment::Figment;
    use figment::providers::{Format, Toml};

    use super::*;

    #[derive(Deserialize)]
    struct Part {
        issuers: Vec<IssuerConfig>,
    }

    fn parse(text: &str) -> anyhow::Result<Vec<IssuerSettings>> {
        let part: Part = Figment::from(Toml::string(text)).extract()?;
        read(&part.issuers)
    }

    const PORTAL: &str = r#"
        [[issuers]]
        id = "portal"
        issuer = "https://portal.example"
        audience = "ringside"
        tenant = "acme"
        role_claim = "realm_access.roles"
        roles = { manager = "supervisor", team_member = "operator", SLT = "viewer" }
        default_campaigns = "*"
        [[issuers.keys]]
        algorithm = "HS256"
        secret = "0123456789abcdef0123456789abcdef"
    "#;

    #[test]
    fn an_issuer_is_read_as_it_is_written() {
        let portal = &parse(PORTAL).unwrap()[0];
        assert_eq!((&*portal.name, portal.session_limit.as_secs()), ("portal", 28_800));
        assert_eq!(portal.claims.roles["SLT"], Role::Viewer);
        assert_eq!(portal.claims.default_campaigns, Some(Scope::All));
        assert!(matches!(&portal.keys, KeySource::Static(keys) if keys.len() == 1));
        let sign_on = parse(
            r#"
            [[issuers]]
            id = "id"
            name = "Example ID"
            issuer = "https://id.example"
            client_id = "ringside"
            scopes = ["profile", "groups"]
            tenant_claim = "org"
            tenants = { "Acme Ltd" = "acme" }
            default_role = "viewer"
            default_campaigns = ["alpha", "beta"]
            "#,
        );
        let sign_on = &sign_on.unwrap()[0];
        assert!(matches!(sign_on.keys, KeySource::Discovered) && sign_on.audiences.is_empty());
        assert!(sign_on.sso.as_ref().is_some_and(|it| it.client_secret.is_none() && it.scopes.len() == 2));
    }

    #[test]
    fn what_is_wrong_is_told_with_the_issuer_and_what_to_write() {
        for (from, to, sentence) in [
            ("default_campaigns", "default_campains", "default_campains"),
            ("\"HS256\"", "\"none\"", "RS256, ES256, EdDSA or HS256"),
            ("\"supervisor\"", "\"boss\"", "no role \"boss\""),
            ("\"supervisor\"", "\"wallboard\"", "no role \"wallboard\""),
            ("tenant = \"acme\"", "", "give tenant"),
            ("tenant = \"acme\"", "tenant = \"a/b\"", "tenant \"a/b\""),
            ("secret = ", "secret_file = \"/nowhere\"\nsecret = ", "not both"),
            ("secret = \"0123456789abcdef0123456789abcdef\"", "secret_file = \"/nowhere/x\"", "/nowhere/x"),
            ("0123456789abcdef0123456789abcdef", "short", "32 bytes"),
            ("secret = ", "public_key = ", "secret or secret_file"),
            ("audience", "jwks_url = \"https://portal.example/k\"\naudience", "not both"),
            ("audience = \"ringside\"", "", "audience is missing"),
            ("audience", "scopes = [\"x\"]\naudience", "need client_id"),
        ] {
            let error = format!("{:#}", parse(&PORTAL.replace(from, to)).unwrap_err());
            assert!(error.contains(sentence), "{sentence}: {error}");
            assert!(!error.contains("0123456789abcdef"), "no secret in it: {error}");
        }
    }
}
