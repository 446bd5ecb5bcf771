//! Single sign-on at a provider that sends false answers or fails.
//!
//! `tests/browser/pages/sso.test.js` uses a real one.

use std::collections::HashMap;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use ringside_access::AccessSettings;
use ringside_engine::Histories;
use ringside_gateway::GatewaySettings;
use ringside_http::HttpSettings;
use serde_json::{Value, json};
use sha2::{Digest, Sha256, Sha512};

use crate::support::provider::{Change, Provider};
use crate::support::test_gateway::{TestGateway, access_settings, serve};

/// A browser that follows no redirects by itself.
struct Browser {
    client: Client,
    cookies: HashMap<String, String>,
}

/// The parameters of the authorization request.
struct AuthorizationRequest(HashMap<String, String>);

impl Browser {
    fn new() -> Self {
        Self { client: Client::builder().redirect(Policy::none()).build().unwrap(), cookies: HashMap::new() }
    }

    async fn open(&mut self, gateway: SocketAddr, path: &str) -> Response {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = self.client.get(format!("http://{gateway}{path}")).header("cookie", cookies.join("; "));
        let response = request.send().await.unwrap();
        for cookie in response.headers().get_all("set-cookie") {
            let cookie = cookie.to_str().unwrap();
            assert!(cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
            let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
            if cookie.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        response
    }

    /// Starts single sign-on, as the button does.
    async fn start(&mut self, gateway: SocketAddr, provider: &Provider, next: &str) -> AuthorizationRequest {
        let response = self.open(gateway, &format!("/auth/sso/example?next={next}")).await;
        assert_eq!(response.status(), 303);
        let address = Url::parse(location(&response)).unwrap();
        assert_eq!(address.origin().ascii_serialization(), provider.issuer);
        assert_eq!(address.path(), "/authorize");
        let request = AuthorizationRequest(address.query_pairs().into_owned().collect());
        provider.expect_nonce(&request.0["nonce"]);
        request
    }

    /// Opens the callback. Returns where it redirects to.
    async fn open_callback(&mut self, gateway: SocketAddr, query: &str) -> String {
        let response = self.open(gateway, &format!("/auth/sso/example/callback?{query}")).await;
        assert_eq!(response.status(), 303, "{query}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(!self.cookies.contains_key("ringside_sso"), "the request cookie is removed");
        location(&response).to_owned()
    }

    fn is_signed_in(&self) -> bool {
        self.cookies.contains_key("ringside")
    }
}

fn location(response: &Response) -> &str {
    response.headers()["location"].to_str().unwrap()
}

async fn gateway(provider: &Provider) -> TestGateway {
    let settings = access_settings(AccessSettings { issuers: vec![provider.settings()], ..AccessSettings::default() });
    TestGateway::with(settings, Histories::default()).await
}

/// Signs in. Returns the browser and where it was redirected to.
async fn sign_in(gateway: &TestGateway, provider: &Provider) -> (Browser, String) {
    let mut browser = Browser::new();
    let request = browser.start(gateway.address, provider, "/alerts").await;
    let end = browser.open_callback(gateway.address, &format!("code=c&state={}", request.0["state"])).await;
    (browser, end)
}

#[tokio::test]
async fn any_gateway_finishes_a_sign_in_that_another_started() {
    let provider = Provider::start().await;
    let settings = access_settings(AccessSettings {
        issuers: vec![provider.settings()],
        public_url: Some("https://ops.example.com".to_owned()),
        ..AccessSettings::default()
    });
    let gateway = TestGateway::with(settings.clone(), Histories::default()).await;
    let (_other, other) = serve(gateway.engine.clone(), settings).await;
    let mut browser = Browser::new();
    let AuthorizationRequest(request) = browser.start(gateway.address, &provider, "/campaigns%3Fx=1").await;
    let callback = "https://ops.example.com/auth/sso/example/callback";
    for (name, value) in [
        ("response_type", "code"),
        ("client_id", "ringside"),
        ("scope", "openid groups"),
        ("code_challenge_method", "S256"),
        ("redirect_uri", callback),
    ] {
        assert_eq!(request[name], value);
    }
    let end = browser.open_callback(other, &format!("code=the%20code&state={}", request["state"])).await;
    assert_eq!(end, "/campaigns?x=1");
    let me: Value = browser.open(other, "/auth/me").await.json().await.unwrap();
    assert_eq!(
        (&me["user"], &me["role"], &me["campaigns"]),
        (&json!("example:ann"), &json!("supervisor"), &json!(["alpha"]))
    );
    let (form, credentials) = provider.script.lock().unwrap().exchanged.take().unwrap();
    assert_eq!(
        (&*form["grant_type"], &*form["code"], &*form["redirect_uri"]),
        ("authorization_code", "the code", callback)
    );
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
    assert_eq!(challenge, request["code_challenge"]);
    assert_eq!(credentials, format!("Basic {}", STANDARD.encode("ringside:se%3Acret+%26")));
    assert!(!form.contains_key("client_secret"));
}

#[tokio::test]
async fn an_id_token_of_another_sign_in_is_rejected() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    let hash = URL_SAFE_NO_PAD.encode(&Sha512::digest("opaque")[..32]);
    let valid: [(&str, Value); 4] = [
        ("azp", json!("ringside")),
        ("at_hash", json!(hash)),
        ("aud", json!(["ringside"])),
        ("exp", json!(4_000_000_000_i64)),
    ];
    let wrong: [(&str, Value, &str); 14] = [
        ("nonce", json!("another"), "sso_provider"),
        ("nonce", Value::Null, "sso_provider"),
        ("nonce", json!(""), "sso_provider"),
        ("aud", json!("another"), "sso_provider"),
        ("aud", json!("ringside-api"), "sso_provider"),
        ("aud", json!(["ringside", "another"]), "sso_provider"),
        ("azp", json!("another"), "sso_provider"),
        ("iss", json!("https://evil.example"), "sso_provider"),
        ("exp", json!(1), "sso_provider"),
        ("iat", json!(4_000_000_000_i64), "sso_provider"),
        ("at_hash", json!("AAAA"), "sso_provider"),
        ("at_hash", json!(7), "sso_provider"),
        ("roles", json!(["visitor"]), "sso_no_access"),
        ("campaigns", Value::Null, "sso_no_access"),
    ];
    let valid = valid.into_iter().map(|(name, value)| (name, value, ""));
    for (name, value, error) in valid.chain(wrong) {
        let set = value.clone();
        let change: Change = Box::new(move |claims| claims[name] = set.clone());
        provider.script.lock().unwrap().claims = Some(change);
        let (browser, end) = sign_in(&gateway, &provider).await;
        let expected =
            if error.is_empty() { "/alerts".to_owned() } else { format!("/login?error={error}&next=/alerts") };
        assert_eq!((end, browser.is_signed_in()), (expected, error.is_empty()), "{name} {value}");
    }
}

#[tokio::test]
async fn a_failing_provider_is_told_apart_from_an_expired_code() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    for (status, text, error) in [
        (400, r#"{"error":"invalid_grant"}"#, "sso_stale"),
        (401, r#"{"error":"invalid_client"}"#, "sso_provider"),
        (500, "oh no", "sso_provider"),
        (302, "", "sso_provider"),
        (200, "<html>", "sso_provider"),
        (200, r#"{"access_token":"x"}"#, "sso_provider"),
        (200, r#"{"id_token":"x.y.z"}"#, "sso_provider"),
    ] {
        provider.script.lock().unwrap().instead = Some((status, text.to_owned()));
        let (browser, end) = sign_in(&gateway, &provider).await;
        assert_eq!(
            (end, browser.is_signed_in()),
            (format!("/login?error={error}&next=/alerts"), false),
            "{status} {text}"
        );
    }
}

#[tokio::test]
async fn userinfo_adds_missing_claims_and_overrides_none() {
    let provider = Provider::start().await;
    let mut settings = provider.settings();
    settings.sso.as_mut().unwrap().userinfo = true;
    let settings = access_settings(AccessSettings { issuers: vec![settings], ..AccessSettings::default() });
    let gateway = TestGateway::with(settings, Histories::default()).await;
    let incomplete: Change = Box::new(|claims| {
        claims.as_object_mut().unwrap().remove("campaigns");
        claims["roles"] = json!("clerk");
    });
    provider.script.lock().unwrap().claims = Some(incomplete);
    for (userinfo, campaigns) in [
        (json!({ "sub": "ann", "campaigns": "beta", "roles": "manager" }), Some(json!(["beta"]))),
        (json!({ "sub": "bob", "campaigns": "beta" }), None),
        (json!({ "campaigns": "beta" }), None),
        (json!({ "sub": "ann" }), None),
        (json!("ann"), None),
    ] {
        provider.script.lock().unwrap().userinfo = userinfo.clone();
        let (mut browser, end) = sign_in(&gateway, &provider).await;
        assert_eq!(browser.is_signed_in(), campaigns.is_some(), "{userinfo}: {end}");
        if let Some(campaigns) = campaigns {
            let me: Value = browser.open(gateway.address, "/auth/me").await.json().await.unwrap();
            assert_eq!((&me["campaigns"], &me["role"]), (&campaigns, &json!("viewer")));
        }
    }
}

#[tokio::test]
async fn a_callback_without_its_own_request_is_rejected() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    let mut browser = Browser::new();
    for query in ["", "code=c&state=s", "error=access_denied&state=s", "code=c"] {
        assert_eq!(browser.open_callback(gateway.address, query).await, "/login?error=sso_stale&next=/", "{query}");
    }
    for query in ["iss=https://evil.example&code=c&", "iss=&code=c&", "code=&iss=x&", ""] {
        let request = browser.start(gateway.address, &provider, "/alerts").await;
        let end = browser.open_callback(gateway.address, &format!("{query}state={}", request.0["state"])).await;
        assert_eq!((&*end, browser.is_signed_in()), ("/login?error=sso_stale&next=/alerts", false), "{query}");
    }
    assert!(provider.script.lock().unwrap().exchanged.is_none(), "no code was exchanged");
    for (error, shown) in [("access_denied", "sso_cancelled"), ("server_error", "sso_provider")] {
        let request = browser.start(gateway.address, &provider, "/alerts").await;
        let end = browser.open_callback(gateway.address, &format!("error={error}&state={}", request.0["state"])).await;
        assert_eq!(end, format!("/login?error={shown}&next=/alerts"));
    }
    let request = browser.start(gateway.address, &provider, "/alerts").await;
    let (iss, state) = (&provider.issuer, &request.0["state"]);
    assert_eq!(browser.open_callback(gateway.address, &format!("code=c&iss={iss}&state={state}")).await, "/alerts");
    let response = browser.open(gateway.address, "/auth/sso/nobody").await;
    assert_eq!(response.status(), 404);
}

#[tokio::test]
async fn a_provider_that_sends_iss_must_always_send_it() {
    let provider = Provider::start().await;
    let sends_iss: Change = Box::new(|it| it["authorization_response_iss_parameter_supported"] = json!(true));
    provider.script.lock().unwrap().metadata = Some(sends_iss);
    let gateway = gateway(&provider).await;
    let (browser, end) = sign_in(&gateway, &provider).await;
    assert_eq!((&*end, browser.is_signed_in()), ("/login?error=sso_stale&next=/alerts", false));
}

#[tokio::test]
async fn the_redirect_after_sign_in_stays_on_the_site() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    for next in ["https://evil.example", "//evil.example", "/%5Cevil.example", "%2F%09%2Fevil.example"] {
        let mut browser = Browser::new();
        let request = browser.start(gateway.address, &provider, next).await;
        let end = browser.open_callback(gateway.address, &format!("code=c&state={}", request.0["state"])).await;
        assert_eq!(end, "/", "{next}");
    }
}

#[tokio::test]
async fn behind_tls_cookie_and_callback_address_are_secure() {
    let provider = Provider::start().await;
    let settings = GatewaySettings {
        access: AccessSettings { issuers: vec![provider.settings()], ..AccessSettings::default() },
        http: HttpSettings { secure_cookies: true, ..HttpSettings::default() },
        ..GatewaySettings::default()
    };
    let gateway = TestGateway::with(settings, Histories::default()).await;
    let mut browser = Browser::new();
    let request = browser.start(gateway.address, &provider, "/").await;
    assert!(browser.cookies.contains_key("__Host-ringside_sso"));
    assert_eq!(request.0["redirect_uri"], format!("https://{}/auth/sso/example/callback", gateway.address));
    let end = browser.open_callback(gateway.address, &format!("code=c&state={}", request.0["state"])).await;
    assert_eq!(end, "/");
    assert!(browser.cookies.contains_key("__Host-ringside") && !browser.cookies.contains_key("__Host-ringside_sso"));
}

#[tokio::test]
async fn a_broken_provider_leads_back_to_the_sign_in_page() {
    let provider = Provider::start().await;
    let false_issuer: Change = Box::new(|it| it["issuer"] = json!("https://another.example"));
    provider.script.lock().unwrap().metadata = Some(false_issuer);
    let gateway = gateway(&provider).await;
    let mut browser = Browser::new();
    let response = browser.open(gateway.address, "/auth/sso/example?next=/alerts").await;
    assert_eq!(location(&response), "/login?error=sso_provider&next=/alerts");
    let page = browser.open(gateway.address, "/login?error=sso_provider&next=/alerts").await.text().await.unwrap();
    assert!(page.contains("sign-in does not work right now"), "{page}");
    assert!(page.contains("href=\"/auth/sso/example?next=/alerts\"") && page.contains("Sign in with Example ID"));
}
