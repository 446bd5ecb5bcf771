//! The other end of a request, as far as the network tells.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use crate::settings::HttpSettings;
use crate::tls::OverTls;

/// Where a request came from, and how.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The client's own address, if the server knows who connected.
    pub address: Option<IpAddr>,
    /// True if the client's way to us is TLS, so that its cookies can insist on it.
    pub secure: bool,
}

impl Peer {
    /// The peer of a request with these extensions and headers.
    pub fn of(settings: &HttpSettings, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let connected = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self {
            address: connected.map(|address| settings.trusted_proxies.client(address, headers)),
            secure: settings.secure_cookies
                || extensions.get::<OverTls>().is_some()
                || settings.trusted_proxies.says_tls(connected, headers),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer
where
    Arc<HttpSettings>: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let settings = Arc::<HttpSettings>::from_ref(state);
        Ok(Self::of(&settings, &parts.extensions, &parts.headers))
    }
}
