//! Secrets that sign deliveries, after Standard Webhooks.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;

/// A secret that signs a sender's deliveries.
///
/// Its text is `whsec_` and base64, after Standard Webhooks.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// A text that is not a signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret must be \"whsec_\" and 24 to 64 bytes in base64")]
pub struct BadSecret;

impl Secret {
    /// Generates a secret of 32 random bytes.
    pub fn generate() -> Self {
        Self(Box::new(rand::rng().random::<[u8; 32]>()))
    }

    /// Parses `whsec_…`. The prefix is optional.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let base64 = text.trim();
        let base64 = base64.strip_prefix("whsec_").unwrap_or(base64);
        let bytes = STANDARD.decode(base64).map_err(|_| BadSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes.into())) } else { Err(BadSecret) }
    }

    /// Returns the secret as text, for the sender's configuration and the registry.
    ///
    /// Never log it.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// Returns the key for signatures.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_reads_back_and_does_not_show_in_debug_output() {
        let secret = Secret::generate();
        assert_eq!(Secret::parse(&secret.reveal()), Ok(secret.clone()));
        assert!(!format!("{secret:?}").contains(&secret.reveal()[6..]));
    }

    #[test]
    fn a_short_or_malformed_secret_is_rejected() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_###", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!"] {
            assert_eq!(Secret::parse(text), Err(BadSecret), "{text}");
        }
        assert!(Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    }
}
