//! The port: taken with a sentence where it can't be; and the certificate that it shows, where it speaks TLS.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use ringside_http::Tls;
use tokio::net::TcpListener;

use crate::config::Config;

/// Takes an address.
pub(crate) async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("another program listens on {address} already; stop it, or choose another address with --listen")
        }
        ErrorKind::PermissionDenied => {
            anyhow!("not allowed to listen on {address}; choose a port above 1023 with --listen")
        }
        ErrorKind::AddrNotAvailable => {
            anyhow!("{} is not an address of this machine; choose another with --listen", address.ip())
        }
        _ => anyhow!("can't listen on {address}: {error}"),
    })
}

/// Reads the certificate, where there is one.
pub(crate) fn certificate(config: &Config) -> anyhow::Result<Option<Arc<Tls>>> {
    // Both or none, as the configuration was checked for.
    let (Some(certificate), Some(key)) = (&config.tls_certificate, &config.tls_key) else { return Ok(None) };
    Tls::open(certificate, key).map(Some).context("configuration keys \"tls_certificate\" and \"tls_key\"")
}
