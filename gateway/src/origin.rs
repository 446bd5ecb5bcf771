//! Whether a request comes from our own pages: what keeps another site from using a login that the browser has.
//!
//! One layer around all routes asks it ([`guard`]), so that no route can forget to; sockets ask it themselves, because
//! they are let in before that. Browsers name the page's origin on sockets and on everything that changes state, and say
//! on the rest how far away the page is (`Sec-Fetch-Site`, which they leave out on plain HTTP). What says neither is no
//! browser's page, and cookies are `SameSite=Lax` besides.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::field::{debug, display};
use tracing::warn;

use crate::caller::Caller;
use crate::cors;
use crate::error::Error;
use crate::gateway::Gateway;

/// So much of an origin goes to the log.
const LOGGED_ORIGIN_CHARS: usize = 100;

/// A list of origins, each as browsers write it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(Vec<String>);

/// Why a text names no origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadOrigin {
    /// Everybody is nobody in particular.
    #[error(
        "\"*\" would let every site on the internet use the logins of your people; name each origin, such as https://ops.example.com"
    )]
    Everybody,
    /// It is no origin.
    #[error(
        "\"{0}\" is no origin; write scheme, host and, where there is one, port, as a browser does: https://ops.example.com or \
         http://10.0.0.7:8080"
    )]
    NoOrigin(String),
}

impl Origins {
    /// Reads a list.
    pub fn parse(list: &[String]) -> Result<Self, BadOrigin> {
        list.iter().map(|text| read(text.trim())).collect::<Result<_, _>>().map(Self)
    }

    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// True where it names nobody.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn has(&self, origin: &str) -> bool {
        self.0.iter().any(|listed| listed == origin)
    }
}

/// An origin as a browser writes it: in small letters, without the port that its scheme has anyway.
fn read(text: &str) -> Result<String, BadOrigin> {
    if text.contains('*') {
        return Err(BadOrigin::Everybody);
    }
    let bad = || BadOrigin::NoOrigin(text.to_owned());
    let uri: Uri = text.parse().map_err(|_| bad())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(bad()) };
    let usual_port = match scheme {
        "https" => 443,
        "http" => 80,
        _ => return Err(bad()),
    };
    let host = authority.host().to_ascii_lowercase();
    let port = authority.port_u16();
    // Neither a user nor a port that is none is in what was read of it.
    let whole = port.map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
    let bare = uri.path() == "/" && uri.query().is_none() && !text.contains('#');
    if host.is_empty() || !bare || !authority.as_str().eq_ignore_ascii_case(&whole) {
        return Err(bad());
    }
    let host = if port == Some(usual_port) { host } else { whole };
    Ok(format!("{scheme}://{host}"))
}

/// Lets nothing through that another site's page sent: nothing that changes something, and no question that carries a
/// cookie. Whoever follows a link to us is welcome.
pub(crate) async fn guard(State(gateway): State<Gateway>, request: Request, next: Next) -> Response {
    let caller = Caller::of(&gateway, request.extensions(), request.headers());
    if is_welcome(&gateway, caller, request.method(), request.uri(), request.headers()) {
        return next.run(request).await;
    }
    let what = request.extensions().get::<MatchedPath>().map_or("(no such address)", MatchedPath::as_str);
    log_foreign(what, request.headers(), caller.address);
    Error::ForeignOrigin.into_response()
}

fn is_welcome(gateway: &Gateway, caller: Caller, method: &Method, uri: &Uri, headers: &HeaderMap) -> bool {
    let settings = gateway.settings();
    let is_ours = || {
        is_ours(headers, caller.secure, &settings.allowed_origins)
            || cors::covers(uri.path()) && names_one_of(headers, &settings.cors_origins)
    };
    match *method {
        // Asks nothing and changes nothing.
        Method::OPTIONS => true,
        Method::GET | Method::HEAD => !headers.contains_key(header::COOKIE) || navigates(headers) || is_ours(),
        _ => is_ours(),
    }
}

/// True for what our own pages, those of listed origins, and what is no browser sent. With a list, the list is all there is;
/// without one our own pages are those of the host that the request itself names.
pub(crate) fn is_ours(headers: &HeaderMap, secure: bool, allowed: &Origins) -> bool {
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
pub(crate) fn is_from_elsewhere(headers: &HeaderMap) -> bool {
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

/// Tells the operator of what was refused: another site at work, or an origin that is missing in the configuration.
pub(crate) fn log_foreign(what: &str, headers: &HeaderMap, address: Option<IpAddr>) {
    let origin = headers.get(header::ORIGIN).map(|origin| String::from_utf8_lossy(origin.as_bytes()));
    // It may be anything, so it is logged as a quoted text.
    let origin = origin.map(|origin| debug(origin.chars().take(LOGGED_ORIGIN_CHARS).collect::<String>()));
    let address = address.map(display);
    warn!(what, address, origin, reason = "foreign_origin", "refused what another site sent");
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

    #[test]
    fn origins_are_read_or_refused_with_an_example() {
        for text in [
            "ops.example",
            "https://",
            "https://a/b",
            "https://a?b",
            "https://a#b",
            "https://u@a",
            "ftp://a",
            "null",
            "",
            "https://a b",
            "https://a:x",
        ] {
            let error = Origins::parse(&[text.to_owned()]).unwrap_err().to_string();
            assert!(error.contains("https://ops.example.com"), "{text}: {error}");
        }
        for text in ["*", "https://*.example"] {
            assert_eq!(Origins::parse(&[text.to_owned()]), Err(BadOrigin::Everybody));
        }
    }
}
