//! The verifier of access tokens with a known key, for fuzz targets.

use std::time::Duration;

use ringside_model::Timestamp;

use crate::signing_keys::SigningKeys;
use crate::token::Tokens;
use crate::viewer::Viewer;

/// Verifies access tokens.
#[derive(Debug)]
pub struct Verifier(Tokens);

impl Verifier {
    /// Returns a verifier with the key of this seed, for this issuer and audience.
    pub fn new(seed: [u8; 32], issuer: &str, audience: &str) -> Self {
        Self(Tokens::new(SigningKeys::of_seed(seed), issuer, audience, Duration::ZERO))
    }

    /// Returns the viewer of a token, if it is valid.
    pub fn verify(&self, token: &str) -> Option<Viewer> {
        self.0.verify(token, Timestamp::now()).map(|viewer| Viewer::clone(&viewer))
    }

    /// Returns the key's `kid`.
    pub fn kid(&self) -> String {
        self.0.keys().signer(Timestamp::now()).kid.clone()
    }
}
