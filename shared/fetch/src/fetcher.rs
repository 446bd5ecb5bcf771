//! HTTPS requests, bounded in time and size, without following redirects.

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

use crate::trust::{empty_trust, system_trust};

/// How long to cache a response without a `Cache-Control`.
const DEFAULT_MAX_AGE: Duration = Duration::from_secs(3600);

/// The limits of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchLimits {
    /// The time from the DNS lookup to the last byte of the response.
    pub timeout: Duration,
    /// The most bytes of a response body.
    pub body_bytes: usize,
}

/// The error of a request.
///
/// Its text contains nothing of the request's headers or body.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// There was no connection, or it broke before the response.
    #[error("{address} can't be reached: {}", with_causes(cause))]
    Unreachable {
        /// The address of the request.
        address: String,
        /// The HTTP client's error.
        #[source]
        cause: hyper_util::client::legacy::Error,
    },
    /// The response was not complete within the timeout.
    #[error("{0} did not respond in time")]
    TimedOut(String),
    /// The status is not the expected one.
    #[error("{address} responded with status {status}")]
    Status {
        /// The address of the request.
        address: String,
        /// The status.
        status: StatusCode,
        /// The body.
        body: Bytes,
    },
    /// The body was incomplete or longer than the limit.
    #[error("the response of {address} is incomplete, or longer than {most_bytes} bytes")]
    Incomplete {
        /// The address of the request.
        address: String,
        /// The limit.
        most_bytes: usize,
    },
    /// The body is not of the expected kind.
    #[error("{0} responded with something other than {1}")]
    Unexpected(String, &'static str),
    /// The address is invalid.
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
    /// Returns how long the response may be cached.
    pub fn max_age(&self) -> Duration {
        max_age(&self.headers)
    }
}

/// An HTTPS client. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub struct Fetcher {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    limits: FetchLimits,
}

impl Fetcher {
    /// Creates a client that trusts the certificates of this system.
    pub fn new(limits: FetchLimits) -> Self {
        let tls = system_trust().unwrap_or_else(|error| {
            // Each HTTPS request then fails with the reason.
            warn!(%error, "no trusted certificates on this system; HTTPS requests will fail");
            empty_trust()
        });
        let connector = HttpsConnectorBuilder::new().with_tls_config((*tls).clone());
        let client = Client::builder(TokioExecutor::new()).build(connector.https_or_http().enable_http1().build());
        Self { client, limits }
    }

    /// Sends a GET request. Fails unless the status is 200.
    pub async fn get(&self, address: &Url) -> Result<Fetched, FetchError> {
        self.request(address, Request::get(address.as_str()), Bytes::new()).await
    }

    /// Sends a request. Fails unless the status is 200.
    pub async fn request(
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

    /// Sends a request and returns the response with any status.
    ///
    /// Redirects are not followed.
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
            .map_err(|_| FetchError::Address(format!("no request can be made to {}", shown(address))))?;
        let response = tokio::time::timeout(timeout, async {
            let unreachable = |cause| FetchError::Unreachable { address: shown(address), cause };
            let (head, body) = self.client.request(request).await.map_err(unreachable)?.into_parts();
            let incomplete = |_| FetchError::Incomplete { address: shown(address), most_bytes: body_bytes };
            let body = Limited::new(body, body_bytes).collect().await.map_err(incomplete)?.to_bytes();
            Ok(Fetched { status: head.status, headers: head.headers, body })
        });
        response.await.unwrap_or_else(|_| Err(FetchError::TimedOut(shown(address))))
    }
}

fn max_age(headers: &HeaderMap) -> Duration {
    let cache_control = headers.get(header::CACHE_CONTROL).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let max_age = cache_control.split(',').find_map(|part| part.trim().strip_prefix("max-age=")?.parse().ok());
    match max_age {
        Some(secs) => Duration::from_secs(secs),
        None if cache_control.contains("no-store") || cache_control.contains("no-cache") => Duration::ZERO,
        None => DEFAULT_MAX_AGE,
    }
}

/// Returns an error's text with its causes', which say more than the outermost.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Returns an address without its query, which may hold a secret.
fn shown(address: &Url) -> String {
    format!("{}{}", address.origin().ascii_serialization(), address.path())
}
