//! The mapping of an issuer's claims to a user's rights.
//!
//! Claims that can't be mapped are rejected, never guessed.

use std::collections::BTreeSet;

use ringside_model::{CampaignId, TenantId};
use serde_json::Value;

use super::rejected::TokenRejected;
use super::settings::{ClaimMapping, TenantMapping};
use super::token::Claims;
use crate::{Role, Scope};

/// The longest user name.
const MAX_NAME_CHARS: usize = 128;

/// A user by their claims.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MappedUser {
    /// The user's name at the issuer.
    pub(super) name: String,
    pub(super) tenant: TenantId,
    pub(super) role: Role,
    pub(super) scope: Scope,
}

impl ClaimMapping {
    /// Maps the claims to a user.
    pub(super) fn map_claims(&self, claims: &Claims) -> Result<MappedUser, TokenRejected> {
        let (name, tenant) = (self.name(claims)?, self.tenant.tenant(claims)?);
        let (role, scope) = (self.role(claims)?, self.scope(claims)?);
        if role == Role::Admin && scope != Scope::All {
            return Err(TokenRejected::AdminNeedsAllCampaigns);
        }
        Ok(MappedUser { name, tenant, role, scope })
    }

    pub(super) fn name(&self, claims: &Claims) -> Result<String, TokenRejected> {
        let name = match claims.at(&self.user) {
            Some(Value::String(name)) => name.clone(),
            // Some older systems number their users.
            Some(Value::Number(number)) if number.is_u64() => number.to_string(),
            _ => return Err(TokenRejected::User),
        };
        let fits =
            !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.chars().any(char::is_control);
        fits.then_some(name).ok_or(TokenRejected::User)
    }

    fn role(&self, claims: &Claims) -> Result<Role, TokenRejected> {
        let named = self.role.as_deref().and_then(|path| claims.at(path));
        let roles = named.map(texts).unwrap_or_default();
        let mapped = roles.into_iter().filter_map(|name| self.roles.get(name).copied()).max();
        mapped.or(self.default_role).ok_or(TokenRejected::Role)
    }

    fn scope(&self, claims: &Claims) -> Result<Scope, TokenRejected> {
        let Some(named) = self.campaigns.as_deref().and_then(|path| claims.at(path)) else {
            return self.default_campaigns.clone().ok_or(TokenRejected::Campaigns);
        };
        let names: Vec<&str> = match named {
            Value::String(text) => text.split([',', ' ']).filter(|name| !name.is_empty()).collect(),
            Value::Array(list) => {
                list.iter().map(Value::as_str).collect::<Option<_>>().ok_or(TokenRejected::Campaigns)?
            }
            _ => return Err(TokenRejected::Campaigns),
        };
        if names == ["*"] {
            return Ok(Scope::All);
        }
        // An empty list means no campaigns. An invalid entry rejects the token: it may have been meant as an exclusion.
        let ids = names.into_iter().map(CampaignId::parse).collect::<Result<BTreeSet<_>, _>>();
        ids.map(Scope::Only).map_err(|_| TokenRejected::Campaigns)
    }
}

impl TenantMapping {
    fn tenant(&self, claims: &Claims) -> Result<TenantId, TokenRejected> {
        let named = |path: &str| claims.at(path).map(texts).unwrap_or_default();
        let found = match self {
            Self::Fixed(tenant) => Some(tenant.clone()),
            // With several, it is unclear which one is meant.
            Self::Claim(path) => match named(path)[..] {
                [one] => TenantId::parse(one).ok(),
                _ => None,
            },
            Self::Mapped { claim, tenants } => {
                let found: BTreeSet<_> = named(claim).into_iter().filter_map(|name| tenants.get(name)).collect();
                (found.len() == 1).then(|| found.into_iter().next().cloned()).flatten()
            }
        };
        found.ok_or(TokenRejected::Tenant)
    }
}

/// Returns a text, or the texts of a list.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    fn mapping() -> ClaimMapping {
        ClaimMapping {
            user: "sub".into(),
            tenant: TenantMapping::Fixed(TenantId::parse("acme").unwrap()),
            role: Some("realm_access.roles".into()),
            roles: [("manager", Role::Supervisor), ("team_member", Role::Operator), ("SLT", Role::Viewer)]
                .map(|(name, role)| (name.to_owned(), role))
                .into(),
            default_role: None,
            campaigns: Some("campaigns".into()),
            default_campaigns: None,
        }
    }

    fn claims(roles: &Value, campaigns: &Value) -> Claims {
        Claims::of(json!({ "sub": "ann", "realm_access": { "roles": roles }, "campaigns": campaigns }))
    }

    fn ids(names: &[&str]) -> Scope {
        Scope::Only(names.iter().map(|name| CampaignId::parse(name).unwrap()).collect())
    }

    #[test]
    fn only_the_most_powerful_mapped_role_applies() {
        for (roles, role) in [
            (json!("SLT"), Ok(Role::Viewer)),
            (json!(["SLT", "manager", "team_member", "cook"]), Ok(Role::Supervisor)),
            (json!(["team_member"]), Ok(Role::Operator)),
            (json!("manager,SLT"), Err(TokenRejected::Role)),
            (json!("Manager"), Err(TokenRejected::Role)),
            (json!(["admin"]), Err(TokenRejected::Role)),
            (json!([["manager"]]), Err(TokenRejected::Role)),
            (json!({ "manager": true }), Err(TokenRejected::Role)),
            (json!([]), Err(TokenRejected::Role)),
            (Value::Null, Err(TokenRejected::Role)),
        ] {
            let claims = claims(&roles, &json!("*"));
            assert_eq!(mapping().map_claims(&claims).map(|user| user.role), role, "{roles}");
            let lenient = ClaimMapping { default_role: Some(Role::Viewer), ..mapping() };
            assert_eq!(lenient.map_claims(&claims).unwrap().role, role.unwrap_or(Role::Viewer), "{roles}");
        }
    }

    #[test]
    fn campaigns_are_all_or_a_list_or_a_text_and_never_guessed() {
        for (campaigns, scope) in [
            (json!("*"), Ok(Scope::All)),
            (json!(["*"]), Ok(Scope::All)),
            (json!("alpha"), Ok(ids(&["alpha"]))),
            (json!("alpha, beta gamma"), Ok(ids(&["alpha", "beta", "gamma"]))),
            (json!(["alpha", "beta"]), Ok(ids(&["alpha", "beta"]))),
            (json!([]), Ok(ids(&[]))),
            (json!(""), Ok(ids(&[]))),
            (json!(["alpha", "*"]), Err(TokenRejected::Campaigns)),
            (json!(["alpha", 7]), Err(TokenRejected::Campaigns)),
            (json!(["al/pha"]), Err(TokenRejected::Campaigns)),
            (json!(true), Err(TokenRejected::Campaigns)),
            (Value::Null, Err(TokenRejected::Campaigns)),
        ] {
            let claims = claims(&json!("SLT"), &campaigns);
            assert_eq!(mapping().map_claims(&claims).map(|user| user.scope), scope, "{campaigns}");
        }
        let lenient = ClaimMapping { default_campaigns: Some(ids(&["alpha"])), ..mapping() };
        assert_eq!(lenient.map_claims(&claims(&json!("SLT"), &Value::Null)).unwrap().scope, ids(&["alpha"]));
        let wrong = lenient.map_claims(&claims(&json!("SLT"), &json!(["al/pha"])));
        assert_eq!(wrong, Err(TokenRejected::Campaigns), "an invalid claim is not treated as absent");
    }

    #[test]
    fn an_admin_of_some_campaigns_is_rejected() {
        let mapping = ClaimMapping { roles: [("boss".to_owned(), Role::Admin)].into(), ..mapping() };
        let role = |campaigns| mapping.map_claims(&claims(&json!("boss"), &campaigns)).map(|user| user.role);
        assert_eq!(role(json!("*")), Ok(Role::Admin));
        assert_eq!(role(json!(["alpha"])), Err(TokenRejected::AdminNeedsAllCampaigns));
        assert_eq!(role(json!([])), Err(TokenRejected::AdminNeedsAllCampaigns));
    }

    #[test]
    fn a_tenant_is_fixed_or_named_once() {
        let claims = |org: Value| Claims::of(json!({ "org": org }));
        let acme = TenantId::parse("acme").unwrap();
        let tenants: BTreeMap<_, _> =
            [("Acme Ltd", &acme), ("Acme Inc", &acme)].map(|(name, tenant)| (name.to_owned(), tenant.clone())).into();
        let mapped = TenantMapping::Mapped { claim: "org".into(), tenants };
        let named = TenantMapping::Claim("org".into());
        for (org, as_named, as_mapped) in [
            (json!("acme"), true, false),
            (json!(["acme"]), true, false),
            (json!(["acme", "other"]), false, false),
            (json!("Acme Ltd"), false, true),
            (json!(["Acme Ltd", "Acme Inc", "else"]), false, true),
            (json!("../acme"), false, false),
            (json!(7), false, false),
            (Value::Null, false, false),
        ] {
            let result = |is: bool| if is { Ok(acme.clone()) } else { Err(TokenRejected::Tenant) };
            assert_eq!(named.tenant(&claims(org.clone())), result(as_named), "{org}");
            assert_eq!(mapped.tenant(&claims(org.clone())), result(as_mapped), "{org}");
        }
    }

    #[test]
    fn a_user_needs_a_printable_name() {
        for (sub, name) in [
            (json!("ann"), Some("ann")),
            (json!(42), Some("42")),
            (json!(""), None),
            (json!("  "), None),
            (json!("a\nb"), None),
            (json!("x".repeat(129)), None),
            (json!(-1), None),
            (json!(["ann"]), None),
            (Value::Null, None),
        ] {
            let claims = Claims::of(json!({ "sub": sub }));
            assert_eq!(mapping().name(&claims).ok().as_deref(), name, "{sub}");
        }
    }

    #[test]
    fn paths_lead_into_objects_even_if_names_have_dots() {
        let claims = Claims::of(json!({
            "https://example.com/roles": 1, "a": { "b": { "c": 2 }, "b.c": 3 }, "a.b": { "d": 4 }, "n": null,
        }));
        for (path, value) in [
            ("https://example.com/roles", Some(1)),
            ("a.b.c", Some(3)),
            ("a.b.d", Some(4)),
            ("a.b.e", None),
            ("a..b", None),
            ("", None),
            ("n", None),
        ] {
            assert_eq!(claims.at(path).and_then(Value::as_i64), value, "{path}");
        }
    }
}
