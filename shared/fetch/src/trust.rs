//! The trusted certificates, and advice about certificates that aren't.
//!
//! The system's certificates are trusted, or those of the file in `SSL_CERT_FILE` if it is set, as in other programs.

use std::error::Error;
use std::io;
use std::sync::{Arc, LazyLock};

use hyper_rustls::ConfigBuilderExt;
use rustls::crypto::ring;
use rustls::{CertificateError, ClientConfig, ConfigBuilder, InvalidMessage, RootCertStore, WantsVerifier};

/// The error of a system without trusted certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "this machine has no trusted certificates: set SSL_CERT_FILE to a PEM file with the certificates to trust ({0})"
)]
pub struct NoTrustedCertificates(String);

/// Returns TLS with the system's trusted certificates, which are read once.
pub fn system_trust() -> Result<Arc<ClientConfig>, NoTrustedCertificates> {
    static TRUSTED: LazyLock<Result<Arc<ClientConfig>, NoTrustedCertificates>> = LazyLock::new(|| {
        let tls = config().with_native_roots().map_err(|error| NoTrustedCertificates(error.to_string()))?;
        Ok(Arc::new(tls.with_no_client_auth()))
    });
    TRUSTED.clone()
}

/// Returns a TLS configuration that trusts no certificate.
pub(crate) fn empty_trust() -> Arc<ClientConfig> {
    Arc::new(config().with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// Names the crypto provider, so that a process-wide default has no effect.
fn config() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider supports TLS 1.2 and 1.3")
}

/// The reason why TLS failed, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct TlsProblem(String);

/// Explains a connection error, if it is about a certificate or missing TLS.
pub fn explain_tls_error(error: &(dyn Error + 'static)) -> Option<TlsProblem> {
    use rustls::Error::{InvalidCertificate, InvalidMessage as Invalid};
    let why = match tls_error(error)? {
        InvalidCertificate(why) => why,
        Invalid(InvalidMessage::InvalidContentType) => {
            return Some(TlsProblem("the server does not speak TLS".to_owned()));
        }
        // A broken connection or a failure of the server, like without TLS.
        _ => return None,
    };
    Some(TlsProblem(match why {
        // A signature is bad if a trusted authority has the same name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "this machine does not trust its certificate: set SSL_CERT_FILE to a PEM file with the certificate of the \
             authority that signed it, or with the certificate itself if it is self-signed"
                .to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("{why}: call it by a name that the certificate has, with --url")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired, or this machine's clock is wrong: renew the certificate".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet: check this machine's clock".to_owned()
        }
        // rustls has no variant for the CA certificate that `openssl req -x509` makes by default.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is for an authority and not for a server: create one for the server (with openssl req -x509: \
             -addext basicConstraints=critical,CA:FALSE)"
                .to_owned()
        }
        other => format!("its certificate can't be trusted ({other}): the gateway needs another one"),
    }))
}

/// Finds the TLS error among the causes.
///
/// An `io::Error` doesn't return the error it wraps as its `source`.
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
    fn tls_errors_are_explained_and_broken_connections_are_not() {
        #[derive(Debug, thiserror::Error)]
        #[error("")]
        struct CaUsedAsEndEntity;

        let certificate = rustls::Error::InvalidCertificate;
        for (tls_error, sentence) in [
            (certificate(CertificateError::UnknownIssuer), Some("SSL_CERT_FILE")),
            (certificate(CertificateError::NotValidForName), Some("--url")),
            (certificate(CertificateError::Expired), Some("has expired")),
            (certificate(CertificateError::NotValidYet), Some("clock")),
            (certificate(CertificateError::Other(OtherError(Arc::new(CaUsedAsEndEntity)))), Some("CA:FALSE")),
            (certificate(CertificateError::BadSignature), Some("SSL_CERT_FILE")),
            (certificate(CertificateError::Revoked), Some("Revoked")),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), Some("does not speak TLS")),
            (rustls::Error::AlertReceived(AlertDescription::InternalError), None),
            (rustls::Error::HandshakeNotComplete, None),
        ] {
            // Nested as by tokio-rustls and tungstenite, and by hyper-rustls.
            let shallow = io::Error::new(io::ErrorKind::InvalidData, tls_error.clone());
            let deep = io::Error::other(io::Error::other(tls_error.clone()));
            for error in [shallow, deep] {
                let problem = explain_tls_error(&tungstenite::Error::Io(error)).map(|problem| problem.to_string());
                match sentence {
                    Some(sentence) => {
                        assert!(problem.as_ref().is_some_and(|it| it.contains(sentence)), "{tls_error}: {problem:?}")
                    }
                    None => assert_eq!(problem, None, "{tls_error}"),
                }
            }
        }
        let refused = tungstenite::Error::Io(io::ErrorKind::ConnectionRefused.into());
        assert!(explain_tls_error(&refused).is_none());
    }
}
