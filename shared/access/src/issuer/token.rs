//! Parsing and verification of an issuer's token.
//!
//! [`Unverified`] is parsed but not trusted: its `iss` and `kid` only select the configured issuer and key.
//! [`Unverified::verify`] checks the signature and returns [`Claims`].
//! [`Claims::check`] checks issuer, audience and time.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ringside_model::Timestamp;
use serde_json::{Map, Value};

use super::keys::{SignatureAlgorithm, VerifyingKey};
use super::rejected::TokenRejected;
use super::unique_json::read_object;

/// Longer tokens are rejected unread.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far the issuer's clock may be ahead.
const LEEWAY_SECS: f64 = 60.0;
/// Parts of a `typ`, `token_use` or `token_type` claim that rule out access.
const NON_ACCESS_KINDS: [&str; 3] = ["refresh", "offline", "logout"];

/// A parsed token that is not verified yet.
pub(super) struct Unverified<'a> {
    signed: &'a str,
    signature: &'a str,
    head: Map<String, Value>,
    claims: Map<String, Value>,
}

impl<'a> Unverified<'a> {
    pub(super) fn read(token: &'a str) -> Result<Self, TokenRejected> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenRejected::TooLong);
        }
        let (signed, signature) = token.rsplit_once('.').ok_or(TokenRejected::Malformed)?;
        let (head, claims) = signed.split_once('.').ok_or(TokenRejected::Malformed)?;
        if claims.contains('.') || signature.is_empty() {
            return Err(TokenRejected::Malformed);
        }
        let object = |part: &str| URL_SAFE_NO_PAD.decode(part).ok().and_then(|text| read_object(&text));
        let head = object(head).ok_or(TokenRejected::Malformed)?;
        let claims = object(claims).ok_or(TokenRejected::Malformed)?;
        // A verifier must understand all extensions in `crit`, and this one knows none.
        if head.contains_key("crit") || head.get("kid").is_some_and(|kid| !kid.is_string()) {
            return Err(TokenRejected::Malformed);
        }
        Ok(Self { signed, signature, head, claims })
    }

    /// Returns the issuer that it claims.
    pub(super) fn issuer(&self) -> Option<&str> {
        self.claims.get("iss").and_then(Value::as_str)
    }

    /// Returns the name of the key that it claims.
    pub(super) fn kid(&self) -> Option<&str> {
        self.head.get("kid").and_then(Value::as_str)
    }

    /// Returns its claims, if the key has signed it.
    pub(super) fn verify(self, key: &VerifyingKey) -> Result<Claims, TokenRejected> {
        if self.head.get("alg").and_then(Value::as_str) != Some(key.algorithm().as_str()) {
            return Err(TokenRejected::Algorithm);
        }
        if !key.signed(self.signed, self.signature) {
            return Err(TokenRejected::Signature);
        }
        let kind = match self.head.get("typ") {
            None => true,
            Some(Value::String(kind)) => {
                let kind = kind.to_ascii_lowercase();
                matches!(kind.strip_prefix("application/").unwrap_or(&kind), "jwt" | "at+jwt")
            }
            Some(_) => false,
        };
        if !kind {
            return Err(TokenRejected::Kind);
        }
        Ok(Claims { claims: self.claims, algorithm: key.algorithm() })
    }
}

/// The claims of a verified token.
pub(super) struct Claims {
    claims: Map<String, Value>,
    /// The algorithm of its signature.
    pub(super) algorithm: SignatureAlgorithm,
}

impl Claims {
    /// Rejects claims of another issuer, audience, kind of token, or time.
    pub(super) fn check(
        &self,
        issuer: &str,
        audiences: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<(), TokenRejected> {
        if self.text("iss") != Some(issuer) {
            return Err(TokenRejected::Issuer);
        }
        for name in ["typ", "token_use", "token_type"] {
            let access = match self.claims.get(name) {
                None => true,
                Some(Value::String(kind)) => {
                    let kind = kind.to_ascii_lowercase();
                    !NON_ACCESS_KINDS.iter().any(|other| kind.contains(other))
                }
                Some(_) => false,
            };
            if !access {
                return Err(TokenRejected::Kind);
            }
        }
        // Only this claim tells a logout token from an ID token.
        if self.claims.contains_key("events") {
            return Err(TokenRejected::Kind);
        }
        if !self.audiences().any(|audience| audiences.contains(audience)) {
            return Err(TokenRejected::Audience);
        }
        let now_secs = now.millis() as f64 / 1000.0;
        match self.claims.get("exp").and_then(Value::as_f64) {
            Some(end) if end > now_secs => {}
            _ => return Err(TokenRejected::Expired),
        }
        for name in ["nbf", "iat"] {
            let is_valid = match self.claims.get(name) {
                None => true,
                Some(value) => value.as_f64().is_some_and(|from| from <= now_secs + LEEWAY_SECS),
            };
            if !is_valid {
                return Err(TokenRejected::NotYet);
            }
        }
        Ok(())
    }

    /// Returns its audiences.
    pub(super) fn audiences(&self) -> impl Iterator<Item = &str> {
        let list = match self.claims.get("aud") {
            Some(Value::Array(list)) => &list[..],
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        list.iter().filter_map(Value::as_str)
    }

    /// Returns a claim that is a text.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }

    /// Returns whether it has a claim of any value.
    pub(super) fn has(&self, name: &str) -> bool {
        self.claims.contains_key(name)
    }

    /// Returns the value at a dotted path. Null counts as absent.
    ///
    /// Names may contain dots too (`https://example.com/roles`), so each way to split the path is tried, the longest
    /// name first.
    pub(super) fn at(&self, path: &str) -> Option<&Value> {
        fn find<'a>(object: &'a Map<String, Value>, path: &str) -> Option<&'a Value> {
            if let Some(value) = object.get(path) {
                return Some(value);
            }
            let dots = path.rmatch_indices('.').map(|(at, _)| at);
            dots.filter_map(|at| object.get(&path[..at])?.as_object().and_then(|inner| find(inner, &path[at + 1..])))
                .next()
        }
        find(&self.claims, path).filter(|value| !value.is_null())
    }

    /// Adds claims that it lacks.
    pub(super) fn complete(&mut self, more: Map<String, Value>) {
        for (name, value) in more {
            self.claims.entry(name).or_insert(value);
        }
    }

    #[cfg(test)]
    pub(super) fn of(claims: Value) -> Self {
        let Value::Object(claims) = claims else { panic!("claims are an object") };
        Self { claims, algorithm: SignatureAlgorithm::EdDsa }
    }
}
