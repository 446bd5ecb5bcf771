//! Whether a request comes from our own pages: what keeps another site from using a login that the browser has.
//!
//! Browsers name the page's origin on sockets and on everything that changes state. What names none is no browser's
//! page, and cookies are `SameSite=Lax` besides.

use std::net::IpAddr;

use axum::http::{HeaderMap, header};
use tracing::field::{debug, display};
use tracing::warn;

use crate::error::Error;

/// So much of an origin goes to the log.
const LOGGED_ORIGIN_CHARS: usize = 100;

/// Refuses what another site's page sent.
pub(crate) fn require_own_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Error> {
    let own = match headers.get(header::ORIGIN) {
        Some(origin) => origin.to_str().is_ok_and(|origin| is_own(origin, headers, allowed)),
        None => match headers.get("sec-fetch-site") {
            Some(site) => site == "same-origin" || site == "none",
            None => true,
        },
    };
    if own { Ok(()) } else { Err(Error::ForeignOrigin) }
}

/// Tells the operator of what was refused: another site at work, or an origin that is missing in the configuration.
pub(crate) fn log_foreign(what: &'static str, headers: &HeaderMap, user: Option<&str>, address: Option<IpAddr>) {
    let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    // Both may be anything, so they are logged as quoted texts.
    let origin = origin.map(|origin| debug(origin.chars().take(LOGGED_ORIGIN_CHARS).collect::<String>()));
    let (user, address) = (user.map(debug), address.map(display));
    warn!(what, user, address, origin, reason = "foreign_origin", "refused what another site sent");
}

fn is_own(origin: &str, headers: &HeaderMap, allowed: &[String]) -> bool {
    if !allowed.is_empty() && allowed.iter().any(|allowed| allowed.trim_end_matches('/').eq_ignore_ascii_case(origin)) {
        return true;
    }
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let authority = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
    // With a list of origins, the list is all there is.
    allowed.is_empty() && authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pairs: &[(&'static str, &str)], allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        let allowed: Vec<String> = allowed.iter().map(|&origin| origin.to_owned()).collect();
        require_own_origin(&headers, &allowed).is_ok()
    }

    #[test]
    fn only_our_own_pages_and_what_is_no_browser_pass() {
        let host = ("host", "ops.example:8080");
        assert!(check(&[host], &[]));
        assert!(check(&[host, ("origin", "http://ops.example:8080")], &[]));
        assert!(check(&[host, ("sec-fetch-site", "same-origin")], &[]));
        assert!(!check(&[host, ("sec-fetch-site", "cross-site")], &[]));
        for origin in
            ["null", "http://ops.example", "http://evil.example:8080", "http://ops.example:8080.evil.example", ""]
        {
            assert!(!check(&[host, ("origin", origin)], &[]), "{origin}");
        }
        assert!(check(&[host, ("origin", "https://wall.example")], &["https://wall.example/"]));
        assert!(!check(&[host, ("origin", "http://wall.example")], &["https://wall.example"]));
        assert!(!check(&[host, ("origin", "http://ops.example:8080")], &["https://wall.example"]));
    }
}
