//! The keys that sign access tokens: one document that all gateways share.
//!
//! A new key is published before it signs, so that every gateway and every reader of the key set knows it in time. An
//! old key is kept as long as its tokens can last. So a rotation ends no session. If the engine was emptied, the first
//! gateway to notice restores the document, so that running and starting gateways agree on the keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use ed25519_dalek::{SigningKey as Seed, VerifyingKey};
use jsonwebtoken::{DecodingKey, EncodingKey};
use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The registry key of the document.
const REGISTRY_KEY: &str = "signing/keys";
/// How long a key is published before it signs: longer than key sets are cached.
const PUBLISHED_BEFORE_MS: i64 = 10 * 60_000;
/// How long a key is kept after the next one signs: longer than any token lasts.
const KEPT_AFTER_MS: i64 = 25 * 3_600_000;

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeysJson {
    /// The secret of refresh tokens.
    refresh: String,
    /// The keys, oldest first.
    keys: Vec<KeyJson>,
}

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeyJson {
    seed: String,
    made_ms: i64,
    signs_from_ms: i64,
}

/// The installation's signing keys.
pub struct SigningKeys {
    stored: Bytes,
    json: KeysJson,
    keys: Vec<SigningKey>,
    pub(crate) refresh: [u8; 32],
}

/// A key pair and its name.
pub(crate) struct SigningKey {
    /// Its name in the header of tokens.
    pub(crate) kid: String,
    pub(crate) private: EncodingKey,
    pub(crate) public: DecodingKey,
    verifying: VerifyingKey,
    signs_from: Timestamp,
}

impl SigningKeys {
    /// Loads the installation's keys, or creates them. All gateways get the same.
    pub async fn load(engine: &dyn Engine) -> Result<Self, EngineError> {
        let now_ms = Timestamp::now().millis();
        let first = KeyJson { seed: random_32(), made_ms: now_ms, signs_from_ms: 0 };
        let json = KeysJson { refresh: random_32(), keys: vec![first] };
        Self::read(engine.get_or_create(REGISTRY_KEY, encode(&json)).await?)
    }

    /// Loads the keys again, or restores these if they are gone.
    pub(crate) async fn reload(&self, engine: &dyn Engine) -> Result<Self, EngineError> {
        Self::read(engine.get_or_create(REGISTRY_KEY, self.stored.clone()).await?)
    }

    /// Adds a key that signs in ten minutes, and removes keys without valid tokens.
    ///
    /// Returns false if another gateway was faster.
    pub async fn rotate(&self, engine: &dyn Engine, now: Timestamp) -> Result<bool, EngineError> {
        engine.compare_and_swap(REGISTRY_KEY, Some(self.stored.clone()), Some(encode(&self.rotated(now)))).await
    }

    fn rotated(&self, now: Timestamp) -> KeysJson {
        let mut json = self.json.clone();
        let superseded_ms: Vec<i64> = json.keys.iter().skip(1).map(|next| next.signs_from_ms).collect();
        let mut superseded = superseded_ms.into_iter();
        json.keys.retain(|_| superseded.next().is_none_or(|at| at + KEPT_AFTER_MS > now.millis()));
        let now_ms = now.millis();
        json.keys.push(KeyJson { seed: random_32(), made_ms: now_ms, signs_from_ms: now_ms + PUBLISHED_BEFORE_MS });
        json
    }

    fn read(stored: Bytes) -> Result<Self, EngineError> {
        let damaged = || EngineError::Damaged("the signing keys can't be read".to_owned());
        let json: KeysJson = serde_json::from_slice(&stored).map_err(|_| damaged())?;
        let refresh = bytes_32(&json.refresh).ok_or_else(damaged)?;
        let keys: Vec<SigningKey> = json
            .keys
            .iter()
            .map(SigningKey::read)
            .collect::<Option<_>>()
            .filter(|keys: &Vec<_>| !keys.is_empty())
            .ok_or_else(damaged)?;
        Ok(Self { stored, json, keys, refresh })
    }

    /// Returns the key of a known seed, for fuzz targets.
    #[cfg(feature = "fuzzing")]
    pub(crate) fn of_seed(seed: [u8; 32]) -> Self {
        let seed = URL_SAFE_NO_PAD.encode(seed);
        let key = KeyJson { seed: seed.clone(), made_ms: 0, signs_from_ms: 0 };
        Self::read(encode(&KeysJson { refresh: seed, keys: vec![key] })).expect("32 bytes are a valid seed")
    }

    /// Returns the key that signs now.
    pub(crate) fn signer(&self, now: Timestamp) -> &SigningKey {
        self.keys.iter().rev().find(|key| key.signs_from <= now).unwrap_or(&self.keys[0])
    }

    /// Returns the key with a name.
    pub(crate) fn named(&self, kid: &str) -> Option<&SigningKey> {
        self.keys.iter().find(|key| key.kid == kid)
    }

    /// Returns when the newest key was created.
    pub(crate) fn newest_made(&self) -> Timestamp {
        self.json.keys.last().map_or(Timestamp::default(), |key| Timestamp::from_millis(key.made_ms))
    }

    /// Returns whether both are the same document.
    pub(crate) fn same(&self, other: &Self) -> bool {
        self.stored == other.stored
    }

    /// Returns whether both have a key in common.
    pub(crate) fn related(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.named(&key.kid).is_some())
    }

    /// Returns the public keys as a JWK set (RFC 7517, RFC 8037).
    pub fn key_set(&self) -> Value {
        let key = |key: &SigningKey| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": key.kid,
                "x": URL_SAFE_NO_PAD.encode(key.verifying.as_bytes()),
            })
        };
        json!({ "keys": self.keys.iter().map(key).collect::<Vec<_>>() })
    }
}

impl SigningKey {
    fn read(json: &KeyJson) -> Option<Self> {
        let pair = Seed::from_bytes(&bytes_32(&json.seed)?);
        let verifying = pair.verifying_key();
        let private = pair.to_pkcs8_der().ok()?;
        Some(Self {
            kid: format!("{:x}", Sha256::digest(verifying.as_bytes()))[..16].to_owned(),
            private: EncodingKey::from_ed_der(private.as_bytes()),
            public: DecodingKey::from_ed_der(verifying.as_bytes()),
            verifying,
            signs_from: Timestamp::from_millis(json.signs_from_ms),
        })
    }
}

fn encode(json: &KeysJson) -> Bytes {
    serde_json::to_vec(json).expect("a plain struct serialises").into()
}

fn random_32() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

fn bytes_32(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

/// Shows the names of the keys only.
impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.kid)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(json: &KeysJson) -> SigningKeys {
        SigningKeys::read(encode(json)).unwrap()
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_outlives_its_tokens() {
        let at = |ms: i64| Timestamp::from_millis(1_000_000_000 + ms);
        let first = KeysJson {
            refresh: random_32(),
            keys: vec![KeyJson { seed: random_32(), made_ms: at(0).millis(), signs_from_ms: 0 }],
        };
        let one = keys(&first);
        let old = one.signer(at(0)).kid.clone();
        let two = keys(&one.rotated(at(0)));
        assert_eq!(two.signer(at(PUBLISHED_BEFORE_MS - 1)).kid, old);
        let new = two.signer(at(PUBLISHED_BEFORE_MS)).kid.clone();
        assert_ne!(new, old);
        assert_eq!(two.key_set()["keys"].as_array().unwrap().len(), 2, "both are published at once");
        assert!(one.related(&two) && !one.same(&two) && one.refresh == two.refresh);

        let last_of_old = PUBLISHED_BEFORE_MS + KEPT_AFTER_MS;
        assert!(keys(&two.rotated(at(last_of_old - 1))).named(&old).is_some());
        let three = keys(&two.rotated(at(last_of_old)));
        assert!(three.named(&old).is_none() && three.named(&new).is_some());
    }
}
