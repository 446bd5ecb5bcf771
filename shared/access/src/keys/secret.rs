//! Secrets that sign deliveries, as Standard Webhooks has them.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rand::RngExt;

/// What a sender signs its deliveries with: `whsec_` and base64, as Standard Webhooks writes it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Box<[u8]>);

/// A text that can't be a signing secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a signing secret must be \"whsec_\" and 24 to 64 bytes in base64")]
pub struct BadSecret;

impl Secret {
    /// A new one, of 32 random bytes.
    pub fn generate() -> Self {
        Self(Box::new(rand::rng().random::<[u8; 32]>()))
    }

    /// Reads `whsec_…`; the prefix may be missing.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let base64 = text.trim();
        let base64 = base64.strip_prefix("whsec_").unwrap_or(base64);
        let bytes = STANDARD.decode(base64).map_err(|_| BadSecret)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes.into())) } else { Err(BadSecret) }
    }

    /// The secret as text: for the sender's configuration and the registry, never for a log.
    pub fn reveal(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    /// What signatures are made with.
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
    fn what_is_too_short_or_no_base64_is_refused() {
        for text in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_###", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw!"] {
            assert_eq!(Secret::parse(text), Err(BadSecret), "{text}");
        }
        assert!(Secret::parse("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").is_ok());
    }
}
