//! The port: taken with a sentence where it can't be, and served.

use std::io::ErrorKind;
use std::net::SocketAddr;

use anyhow::anyhow;
use axum::Router;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::warn;

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

/// Serves until `shutdown`, and then until the last answer is given.
pub(crate) async fn serve(listener: TcpListener, router: Router, shutdown: CancellationToken) -> std::io::Result<()> {
    let listener = listener.tap_io(|socket| {
        // Without it a small frame may wait 40 ms for the one before it to be acknowledged.
        if let Err(reason) = socket.set_nodelay(true) {
            warn!(%reason, "could not turn off Nagle's algorithm on a connection");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown.cancelled_owned()).await
}
