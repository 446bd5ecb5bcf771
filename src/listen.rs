//! The port: taken with a sentence where it can't be.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::anyhow;
use tokio::net::TcpListener;

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
