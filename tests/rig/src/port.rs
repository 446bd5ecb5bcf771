//! Free ports of 127.0.0.1.
//!
//! They are taken below the range from which the kernel gives ports to outgoing connections, so that a server that is
//! restarted finds its port still free. One that was given here is not given again: who got it may not listen yet.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;
use std::sync::Mutex;

/// From where they are taken; the neighbours 10,000 above are nobody else's then.
const RANGE: Range<u16> = 10_500..20_500;
/// So many of those that were given last are remembered: whoever got one listens long before as many more are given.
const REMEMBERED: usize = 2_000;

static GIVEN: Mutex<VecDeque<u16>> = Mutex::new(VecDeque::new());

/// A port that nobody listens on, whose neighbour 10,000 above (a cluster's bus) is free too.
pub fn free_port() -> u16 {
    free_ports(1)
}

/// The first of so many such ports in a row.
pub fn free_ports(count: u16) -> u16 {
    let mut given = GIVEN.lock().expect("nobody panics with it");
    loop {
        let first = rand::random_range(RANGE.start..RANGE.end - count);
        let row = first..first + count;
        if row.clone().all(|port| !given.contains(&port) && is_free(port) && is_free(port + 10_000)) {
            given.extend(row);
            let too_many = given.len().saturating_sub(REMEMBERED);
            given.drain(..too_many);
            return first;
        }
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}
