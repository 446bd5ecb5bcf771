//! Hostile tokens, misbehaving key servers, and invalid settings.

mod hostile;
mod published;

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use ringside_model::{TenantId, Timestamp};
use rsa::pkcs1::EncodeRsaPrivateKey;
use rsa::pkcs8::EncodePublicKey;
use rsa::traits::PublicKeyParts;
use serde_json::{Value, json};

use super::*;
use crate::Role;

/// A signer of tokens.
pub(super) struct Signer {
    pub(super) algorithm: SignatureAlgorithm,
    private: EncodingKey,
    pub(super) public_pem: String,
    pub(super) jwk: Value,
}

impl Signer {
    /// Generates a key. RSA keys are slow to generate, so all tests share two.
    pub(super) fn new(algorithm: SignatureAlgorithm) -> Arc<Self> {
        static RSA: [OnceLock<Arc<Signer>>; 2] = [const { OnceLock::new() }; 2];
        static TURN: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        match algorithm {
            SignatureAlgorithm::Rs256 => {
                let turn = TURN.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2;
                RSA[turn].get_or_init(|| Arc::new(Self::rsa())).clone()
            }
            SignatureAlgorithm::Hs256 => {
                let secret: [u8; 32] = rand::random();
                Arc::new(Self {
                    algorithm,
                    private: EncodingKey::from_secret(&secret),
                    public_pem: String::new(),
                    jwk: json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(secret) }),
                })
            }
            SignatureAlgorithm::Es256 => Arc::new(Self::curve(algorithm, &rcgen::PKCS_ECDSA_P256_SHA256)),
            SignatureAlgorithm::EdDsa => Arc::new(Self::curve(algorithm, &rcgen::PKCS_ED25519)),
        }
    }

    fn rsa() -> Self {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 2048).unwrap();
        let part = |number: &rsa::BigUint| URL_SAFE_NO_PAD.encode(number.to_bytes_be());
        Self {
            algorithm: SignatureAlgorithm::Rs256,
            private: EncodingKey::from_rsa_pem(key.to_pkcs1_pem(Default::default()).unwrap().as_bytes()).unwrap(),
            public_pem: key.to_public_key().to_public_key_pem(Default::default()).unwrap(),
            jwk: json!({ "kty": "RSA", "n": part(key.n()), "e": part(key.e()) }),
        }
    }

    fn curve(algorithm: SignatureAlgorithm, curve: &'static rcgen::SignatureAlgorithm) -> Self {
        let pair = rcgen::KeyPair::generate_for(curve).unwrap();
        let (private, raw) = (pair.serialize_pem(), pair.public_key_raw());
        let (private, jwk) = match algorithm {
            SignatureAlgorithm::EdDsa => {
                let jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(raw) });
                (EncodingKey::from_ed_pem(private.as_bytes()), jwk)
            }
            _ => {
                let (x, y) = (URL_SAFE_NO_PAD.encode(&raw[1..33]), URL_SAFE_NO_PAD.encode(&raw[33..]));
                (EncodingKey::from_ec_pem(private.as_bytes()), json!({ "kty": "EC", "crv": "P-256", "x": x, "y": y }))
            }
        };
        Self { algorithm, private: private.unwrap(), public_pem: pair.public_key_pem(), jwk }
    }

    /// Returns the key for the issuer's settings.
    pub(super) fn verifying(&self, kid: &str) -> VerifyingKey {
        let secret = self.jwk["k"].as_str().map(|k| URL_SAFE_NO_PAD.decode(k).unwrap());
        let material = secret.unwrap_or_else(|| self.public_pem.clone().into_bytes());
        VerifyingKey::new(Some(kid.to_owned()), self.algorithm, &material).unwrap()
    }

    /// Returns the key as the issuer publishes it.
    pub(super) fn published(&self, kid: &str) -> Value {
        let mut jwk = self.jwk.clone();
        jwk["kid"] = json!(kid);
        jwk
    }

    fn family(&self) -> Algorithm {
        match self.algorithm {
            SignatureAlgorithm::Rs256 => Algorithm::RS256,
            SignatureAlgorithm::Es256 => Algorithm::ES256,
            SignatureAlgorithm::EdDsa => Algorithm::EdDSA,
            SignatureAlgorithm::Hs256 => Algorithm::HS256,
        }
    }

    /// Signs a header and claims as they are.
    pub(super) fn sign_texts(&self, head: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(head), URL_SAFE_NO_PAD.encode(claims));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.private, self.family()).unwrap();
        format!("{signed}.{signature}")
    }

    /// Signs a valid token.
    pub(super) fn sign(&self, kid: &str, claims: &Value) -> String {
        let head = json!({ "alg": self.algorithm.as_str(), "kid": kid, "typ": "JWT" });
        self.sign_texts(&head.to_string(), &claims.to_string())
    }
}

pub(super) const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

/// Returns the claims of a manager of the campaign `alpha`.
pub(super) fn claims(issuer: &str) -> Value {
    let now = NOW.seconds();
    json!({
        "iss": issuer, "aud": "ringside", "sub": "ann", "exp": now + 600, "iat": now, "nbf": now,
        "role": "manager", "campaigns": ["alpha"],
    })
}

/// Returns the settings of an issuer of managers.
pub(super) fn settings(id: &str, keys: KeySource) -> IssuerSettings {
    IssuerSettings {
        id: id.to_owned(),
        name: id.to_uppercase(),
        issuer: format!("https://{id}.example"),
        audiences: ["ringside".to_owned()].into(),
        keys,
        algorithms: SignatureAlgorithm::PUBLIC.into(),
        claims: ClaimMapping {
            user: "sub".to_owned(),
            tenant: TenantMapping::Fixed(TenantId::parse("acme").unwrap()),
            role: Some("role".to_owned()),
            roles: [("manager".to_owned(), Role::Supervisor)].into(),
            default_role: None,
            campaigns: Some("campaigns".to_owned()),
            default_campaigns: None,
        },
        session_limit: Duration::from_secs(480 * 60),
        sso: None,
    }
}

#[test]
fn invalid_settings_are_rejected_with_a_reason() {
    let key = || KeySource::Static(vec![Signer::new(SignatureAlgorithm::EdDsa).verifying("a")]);
    let sso = |secret: Option<&str>| SsoSettings {
        client_id: "us".to_owned(),
        client_secret: secret.map(|secret| ClientSecret(secret.to_owned())),
        scopes: Vec::new(),
        userinfo: false,
    };
    assert!(settings("portal", key()).check().is_ok());
    type Spoil = Box<dyn Fn(&mut IssuerSettings)>;
    let cases: [(&str, Spoil); 17] = [
        ("id must be", Box::new(|it| it.id = "Portal".into())),
        ("name must be", Box::new(|it| it.name = String::new())),
        ("issuer is missing", Box::new(|it| it.issuer = String::new())),
        ("audience is missing", Box::new(|it| it.audiences.clear())),
        ("not safe", Box::new(|it| it.keys = KeySource::Url("http://id.example/jwks".into()))),
        ("not a URL", Box::new(|it| it.keys = KeySource::Url("jwks".into()))),
        ("keys is empty", Box::new(|it| it.keys = KeySource::Static(Vec::new()))),
        ("give jwks_url", Box::new(|it| it.keys = KeySource::Discovered)),
        ("can't have HS256", Box::new(|it| it.algorithms = [SignatureAlgorithm::Hs256].into())),
        ("role_claim", Box::new(|it| it.claims.role = None)),
        ("which of its roles", Box::new(|it| it.claims.roles.clear())),
        ("can't be admin", Box::new(|it| it.claims.default_role = Some(Role::Admin))),
        ("campaigns_claim", Box::new(|it| it.claims.campaigns = None)),
        ("name is empty", Box::new(|it| it.claims.user = String::new())),
        ("login_minutes", Box::new(|it| it.session_limit = Duration::ZERO)),
        ("client_secret is empty", Box::new(move |it| it.sso = Some(sso(Some(""))))),
        (
            "not safe",
            Box::new(move |it| {
                it.sso = Some(sso(None));
                it.issuer = "http://id.example".into();
            }),
        ),
    ];
    for (sentence, spoil) in cases {
        let mut bad = settings("portal", key());
        spoil(&mut bad);
        let error = bad.check().unwrap_err().to_string();
        assert!(error.contains(sentence), "{sentence}: {error}");
    }
    let twice = [settings("portal", key()), settings("portal", key())];
    assert!(check_issuers(&twice).unwrap_err().to_string().contains("this id"));
    let mut same = [settings("portal", key()), settings("other", key())];
    same[1].issuer = same[0].issuer.clone();
    assert!(check_issuers(&same).unwrap_err().to_string().contains("same issuer"));
    let two: BTreeSet<_> = [None, Some("a")].into();
    let two = two
        .into_iter()
        .map(|kid| VerifyingKey::new(kid.map(str::to_owned), SignatureAlgorithm::Hs256, &[1; 32]).unwrap());
    let error = settings("portal", KeySource::Static(two.collect())).check().unwrap_err();
    assert!(error.to_string().contains("kid of its own"));
}

#[test]
fn debug_output_of_settings_has_no_secrets() {
    let key = VerifyingKey::new(None, SignatureAlgorithm::Hs256, b"hush-hush-hush-hush-hush-hush-hush").unwrap();
    let mut settings = settings("portal", KeySource::Static(vec![key]));
    settings.sso = Some(SsoSettings {
        client_id: "us".to_owned(),
        client_secret: Some(ClientSecret("hush-hush".to_owned())),
        scopes: Vec::new(),
        userinfo: false,
    });
    let bytes = format!("{:?}", b"hush");
    for text in [format!("{settings:?}"), format!("{:?}", Issuers::new(vec![settings]).unwrap())] {
        assert!(!text.contains("hush") && !text.contains(bytes.trim_matches(['[', ']'])), "{text}");
    }
}
