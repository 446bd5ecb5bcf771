//! Asking somebody else's server: over TLS, for a bounded time, for a bounded answer, and never where it points on to.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use axum::http::{HeaderMap, Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tracing::warn;
use url::Url;

/// An answer takes no longer, from the name look-up to its last byte.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Longer answers are cut off and not believed.
const MOST_BYTES: usize = 256 * 1024;
/// For how long an answer may be kept, where it does not say.
const KEEP_FOR: Duration = Duration::from_secs(3600);

/// Why there is no answer. Its text has nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0} can't be reached: {1}")]
    Unreachable(String, String),
    #[error("{0} does not answer in time")]
    TooSlow(String),
    #[error("{address} answers with status {status}")]
    Status { address: String, status: StatusCode, body: Bytes },
    #[error("the answer of {0} breaks off, or has more than {MOST_BYTES} bytes")]
    NotWhole(String),
    #[error("{0} answers with something else than {1}")]
    NotThat(String, &'static str),
    #[error("{0}")]
    Address(String),
}

/// An answer, and for how long it may be kept.
pub(super) struct Answer {
    pub(super) body: Bytes,
    pub(super) keep_for: Duration,
}

/// What asks.
#[derive(Debug, Clone)]
pub(super) struct Fetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Fetcher {
    /// With the certificates that this system trusts.
    pub(super) fn new() -> Self {
        let trusted = HttpsConnectorBuilder::new().with_provider_and_native_roots(ring::default_provider());
        let tls = trusted.unwrap_or_else(|error| {
            // Whoever has all keys written down needs none; for others each question says that nobody is trusted.
            warn!(%error, "this system has no trusted certificates: no issuer can be asked over TLS");
            let nobody = ClientConfig::builder_with_provider(ring::default_provider().into())
                .with_safe_default_protocol_versions()
                .expect("the provider has suites for them")
                .with_root_certificates(RootCertStore::empty())
                .with_no_client_auth();
            HttpsConnectorBuilder::new().with_tls_config(nobody)
        });
        Self(Client::builder(TokioExecutor::new()).build(tls.https_or_http().enable_http1().build()))
    }

    /// Gets what is at an address.
    pub(super) async fn get(&self, address: &Url) -> Result<Answer, FetchError> {
        self.ask(address, Request::get(address.as_str()), Bytes::new()).await
    }

    /// Sends a request, and reads the answer; a redirect is no answer.
    pub(super) async fn ask(
        &self,
        address: &Url,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Answer, FetchError> {
        let request = request
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("ringside/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|_| FetchError::Address(format!("{} can't be asked", shown(address))))?;
        let answer = tokio::time::timeout(ANSWER_WITHIN, async {
            let response =
                self.0.request(request).await.map_err(|it| FetchError::Unreachable(shown(address), why(&it)))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MOST_BYTES).collect().await;
            let body = body.map_err(|_| FetchError::NotWhole(shown(address)))?.to_bytes();
            if head.status != StatusCode::OK {
                return Err(FetchError::Status { address: shown(address), status: head.status, body });
            }
            Ok(Answer { body, keep_for: keep_for(&head.headers) })
        });
        answer.await.unwrap_or_else(|_| Err(FetchError::TooSlow(shown(address))))
    }
}

fn keep_for(headers: &HeaderMap) -> Duration {
    let says = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let max_age = says.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok());
    match max_age {
        Some(secs) => Duration::from_secs(secs),
        None if says.contains("no-store") || says.contains("no-cache") => Duration::ZERO,
        None => KEEP_FOR,
    }
}

/// An error with what it came from: the outermost only says that there was one.
fn why(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut inner = error.source();
    while let Some(error) = inner {
        text = format!("{text}: {error}");
        inner = error.source();
    }
    text
}

/// Without a query, which may have what is nobody's business.
fn shown(address: &Url) -> String {
    format!("{}{}", address.origin().ascii_serialization(), address.path())
}

/// Reads an address that an operator has set: HTTPS, or this very machine.
pub(super) fn parse_address(text: &str) -> Result<Url, String> {
    let address = Url::parse(text).map_err(|_| format!("\"{text}\" is no address; write https://…"))?;
    let safe = address.scheme() == "https" || (address.scheme() == "http" && is_loopback(&address));
    if !safe {
        return Err(format!("\"{text}\" is not safe; only https:// is, or http:// on this machine"));
    }
    if !address.username().is_empty() || address.password().is_some() || address.fragment().is_some() {
        return Err("an address has no login and no fragment in it".to_owned());
    }
    Ok(address)
}

/// Reads an address that somebody else names, who must not lead us from HTTPS to plain HTTP.
pub(super) fn parse_named_address(text: &str, by: &Url) -> Result<Url, String> {
    let address = parse_address(text)?;
    if by.scheme() == "https" && address.scheme() != "https" {
        return Err(format!("\"{text}\" is not safe; only https:// is"));
    }
    Ok(address)
}

fn is_loopback(address: &Url) -> bool {
    match address.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tls_and_this_machine_are_safe() {
        for (text, safe) in [
            ("https://id.example/keys", true),
            ("http://127.0.0.1:9000/keys", true),
            ("http://[::1]:9000/", true),
            ("http://localhost/keys", true),
            ("http://id.example/keys", false),
            ("http://127.0.0.1.evil.example/", false),
            ("http://localhost.evil.example/", false),
            ("https://user:pw@id.example/", false),
            ("https://id.example/#x", false),
            ("file:///etc/passwd", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(parse_address(text).is_ok(), safe, "{text}");
        }
        let issuer = Url::parse("https://id.example").unwrap();
        assert!(parse_named_address("http://127.0.0.1:80/", &issuer).is_err());
        assert!(parse_named_address("https://keys.example/", &issuer).is_ok());
    }
}
