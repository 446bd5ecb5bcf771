//! The lists of API tokens, API keys, sessions and the audit log, and their page.

use reqwest::Method;
use ringside_access::{Keys, Role};
use ringside_model::{SourceId, TenantId, system_clock};
use serde_json::{Value, json};

use super::{AdminContext, PASSWORD, answer};
use crate::support::client::Client;

#[tokio::test]
async fn a_wallboards_token_is_shown_once_and_can_be_revoked() {
    let context = AdminContext::new().await;
    let wanted = json!({ "kind": "wallboard", "name": "hall", "page": "overview", "days": 30 });
    let issued = context.expect_ok(Method::POST, "/admin/tokens", wanted).await;
    let text = issued["text"].as_str().unwrap();
    let list = context.expect_ok(Method::GET, "/admin/tokens", Value::Null).await;
    assert_eq!(list["tokens"], json!([issued["token"]]));
    assert!(!list.to_string().contains(text), "it is not shown again");
    let request = context.http.post(context.gateway.url("/auth/login")).header("content-type", "application/json");
    let (status, response) = answer(request.body(json!({ "token": text }).to_string())).await;
    assert_eq!((status, &response["role"], &response["page"]), (200, &json!("wallboard"), &json!("overview")));
    let wall = response["token"].as_str().unwrap();
    let (status, response) = context.ask(wall, Method::GET, "/admin/users", Value::Null).await;
    assert_eq!((status, response["code"].as_str()), (403, Some("forbidden_page")));
    let mut live = Client::connect(context.gateway.address, "/ws", wall).await;
    let id = issued["token"]["id"].as_str().unwrap();
    context.expect_ok(Method::DELETE, &format!("/admin/tokens/{id}"), Value::Null).await;
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(context.expect_ok(Method::GET, "/admin/tokens", Value::Null).await["tokens"], json!([]));
    let whats: Vec<Value> = context.audited("token").await;
    assert_eq!(whats.len(), 2);
    assert!(!json!(whats).to_string().contains(text));
}

#[tokio::test]
async fn an_api_key_is_shown_once_and_revoked_only_by_its_tenant() {
    let context = AdminContext::new().await;
    let issued = context.expect_ok(Method::POST, "/admin/keys", json!({ "source": "pbx-1", "signed": true })).await;
    let (text, secret) = (issued["text"].as_str().unwrap(), issued["secret"].as_str().unwrap());
    let keys = Keys::new(context.gateway.engine.clone(), system_clock());
    let found = keys.find(text).await.unwrap().expect("the collector accepts it");
    assert_eq!((found.tenant.as_str(), found.source.as_str(), found.secrets.len()), ("acme", "pbx-1", 1));
    assert_eq!(found.secrets[0].reveal(), secret);
    let list = context.expect_ok(Method::GET, "/admin/keys", Value::Null).await;
    assert_eq!(list["keys"], json!([issued["key"]]));
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    let theirs = keys.issue(&elsewhere, &SourceId::parse("pbx-2").unwrap(), "", Vec::new()).await.unwrap();
    context.expect_rejected(404, Method::DELETE, &format!("/admin/keys/{}", theirs.record.id), Value::Null).await;
    context
        .expect_ok(Method::DELETE, &format!("/admin/keys/{}", issued["key"]["id"].as_str().unwrap()), Value::Null)
        .await;
    let fresh = Keys::new(context.gateway.engine.clone(), system_clock());
    assert!(fresh.find(text).await.unwrap().is_none() && fresh.find(&theirs.key).await.unwrap().is_some());
    let audited = json!(context.audited("key").await).to_string();
    assert!(audited.contains("pbx-1") && !audited.contains("pbx-2"), "{audited}");
    assert!(
        ![list.to_string(), audited].iter().any(|shown| shown.contains(text) || shown.contains(secret)),
        "it is not shown again"
    );
}

#[tokio::test]
async fn a_session_is_listed_with_its_browser_and_can_be_ended() {
    let context = AdminContext::new().await;
    context.add("bob", Role::Viewer).await;
    let request =
        context.http.post(context.gateway.url("/auth/login")).header("user-agent", "Mozilla/5.0 Firefox/132.0");
    let body = json!({ "username": "bob", "password": PASSWORD }).to_string();
    let (_, response) = answer(request.header("content-type", "application/json").body(body)).await;
    let bob = response["token"].as_str().unwrap();
    let mut live = Client::connect(context.gateway.address, "/ws", bob).await;
    let response = context.expect_ok(Method::GET, "/admin/sessions", Value::Null).await;
    let sessions = response["sessions"].as_array().unwrap();
    let of = |user: &str| sessions.iter().find(|session| session["user"] == user).unwrap();
    let session = of("bob");
    assert_eq!(
        (&session["agent"], &session["via"], &session["address"], &session["current"]),
        (&json!("Mozilla/5.0 Firefox/132.0"), &json!("password"), &json!("127.0.0.1"), &json!(false))
    );
    assert_eq!(of("root")["current"], true);
    let id = session["id"].as_str().unwrap();
    context.expect_ok(Method::DELETE, &format!("/admin/sessions/{id}"), Value::Null).await;
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(context.gateway.ask("/auth/me", bob).await.0, 401);
    assert_eq!(context.audited("session").await, [json!(["root", id[..8], "ok", "bob", null])]);

    let ended = context.expect_ok(Method::POST, "/admin/sessions/end", Value::Null).await;
    assert_eq!(ended, json!({ "ended": 2 }), "the admin's own session too");
    assert_eq!(context.ask(&context.admin, Method::GET, "/admin/users", Value::Null).await.0, 401);
    assert_eq!(
        context.ask(&context.sign_in("root", PASSWORD).await, Method::GET, "/admin/users", Value::Null).await.0,
        200
    );
}

#[tokio::test]
async fn the_audit_log_is_paged_filtered_and_exported_safely() {
    let context = AdminContext::new().await;
    for n in 0..5 {
        let body = json!({ "kind": "script", "name": format!("=HYPERLINK({n})"), "role": "viewer", "campaigns": "*" });
        context.expect_ok(Method::POST, "/admin/tokens", body).await;
    }
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let page = context
            .expect_ok(Method::GET, &format!("/admin/audit?limit=2&what=token.issue&before={before}"), Value::Null)
            .await;
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["after"]["name"].clone()));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut before),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..5).rev().map(|n| json!(format!("=HYPERLINK({n})"))).collect();
    assert_eq!(seen, expected, "each entry once, newest first");
    let by = context.expect_ok(Method::GET, "/admin/audit?who=OD", Value::Null).await;
    assert!(by["entries"].as_array().unwrap().iter().all(|entry| entry["who"] == "odd"));
    let denied = context.expect_ok(Method::GET, "/admin/audit?outcome=refused", Value::Null).await;
    assert_eq!(denied["entries"], json!([]));

    let file = async |format: &str| {
        let path = format!("/admin/audit/export?format={format}&what=token");
        let response = context.http.get(context.gateway.url(&path)).bearer_auth(&context.auditor).send().await.unwrap();
        let disposition = response.headers()["content-disposition"].to_str().unwrap().to_owned();
        assert!(disposition.starts_with("attachment; filename=\"ringside_audit_acme_"), "{disposition}");
        response.text().await.unwrap()
    };
    let ndjson = file("ndjson").await;
    let lines: Vec<Value> = ndjson.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((lines.len(), &lines[0]["after"]["name"]), (5, &json!("=HYPERLINK(4)")));
    let csv = file("csv").await;
    assert_eq!(csv.lines().next(), Some("id,at,who,from,what,target,outcome,before,after"));
    assert_eq!(csv.matches("\r\n").count(), 6);
    assert!(!csv.contains(",=") && csv.contains(r#","{""campaigns"":""*"""#), "{csv}");
    let exports = context.audited("audit.export").await;
    assert_eq!(exports.len(), 2);
    assert_eq!((&exports[0][0], &exports[0][4]["format"]), (&json!("odd"), &json!("csv")));
}

#[tokio::test]
async fn the_page_shows_all_lists_and_only_admins_get_forms() {
    let context = AdminContext::new().await;
    context
        .expect_ok(
            Method::POST,
            "/admin/tokens",
            json!({ "kind": "wallboard", "name": "<b>hall</b>", "page": "overview" }),
        )
        .await;
    let page = async |token: &str, path: &str| {
        let asked = context.http.get(context.gateway.url(path)).bearer_auth(token).header("accept", "text/html");
        let response = asked.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    };
    for (path, says) in [
        ("/admin", "odd"),
        ("/admin?show=users", "auditor"),
        ("/admin?show=tokens", "&#60;b&#62;hall"),
        ("/admin?show=keys", "No source has a key yet."),
        ("/admin?show=sessions", "This login"),
        ("/admin?show=audit&what=token", "wallboard"),
    ] {
        for (token, changes) in [(&context.admin, true), (&context.auditor, false)] {
            let (status, html) = page(token, path).await;
            assert!(status == 200 && html.contains(says), "{path}: {says}");
            assert_eq!(html.contains("<dialog class=\"dialog\" id=\"ask-dialog\""), changes, "{path}");
            let has_actions = html.contains("data-do=");
            assert_eq!(has_actions, changes, "{path}");
        }
    }
    context.add("sue", Role::Supervisor).await;
    let (status, html) = page(&context.sign_in("sue", PASSWORD).await, "/admin").await;
    assert!(status == 403 && html.contains("Only auditors and admins may read this."), "{html}");
    assert_eq!(page(&context.admin, "/admin?show=nonsense").await.0, 400);
}
