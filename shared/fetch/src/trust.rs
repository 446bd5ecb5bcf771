//! Which certificates are trusted, and what to do about one that isn't.
//!
//! Trusted are the certificates of this system; if `SSL_CERT_FILE` is set, those of that file instead, as with other
//! programs.

use std::error::Error;
use std::io;
use std::sync::{Arc, LazyLock};

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, InvalidMessage, RootCertStore, WantsVerifier};

/// This system trusts nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine trusts nobody: set SSL_CERT_FILE to a PEM file with certificates that are trusted ({0})")]
pub struct NoTrust(String);

/// TLS with what this system trusts, which is read once.
pub fn system_trust() -> Result<Arc<ClientConfig>, NoTrust> {
    static TRUSTED: LazyLock<Result<Arc<ClientConfig>, NoTrust>> = LazyLock::new(|| {
        let tls = config().with_native_roots().map_err(|error| NoTrust(error.to_string()))?;
        Ok(Arc::new(tls.with_no_client_auth()))
    });
    TRUSTED.clone()
}

/// TLS that trusts nobody.
pub(crate) fn no_trust() -> Arc<ClientConfig> {
    Arc::new(config().with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// The provider is named, so that what other code of this process has installed doesn't count.
fn config() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider knows TLS 1.2 and 1.3")
}

/// A certificate that can't be trusted, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Distrusted(String);

/// What to do about a certificate, if that is why a connection failed.
pub fn distrust(error: &(dyn Error + 'static)) -> Option<Distrusted> {
    use rustls::Error::{InvalidCertificate, InvalidMessage as Invalid};
    let why = match tls_error(error)? {
        InvalidCertificate(why) => why,
        Invalid(InvalidMessage::InvalidContentType) => {
            return Some(Distrusted("what answers there does not speak TLS".to_owned()));
        }
        // Somebody breaks off, or is not well: as with any other connection.
        _ => return None,
    };
    Some(Distrusted(match why {
        // A signature is bad where an authority is trusted that has the right name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "this machine does not trust its certificate: set SSL_CERT_FILE to a PEM file with the certificate of the \
             authority that signed it, or with its own where nobody else did"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{why}: call it by a name that the certificate has, with --url")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has ended, or this machine's clock is wrong: renew the certificate".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not good yet: is this machine's clock right?".to_owned()
        }
        // rustls has no name of its own for what `openssl req -x509` makes where it is not told otherwise.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is an authority's and not a server's: make one for the server (with openssl req -x509: \
             -addext basicConstraints=critical,CA:FALSE)"
                .to_owned()
        }
        other => format!("its certificate can't be trusted ({other}): the gateway needs another one"),
    }))
}

/// What TLS itself says, below what was made of it on the way. An error of `io` hides what it carries from `source`.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(carried) => Some(carried),
            None => error.source(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use rustls::{AlertDescription, OtherError};
    use tokio_tungstenite::tungstenite;

    use super::*;

    #[test]
    fn a_certificate_that_is_not_trusted_is_told_with_what_to_do_and_a_broken_connection_is_not() {
        #[derive(Debug, thiserror::Error)]
        #[error("")]
        struct CaUsedAsEndEntity;

        let certificate = rustls::Error::InvalidCertificate;
        for (said, sentence) in [
            (certificate(CertificateError::UnknownIssuer), Some("SSL_CERT_FILE")),
            (certificate(CertificateError::NotValidForName), Some("--url")),
            (certificate(CertificateError::Expired), Some("has ended")),
            (certificate(CertificateError::NotValidYet), Some("clock")),
            (certificate(CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)))), Some("CA:FALSE")),
            (certificate(CertificateError::BadSignature), Some("SSL_CERT_FILE")),
            (certificate(CertificateError::Revoked), Some("Revoked")),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), Some("does not speak TLS")),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), None),
            (rustls::Error::HandshakeNotComplete, None),
        ] {
            // As deep as tokio-rustls and tungstenite, or hyper-rustls, put it.
            let shallow = io::Error::new(io::ErrorKind::InvalidData, said.clone());
            let deep = io::Error::other(io::Error::other(said.clone()));
            for error in [shallow, deep] {
                let told = distrust(&tungstenite::Error::Io(error)).map(|told| told.to_string());
                match sentence {
                    Some(sentence) => {
                        assert!(told.as_ref().is_some_and(|it| it.contains(sentence)), "{said}: {told:?}")
                    }
                    None => assert_eq!(told, None, "{said}"),
                }
            }
        }
        let refused = tungstenite::Error::Io(io::ErrorKind::ConnectionRefused.into());
        assert!(distrust(&refused).is_none());
    }
}
