//! What other sites' pages can do with a login that the browser has, which is nothing, and what every answer tells browsers.

use std::net::{IpAddr, Ipv4Addr};

use http::{HeaderMap, Method};
use ringside_access::Accounts;
use ringside_engine::Histories;
use ringside_gateway::GatewaySettings;
use ringside_http::{HttpSettings, Origins, TrustedProxies};
use serde_json::Value;

use crate::support::client::Client;
use crate::support::test_gateway::{TestGateway, tenant};

const PASSWORD: &str = "correct horse battery";
const LOGIN: &str = r#"{"username":"admin","password":"correct horse battery","cookies":false}"#;

fn origins(list: &[&str]) -> Origins {
    Origins::parse(&list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>()).unwrap()
}

async fn floor(settings: GatewaySettings) -> TestGateway {
    let floor = TestGateway::with(settings, Histories::default()).await;
    Accounts::ensure_admin(floor.engine.as_ref(), &tenant(), Some(PASSWORD)).await.unwrap();
    floor
}

fn http(http: HttpSettings) -> GatewaySettings {
    GatewaySettings { http, ..GatewaySettings::default() }
}

/// A proxy on this machine that says that it was asked over TLS.
fn behind_tls() -> GatewaySettings {
    let trusted_proxies = TrustedProxies::parse(&[IpAddr::from(Ipv4Addr::LOCALHOST).to_string()]).unwrap();
    http(HttpSettings { trusted_proxies, ..HttpSettings::default() })
}

/// Asks, and returns the status, the headers and the `code` of a refusal.
async fn ask(
    floor: &TestGateway,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> (u16, HeaderMap, String) {
    let browser = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mut request = browser.request(Method::from_bytes(method.as_bytes()).unwrap(), floor.url(path)).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let told: Value = serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default();
    (status, headers, told["code"].as_str().unwrap_or_default().to_owned())
}

async fn is_foreign(floor: &TestGateway, method: &str, path: &str, headers: &[(&str, &str)]) -> bool {
    let (status, _, code) = ask(floor, method, path, headers, "").await;
    assert_eq!(status == 403, code == "foreign_origin", "{status} {code}");
    status == 403
}

#[tokio::test]
async fn nothing_that_changes_something_is_taken_from_another_site_whatever_its_address() {
    let floor = floor(GatewaySettings { bench: true, ..GatewaySettings::default() }).await;
    let own = format!("http://{}", floor.address);
    let (evil, cookie) = (("origin", "https://evil.example"), ("cookie", "ringside=x"));
    for (method, path) in [
        ("POST", "/auth/login"),
        ("POST", "/auth/logout"),
        ("POST", "/bench/1"),
        ("POST", "/"),
        ("PUT", "/analytics/stats"),
        ("PATCH", "/admin/connections"),
        ("DELETE", "/campaigns/alpha"),
        ("POST", "/a-route-that-somebody-will-add"),
        ("PURGE", "/"),
    ] {
        assert!(is_foreign(&floor, method, path, &[evil]).await, "{method} {path}");
        assert!(is_foreign(&floor, method, path, &[("origin", "null")]).await, "{method} {path}");
        for site in ["cross-site", "same-site"] {
            assert!(
                is_foreign(&floor, method, path, &[("sec-fetch-site", site), cookie]).await,
                "{method} {path} {site}"
            );
            let navigation = [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), cookie];
            assert!(is_foreign(&floor, method, path, &navigation).await, "a form is no link: {method} {path}");
        }
        for ours in [
            &[("origin", own.as_str()), ("sec-fetch-site", "same-origin")][..],
            &[("origin", own.as_str()), cookie],
            &[("sec-fetch-site", "none")],
            &[("authorization", "Bearer x")],
            &[],
        ] {
            assert!(!is_foreign(&floor, method, path, ours).await, "{method} {path} {ours:?}");
        }
    }
}

#[tokio::test]
async fn questions_with_a_cookie_are_answered_to_our_own_pages_and_to_who_follows_a_link() {
    let floor = floor(GatewaySettings::default()).await;
    let cookie = format!("ringside={}", floor.token().await);
    let cookie = ("cookie", cookie.as_str());
    for path in
        ["/analytics/stats", "/auth/me", "/poll?rooms=alerts&wait=0", "/events?rooms=alerts", "/", "/admin/connections"]
    {
        for site in ["cross-site", "same-site"] {
            for mode in ["cors", "no-cors", "websocket"] {
                let from = [("sec-fetch-site", site), ("sec-fetch-mode", mode), cookie];
                assert!(is_foreign(&floor, "GET", path, &from).await, "{path} {from:?}");
            }
            assert!(is_foreign(&floor, "GET", path, &[("sec-fetch-site", site), cookie]).await);
        }
        assert!(is_foreign(&floor, "GET", path, &[("origin", "http://evil.example"), cookie]).await, "{path}");
    }
    for path in ["/analytics/stats", "/"] {
        let link = [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate"), cookie];
        assert_eq!(ask(&floor, "GET", path, &link, "").await.0, 200, "a link leads to {path}");
        let own = [("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors"), cookie];
        assert_eq!(ask(&floor, "GET", path, &own, "").await.0, 200);
        // Without a cookie there is nothing to be misused, and what is read without one needs a token.
        assert_ne!(ask(&floor, "GET", path, &[("sec-fetch-site", "cross-site")], "").await.0, 403);
    }
    assert_eq!(ask(&floor, "GET", "/healthz", &[("sec-fetch-site", "cross-site")], "").await.0, 200);
}

#[tokio::test]
async fn behind_tls_a_page_that_came_without_is_another_site() {
    let floor = floor(behind_tls()).await;
    let (tls, host) = (("x-forwarded-proto", "https"), ("host", "ops.example"));
    let from = |origin: &'static str| ("origin", origin);
    assert!(is_foreign(&floor, "POST", "/auth/logout", &[tls, host, from("http://ops.example")]).await);
    assert!(!is_foreign(&floor, "POST", "/auth/logout", &[tls, host, from("https://ops.example")]).await);
    let token = format!("Bearer {}", floor.token().await);
    let socket = async |origin: &'static str| {
        let headers = [tls, host, from(origin), ("authorization", token.as_str())];
        Client::try_connect(floor.address, "/ws", &headers).await.err()
    };
    assert_eq!(socket("http://ops.example").await, Some(403));
    assert_eq!(socket("https://ops.example").await, None);
}

#[tokio::test]
async fn a_listed_origin_may_do_what_our_own_pages_may_and_only_in_exactly_that_form() {
    let allowed_origins = origins(&["https://wall.example", "https://ops.example:8443"]);
    let floor = floor(http(HttpSettings { allowed_origins, ..HttpSettings::default() })).await;
    let token = format!("Bearer {}", floor.token().await);
    for (origin, allowed) in [
        ("https://wall.example", true),
        ("https://ops.example:8443", true),
        ("https://ops.example", false),
        ("http://wall.example", false),
        ("https://x.wall.example", false),
        ("https://wall.example.evil.example", false),
    ] {
        let headers = [("origin", origin), ("authorization", token.as_str())];
        let socket = Client::try_connect(floor.address, "/ws", &headers).await.err();
        assert_eq!(socket, (!allowed).then_some(403), "{origin}");
        assert_eq!(is_foreign(&floor, "POST", "/auth/logout", &[("origin", origin)]).await, !allowed, "{origin}");
        let same_site = [("origin", origin), ("sec-fetch-site", "same-site"), ("cookie", "ringside=x")];
        assert_eq!(is_foreign(&floor, "GET", "/analytics/stats", &same_site).await, !allowed, "{origin}");
    }
}

#[tokio::test]
async fn pages_of_origins_listed_for_cors_ask_analytics_and_auth_and_nothing_else() {
    let settings = http(HttpSettings { cors_origins: origins(&["https://portal.example"]), ..HttpSettings::default() });
    let floor = floor(settings).await;
    let portal = ("origin", "https://portal.example");
    for (path, method) in [("/analytics/stats", "GET"), ("/auth/login", "POST")] {
        let wishes =
            [portal, ("access-control-request-method", method), ("access-control-request-headers", "authorization")];
        let (status, headers, _) = ask(&floor, "OPTIONS", path, &wishes, "").await;
        assert_eq!(status, 200, "{path}");
        assert_eq!(headers["access-control-allow-origin"], "https://portal.example");
        assert_eq!(headers["access-control-allow-credentials"], "true");
        assert_eq!(headers["access-control-max-age"], "600");
        let methods = headers["access-control-allow-methods"].to_str().unwrap();
        assert!(methods.split(',').any(|allowed| allowed == method), "{methods}");
        assert_eq!(methods, "GET,POST", "there is nothing else there");
        let allowed = headers["access-control-allow-headers"].to_str().unwrap();
        assert!(allowed.contains("authorization") && allowed.contains("content-type"), "{allowed}");
    }
    let token = format!("Bearer {}", floor.token().await);
    let (status, headers, _) =
        ask(&floor, "GET", "/analytics/stats", &[portal, ("authorization", token.as_str())], "").await;
    assert_eq!((status, &headers["access-control-allow-origin"]), (200, &"https://portal.example".parse().unwrap()));
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("retry-after"), "{exposed}");
    let json = ("content-type", "application/json");
    let (status, headers, _) = ask(&floor, "POST", "/auth/login", &[portal, json], LOGIN).await;
    assert_eq!((status, &headers["access-control-allow-origin"]), (200, &"https://portal.example".parse().unwrap()));
    let (status, headers, _) = ask(&floor, "GET", "/auth/me", &[portal], "").await;
    assert_eq!((status, &headers["access-control-allow-origin"]), (401, &"https://portal.example".parse().unwrap()));

    // An unlisted origin gets no CORS header, and caches key responses by origin.
    for origin in ["https://evil.example", "http://portal.example", "https://portal.example.evil.example", "null"] {
        let wishes = [("origin", origin), ("access-control-request-method", "GET")];
        for (method, headers) in [("OPTIONS", &wishes[..]), ("GET", &wishes[..1])] {
            let (_, headers, _) = ask(&floor, method, "/analytics/stats", headers, "").await;
            assert!(!headers.contains_key("access-control-allow-origin"), "{method} {origin}");
            let vary: Vec<_> = headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect();
            assert!(vary.iter().any(|value| value.to_lowercase().contains("origin")), "{method} {origin}: {vary:?}");
        }
        assert!(is_foreign(&floor, "POST", "/auth/login", &[("origin", origin)]).await, "{origin}");
    }
    // Listed for these two, it is a stranger everywhere else.
    for path in ["/api/stats", "/poll?rooms=alerts&wait=0", "/", "/healthz", "/.well-known/jwks.json"] {
        let (_, headers, _) = ask(&floor, "GET", path, &[portal, ("authorization", token.as_str())], "").await;
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
        assert!(is_foreign(&floor, "POST", path, &[portal]).await, "{path}");
    }
    let headers = [portal, ("authorization", token.as_str())];
    assert_eq!(Client::try_connect(floor.address, "/ws", &headers).await.err(), Some(403));
}

#[tokio::test]
async fn no_origin_is_told_anything_where_none_is_listed() {
    let floor = floor(GatewaySettings::default()).await;
    let own = format!("http://{}", floor.address);
    for origin in ["https://evil.example", own.as_str()] {
        for (method, path) in [("OPTIONS", "/auth/login"), ("GET", "/analytics/stats"), ("GET", "/healthz")] {
            let wishes = [("origin", origin), ("access-control-request-method", "GET")];
            let (_, headers, _) = ask(&floor, method, path, &wishes, "").await;
            assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn every_answer_says_what_a_browser_may_do_with_it() {
    let floor = floor(behind_tls()).await;
    let cookie = format!("ringside={0}; __Host-ringside={0}", floor.token().await);
    let host = ("host", "ops.example");
    for path in [
        "/",
        "/login",
        "/campaigns",
        "/nothing-here",
        "/auth/me",
        "/analytics/stats",
        "/poll?rooms=alerts&wait=0",
        "/admin/connections",
    ] {
        for (tls, socket) in
            [(true, "connect-src 'self' wss://ops.example;"), (false, "connect-src 'self' ws://ops.example;")]
        {
            let proto = ("x-forwarded-proto", if tls { "https" } else { "http" });
            let (_, headers, _) =
                ask(&floor, "GET", path, &[proto, host, ("cookie", cookie.as_str()), ("accept", "text/html")], "")
                    .await;
            let header = |name: &str| headers.get(name).map_or("", |value| value.to_str().unwrap());
            let policy = header("content-security-policy");
            assert!(policy.contains(socket), "{path}: {policy}");
            assert!(
                policy.starts_with("default-src 'none'; ") && policy.ends_with("frame-ancestors 'none'"),
                "{policy}"
            );
            assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
            assert_eq!(header("x-frame-options"), "DENY", "{path}");
            assert_eq!(header("referrer-policy"), "same-origin", "{path}");
            assert_eq!(header("cross-origin-opener-policy"), "same-origin", "{path}");
            assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
            assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
            assert_eq!(header("cache-control"), "no-store", "{path}");
            let told = if tls { "max-age=31536000" } else { "" };
            assert_eq!(header("strict-transport-security"), told, "{path}");
        }
    }
    // Files have nobody's data in them, and may be kept.
    let (_, headers, _) = ask(&floor, "GET", "/static/js/app.js", &[("x-forwarded-proto", "https")], "").await;
    assert_eq!(headers["cross-origin-resource-policy"], "same-origin");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert_eq!(headers["strict-transport-security"], "max-age=31536000");
    assert_ne!(headers["cache-control"], "no-store");
    // A host that is none is not copied into the policy.
    let (_, headers, _) = ask(&floor, "GET", "/login", &[("host", "x;script-src*")], "").await;
    if let Some(policy) = headers.get("content-security-policy") {
        assert!(!policy.to_str().unwrap().contains("script-src*"), "{policy:?}");
    }
}

/// What of a page's HTML would run or style something in the page itself.
fn inline_parts(html: &str) -> Vec<String> {
    let mut found = Vec::new();
    for tag in html.split('<').skip(1) {
        let (tag, text) = tag.split_once('>').unwrap_or((tag, ""));
        let tag = tag.to_ascii_lowercase();
        let data = tag.contains("type=\"application/json\"");
        if tag.starts_with("style")
            || tag.starts_with("script") && !data && (!tag.contains(" src=") || !text.trim().is_empty())
        {
            found.push(tag.clone());
        }
        // Attributes, as far as they are outside of quotes.
        for (n, part) in tag.split('"').enumerate() {
            let name = part.trim().trim_end_matches('=').rsplit(char::is_whitespace).next().unwrap_or_default();
            if n % 2 == 0 && part.trim_end().ends_with('=') && (name == "style" || name.starts_with("on")) {
                found.push(format!("{name} in {tag}"));
            }
            if n % 2 == 1 && part.trim_start().starts_with("javascript:") {
                found.push(tag.clone());
            }
        }
    }
    found
}

#[test]
fn what_is_inline_is_found() {
    for bad in [
        "<p style=\"color: red\">",
        "<style>p{}</style>",
        "<script>alert(1)</script>",
        "<script src=\"x\">alert(1)</script>",
        "<a class=\"x\" onclick=\"x\">",
        "<a href=\"javascript:x\">",
    ] {
        assert_eq!(inline_parts(bad).len(), 1, "{bad}");
    }
    for good in [
        "<p title=\"on style = x\">style=</p>",
        "<script src=\"x\" defer></script>",
        "<script type=\"application/json\" id=\"frames\">{\"on\":1}</script>",
        "<link rel=\"stylesheet\" href=\"/x.css\">",
    ] {
        assert!(inline_parts(good).is_empty(), "{good}: {:?}", inline_parts(good));
    }
}

#[tokio::test]
async fn no_page_has_anything_inline_that_the_policy_would_stop() {
    let floor = floor(GatewaySettings::default()).await;
    floor.directory(&["alpha"]).await;
    floor.numbers("alpha", 5, 10).await;
    floor.call("alpha", 1).await;
    floor.alert(1, Some("alpha")).await;
    let cookie = format!("ringside={}", floor.token().await);
    for path in
        ["/", "/login", "/login?error=wrong&left=2", "/campaigns", "/campaigns/alpha", "/campaigns/nothing", "/nothing"]
    {
        let request =
            reqwest::Client::new().get(floor.url(path)).header("accept", "text/html").header("cookie", &cookie);
        let html = request.send().await.unwrap().text().await.unwrap();
        assert!(html.contains("<html"), "{path}: {html}");
        assert_eq!(inline_parts(&html), Vec::<String>::new(), "{path}");
    }
}

#[tokio::test]
async fn no_other_sites_link_takes_a_copy_of_the_audit_log() {
    let floor = floor(GatewaySettings::default()).await;
    let http = reqwest::Client::new();
    let login = http.post(floor.url("/auth/login")).header("content-type", "application/json").body(LOGIN);
    let told: Value = serde_json::from_slice(&login.send().await.unwrap().bytes().await.unwrap()).unwrap();
    let cookie = format!("ringside={}", told["token"].as_str().unwrap());
    let from = |site| [("sec-fetch-site", site), ("sec-fetch-mode", "navigate"), ("cookie", cookie.as_str())];
    let path = "/admin/audit/export?format=csv";
    for site in ["cross-site", "same-site"] {
        assert!(is_foreign(&floor, "GET", path, &from(site)).await, "{site}");
    }
    let noted = http.get(floor.url("/admin/audit?what=audit.export")).header("cookie", &cookie).send().await.unwrap();
    let noted: Value = serde_json::from_slice(&noted.bytes().await.unwrap()).unwrap();
    assert_eq!(noted["entries"].as_array().map(Vec::len), Some(0), "{noted}");
    for site in ["same-origin", "none"] {
        assert_eq!(ask(&floor, "GET", path, &from(site), "").await.0, 200, "{site}");
    }
    assert_eq!(ask(&floor, "GET", path, &[("cookie", &cookie)], "").await.0, 200, "an older browser");
}
