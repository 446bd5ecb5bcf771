//! The key that tokens are signed with: made once per installation, in the engine's registry. An engine that was emptied
//! gets it again from whichever gateway looks first, so that those who run and those who start agree on one.

use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{DecodingKey, EncodingKey};
use ringside_shared::engine::{Engine, EngineError};
use sha2::{Digest, Sha256};

/// Where the registry has it: the 32 bytes of an Ed25519 seed.
const KEY: &str = "signing/key";

/// The installation's signing key, both halves, and its name.
pub(crate) struct SigningKeys {
    seed: [u8; 32],
    /// Its name in the head of tokens.
    pub(super) kid: String,
    pub(super) private: EncodingKey,
    pub(super) public: DecodingKey,
}

impl SigningKeys {
    /// Reads the installation's key, or makes it; whoever makes it first, all get the same.
    pub(crate) async fn load(engine: &dyn Engine) -> Result<Self, EngineError> {
        Self::stored_or(engine, rand::random()).await
    }

    /// Reads it again, or puts this one there where there is none any more.
    pub(super) async fn load_again(&self, engine: &dyn Engine) -> Result<Self, EngineError> {
        Self::stored_or(engine, self.seed).await
    }

    async fn stored_or(engine: &dyn Engine, mine: [u8; 32]) -> Result<Self, EngineError> {
        let stored = engine.create(KEY, mine.to_vec().into()).await?;
        let seed: [u8; 32] =
            stored[..].try_into().map_err(|_| EngineError::Damaged("the signing key is no key".to_owned()))?;
        let pair = SigningKey::from_bytes(&seed);
        let public = pair.verifying_key();
        let private = pair.to_pkcs8_der().expect("an Ed25519 key has a PKCS #8 form");
        Ok(Self {
            seed,
            kid: Sha256::digest(public.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect(),
            private: EncodingKey::from_ed_der(private.as_bytes()),
            public: DecodingKey::from_ed_der(public.as_bytes()),
        })
    }
}

/// Without the key.
impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKeys({})", self.kid)
    }
}
