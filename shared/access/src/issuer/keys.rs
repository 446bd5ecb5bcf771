//! The keys of issuers, each bound to exactly one algorithm.
//!
//! A token can't choose its algorithm: its header must name the algorithm of its key. So a public key can't be used as
//! an HMAC secret, and an unsigned token can't pass.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// The shortest HMAC secret: a secret shorter than the signature can be guessed.
const MIN_SECRET_BYTES: usize = 32;
/// The accepted sizes of RSA keys: 2048 to 8192 bits.
const RSA_BYTES: std::ops::RangeInclusive<usize> = 256..=1024;
/// How many keys of a set are read.
const MAX_KEYS: usize = 100;

/// An algorithm that tokens may be signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureAlgorithm {
    /// RSA, PKCS #1 v1.5, SHA-256.
    Rs256,
    /// ECDSA on P-256, SHA-256.
    Es256,
    /// Ed25519.
    EdDsa,
    /// HMAC with SHA-256, with a shared secret.
    Hs256,
}

impl SignatureAlgorithm {
    /// The algorithms of published keys.
    pub const PUBLIC: [Self; 3] = [Self::Rs256, Self::Es256, Self::EdDsa];

    /// Parses a name, as in a token's header.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Rs256, Self::Es256, Self::EdDsa, Self::Hs256].into_iter().find(|one| one.as_str() == name)
    }

    /// Returns its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    fn for_signatures(self) -> Algorithm {
        match self {
            Self::Rs256 => Algorithm::RS256,
            Self::Es256 => Algorithm::ES256,
            Self::EdDsa => Algorithm::EdDSA,
            Self::Hs256 => Algorithm::HS256,
        }
    }
}

/// A key, its name, and its algorithm.
#[derive(Clone)]
pub struct VerifyingKey {
    kid: Option<String>,
    algorithm: SignatureAlgorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    /// Reads a public key in PEM form, or the bytes of an HS256 secret.
    pub fn new(kid: Option<String>, algorithm: SignatureAlgorithm, material: &[u8]) -> Result<Self, String> {
        let key = match algorithm {
            SignatureAlgorithm::Hs256 if material.len() < MIN_SECRET_BYTES => {
                return Err(format!("an HS256 secret has {MIN_SECRET_BYTES} bytes or more"));
            }
            SignatureAlgorithm::Hs256 => Ok(DecodingKey::from_secret(material)),
            _ if String::from_utf8_lossy(material).contains("PRIVATE KEY") => {
                return Err("this is a private key; remove it from this machine and give the public one".to_owned());
            }
            SignatureAlgorithm::Rs256 => DecodingKey::from_rsa_pem(material),
            SignatureAlgorithm::Es256 => DecodingKey::from_ec_pem(material),
            SignatureAlgorithm::EdDsa => DecodingKey::from_ed_pem(material),
        };
        let key = key.map_err(|_| format!("this is not a public key for {} in PEM form", algorithm.as_str()))?;
        Ok(Self { kid, algorithm, key })
    }

    /// Returns its name in the header of tokens.
    ///
    /// The only key of an issuer may have none.
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// Returns its algorithm.
    pub(super) fn algorithm(&self) -> SignatureAlgorithm {
        self.algorithm
    }

    /// Returns whether a signature is this key's signature of a text.
    pub(super) fn signed(&self, text: &str, signature: &str) -> bool {
        let algorithm = self.algorithm.for_signatures();
        jsonwebtoken::crypto::verify(signature, text.as_bytes(), &self.key, algorithm).unwrap_or(false)
    }
}

/// Shows name and algorithm, not the key.
impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifyingKey({}, {})", self.kid.as_deref().unwrap_or("-"), self.algorithm.as_str())
    }
}

/// An issuer's keys.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyTable(Vec<Arc<VerifyingKey>>);

impl KeyTable {
    pub(super) fn of(keys: &[VerifyingKey]) -> Self {
        Self(keys.iter().cloned().map(Arc::new).collect())
    }

    /// Reads a JWK set. Skips keys for other uses, and returns none if no key remains.
    pub(super) fn of_jwks(text: &[u8], allowed: &BTreeSet<SignatureAlgorithm>) -> Option<Self> {
        let set: JwkSet = serde_json::from_slice(text).ok()?;
        let keys = set.keys.into_iter().take(MAX_KEYS);
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key).ok()?.key(allowed));
        let keys: Vec<_> = keys.map(Arc::new).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the key that a token names.
    ///
    /// A token that names none can only mean a single key.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Arc<VerifyingKey>> {
        match (kid, &self.0[..]) {
            (None, [only]) => Some(only),
            (Some(_), [only]) if only.kid.is_none() => Some(only),
            (None, _) => None,
            (Some(kid), keys) => keys.iter().find(|key| key.kid.as_deref() == Some(kid)),
        }
    }
}

#[derive(Deserialize)]
struct JwkSet {
    keys: Vec<Value>,
}

/// The members of a published key that are read.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl Jwk {
    fn key(&self, allowed: &BTreeSet<SignatureAlgorithm>) -> Option<VerifyingKey> {
        let signs = self.usage.as_deref().is_none_or(|usage| usage == "sig");
        let verifies = self.key_ops.as_ref().is_none_or(|all| all.iter().any(|one| one == "verify"));
        // Not `oct`: a published secret is no secret.
        let algorithm = match (&*self.kty, self.crv.as_deref()) {
            ("RSA", None) => SignatureAlgorithm::Rs256,
            ("EC", Some("P-256")) => SignatureAlgorithm::Es256,
            ("OKP", Some("Ed25519")) => SignatureAlgorithm::EdDsa,
            _ => return None,
        };
        let named = self.alg.as_deref().is_none_or(|alg| alg == algorithm.as_str());
        if !(signs && verifies && named && allowed.contains(&algorithm)) {
            return None;
        }
        let has = |part: &Option<String>, sizes: &dyn Fn(usize) -> bool| {
            let bytes = part.as_deref().and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
            bytes.is_some_and(|bytes| sizes(bytes.len()))
        };
        let key = match algorithm {
            SignatureAlgorithm::Rs256 if has(&self.n, &|bytes| RSA_BYTES.contains(&bytes)) => {
                DecodingKey::from_rsa_components(self.n.as_deref()?, self.e.as_deref()?)
            }
            SignatureAlgorithm::Es256 if has(&self.x, &|bytes| bytes == 32) && has(&self.y, &|bytes| bytes == 32) => {
                DecodingKey::from_ec_components(self.x.as_deref()?, self.y.as_deref()?)
            }
            SignatureAlgorithm::EdDsa if has(&self.x, &|bytes| bytes == 32) => {
                DecodingKey::from_ed_components(self.x.as_deref()?)
            }
            _ => return None,
        };
        Some(VerifyingKey { kid: self.kid.clone(), algorithm, key: key.ok()? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ed(kid: &str) -> Value {
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": kid, "x": URL_SAFE_NO_PAD.encode([7; 32]) })
    }

    fn table(keys: &[Value]) -> Option<KeyTable> {
        KeyTable::of_jwks(json!({ "keys": keys }).to_string().as_bytes(), &SignatureAlgorithm::PUBLIC.into())
    }

    #[test]
    fn only_published_keys_for_signatures_count() {
        let with = |name: &str, value: Value| {
            let mut key = ed("a");
            key[name] = value;
            key
        };
        for (key, counts) in [
            (ed("a"), true),
            (with("use", json!("sig")), true),
            (with("use", json!("enc")), false),
            (with("key_ops", json!(["verify"])), true),
            (with("key_ops", json!(["encrypt"])), false),
            (with("alg", json!("EdDSA")), true),
            (with("alg", json!("HS256")), false),
            (with("alg", json!("RS256")), false),
            (with("crv", json!("X25519")), false),
            (with("x", json!("AAAA")), false),
            (with("x", json!("not base64!")), false),
            (with("x", json!(1)), false),
            (json!({ "kty": "oct", "kid": "a", "k": URL_SAFE_NO_PAD.encode([7; 32]) }), false),
            (json!({ "kty": "RSA", "kid": "a", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([7; 64]) }), false),
            (json!({ "kty": "RSA", "kid": "a", "e": "AQAB", "n": URL_SAFE_NO_PAD.encode([7; 256]) }), true),
            (json!("a key"), false),
        ] {
            assert_eq!(table(std::slice::from_ref(&key)).is_some(), counts, "{key}");
            // A skipped key does not affect the others.
            assert!(table(&[key, ed("b")]).unwrap().find(Some("b")).is_some());
        }
        let only_rsa =
            KeyTable::of_jwks(json!({ "keys": [ed("a")] }).to_string().as_bytes(), &[SignatureAlgorithm::Rs256].into());
        assert!(only_rsa.is_none());
        for garbage in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[]}"#, "<html>"] {
            assert!(KeyTable::of_jwks(garbage.as_bytes(), &SignatureAlgorithm::PUBLIC.into()).is_none(), "{garbage}");
        }
    }

    #[test]
    fn a_token_without_a_kid_means_the_only_key() {
        let one = table(&[ed("a")]).unwrap();
        assert!(one.find(None).is_some() && one.find(Some("a")).is_some() && one.find(Some("b")).is_none());
        let two = table(&[ed("a"), ed("b")]).unwrap();
        assert!(two.find(None).is_none() && two.find(Some("b")).is_some());
        let secret = VerifyingKey::new(None, SignatureAlgorithm::Hs256, &[1; 32]).unwrap();
        assert!(KeyTable::of(&[secret]).find(Some("whatever")).is_some());
    }

    #[test]
    fn an_invalid_key_is_rejected_with_a_reason() {
        for (algorithm, material, sentence) in [
            (SignatureAlgorithm::Hs256, "short", "32 bytes"),
            (SignatureAlgorithm::EdDsa, "-----BEGIN PRIVATE KEY-----", "private key"),
            (SignatureAlgorithm::EdDsa, "nonsense", "not a public key for EdDSA"),
            (SignatureAlgorithm::Rs256, "nonsense", "not a public key for RS256"),
            (SignatureAlgorithm::Es256, "nonsense", "not a public key for ES256"),
        ] {
            let error = VerifyingKey::new(None, algorithm, material.as_bytes()).unwrap_err();
            assert!(error.contains(sentence), "{error}");
        }
    }
}
