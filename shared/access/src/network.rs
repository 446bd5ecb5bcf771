//! Client addresses, as rate limits group them.

use std::net::{IpAddr, Ipv6Addr};

/// Returns an IPv4 address, or the /64 of an IPv6 address.
///
/// One client often has a whole /64.
pub(crate) fn network(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).to_string(),
    }
}
