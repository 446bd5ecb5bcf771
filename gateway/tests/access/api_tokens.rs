//! API tokens of scripts and wallboards.

use reqwest::redirect::Policy;
use ringside_access::{ApiTokenRequest, ApiTokens, Page, Role, Scope};
use ringside_model::Timestamp;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::test_gateway::{TestGateway, tenant};

fn request(role: Role, page: Option<&str>, campaigns: &[&str]) -> ApiTokenRequest {
    let campaigns: Vec<String> = campaigns.iter().map(|&id| id.to_owned()).collect();
    ApiTokenRequest {
        name: "hall".to_owned(),
        tenant: tenant(),
        role,
        scope: Scope::of(&campaigns).unwrap(),
        page: page.map(|page| page.parse::<Page>().unwrap()),
        created_by: "admin".to_owned(),
        days: None,
    }
}

async fn issue(gateway: &TestGateway, request: ApiTokenRequest) -> (String, String) {
    let (text, token) = ApiTokens::new(gateway.engine.clone()).issue(request, Timestamp::now()).await.unwrap();
    (text, token.id)
}

#[tokio::test]
async fn a_scripts_token_works_until_it_is_revoked() {
    let gateway = TestGateway::start().await;
    let (text, id) = issue(&gateway, request(Role::Operator, None, &["alpha"])).await;
    assert!(text.starts_with("rst_"));
    let (status, me) = gateway.ask("/auth/me", &text).await;
    assert_eq!((status, &me["role"], &me["campaigns"]), (200, &json!("operator"), &json!(["alpha"])));
    assert_eq!(gateway.ask("/analytics/campaigns/beta/metrics", &text).await.0, 404);
    let mut client = Client::connect(gateway.address, "/ws", &text).await;
    client.subscribe("calls:alpha").await;
    client.until("initial").await;
    client.subscribe("calls:beta").await;
    assert_eq!(client.until("error").await["code"], "forbidden_room");

    // Signing out does not end an API token.
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let sent = http.post(gateway.url("/auth/logout")).bearer_auth(&text).send().await.unwrap();
    assert_eq!((sent.status().as_u16(), gateway.ask("/auth/me", &text).await.0), (303, 200));
    let stored = gateway.engine.list("pass/").await.unwrap();
    assert!(!String::from_utf8_lossy(&stored[0].1).contains(&text[4..]), "the text is not stored");
    let api_tokens = ApiTokens::new(gateway.engine.clone());
    let elsewhere = ringside_model::TenantId::parse("other").unwrap();
    assert!(api_tokens.revoke(&elsewhere, &id).await.is_err(), "another tenant's admin can't");
    api_tokens.revoke(&tenant(), &id).await.unwrap();
    assert_eq!(client.close_code().await, 4401);
    assert_eq!(gateway.ask("/auth/me", &text).await.0, 401);
    let almost = format!("{}x", &text[..text.len() - 1]);
    assert_eq!(gateway.ask("/auth/me", &almost).await.0, 401);
}

#[tokio::test]
async fn a_token_expires_after_its_days() {
    let gateway = TestGateway::start().await;
    let api_tokens = ApiTokens::new(gateway.engine.clone());
    let two_days_ago = Timestamp::from_millis(Timestamp::now().millis() - 48 * 3_600_000);
    let expired = ApiTokenRequest { days: Some(1), ..request(Role::Viewer, None, &[]) };
    let (text, _) = api_tokens.issue(expired, two_days_ago).await.unwrap();
    assert_eq!(gateway.ask("/auth/me", &text).await.0, 401);
    let lasting = ApiTokenRequest { days: Some(3), ..request(Role::Viewer, None, &[]) };
    let (text, _) = api_tokens.issue(lasting, two_days_ago).await.unwrap();
    assert_eq!(gateway.ask("/auth/me", &text).await.0, 200);
}

#[tokio::test]
async fn invalid_tokens_are_not_issued() {
    let gateway = TestGateway::start().await;
    let api_tokens = ApiTokens::new(gateway.engine.clone());
    for (bad, reason) in [
        (request(Role::Admin, None, &[]), "admin"),
        (request(Role::Wallboard, None, &[]), "page"),
        (request(Role::Viewer, Some("overview"), &[]), "page"),
        (ApiTokenRequest { name: " ".to_owned(), ..request(Role::Viewer, None, &[]) }, "name"),
    ] {
        let error = api_tokens.issue(bad, Timestamp::now()).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    assert!(gateway.engine.list("pass/").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_wallboard_sees_only_its_page() {
    let gateway = TestGateway::start().await;
    gateway.directory(&["alpha", "beta"]).await;
    gateway.numbers("alpha", 1, 1).await;
    gateway.numbers("beta", 1, 1).await;
    let (text, id) = issue(&gateway, request(Role::Wallboard, Some("campaign:alpha"), &[])).await;
    assert!(text.starts_with("rsw_"));
    assert_eq!(gateway.ask("/auth/me", &text).await.0, 401, "it must sign in first");
    let http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let answer = http.post(gateway.url("/auth/login")).json(&json!({ "token": text })).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let me: Value = answer.json().await.unwrap();
    assert_eq!((&me["role"], &me["page"]), (&json!("wallboard"), &json!("campaign:alpha")));
    let token = me["token"].as_str().unwrap();

    let page = async |path: &str| {
        let asked =
            http.get(gateway.url(path)).header("cookie", format!("ringside={token}")).header("accept", "text/html");
        let answer = asked.send().await.unwrap();
        let location = answer.headers().get("location").map(|to| to.to_str().unwrap().to_owned());
        (answer.status().as_u16(), location)
    };
    assert_eq!(page("/campaigns/alpha").await, (200, None));
    for elsewhere in ["/", "/campaigns", "/campaigns/beta"] {
        assert_eq!(page(elsewhere).await, (303, Some("/campaigns/alpha".to_owned())), "{elsewhere}");
    }
    for path in ["/analytics/metrics", "/analytics/campaigns/alpha/calls", "/api/stats", "/admin/connections"] {
        let (status, body) = gateway.ask(path, token).await;
        assert_eq!((status, &body["code"]), (403, &json!("forbidden_page")), "{path}");
    }
    let mut client = Client::connect(gateway.address, "/ws", token).await;
    for room in ["campaign:beta", "calls:beta", "overview", "metrics", "system"] {
        client.subscribe(room).await;
        assert_eq!(client.until("error").await["code"], "forbidden_room", "{room}");
    }
    client.subscribe("campaign:alpha").await;
    client.until("initial").await;
    assert_eq!(gateway.ask("/poll?rooms=overview", token).await.0, 403);

    ApiTokens::new(gateway.engine.clone()).revoke(&tenant(), &id).await.unwrap();
    assert_eq!(client.close_code().await, 4401);
    let again = http.post(gateway.url("/auth/login")).json(&json!({ "token": text })).send().await.unwrap();
    assert_eq!((again.status().as_u16(), &again.json::<Value>().await.unwrap()["code"]), (401, &json!("bad_token")));
}
