//! Addresses to which a secret may be sent.

use std::net::IpAddr;

use url::Url;

/// Parses an address from the configuration: HTTPS, or HTTP on this machine.
pub fn parse_address(text: &str) -> Result<Url, String> {
    let address = Url::parse(text).map_err(|_| format!("\"{text}\" is not a URL; write https://…"))?;
    let safe = address.scheme() == "https" || (address.scheme() == "http" && is_loopback(&address));
    if !safe {
        return Err(format!("\"{text}\" is not safe; use https://, or http:// on this machine"));
    }
    if !address.username().is_empty() || address.password().is_some() || address.fragment().is_some() {
        return Err("an address may not contain a user, a password or a fragment".to_owned());
    }
    Ok(address)
}

/// Parses an address that a server names.
///
/// A server on HTTPS may not name one on plain HTTP.
pub fn parse_named_address(text: &str, by: &Url) -> Result<Url, String> {
    let address = parse_address(text)?;
    if by.scheme() == "https" && address.scheme() != "https" {
        return Err(format!("\"{text}\" is not safe; use https://"));
    }
    Ok(address)
}

fn is_loopback(address: &Url) -> bool {
    match address.host_str().map(|host| host.trim_matches(['[', ']'])) {
        Some("localhost") => true,
        Some(host) => host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback()),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_and_this_machine_are_safe() {
        for (text, safe) in [
            ("https://id.example/keys", true),
            ("http://127.0.0.1:9000/keys", true),
            ("http://[::1]:9000/", true),
            ("http://localhost/keys", true),
            ("http://id.example/keys", false),
            ("http://127.0.0.1.evil.example/", false),
            ("http://localhost.evil.example/", false),
            ("https://user:pw@id.example/", false),
            ("https://id.example/#x", false),
            ("file:///etc/passwd", false),
            ("/keys", false),
            ("", false),
        ] {
            assert_eq!(parse_address(text).is_ok(), safe, "{text}");
        }
        let issuer = Url::parse("https://id.example").unwrap();
        assert!(parse_named_address("http://127.0.0.1:80/", &issuer).is_err());
        assert!(parse_named_address("https://keys.example/", &issuer).is_ok());
    }
}
