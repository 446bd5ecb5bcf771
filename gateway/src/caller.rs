//! Who is at the other end of a request, as far as the network goes.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};

use crate::gateway::Gateway;
use crate::tls::OverTls;

/// Where a request came from, and how.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    /// The client's own address, where the server says who connected.
    pub(crate) address: Option<IpAddr>,
    /// True where the client's way to us is TLS, so that its cookie can insist on it.
    pub(crate) secure: bool,
}

impl Caller {
    /// Of a request with these headers.
    pub(crate) fn of(gateway: &Gateway, extensions: &Extensions, headers: &HeaderMap) -> Self {
        let settings = gateway.settings();
        let peer = extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        Self {
            address: peer.map(|peer| settings.trusted_proxies.client(peer, headers)),
            secure: settings.secure_cookies
                || extensions.get::<OverTls>().is_some()
                || settings.trusted_proxies.says_tls(peer, headers),
        }
    }
}

impl FromRequestParts<Gateway> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, gateway: &Gateway) -> Result<Self, Infallible> {
        Ok(Self::of(gateway, &parts.extensions, &parts.headers))
    }
}
