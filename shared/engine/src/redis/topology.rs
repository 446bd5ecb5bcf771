//! The Redis that a URL names.

use super::address::Address;
use super::error::ConnectError;

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// The kind of Redis, and its initial addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Topology {
    Standalone(Address),
    Sentinel { sentinels: Vec<Address>, master: String },
    Cluster(Vec<Address>),
}

/// The content of a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) topology: Topology,
    pub(super) tls: bool,
    pub(super) user: Option<String>,
    pub(super) password: Option<String>,
}

impl Location {
    /// Parses a URL.
    pub(super) fn parse(url: &str) -> Result<Self, ConnectError> {
        // The URL may contain a password, so no error repeats it.
        let bad = |what: &str| ConnectError::BadUrl(what.to_owned());
        let (scheme, rest) = url.trim().split_once("://").ok_or_else(|| bad("it has no scheme"))?;
        let (tls, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
            ("redis", kind) => (false, kind),
            ("rediss", kind) => (true, kind),
            _ => return Err(bad("its scheme is not redis or rediss")),
        };
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, hosts) =
            authority.rsplit_once('@').map_or((None, authority), |(login, hosts)| (Some(login), hosts));
        let (user, password) = match login.map(|login| login.split_once(':').unwrap_or((login, ""))) {
            None => (None, None),
            Some((user, password)) => (unescape(user)?, unescape(password)?),
        };
        let port = if kind == "sentinel" { SENTINEL_PORT } else { REDIS_PORT };
        let mut addresses = hosts
            .split(',')
            .map(|host| address(host, port))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| bad("a host or port in it can't be read"))?;
        let topology = match (kind, path) {
            ("", "" | "0") if addresses.len() == 1 => Topology::Standalone(addresses.remove(0)),
            ("", "" | "0") => return Err(bad("it names several hosts; say redis+cluster or redis+sentinel")),
            ("sentinel", "") => return Err(bad("it lacks the master's name: redis+sentinel://host:port/mymaster")),
            ("sentinel", master) => Topology::Sentinel { sentinels: addresses, master: master.to_owned() },
            ("cluster", "" | "0") => Topology::Cluster(addresses),
            ("" | "cluster", _) => return Err(bad("it names a database; give Ringside a prefix of its own instead")),
            _ => return Err(bad("after the plus comes sentinel or cluster")),
        };
        Ok(Self { topology, tls, user, password })
    }
}

fn address(text: &str, default_port: u16) -> Option<Address> {
    let (host, port) = match text.strip_prefix('[') {
        // An IPv6 address: its colons do not separate a port.
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Some(default_port), |port| port.parse().ok())?;
    (!host.is_empty()).then(|| Address { host: host.to_owned(), port })
}

/// Decodes the percent-escapes of a user or password; none if it is empty.
fn unescape(text: &str) -> Result<Option<String>, ConnectError> {
    let bad = || ConnectError::BadUrl("its user or password has a broken percent-escape".to_owned());
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).ok_or_else(bad)?;
            bytes.push(u8::from_str_radix(digits, 16).map_err(|_| bad())?);
            rest = &after[2..];
        } else {
            bytes.push(byte);
        }
    }
    let text = String::from_utf8(bytes).map_err(|_| bad())?;
    Ok((!text.is_empty()).then_some(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(host: &str, port: u16) -> Address {
        Address { host: host.to_owned(), port }
    }

    #[test]
    fn a_url_names_the_kind_of_redis() {
        let topology = |url| Location::parse(url).unwrap().topology;
        assert_eq!(topology("redis://localhost"), Topology::Standalone(at("localhost", 6379)));
        assert_eq!(topology("rediss://[::1]:7000/"), Topology::Standalone(at("::1", 7000)));
        let (sentinels, master) = (vec![at("a", 1), at("b", 26379)], "floor".to_owned());
        assert_eq!(topology("redis+sentinel://a:1,b/floor"), Topology::Sentinel { sentinels, master });
        assert_eq!(topology("rediss+cluster://a:1,b:2"), Topology::Cluster(vec![at("a", 1), at("b", 2)]));
        assert!(Location::parse("rediss://a").unwrap().tls && !Location::parse("redis://a").unwrap().tls);
        let login = Location::parse("redis://ann:p%40ss%2F@a:1").unwrap();
        assert_eq!((login.user.as_deref(), login.password.as_deref()), (Some("ann"), Some("p@ss/")));
        assert_eq!(Location::parse("redis://:secret@a").unwrap().user, None);
    }

    #[test]
    fn bad_urls_are_refused_without_repeating_the_password() {
        for url in [
            "localhost:6379",
            "http://a",
            "redis://",
            "redis://:hunter2@a:x",
            "redis://a,b",
            "redis://a/3",
            "redis+sentinel://a",
            "redis+ring://a",
            "redis://ann:hunter2%zz@a",
        ] {
            let refused = Location::parse(url).unwrap_err().to_string();
            assert!(refused.contains("redis+cluster://") && !refused.contains("hunter2"), "{url}: {refused}");
        }
    }
}
