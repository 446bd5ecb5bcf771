//! Tokens of trusted issuers over HTTP.
//!
//! Forged ones are tested in `shared/access/src/issuer/tests/hostile.rs`.

use std::io::Write;
use std::sync::{Arc, Mutex};

use ringside_access::AccessSettings;
use ringside_engine::Histories;
use ringside_rig::until;
use serde_json::{Value, json};

use crate::support::client::PATIENCE;
use crate::support::provider::Provider;
use crate::support::test_gateway::{TestGateway, access_settings};

async fn gateway(provider: &Provider) -> TestGateway {
    let settings = access_settings(AccessSettings { issuers: vec![provider.settings()], ..AccessSettings::default() });
    TestGateway::with(settings, Histories::default()).await
}

async fn sign_in(gateway: &TestGateway, body: &Value) -> (u16, Value) {
    let answer = reqwest::Client::new().post(gateway.url("/auth/login")).json(body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn an_issuers_token_starts_a_renewable_session() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    gateway.directory(&["alpha", "beta"]).await;
    for campaign in ["alpha", "beta"] {
        gateway.numbers(campaign, 1, 1).await;
    }
    let token = provider.sign(&provider.claims("ringside-api"));
    let (status, session) = sign_in(&gateway, &json!({ "token": token, "cookies": false })).await;
    assert_eq!(status, 200, "{session}");
    let identity = |of: &Value| (of["user"].clone(), of["tenant"].clone(), of["role"].clone(), of["campaigns"].clone());
    let ann = (json!("example:ann"), json!("acme"), json!("supervisor"), json!(["alpha"]));
    assert_eq!(identity(&session), ann);
    let access = session["token"].as_str().unwrap();
    assert_eq!(identity(&gateway.ask("/auth/me", access).await.1), ann);
    assert_eq!(gateway.ask("/analytics/campaigns/alpha/metrics", access).await.0, 200);
    assert_eq!(gateway.ask("/analytics/campaigns/beta/metrics", access).await.0, 404, "it is out of scope");
    let body = json!({ "refreshToken": session["refreshToken"] });
    let renewed = reqwest::Client::new().post(gateway.url("/auth/refresh")).json(&body).send().await.unwrap();
    assert_eq!(renewed.status(), 200);
    let renewed: Value = renewed.json().await.unwrap();
    assert_eq!(identity(&renewed), ann, "renewal needs no token of the issuer");
    assert_eq!(renewed["loginEndsAt"], session["loginEndsAt"], "renewal does not extend it");
}

#[tokio::test]
async fn an_issuers_users_can_be_signed_out_and_denials_name_them() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    let sign_in_ann = async || {
        let token = provider.sign(&provider.claims("ringside-api"));
        sign_in(&gateway, &json!({ "token": token })).await.1["token"].as_str().unwrap().to_owned()
    };
    let (one, other) = (sign_in_ann().await, sign_in_ann().await);
    let mut claims = TestGateway::claims(None);
    (claims["sub"], claims["role"]) = (json!("root"), json!("admin"));
    let admin = gateway.sign(&claims).await;
    let end = async |name: &str| {
        let asked = reqwest::Client::new().post(gateway.url(&format!("/admin/users/{name}/end"))).bearer_auth(&admin);
        let answer = asked.send().await.unwrap();
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(end("example:ann").await, (200, json!({ "ended": 2 })));
    for token in [&one, &other] {
        assert_eq!(gateway.ask("/auth/me", token).await.0, 401);
    }
    assert_eq!(end("example:ann").await.0, 404, "no session is left");

    let mut no_role = provider.claims("ringside-api");
    no_role["roles"] = json!("visitor");
    assert_eq!(sign_in(&gateway, &json!({ "token": provider.sign(&no_role) })).await.0, 401);
    // In the audit log of the installation's first tenant: a rejected mapping may have no tenant.
    claims["tenant"] = json!("default");
    let admin = gateway.sign(&claims).await;
    let audited = async || {
        let (_, page) = gateway.ask("/admin/audit?what=login&limit=1", &admin).await;
        let entry = &page["entries"][0];
        entry["who"] == "example:ann" && entry["outcome"] == "no_access"
    };
    until("the denial is audited", PATIENCE, audited).await.unwrap();
}

#[tokio::test]
async fn an_issuers_token_is_no_access_token() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    let token = provider.sign(&provider.claims("ringside-api"));
    let (status, problem) = gateway.ask("/auth/me", &token).await;
    assert_eq!(status, 401, "only sign-in accepts it: {problem}");
}

#[tokio::test]
async fn rejected_tokens_get_one_answer_and_are_never_logged() {
    let provider = Provider::start().await;
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(log.clone()).finish();
    // Only for this thread, which runs the whole test.
    let _guard = tracing::subscriber::set_default(subscriber);
    let gateway = gateway(&provider).await;
    let mut no_role = provider.claims("ringside-api");
    no_role["roles"] = json!("visitor");
    let mut expired = provider.claims("ringside-api");
    expired["exp"] = json!(1);
    let good = provider.sign(&provider.claims("ringside-api"));
    let tokens = [
        provider.sign(&no_role),
        provider.sign(&expired),
        provider.sign(&provider.claims("somebody-else")),
        format!("{good}x"),
        "x".repeat(7000),
        "x".repeat(8190),
        "x".repeat(20_000),
        String::new(),
    ];
    let mut answers = Vec::new();
    for token in &tokens {
        answers.push(sign_in(&gateway, &json!({ "token": token })).await);
    }
    assert!(answers.iter().all(|it| it == &answers[0]), "{answers:?}");
    assert_eq!((answers[0].0, &answers[0].1["code"]), (401, &json!("bad_token")));
    assert_eq!(sign_in(&gateway, &json!({ "token": good })).await.0, 200);
    let logged = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    for reason in ["it maps to no role", "it has expired", "another audience", "its signature is wrong"] {
        assert!(logged.contains(reason), "the log names the reason: {reason}");
    }
    for token in tokens.iter().filter(|token| token.len() > 100) {
        let signature = token.rsplit('.').next().unwrap();
        assert!(!logged.contains(token.as_str()) && !logged.contains(signature), "nothing that could be replayed");
    }
    assert!(!logged.contains(&good));
}

#[tokio::test]
async fn a_token_longer_than_the_limit_is_rejected() {
    let provider = Provider::start().await;
    let gateway = gateway(&provider).await;
    // Base64 turns three bytes into four.
    let long = |bytes: usize| {
        let mut claims = provider.claims("ringside-api");
        claims["filling"] = json!("");
        let rest = bytes - provider.sign(&claims).len();
        claims["filling"] = json!("x".repeat(rest * 3 / 4));
        let token = provider.sign(&claims);
        assert!(token.len().abs_diff(bytes) <= 1, "{} is not {bytes}", token.len());
        token
    };
    let (status, session) = sign_in(&gateway, &json!({ "token": long(8190) })).await;
    assert_eq!((status, &session["user"]), (200, &json!("example:ann")), "{session}");
    for bytes in [8200, 20_000, 32_000] {
        let (status, problem) = sign_in(&gateway, &json!({ "token": long(bytes) })).await;
        assert_eq!((status, &problem["code"]), (401, &json!("bad_token")), "{bytes}");
    }
    let (status, problem) = sign_in(&gateway, &json!({ "token": long(40_000) })).await;
    assert_eq!((status, &problem["code"]), (413, &json!("too_large")), "{problem}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> tracing_subscriber::fmt::MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
