//! Free ports of 127.0.0.1.
//!
//! They are taken below the range from which the kernel gives ports to outgoing connections, so that a server that is
//! restarted finds its port still free.

use std::net::{Ipv4Addr, TcpListener};

/// A port that nobody listens on, whose neighbour 10,000 above (a cluster's bus) is free too.
pub fn free_port() -> u16 {
    loop {
        let port = rand::random_range(10_500..22_000);
        if is_free(port) && is_free(port + 10_000) {
            return port;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
