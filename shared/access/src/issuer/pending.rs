//! A single sign-on in progress, in a cookie so that any gateway can finish it.
//!
//! The cookie is authenticated by a MAC and valid for one provider and ten minutes. Its `state` comes back in the
//! callback, its `nonce` in the ID token. Only the digest of its `verifier` is sent before the code is exchanged.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use ringside_engine::{Engine, EngineError};
use ringside_model::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// The registry key of the installation's secret for it: 32 bytes.
const REGISTRY_KEY: &str = "secret/sso";
/// How long a single sign-on may take.
pub(crate) const TTL_SECS: i64 = 10 * 60;

/// The secret that authenticates the cookies.
///
/// Read from the registry each time, so that gateways agree at once after the engine was emptied. The first one then
/// creates a new secret.
#[derive(Debug, Clone)]
pub(crate) struct SealKey([u8; 32]);

impl SealKey {
    pub(crate) async fn load(engine: &dyn Engine) -> Result<Self, EngineError> {
        let mine: [u8; 32] = rand::random();
        let stored = engine.get_or_create(REGISTRY_KEY, mine.to_vec().into()).await?;
        let stored = stored[..].try_into();
        stored.map(Self).map_err(|_| EngineError::Damaged("the SSO secret is not 32 bytes".to_owned()))
    }

    fn mac(&self, text: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        mac
    }
}

/// A single sign-on in progress.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PendingSso {
    /// The id of the issuer.
    issuer: String,
    state: String,
    pub(crate) nonce: String,
    pub(crate) verifier: String,
    /// The path to open after it.
    pub(crate) next: String,
    ends_secs: i64,
}

impl PendingSso {
    /// Starts a single sign-on.
    pub(crate) fn new(issuer: &str, next: String, now: Timestamp) -> Self {
        let random = || URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
        Self {
            issuer: issuer.to_owned(),
            state: random(),
            nonce: random(),
            verifier: random(),
            next,
            ends_secs: now.seconds() + TTL_SECS,
        }
    }

    pub(crate) fn state(&self) -> &str {
        &self.state
    }

    /// Returns the PKCE challenge: the digest of the verifier.
    pub(crate) fn challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(&self.verifier))
    }

    /// Returns the cookie's value.
    pub(crate) fn seal(&self, key: &SealKey) -> String {
        let text = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).expect("a plain struct serialises"));
        let tag = URL_SAFE_NO_PAD.encode(key.mac(&text).finalize().into_bytes());
        format!("{text}.{tag}")
    }

    /// Reads a cookie back, if its MAC, issuer, `state` and age are valid.
    pub(crate) fn open(cookie: &str, key: &SealKey, issuer: &str, state: &str, now: Timestamp) -> Option<Self> {
        let (text, tag) = cookie.split_once('.')?;
        // Compares in constant time.
        key.mac(text).verify_slice(&URL_SAFE_NO_PAD.decode(tag).ok()?).ok()?;
        let pending: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let same_state = bool::from(pending.state.as_bytes().ct_eq(state.as_bytes()));
        (same_state && pending.issuer == issuer && pending.ends_secs > now.seconds()).then_some(pending)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    #[test]
    fn only_an_own_cookie_of_this_sign_in_is_opened() {
        let (key, other) = (SealKey([1; 32]), SealKey([2; 32]));
        let pending = PendingSso::new("id", "/alerts".to_owned(), NOW);
        let (sealed, state) = (pending.seal(&key), pending.state().to_owned());
        let open = |cookie: &str, key: &SealKey, issuer: &str, state: &str, after_secs: i64| {
            PendingSso::open(cookie, key, issuer, state, NOW.plus_millis(after_secs * 1000))
        };
        assert_eq!(open(&sealed, &key, "id", &state, 0).as_ref(), Some(&pending));
        assert!(open(&sealed, &key, "id", &state, 599).is_some());
        assert!(open(&sealed, &key, "id", &state, 600).is_none(), "expired");
        assert!(open(&sealed, &other, "id", &state, 0).is_none(), "another installation's");
        assert!(open(&sealed, &key, "other", &state, 0).is_none(), "another issuer's");
        assert!(open(&sealed, &key, "id", "", 0).is_none() && open(&sealed, &key, "id", "x", 0).is_none());
        for place in 0..sealed.len() {
            let mut bytes = sealed.clone().into_bytes();
            bytes[place] = if bytes[place] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(bytes).unwrap();
            assert!(open(&changed, &key, "id", &state, 0).is_none(), "{place}");
        }
        for garbage in ["", ".", "a", "a.b", &sealed[..sealed.len() - 1]] {
            assert!(open(garbage, &key, "id", &state, 0).is_none(), "{garbage}");
        }
    }

    #[test]
    fn two_sign_ins_share_nothing() {
        let (one, two) = (PendingSso::new("id", "/".into(), NOW), PendingSso::new("id", "/".into(), NOW));
        assert!(one.state != two.state && one.nonce != two.nonce && one.verifier != two.verifier);
        assert_eq!((one.verifier.len(), one.challenge().len()), (43, 43));
    }
}
