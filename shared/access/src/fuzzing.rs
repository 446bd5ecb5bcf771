//! The verifier of access tokens with a key that is no secret, for fuzz targets.

use std::time::Duration;

use ringside_model::Timestamp;

use crate::signing_keys::SigningKeys;
use crate::token::Tokens;
use crate::viewer::Viewer;

/// Verifies tokens.
#[derive(Debug)]
pub struct Verifier(Tokens);

impl Verifier {
    /// With the key that is made of this seed, for this issuer and audience.
    pub fn new(seed: [u8; 32], issuer: &str, audience: &str) -> Self {
        Self(Tokens::new(SigningKeys::of_seed(seed), issuer, audience, Duration::ZERO))
    }

    /// Who a token is for, if it is accepted.
    pub fn verify(&self, token: &str) -> Option<Viewer> {
        self.0.verify(token, Timestamp::now()).map(|viewer| Viewer::clone(&viewer))
    }

    /// What tokens call the key.
    pub fn kid(&self) -> String {
        self.0.keys().signer(Timestamp::now()).kid.clone()
    }
}
