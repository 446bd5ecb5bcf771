//! How a client asks a gateway over HTTP, and whom it trusts over TLS.
//!
//! `socket.rs` logs in and opens sockets through it. Trusted are the certificates of this system; where `SSL_CERT_FILE` is
//! set, those of that file in their place, as with other programs. A question carries a password: it is asked once, its
//! answer has bounds in time and size, and where the answer points on to, nobody goes.

use std::error::Error;
use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{ConfigBuilderExt, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{CertificateError, ClientConfig, InvalidMessage};
use serde_json::Value;
use tokio::time::timeout;

/// An answer takes no longer, from the name look-up to its last byte.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
/// Longer answers are cut off and not believed.
const MOST_BYTES: usize = 64 << 10;

/// Nobody is there to answer, or not now: asking again may help.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Away(String);

impl Away {
    /// Says why.
    pub(crate) fn new(why: String) -> Self {
        Self(why)
    }
}

/// Whether all that is said to this address is said over TLS.
pub(crate) fn is_https(address: &str) -> bool {
    address.starts_with("https://")
}

/// TLS with whom this system trusts. What it trusts is read once.
pub(crate) fn trusted() -> anyhow::Result<Arc<ClientConfig>> {
    static TRUSTED: LazyLock<Result<Arc<ClientConfig>, String>> = LazyLock::new(|| {
        // The provider is named: what others in this process have set up does not count.
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider knows TLS 1.2 and 1.3")
            .with_native_roots()
            .map_err(|error| error.to_string())?;
        Ok(Arc::new(tls.with_no_client_auth()))
    });
    TRUSTED.clone().map_err(|why| {
        anyhow!(
            "this machine trusts nobody: set SSL_CERT_FILE to a PEM file with certificates that are trusted ({why})"
        )
    })
}

/// Sends JSON to an address, and returns what is answered. Where nobody is there to answer, the error is [`Away`].
pub(crate) async fn post(address: &str, body: &Value) -> anyhow::Result<(StatusCode, Bytes)> {
    let request = Request::post(address)
        .header(CONTENT_TYPE, "application/json")
        .body(Full::new(Bytes::from(body.to_string())))
        .with_context(|| format!("{address} is no address"))?;
    let client = Client::builder(TokioExecutor::new());
    let answered = timeout(ANSWER_WITHIN, async {
        let asked = if is_https(address) {
            let tls = HttpsConnectorBuilder::new().with_tls_config((*trusted()?).clone());
            client.build(tls.https_only().enable_http1().build()).request(request).await
        } else {
            client.build_http().request(request).await
        };
        let answer = asked.map_err(|error| {
            distrust(&error).unwrap_or_else(|| Away(format!("it can't be reached: {}", with_causes(&error))).into())
        })?;
        let (head, body) = answer.into_parts();
        if head.status.is_redirection() {
            bail!(points_on(&head.headers));
        }
        match Limited::new(body, MOST_BYTES).collect().await {
            Ok(body) => Ok((head.status, body.to_bytes())),
            Err(_) => bail!(Away(format!("its answer breaks off, or is longer than {MOST_BYTES} bytes"))),
        }
    });
    answered.await.unwrap_or_else(|_| bail!(Away("it does not answer in time".to_owned())))
}

/// What an answer that points on to another address is to us.
pub(crate) fn points_on(headers: &HeaderMap) -> anyhow::Error {
    let to = headers.get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or("somewhere else");
    anyhow!("it points on to {to}, where neither password nor token is sent: give the address that is meant")
}

/// What must be set right before TLS can be spoken there, where that is why a connection failed.
pub(crate) fn distrust(error: &(dyn Error + 'static)) -> Option<anyhow::Error> {
    use rustls::Error::{InvalidCertificate, InvalidMessage as Invalid};
    let why = match tls_error(error)? {
        InvalidCertificate(why) => why,
        Invalid(InvalidMessage::InvalidContentType) => return Some(anyhow!("what answers there does not speak TLS")),
        // Somebody breaks off, or is not well: as with any other connection.
        _ => return None,
    };
    Some(match why {
        // A signature is bad where an authority is trusted that has the right name and another key.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => anyhow!(
            "this machine does not trust its certificate: set SSL_CERT_FILE to a PEM file with the certificate of the \
             authority that signed it, or with its own where nobody else did"
        ),
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            anyhow!("{why}: call it by a name that the certificate has, with --url")
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            anyhow!("its certificate has ended, or this machine's clock is wrong: renew the certificate")
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            anyhow!("its certificate is not good yet: is this machine's clock right?")
        }
        // rustls has no name of its own for what `openssl req -x509` makes where it is not told otherwise.
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => anyhow!(
            "its certificate is an authority's and not a server's: make one for the server (with openssl req -x509: \
             -addext basicConstraints=critical,CA:FALSE)"
        ),
        other => anyhow!("its certificate can't be trusted ({other}): the gateway needs another one"),
    })
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

/// An error with what it came from: the outermost only says that there was one.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
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
