//! Requests to other people's servers: over TLS, bounded in time and size, without following redirects.

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tracing::warn;
use url::Url;

use crate::trust::{no_trust, system_trust};

/// Caches a response this long if it does not say how long.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(3600);

/// What a request may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// Time from the name look-up to the last byte of the response.
    pub timeout: Duration,
    /// Bytes of a response body.
    pub body_bytes: usize,
}

/// Why a request failed. The text has nothing of what was sent.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No connection, or it broke before the response.
    #[error("{address} can't be reached: {}", with_causes(cause))]
    Unreachable {
        /// Where the request went.
        address: String,
        /// What the HTTP client says.
        #[source]
        cause: hyper_util::client::legacy::Error,
    },
    /// The response was not complete within the timeout.
    #[error("{0} does not answer in time")]
    TooSlow(String),
    /// Another status than was expected.
    #[error("{address} answers with status {status}")]
    Status {
        /// Where the request went.
        address: String,
        /// The status.
        status: StatusCode,
        /// The body.
        body: Bytes,
    },
    /// The body broke off or was longer than the limit.
    #[error("the answer of {address} breaks off, or is longer than {most_bytes} bytes")]
    NotWhole {
        /// Where the request went.
        address: String,
        /// The limit.
        most_bytes: usize,
    },
    /// The body is something else than was asked for.
    #[error("{0} answers with something else than {1}")]
    NotThat(String, &'static str),
    /// The address can't be used.
    #[error("{0}")]
    Address(String),
}

/// A response with its whole body.
#[derive(Debug)]
pub struct Fetched {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

impl Fetched {
    /// How long the response may be cached.
    pub fn max_age(&self) -> Duration {
        max_age(&self.headers)
    }
}

/// Sends requests. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limits: FetchLimits,
}

impl Fetcher {
    /// Trusts the certificates that this system trusts.
    pub fn new(limits: FetchLimits) -> Self {
        let tls = system_trust().unwrap_or_else(|error| {
            // Requests over TLS then fail one by one, and say why.
            warn!(%error, "no trusted certificates on this system; HTTPS requests will fail");
            no_trust()
        });
        let connector = HttpsConnectorBuilder::new().with_tls_config((*tls).clone());
        let client = Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build());
        Self { client, limits }
    }

    /// Gets what is at an address. Fails unless the status is 200.
    pub async fn get(&self, address: &Url) -> Result<Fetched, FetchError> {
        self.ask(address, Request::get(address.as_str()), Bytes::new()).await
    }

    /// Sends a request. Fails unless the status is 200.
    pub async fn ask(
        &self,
        address: &Url,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Fetched, FetchError> {
        let fetched = self.send(address, request, body).await?;
        if fetched.status != StatusCode::OK {
            let Fetched { status, body, .. } = fetched;
            return Err(FetchError::Status { address: shown(address), status, body });
        }
        Ok(fetched)
    }

    /// Sends a request, and returns the response whatever its status. Redirects are not followed.
    pub async fn send(
        &self,
        address: &Url,
        request: http::request::Builder,
        body: Bytes,
    ) -> Result<Fetched, FetchError> {
        let FetchLimits { timeout, body_bytes } = self.limits;
        let request = request
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, concat!("ringside/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body))
            .map_err(|_| FetchError::Address(format!("{} can't be asked", shown(address))))?;
        let response = tokio::time::timeout(timeout, async {
            let unreachable = |cause| FetchError::Unreachable { address: shown(address), cause };
            let (head, body) = self.client.request(request).await.map_err(unreachable)?.into_parts();
            let not_whole = |_| FetchError::NotWhole { address: shown(address), most_bytes: body_bytes };
            let body = Limited::new(body, body_bytes).collect().await.map_err(not_whole)?.to_bytes();
            Ok(Fetched { status: head.status, headers: head.headers, body })
        });
        response.await.unwrap_or_else(|_| Err(FetchError::TooSlow(shown(address))))
    }
}

fn max_age(headers: &HeaderMap) -> Duration {
    let says = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let max_age = says.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok());
    match max_age {
        Some(secs) => Duration::from_secs(secs),
        None if says.contains("no-store") || says.contains("no-cache") => Duration::ZERO,
        None => DEFAULT_MAX_AGE,
    }
}

/// An error with its causes: the outermost only says that there was one.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// An address without its query, which may hold a secret.
fn shown(address: &Url) -> String {
    format!("{}{}", address.origin().ascii_serialization(), address.path())
}
