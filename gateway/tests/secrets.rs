//! The log contains no credentials: no passwords, tokens, cookies or keys.
//!
//! A binary of its own, because it captures the log of the whole process.

#![expect(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use std::io;
use std::sync::{Arc, Mutex};

use reqwest::Client;
use ringside_access::{Accounts, ApiTokenRequest, ApiTokens, Membership, Role, Scope};
use ringside_engine::Engine;
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_gateway::{Gateway, GatewaySettings};
use ringside_model::{TenantId, Timestamp};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_password_or_token_is_in_the_log_or_the_audit_log() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt().with_env_filter("trace").with_writer(move || writer.clone());
    lines.with_ansi(false).init();
    let folder = tempfile::TempDir::new().unwrap();
    let engine: Arc<dyn Engine> = Arc::new(Embedded::open(folder.path(), EmbeddedSettings::default()).unwrap());
    let tenant = TenantId::parse("default").unwrap();
    let admin = Membership { tenant: tenant.clone(), role: Role::Admin, scope: Scope::All };
    Accounts::add(engine.as_ref(), "ann", "correct horse battery", &admin).await.unwrap();
    let request = ApiTokenRequest {
        name: "report".to_owned(),
        tenant: tenant.clone(),
        role: Role::Viewer,
        scope: Scope::All,
        page: None,
        created_by: "ann".to_owned(),
        days: None,
    };
    let (api_token, _) = ApiTokens::new(engine.clone()).issue(request, Timestamp::now()).await.unwrap();
    let gateway = Gateway::start(engine.clone(), GatewaySettings::default()).await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(ringside_http::serve(listener, gateway.router(), CancellationToken::new()));

    let http = Client::new();
    let sign_in = async |body: Value| {
        let answer = http.post(format!("{url}/auth/login")).json(&body).send().await.unwrap();
        let cookies = answer.headers().get_all("set-cookie").iter();
        let cookies =
            cookies.filter_map(|cookie| Some(cookie.to_str().ok()?.split_once('=')?.1.split(';').next()?.to_owned()));
        (cookies.collect::<Vec<_>>(), answer.json::<Value>().await.unwrap())
    };
    let (cookies, body) = sign_in(json!({ "username": "ann", "password": "correct horse battery" })).await;
    let token = body["token"].as_str().unwrap().to_owned();
    sign_in(json!({ "username": "ann", "password": "wrong-but-still-a-secret" })).await;
    sign_in(json!({ "token": api_token })).await;
    sign_in(json!({ "token": format!("{token}x") })).await;
    let forged = format!("{}.forged-signature", token.rsplit_once('.').unwrap().0);
    for bearer in [&token, &api_token, &forged, &cookies[1]] {
        for path in ["/auth/me", "/events?rooms=campaign:nobody&token=in-the-query", "/ws", "/admin/connections"] {
            let asked =
                http.get(format!("{url}{path}")).bearer_auth(bearer).header("cookie", format!("ringside={bearer}"));
            let asked = asked.header("sec-websocket-protocol", format!("ringside.v1, bearer.{bearer}"));
            drop(asked.send().await.unwrap());
        }
    }
    let renewed = http.post(format!("{url}/auth/refresh")).header("cookie", format!("ringside_refresh={}", cookies[1]));
    assert_eq!(renewed.send().await.unwrap().status(), 200);

    let mut logged = String::from_utf8_lossy(&log.0.lock().unwrap()).into_owned();
    assert!(logged.contains("signed in") && logged.contains("sign-in denied"), "the log was captured: {logged}");
    for entry in engine.read_journal("audit/default", None, 100).await.unwrap() {
        logged.push_str(&String::from_utf8_lossy(&entry.record));
    }
    let mut secrets =
        vec!["correct horse battery", "wrong-but-still-a-secret", "forged-signature", "in-the-query", &api_token];
    // A token's payload is harmless without its signature.
    secrets.push(token.rsplit_once('.').unwrap().1);
    secrets.extend(cookies.iter().map(|cookie| cookie.rsplit_once('.').map_or(cookie.as_str(), |(_, end)| end)));
    for secret in secrets {
        assert!(secret.len() >= 10 && !logged.contains(secret), "{secret} is in the log");
    }
}
