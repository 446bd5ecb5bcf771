//! Free ports of 127.0.0.1.
//!
//! They are below the kernel's range for outgoing connections, so that a restarted server finds its port still free.
//! A port is not returned twice: its first user may not listen yet.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

use parking_lot::Mutex;

/// The range of the ports. The ports 10,000 above it are for cluster buses.
const RANGE: Range<u16> = 10_500..20_500;
/// How many recently returned ports are not returned again.
///
/// A server listens long before as many more are taken.
const RECENT: usize = 2_000;

static RETURNED: Mutex<VecDeque<u16>> = Mutex::new(VecDeque::new());

/// Returns a free port; the port 10,000 above it, for a cluster bus, is free too.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// Returns the first of `count` such ports in a row.
pub fn free_ports(count: u16) -> u16 {
    let mut returned = RETURNED.lock();
    loop {
        let first = rand::random_range(RANGE.start..RANGE.end - count);
        let row = first..first + count;
        if row.clone().all(|port| !returned.contains(&port) && is_free(port) && is_free(port + 10_000)) {
            returned.extend(row);
            let too_many = returned.len().saturating_sub(RECENT);
            returned.drain(..too_many);
            return first;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
