//! Whom we believe about where a request comes from: load balancers that the operator has named.
//!
//! Anybody can send `X-Forwarded-For`. What it says is read from the right, where our own balancer has written, and only
//! for as long as each hop is one that is trusted; what can't be read ends it. So nobody can put an address in front.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;
use ipnet::IpNet;

/// Networks of load balancers whose `X-Forwarded-…` headers count. None by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

/// Why a text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no address and no network; write it like 10.0.0.7, 10.0.0.0/8 or fd00::/8")]
pub struct BadNetwork(String);

impl TrustedProxies {
    /// Reads addresses and networks.
    pub fn parse(list: &[String]) -> Result<Self, BadNetwork> {
        let network = |text: &String| {
            let text = text.trim();
            let address = |_| text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
            text.parse::<IpNet>().or_else(address).map_err(|_| BadNetwork(text.to_owned()))
        };
        list.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// The client's address: the first from the right that is not one of ours.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let lines: Vec<&str> =
            headers.get_all("x-forwarded-for").iter().map(|line| line.to_str().unwrap_or("?")).collect();
        let mut hops = lines.iter().flat_map(|line| line.split(',')).rev();
        while self.trusts(client)
            && let Some(hop) = hops.next().and_then(hop_address)
        {
            client = hop;
        }
        client
    }

    /// True where a balancer says that it was asked over TLS.
    pub(crate) fn says_tls(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> bool {
        let last = || headers.get_all("x-forwarded-proto").iter().next_back()?.to_str().ok()?.rsplit(',').next();
        peer.is_some_and(|peer| self.trusts(peer.to_canonical()))
            && last().is_some_and(|protocol| protocol.trim().eq_ignore_ascii_case("https"))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }
}

/// One entry of the header; some balancers add the port.
fn hop_address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    text.parse().ok().or_else(with_port).or_else(bare).map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trusted(list: &[&str]) -> TrustedProxies {
        TrustedProxies::parse(&list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn headers(name: &'static str, lines: &[&[u8]]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, http::HeaderValue::from_bytes(line).unwrap());
        }
        headers
    }

    #[test]
    fn the_client_is_the_first_from_the_right_that_is_not_ours() {
        let ours = trusted(&["10.0.0.0/8", "192.0.2.7", "fd00::/8"]);
        let long = "1.1.1.1,".repeat(5_000);
        for (peer, lines, client) in [
            ("10.1.1.1", vec![], "10.1.1.1"),
            ("10.1.1.1", vec!["203.0.113.9"], "203.0.113.9"),
            ("203.0.113.1", vec!["198.51.100.1"], "203.0.113.1"), // nobody we know says so
            ("10.1.1.1", vec!["198.51.100.1, 203.0.113.9"], "203.0.113.9"), // the client wrote the first itself
            ("10.1.1.1", vec!["198.51.100.1", "203.0.113.9, 10.2.2.2"], "203.0.113.9"),
            ("10.1.1.1", vec!["203.0.113.9,192.0.2.7 , 10.2.2.2"], "203.0.113.9"),
            ("192.0.2.8", vec!["203.0.113.9"], "192.0.2.8"),
            ("10.1.1.1", vec!["10.3.3.3, 10.2.2.2"], "10.3.3.3"), // all of them are ours: the one that asked first
            ("::ffff:10.1.1.1", vec!["203.0.113.9"], "203.0.113.9"),
            ("10.1.1.1", vec!["::ffff:10.9.9.9, ::ffff:203.0.113.9"], "203.0.113.9"),
            ("fd00::1", vec!["2001:db8::5"], "2001:db8::5"),
            ("fd00::1", vec!["2001:db8::6, 2001:db8::5", "[fd00::2]:443, ::ffff:10.2.2.2"], "2001:db8::5"),
            ("fd00::1", vec!["2001:db8::5, fe80::1%eth0"], "fd00::1"), // a zone is somebody else's
            ("10.1.1.1", vec!["203.0.113.9:4711"], "203.0.113.9"),
            ("10.1.1.1", vec!["[2001:db8::5]:4711"], "2001:db8::5"),
            ("10.1.1.1", vec!["[2001:db8::5]"], "2001:db8::5"),
            // What can't be read ends it, at the last that we know.
            ("10.1.1.1", vec!["203.0.113.9, unknown"], "10.1.1.1"),
            ("10.1.1.1", vec!["203.0.113.9, "], "10.1.1.1"),
            ("10.1.1.1", vec!["203.0.113.9, 10.2.2.2, _hidden, 10.3.3.3"], "10.3.3.3"),
            ("10.1.1.1", vec![""], "10.1.1.1"),
            ("10.1.1.1", vec!["203.0.113.999"], "10.1.1.1"),
            ("10.1.1.1", vec![&long], "10.1.1.1"), // it ends with a comma
        ] {
            let bytes: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
            let found = ours.client(peer.parse().unwrap(), &headers("x-forwarded-for", &bytes));
            assert_eq!(found, client.parse::<IpAddr>().unwrap(), "{peer} {lines:?}");
        }
        let not_text = headers("x-forwarded-for", &[b"203.0.113.9", b"203.0.113.9, \xff\xfe"]);
        let peer: IpAddr = "10.1.1.1".parse().unwrap();
        assert_eq!(ours.client(peer, &not_text), peer, "what is no text is no address");
        let standard = headers("forwarded", &[b"for=203.0.113.9;proto=https"]);
        assert_eq!(
            ours.client(peer, &standard),
            peer,
            "another header is not read, or it would have to be in agreement"
        );
        assert!(!ours.says_tls(Some(peer), &standard));
        assert_eq!(TrustedProxies::default().client(peer, &headers("x-forwarded-for", &[b"203.0.113.9"])), peer);
    }

    #[test]
    fn tls_is_what_our_own_balancer_says() {
        let ours = trusted(&["10.0.0.0/8"]);
        for (peer, lines, tls) in [
            ("10.1.1.1", vec!["https"], true),
            ("10.1.1.1", vec!["HTTPS"], true),
            ("10.1.1.1", vec!["http, https"], true),
            ("10.1.1.1", vec!["https, http"], false),
            ("10.1.1.1", vec!["https", "http"], false),
            ("10.1.1.1", vec!["httpsx"], false),
            ("10.1.1.1", vec![], false),
            ("203.0.113.1", vec!["https"], false),
        ] {
            let bytes: Vec<&[u8]> = lines.iter().map(|line: &&str| line.as_bytes()).collect();
            let says = ours.says_tls(peer.parse().ok(), &headers("x-forwarded-proto", &bytes));
            assert_eq!(says, tls, "{peer} {lines:?}");
        }
        assert!(!ours.says_tls(None, &headers("x-forwarded-proto", &[b"https"])));
    }

    #[test]
    fn networks_are_read_or_refused_with_an_example() {
        assert_eq!(trusted(&["127.0.0.1", " ::1 ", "10.0.0.0/8"]).0.len(), 3);
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0", "*", "10.0.0.1:80"] {
            let error = TrustedProxies::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("10.0.0.0/8"), "{error}");
        }
    }
}
