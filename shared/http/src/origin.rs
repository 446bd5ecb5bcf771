//! Whether a request comes from our own pages: the defence against cross-site request forgery.
//!
//! One middleware covers every route ([`guard`]), so that no route can forget it; sockets call [`check_socket`].
//! Browsers name the page's origin on sockets and on every request that changes state. On the others they say how far
//! away the page is (`Sec-Fetch-Site`, which plain HTTP lacks). A request with neither is not from a browser's page, and
//! cookies are `SameSite=Lax` as a second line.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::field::{debug, display};
use tracing::warn;

use crate::origins::Origins;
use crate::peer::Peer;
use crate::problem::Problem;
use crate::settings::HttpSettings;

/// So much of an origin goes to the log.
const LOGGED_ORIGIN_CHARS: usize = 100;

/// Rejects cross-site requests that change state or carry a cookie. Following a link is allowed.
pub async fn guard(State(settings): State<Arc<HttpSettings>>, request: Request, next: Next) -> Response {
    let peer = Peer::of(&settings, request.extensions(), request.headers());
    if is_allowed(&settings, peer, request.method(), request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().map_or("(no such address)", MatchedPath::as_str);
    reject(route, request.headers(), peer).into_response()
}

/// Rejects a WebSocket that another site's page opens. Sockets are admitted before [`guard`] could see them.
pub fn check_socket(settings: &HttpSettings, peer: Peer, headers: &HeaderMap) -> Result<(), Problem> {
    if is_ours(headers, peer.secure, &settings.allowed_origins) { Ok(()) } else { Err(reject("socket", headers, peer)) }
}

fn is_allowed(settings: &HttpSettings, peer: Peer, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let is_ours = || {
        is_ours(headers, peer.secure, &settings.allowed_origins)
            || settings.cors_covers(uri.path()) && names_one_of(headers, &settings.cors_origins)
    };
    match *method {
        // Reads nothing and changes nothing.
        Method::OPTIONS => true,
        Method::GET | Method::HEAD => !headers.contains_key(header::COOKIE) || navigates(headers) || is_ours(),
        _ => is_ours(),
    }
}

/// True for what our own pages, those of listed origins, and what is no browser sent. With a list, the list is all there is;
/// without one our own pages are those of the host that the request itself names.
fn is_ours(headers: &HeaderMap, secure: bool, allowed: &Origins) -> bool {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else {
        return !is_from_elsewhere(headers);
    };
    // No browser sends two.
    let (Ok(origin), None) = (origin.to_str(), origins.next()) else { return false };
    let host = || headers.get(header::HOST)?.to_str().ok();
    allowed.has(origin) || allowed.is_empty() && host().is_some_and(|host| is_of_host(origin, host, secure))
}

/// True where the browser says that another origin's page, or a link there, began it.
pub fn is_from_elsewhere(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-site").is_some_and(|site| site != "same-origin" && site != "none")
}

fn names_one_of(headers: &HeaderMap, origins: &Origins) -> bool {
    headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()).is_some_and(|origin| origins.has(origin))
}

/// True where a page of this origin came from this host. Over TLS a page that came without is not ours: anybody between
/// us and the browser can make one. The other way round there is a balancer that ends TLS and does not say so.
fn is_of_host(origin: &str, host: &str, secure: bool) -> bool {
    let (authority, usual_port) = match (origin.strip_prefix("https://"), origin.strip_prefix("http://")) {
        (Some(authority), _) => (authority, ":443"),
        (None, Some(authority)) if !secure => (authority, ":80"),
        _ => return false,
    };
    let host = host.strip_suffix(usual_port).unwrap_or(host);
    !authority.is_empty() && authority.eq_ignore_ascii_case(host)
}

/// True where somebody follows a link, or types an address.
fn navigates(headers: &HeaderMap) -> bool {
    headers.get("sec-fetch-mode").is_some_and(|mode| mode == "navigate")
}

/// Logs what is rejected: another site at work, or an origin that is missing in the configuration.
fn reject(route: &str, headers: &HeaderMap, peer: Peer) -> Problem {
    let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    // It may hold any bytes, so it is logged as a quoted text.
    let origin = origin.map(|origin| debug(origin.chars().take(LOGGED_ORIGIN_CHARS).collect::<String>()));
    let address = peer.address.map(display);
    warn!(route, address, origin, reason = "foreign_origin", "cross-site request rejected");
    Problem::foreign_origin()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        Origins::parse(&list.iter().map(|&origin| origin.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    fn check(pairs: &[(&'static str, &str)], secure: bool, allowed: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, value.parse().unwrap());
        }
        is_ours(&headers, secure, &origins(allowed))
    }

    #[test]
    fn only_our_own_pages_and_what_is_no_browser_pass() {
        let host = ("host", "ops.example:8080");
        assert!(check(&[host], false, &[]));
        assert!(check(&[host, ("origin", "http://ops.example:8080")], false, &[]));
        for (site, ours) in
            [("same-origin", true), ("none", true), ("same-site", false), ("cross-site", false), ("", false)]
        {
            assert_eq!(check(&[host, ("sec-fetch-site", site)], false, &[]), ours, "{site}");
        }
        for origin in [
            "null",
            "http://ops.example",
            "http://evil.example:8080",
            "http://ops.example:8080.evil.example",
            "http://evil.example/http://ops.example:8080",
            "ops.example:8080",
            "ftp://ops.example:8080",
            "http://",
            "",
        ] {
            assert!(!check(&[host, ("origin", origin)], false, &[]), "{origin}");
        }
        assert!(!check(&[("host", ""), ("origin", "http://")], false, &[]));
        assert!(!check(&[("origin", "http://ops.example")], false, &[]), "a request without a host has no own pages");
    }

    #[test]
    fn over_tls_a_page_that_came_without_is_not_ours() {
        for (host, origin, secure, ours) in [
            ("ops.example", "https://ops.example", true, true),
            ("ops.example:443", "https://ops.example", true, true),
            ("ops.example", "http://ops.example", true, false),
            ("ops.example:8443", "http://ops.example:8443", true, false),
            ("ops.example:80", "http://ops.example", false, true),
            // TLS ends at a balancer that does not say so.
            ("ops.example", "https://ops.example", false, true),
            ("ops.example:80", "https://ops.example", false, false),
        ] {
            assert_eq!(check(&[("host", host), ("origin", origin)], secure, &[]), ours, "{host} {origin} {secure}");
        }
    }

    #[test]
    fn a_list_is_all_there_is_and_is_exact() {
        let host = ("host", "ops.example:8080");
        let list = &["https://Wall.example:443/", "http://[fd00::7]:8080"];
        assert!(check(&[host, ("origin", "https://wall.example")], true, list));
        assert!(check(&[host, ("origin", "http://[fd00::7]:8080")], true, list), "the list says so");
        for origin in
            ["http://wall.example", "https://wall.example:8443", "https://x.wall.example", "http://ops.example:8080"]
        {
            assert!(!check(&[host, ("origin", origin)], false, list), "{origin}");
        }
        assert!(
            check(&[host, ("sec-fetch-site", "same-origin")], true, list),
            "a page of a listed origin says no more on a GET"
        );
    }
}
