//! Sessions: renewal, ends, and revocation on every gateway.

use std::time::Duration;

use reqwest::redirect::Policy;
use ringside_access::{AccessSettings, Accounts, ApiTokenRequest, ApiTokens, Membership, Role, Scope, SigningKeys};
use ringside_engine::Histories;
use ringside_gateway::{DeliverySettings, GatewaySettings};
use ringside_model::{TenantId, Timestamp};
use ringside_rig::until;
use serde_json::{Value, json};

use crate::support::client::{Client, PATIENCE};
use crate::support::stream::Stream;
use crate::support::test_gateway::{TestGateway, member, serve, tenant};

/// The cookies that a browser gets from a response.
#[derive(Debug, Clone, Default, PartialEq)]
struct Cookies {
    access: String,
    refresh: String,
}

impl Cookies {
    fn of(response: &reqwest::Response) -> Self {
        let mut cookies = Self::default();
        for value in response.headers().get_all("set-cookie") {
            let text = value.to_str().unwrap();
            let (pair, attributes) = text.split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            assert!(attributes.contains("HttpOnly") && attributes.contains("SameSite="), "{text}");
            match name {
                "ringside_device" => continue,
                "ringside" => {
                    assert!(attributes.contains("Path=/;"), "{text}");
                    cookies.access = value.to_owned();
                }
                "ringside_refresh" => {
                    assert!(attributes.contains("Path=/auth;"), "{text}");
                    cookies.refresh = value.to_owned();
                }
                other => panic!("an unknown cookie {other}"),
            }
        }
        cookies
    }
}

struct Browser {
    http: reqwest::Client,
    gateway: TestGateway,
}

impl Browser {
    async fn new() -> Self {
        Self::with(GatewaySettings::default()).await
    }

    async fn with(settings: GatewaySettings) -> Self {
        let gateway = TestGateway::with(settings, Histories::default()).await;
        let engine = gateway.engine.as_ref();
        Accounts::add(engine, "ann", "correct horse", &member(Role::Supervisor, &[])).await.unwrap();
        Self { http: reqwest::Client::builder().redirect(Policy::none()).build().unwrap(), gateway }
    }

    async fn sign_in(&self) -> Cookies {
        let body = json!({ "username": "ann", "password": "correct horse" });
        let answer = self.http.post(self.gateway.url("/auth/login")).json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 200);
        Cookies::of(&answer)
    }

    async fn refresh(&self, refresh: &str) -> (u16, Cookies, Value) {
        let asked = self.http.post(self.gateway.url("/auth/refresh"));
        let answer = asked.header("cookie", format!("ringside_refresh={refresh}")).send().await.unwrap();
        let (status, cookies) = (answer.status().as_u16(), Cookies::of(&answer));
        (status, cookies, answer.json().await.unwrap())
    }

    async fn me(&self, access: &str) -> (u16, Value) {
        self.gateway.ask("/auth/me", access).await
    }
}

#[tokio::test]
async fn renewal_rotates_tokens_and_a_copied_one_ends_the_session() {
    let browser = Browser::new().await;
    let first = browser.sign_in().await;
    let (status, second, body) = browser.refresh(&first.refresh).await;
    assert_eq!((status, &body["user"], &body["token"]), (200, &json!("ann"), &json!(second.access)));
    assert_eq!(second.refresh, first.refresh, "an immediate renewal may be a retry or another tab");
    assert_eq!(browser.me(&second.access).await.0, 200);
    assert_eq!(browser.me(&second.refresh).await.0, 401, "a refresh token grants no access");

    // Later a client comes with a token that is two generations old.
    let sessions = browser.gateway.engine.list("session/").await.unwrap();
    let (key, stored) = &sessions[0];
    let mut session: Value = serde_json::from_slice(stored).unwrap();
    session["generation"] = json!(3);
    browser.gateway.engine.set(key, Some(session.to_string().into())).await.unwrap();
    let mut client = Client::connect(browser.gateway.address, "/ws", &second.access).await;
    let (status, gone, body) = browser.refresh(&first.refresh).await;
    assert_eq!((status, &body["code"]), (401, &json!("login_ended")));
    assert_eq!(gone, Cookies::default(), "both cookies are removed");
    assert_eq!(client.close_code().await, 4401);
    assert_eq!(browser.me(&second.access).await.0, 401);
    let audited = async || audit(&browser.gateway).await.iter().any(|line| line["outcome"] == "refresh_token_reused");
    until("it is in the audit log", PATIENCE, audited).await.unwrap();
}

async fn audit(gateway: &TestGateway) -> Vec<Value> {
    let entries = gateway.engine.read_journal("audit/acme", None, 100).await.unwrap();
    entries.iter().map(|entry| serde_json::from_slice(&entry.record).unwrap()).collect()
}

#[tokio::test]
async fn a_browser_with_an_expired_token_resumes_silently() {
    let browser = Browser::new().await;
    let cookies = browser.sign_in().await;
    let asked = browser.http.get(browser.gateway.url("/auth/resume?next=/campaigns%3Fx%3D1"));
    let answer = asked.header("cookie", format!("ringside_refresh={}", cookies.refresh)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.headers()["location"].to_str().unwrap()), (303, "/campaigns?x=1"));
    let renewed = Cookies::of(&answer);
    let page =
        browser.http.get(browser.gateway.url("/campaigns")).header("cookie", format!("ringside={}", renewed.access));
    assert_eq!(page.send().await.unwrap().status(), 200);
    for (cookie, location) in [
        ("", "/login?next=/alerts"),
        ("ringside_refresh=nonsense", "/login?expired=1&next=/alerts"),
        ("ringside_refresh=rrt_AAAAAAAAAAAAAAAAAAAAAAAAAAAA", "/login?expired=1&next=/alerts"),
    ] {
        let asked = browser.http.get(browser.gateway.url("/auth/resume?next=/alerts")).header("cookie", cookie);
        assert_eq!(asked.send().await.unwrap().headers()["location"], location);
    }
    let elsewhere = browser.http.get(browser.gateway.url("/auth/resume?next=//evil.example"));
    assert_eq!(elsewhere.send().await.unwrap().headers()["location"], "/login?next=/");
}

#[tokio::test]
async fn without_cookies_the_refresh_token_is_in_the_body() {
    let browser = Browser::new().await;
    let body = json!({ "username": "ann", "password": "correct horse", "cookies": false });
    let answer = browser.http.post(browser.gateway.url("/auth/login")).json(&body).send().await.unwrap();
    assert!(!answer.headers().contains_key("set-cookie"));
    let body: Value = answer.json().await.unwrap();
    let sent = json!({ "refreshToken": body["refreshToken"] });
    let answer = browser.http.post(browser.gateway.url("/auth/refresh")).json(&sent).send().await.unwrap();
    assert!(!answer.headers().contains_key("set-cookie"));
    let body: Value = answer.json().await.unwrap();
    assert_eq!(browser.me(body["token"].as_str().unwrap()).await.0, 200);
    assert!(body["refreshToken"].as_str().unwrap().starts_with("rrt_"));
    let bad = browser.http.post(browser.gateway.url("/auth/refresh")).body("{").send().await.unwrap();
    assert_eq!(bad.status(), 400);
}

#[tokio::test]
async fn signing_out_with_an_old_access_token_ends_the_session() {
    let browser = Browser::new().await;
    let cookies = browser.sign_in().await;
    let asked = browser.http.post(browser.gateway.url("/auth/logout"));
    let answer =
        asked.header("cookie", format!("ringside=old; ringside_refresh={}", cookies.refresh)).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), Cookies::of(&answer)), (303, Cookies::default()));
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
    assert_eq!(browser.me(&cookies.access).await.0, 401);
    assert!(browser.gateway.engine.list("session/").await.unwrap().is_empty());
    let kinds: Vec<Value> = audit(&browser.gateway).await.into_iter().map(|line| line["what"].clone()).collect();
    assert_eq!(kinds, ["logout", "login"]);
}

#[tokio::test]
async fn changed_rights_reach_a_session_without_ending_it() {
    let browser = Browser::new().await;
    let cookies = browser.sign_in().await;
    let mut client = Client::connect(browser.gateway.address, "/ws", &cookies.access).await;
    let membership =
        Membership { tenant: tenant(), role: Role::Viewer, scope: Scope::of(&["alpha".to_owned()]).unwrap() };
    Accounts::grant(browser.gateway.engine.as_ref(), "ann", &membership).await.unwrap();
    assert_eq!(client.close_code().await, 4401, "tokens with the old rights are revoked");
    assert_eq!(browser.me(&cookies.access).await.0, 401);
    let (status, renewed, body) = browser.refresh(&cookies.refresh).await;
    assert_eq!((status, &body["role"], &body["campaigns"]), (200, &json!("viewer"), &json!(["alpha"])));
    assert_eq!(browser.me(&renewed.access).await.0, 200, "even within the second of the change");
    let asked = browser.gateway.ask("/analytics/campaigns/beta/metrics", &renewed.access).await;
    assert_eq!(asked.0, 404);
}

#[tokio::test]
async fn sessions_of_a_locked_or_changed_account_are_not_renewed() {
    let browser = Browser::new().await;
    let engine = browser.gateway.engine.as_ref();
    let cookies = browser.sign_in().await;
    Accounts::set_password(engine, "ann", "correct horse").await.unwrap();
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
    let cookies = browser.sign_in().await;
    Accounts::end_sessions(engine, "ann").await.unwrap();
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
    let cookies = browser.sign_in().await;
    Accounts::disable(engine, "ann").await.unwrap();
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
    Accounts::enable(engine, "ann").await.unwrap();
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401, "an ended session stays ended");
    assert_eq!(browser.me(&browser.sign_in().await.access).await.0, 200);
}

#[tokio::test]
async fn a_user_of_several_tenants_switches_within_the_session() {
    let browser = Browser::new().await;
    let other = TenantId::parse("other").unwrap();
    let membership = Membership { tenant: other.clone(), role: Role::Viewer, scope: Scope::All };
    Accounts::grant(browser.gateway.engine.as_ref(), "ann", &membership).await.unwrap();
    let cookies = browser.sign_in().await;
    let (_, me) = browser.me(&cookies.access).await;
    let tenants = json!([{ "tenant": "acme", "role": "supervisor" }, { "tenant": "other", "role": "viewer" }]);
    assert_eq!((&me["tenant"], &me["tenants"]), (&json!("acme"), &tenants));
    let switch = async |tenant: &str| {
        let asked = browser.http.post(browser.gateway.url("/auth/tenant")).json(&json!({ "tenant": tenant }));
        let answer = asked.header("cookie", format!("ringside={}", cookies.access)).send().await.unwrap();
        (answer.status().as_u16(), Cookies::of(&answer))
    };
    assert_eq!(switch("nobodys").await.0, 404);
    let (status, switched) = switch("other").await;
    assert_eq!(status, 200);
    let (_, me) = browser.me(&switched.access).await;
    assert_eq!((&me["tenant"], &me["role"]), (&json!("other"), &json!("viewer")));
    // Renewed tokens are for the new tenant too.
    let (_, _, renewed) = browser.refresh(&switched.refresh).await;
    assert_eq!(renewed["tenant"], "other");

    // One tenant can't see another one's data.
    browser.gateway.directory(&["alpha"]).await;
    browser.gateway.numbers("alpha", 7, 1).await;
    let campaigns = async |token: &str| browser.gateway.ask("/analytics/metrics", token).await.1["campaigns"].clone();
    until("the first tenant has its campaign", PATIENCE, async || {
        campaigns(&cookies.access).await.as_array().is_some_and(|list| list.len() == 1)
    })
    .await
    .unwrap();
    assert_eq!(campaigns(&switched.access).await, json!([]));

    Accounts::remove(browser.gateway.engine.as_ref(), "ann", &other).await.unwrap();
    assert_eq!(browser.refresh(&switched.refresh).await.0, 401, "leaving the tenant ends the session in it");
}

#[tokio::test]
async fn signing_in_again_ends_the_browsers_previous_session() {
    let browser = Browser::new().await;
    let (first, elsewhere) = (browser.sign_in().await, browser.sign_in().await);
    let mut live = Client::connect(browser.gateway.address, "/ws", &first.access).await;
    let body = json!({ "username": "ann", "password": "correct horse" });
    let again = browser.http.post(browser.gateway.url("/auth/login")).json(&body);
    let again = again.header("cookie", format!("ringside_refresh={}", first.refresh)).send().await.unwrap();
    let again = Cookies::of(&again);
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(browser.refresh(&first.refresh).await.0, 401);
    for cookies in [&again, &elsewhere] {
        assert_eq!(browser.refresh(&cookies.refresh).await.0, 200);
    }
    // A forged token ends no session and does not disturb the sign-in.
    let forged = browser.http.post(browser.gateway.url("/auth/login")).json(&body);
    let forged = forged.header("cookie", format!("ringside_refresh={}x", again.refresh)).send().await.unwrap();
    assert_eq!(forged.status(), 200);
    assert_eq!(browser.me(&again.access).await.0, 200);
}

#[tokio::test]
async fn a_revocation_reaches_all_gateways_and_transports() {
    let browser = Browser::new().await;
    let (_second, address) = serve(browser.gateway.engine.clone(), GatewaySettings::default()).await;
    let cookies = browser.sign_in().await;
    let mut here = Client::connect(browser.gateway.address, "/ws", &cookies.access).await;
    let mut there = Client::connect(address, "/ws", &cookies.access).await;
    let url = format!("http://{address}/events?rooms=calls:alpha");
    let mut stream = Stream::open_at(&url, &cookies.access, None).await;
    stream.until("initial").await;
    let poll = format!("http://{address}/poll?rooms=calls:alpha@{}&wait=50", browser.gateway.head("calls:alpha").await);
    let held = tokio::spawn(reqwest::Client::new().get(poll).bearer_auth(&cookies.access).send());
    Accounts::end_sessions(browser.gateway.engine.as_ref(), "ann").await.unwrap();
    assert_eq!((here.close_code().await, there.close_code().await), (4401, 4401));
    assert!(stream.next().await.is_none(), "the stream ends");
    let answer = tokio::time::timeout(PATIENCE, held).await.expect("long before its wait ends");
    assert_eq!(answer.unwrap().unwrap().status(), 401);
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
}

#[tokio::test]
async fn all_sessions_of_a_tenant_can_be_ended() {
    let browser = Browser::new().await;
    let cookies = browser.sign_in().await;
    let mut client = Client::connect(browser.gateway.address, "/ws", &cookies.access).await;
    assert_eq!(
        Accounts::end_tenant_sessions(browser.gateway.engine.as_ref(), &tenant(), Timestamp::now()).await.unwrap(),
        1
    );
    assert_eq!(client.close_code().await, 4401);
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
    let again = browser.sign_in().await;
    assert_eq!(browser.me(&again.access).await.0, 200, "signing in again works");

    // A session that was switched to another tenant could switch back.
    let other = TenantId::parse("other").unwrap();
    let membership = Membership { tenant: other, role: Role::Viewer, scope: Scope::All };
    Accounts::grant(browser.gateway.engine.as_ref(), "ann", &membership).await.unwrap();
    let (_, parked, _) = browser.refresh(&again.refresh).await;
    let asked = browser.http.post(browser.gateway.url("/auth/tenant")).json(&json!({ "tenant": "other" }));
    let parked = Cookies::of(&asked.header("cookie", format!("ringside={}", parked.access)).send().await.unwrap());
    assert_eq!(browser.me(&parked.access).await.0, 200);
    assert_eq!(
        Accounts::end_tenant_sessions(browser.gateway.engine.as_ref(), &tenant(), Timestamp::now()).await.unwrap(),
        1
    );
    let gone = async || browser.me(&parked.access).await.0 == 401;
    until("that session has ended too", PATIENCE, gone).await.unwrap();
    assert_eq!(browser.refresh(&parked.refresh).await.0, 401);
}

#[tokio::test]
async fn a_change_during_a_password_check_applies() {
    let browser = Browser::new().await;
    let engine = browser.gateway.engine.clone();
    let body = json!({ "username": "ann", "password": "correct horse" });
    // Enough that some are in progress when the password is changed.
    let sign_ins: Vec<_> = (0..6)
        .map(|_| tokio::spawn(browser.http.post(browser.gateway.url("/auth/login")).json(&body).send()))
        .collect();
    Accounts::set_password(engine.as_ref(), "ann", "battery staple").await.unwrap();
    for sign_in in sign_ins {
        let answer = sign_in.await.unwrap().unwrap();
        if answer.status() == 200 {
            let cookies = Cookies::of(&answer);
            let ended = async || browser.me(&cookies.access).await.0 == 401;
            until("a session with the old password has ended", PATIENCE, ended).await.unwrap();
            assert_eq!(browser.refresh(&cookies.refresh).await.0, 401);
        }
    }
}

#[tokio::test]
async fn frequent_sign_ins_of_a_user_are_rate_limited() {
    let browser = Browser::new().await;
    let api_tokens = ApiTokens::new(browser.gateway.engine.clone());
    let request = ApiTokenRequest {
        name: "hall".to_owned(),
        tenant: tenant(),
        role: Role::Wallboard,
        scope: Scope::All,
        page: Some("overview".parse().unwrap()),
        created_by: "ann".to_owned(),
        days: None,
    };
    let (token, _) = api_tokens.issue(request, Timestamp::now()).await.unwrap();
    let mut limited = None;
    for _ in 0..240 {
        let answer =
            browser.http.post(browser.gateway.url("/auth/login")).json(&json!({ "token": token })).send().await;
        let answer = answer.unwrap();
        if answer.status() == 429 {
            limited = Some((answer.headers().contains_key("retry-after"), answer.json::<Value>().await.unwrap()));
            break;
        }
    }
    let (retry, body) = limited.expect("the limit is reached");
    assert_eq!((retry, &body["code"]), (true, &json!("too_many_logins")));
    assert!(browser.gateway.engine.list("session/").await.unwrap().len() <= 210);
    browser.sign_in().await;
}

#[tokio::test]
async fn key_rotation_ends_no_session() {
    let browser = Browser::new().await;
    let cookies = browser.sign_in().await;
    let key_set = async || {
        let answer = browser.http.get(browser.gateway.url("/.well-known/jwks.json")).send().await.unwrap();
        answer.json::<Value>().await.unwrap()["keys"].as_array().unwrap().clone()
    };
    let before = key_set().await;
    assert_eq!((before.len(), &before[0]["alg"], &before[0]["d"]), (1, &json!("EdDSA"), &Value::Null));
    let keys = SigningKeys::load(browser.gateway.engine.as_ref()).await.unwrap();
    // Created long ago, so that it signs already.
    let long_ago = Timestamp::from_millis(Timestamp::now().millis() - 3_600_000);
    assert!(keys.rotate(browser.gateway.engine.as_ref(), long_ago).await.unwrap());
    assert!(!keys.rotate(browser.gateway.engine.as_ref(), long_ago).await.unwrap(), "of two rotations, one succeeds");
    until("the gateway has both keys", PATIENCE, async || key_set().await.len() == 2).await.unwrap();
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid.unwrap();
    let (status, renewed, _) = browser.refresh(&cookies.refresh).await;
    assert_eq!(status, 200);
    assert_ne!(kid(&renewed.access), kid(&cookies.access));
    for access in [&cookies.access, &renewed.access] {
        assert_eq!(browser.me(access).await.0, 200);
    }
    // The published key set is enough to verify the tokens.
    let set: jsonwebtoken::jwk::JwkSet = serde_json::from_value(json!({ "keys": key_set().await })).unwrap();
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(&kid(&renewed.access)).unwrap()).unwrap();
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::EdDSA);
    validation.set_audience(&["ringside"]);
    assert!(jsonwebtoken::decode::<Value>(&renewed.access, &key, &validation).is_ok());
}

#[tokio::test]
async fn a_stream_is_warned_and_ends_after_the_grace_period() {
    let settings = GatewaySettings {
        access: AccessSettings { token_ttl: Duration::from_secs(8), ..AccessSettings::default() },
        delivery: DeliverySettings { token_grace: Duration::from_secs(1), ..DeliverySettings::default() },
        ..GatewaySettings::default()
    };
    let browser = Browser::with(settings).await;
    let cookies = browser.sign_in().await;
    let mut stream = Stream::open_at(&browser.gateway.url("/events?rooms=calls:alpha"), &cookies.access, None).await;
    stream.until("initial").await;
    let (warning, _) = stream.until("auth_expiring").await;
    assert!(warning["expiresAt"].is_string());
    assert!(stream.next().await.is_none(), "then it ends");
    assert_eq!(browser.me(&cookies.access).await.0, 401);
    assert_eq!(browser.refresh(&cookies.refresh).await.0, 200);
}

#[tokio::test]
async fn in_the_grace_period_only_subscribed_rooms_continue() {
    let settings = GatewaySettings {
        access: AccessSettings { token_ttl: Duration::from_secs(8), ..AccessSettings::default() },
        delivery: DeliverySettings { token_grace: Duration::from_secs(3600), ..DeliverySettings::default() },
        ..GatewaySettings::default()
    };
    let browser = Browser::with(settings).await;
    let cookies = browser.sign_in().await;
    let mut client = Client::connect(browser.gateway.address, "/ws", &cookies.access).await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    until("the token has expired", PATIENCE, async || browser.me(&cookies.access).await.0 == 401).await.unwrap();
    client.subscribe("calls:beta").await;
    assert_eq!(client.until("error").await["code"], "unauthorized");
    browser.gateway.call("alpha", 1).await;
    client.until("call_event").await;
    let (_, renewed, _) = browser.refresh(&cookies.refresh).await;
    client.send(json!({ "action": "auth", "token": renewed.access })).await;
    client.subscribe("calls:beta").await;
    client.until("initial").await;
}
