//! Rejected requests: invalid ones, and those beyond a role or a tenant.

use reqwest::Method;
use ringside_access::{Accounts, Membership, Role};
use ringside_model::TenantId;
use serde_json::{Value, json};

use super::{AdminContext, PASSWORD, answer};
use crate::support::test_gateway::member;

#[tokio::test]
async fn invalid_requests_are_answered_with_instructions() {
    let context = AdminContext::new().await;
    for (path, body, says) in [
        ("/admin/users", json!({ "name": "x" }), "Send {"),
        ("/admin/users", json!({ "name": "x", "role": "viewer", "campaigns": "*", "admin": true }), "Send {"),
        ("/admin/users", json!({ "name": "x", "role": "wallboard", "campaigns": "*" }), "The roles are viewer"),
        ("/admin/users", json!({ "name": "x", "role": "viewer", "campaigns": [] }), "empty list"),
        ("/admin/users", json!({ "name": "x", "role": "viewer", "campaigns": ["a/b"] }), "1 to 64 letters"),
        ("/admin/users", json!({ "name": "a:b", "role": "viewer", "campaigns": "*" }), "1 to 64 letters"),
        ("/admin/users", json!({ "name": "x", "role": "viewer", "campaigns": "*", "password": "short" }), "8 to 256"),
        ("/admin/keys", json!({ "name": "x" }), "Send {"),
        ("/admin/keys", json!({ "source": "a b" }), "1 to 64 letters"),
        ("/admin/keys", json!({ "source": "pbx", "name": "x".repeat(65) }), "at most 64"),
        ("/admin/tokens", json!({ "kind": "script", "name": "x" }), "Send {"),
        ("/admin/tokens", json!({ "kind": "script", "name": "x", "role": "admin" }), "can't be an admin's"),
        ("/admin/tokens", json!({ "kind": "wallboard", "name": "x" }), "for a page"),
        ("/admin/tokens", json!({ "kind": "wallboard", "name": "x", "page": "alerts" }), "page is overview"),
        ("/admin/tokens", json!({ "kind": "wallboard", "name": " ", "page": "overview" }), "1 to 64 characters"),
        ("/admin/tokens", json!({ "kind": "wallboard", "name": "x", "page": "overview", "days": 0 }), "1 to 3650"),
    ] {
        let sentence = context.expect_rejected(400, Method::POST, path, body).await;
        assert!(sentence.contains(says), "{sentence}");
    }
    let taken = json!({ "name": "odd", "role": "viewer", "campaigns": "*" });
    assert!(context.expect_rejected(409, Method::POST, "/admin/users", taken).await.contains("is taken"));
    for (method, path) in [
        (Method::PATCH, "/admin/users/nobody"),
        (Method::POST, "/admin/users/nobody/password"),
        (Method::POST, "/admin/users/nobody/end"),
        (Method::DELETE, "/admin/tokens/0123456789ab"),
        (Method::DELETE, "/admin/sessions/0123456789ab"),
        (Method::DELETE, "/admin/sessions/0"),
        (Method::DELETE, "/admin/keys/0123456789ab"),
    ] {
        let body = if method == Method::PATCH { json!({}) } else { Value::Null };
        assert!(context.expect_rejected(404, method, path, body).await.contains("There is no such"), "{path}");
    }
    for path in ["/admin/audit?limit=0", "/admin/audit?before=x", "/admin/audit?outcome=x", "/admin/audit/export"] {
        context.expect_rejected(400, Method::GET, path, Value::Null).await;
    }
}

#[tokio::test]
async fn auditors_only_read_and_other_roles_do_neither() {
    let context = AdminContext::new().await;
    context.add("sue", Role::Supervisor).await;
    let supervisor = context.sign_in("sue", PASSWORD).await;
    let read = [
        "/admin/users",
        "/admin/tokens",
        "/admin/keys",
        "/admin/sessions",
        "/admin/audit",
        "/admin/audit/export?format=csv",
        "/admin",
    ];
    let change = [
        (Method::POST, "/admin/users"),
        (Method::PATCH, "/admin/users/odd"),
        (Method::POST, "/admin/users/odd/password"),
        (Method::POST, "/admin/users/odd/end"),
        (Method::POST, "/admin/tokens"),
        (Method::DELETE, "/admin/tokens/0123456789ab"),
        (Method::POST, "/admin/keys"),
        (Method::DELETE, "/admin/keys/0123456789ab"),
        (Method::DELETE, "/admin/sessions/0123456789ab"),
        (Method::POST, "/admin/sessions/end"),
    ];
    for path in read {
        assert_eq!(context.ask(&context.auditor, Method::GET, path, Value::Null).await.0, 200, "{path}");
        let (status, response) = context.ask(&supervisor, Method::GET, path, Value::Null).await;
        assert_eq!((status, response["code"].as_str()), (403, Some("forbidden_role")), "{path}");
        let nobody = context.ask("nonsense", Method::GET, path, Value::Null).await.0;
        assert_eq!(nobody, if path == "/admin" { 303 } else { 401 }, "{path}");
    }
    for (method, path) in change {
        for token in [&context.auditor, &supervisor] {
            let (status, response) = context.ask(token, method.clone(), path, json!({})).await;
            assert_eq!((status, response["code"].as_str()), (403, Some("forbidden_role")), "{method} {path}");
        }
        let foreign = context.http.request(method.clone(), context.gateway.url(path)).bearer_auth(&context.admin);
        let (status, response) = answer(foreign.header("origin", "https://evil.example").body("{}")).await;
        assert_eq!((status, response["code"].as_str()), (403, Some("foreign_origin")), "{method} {path}");
    }
    // Denials are written to the audit log in the background.
    let audited = async || {
        context.audited("access").await.contains(&json!(["odd", "POST /admin/users", "forbidden_role", null, null]))
    };
    ringside_rig::until("the denial is audited", crate::support::client::PATIENCE, audited).await.unwrap();
}

#[tokio::test]
async fn an_admin_sees_and_changes_nothing_of_another_tenant() {
    let context = AdminContext::new().await;
    context.add_guest("gil", Role::Viewer).await;
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    Accounts::add(
        context.gateway.engine.as_ref(),
        "far",
        PASSWORD,
        &Membership { tenant: elsewhere.clone(), ..member(Role::Viewer, &[]) },
    )
    .await
    .unwrap();
    let far = context.sign_in("far", PASSWORD).await;
    // gil signs in at home, as an admin, and issues a token there.
    let gil = context.sign_in("gil", PASSWORD).await;
    let wanted = json!({ "kind": "script", "name": "theirs", "role": "viewer", "campaigns": "*" });
    let (status, issued) = context.ask(&gil, Method::POST, "/admin/tokens", wanted).await;
    assert_eq!(status, 201);
    let their_token = issued["token"]["id"].as_str().unwrap();
    let (_, theirs) = context.ask(&gil, Method::GET, "/admin/sessions", Value::Null).await;
    let their_login = theirs["sessions"][0]["id"].as_str().unwrap();

    for (method, path) in [
        (Method::PATCH, "/admin/users/far".to_owned()),
        (Method::POST, "/admin/users/far/end".to_owned()),
        (Method::POST, "/admin/users/far/password".to_owned()),
        (Method::DELETE, "/admin/users/far".to_owned()),
        (Method::DELETE, format!("/admin/tokens/{their_token}")),
        (Method::DELETE, format!("/admin/sessions/{their_login}")),
    ] {
        let body = if method == Method::PATCH { json!({ "disabled": true }) } else { Value::Null };
        context.expect_rejected(404, method, &path, body).await;
    }
    let lists = ["/admin/users", "/admin/tokens", "/admin/sessions", "/admin/audit?limit=500"];
    for path in lists {
        let response = context.expect_ok(Method::GET, path, Value::Null).await.to_string();
        assert!(
            !response.contains("far") && !response.contains("theirs") && !response.contains(their_token),
            "{path}: {response}"
        );
    }
    // An admin may change a guest's role here, but neither the password nor the lock.
    let guest = context.user("gil").await;
    assert_eq!((&guest["home"], &guest["tenants"], &guest["logins"]), (&json!(false), &json!(2), &json!(0)));
    context.expect_rejected(409, Method::PATCH, "/admin/users/gil", json!({ "disabled": true })).await;
    context.expect_rejected(409, Method::POST, "/admin/users/gil/password", Value::Null).await;
    context.expect_ok(Method::PATCH, "/admin/users/gil", json!({ "role": "operator" })).await;
    assert_eq!(context.user("gil").await["role"], "operator");
    let login = json!({ "username": "gil", "password": PASSWORD, "cookies": false });
    let (_, gil) = answer(context.http.post(context.gateway.url("/auth/login")).json(&login)).await;
    assert_eq!(context.expect_ok(Method::POST, "/admin/users/gil/end", Value::Null).await, json!({ "ended": 0 }));
    let token = gil["token"].as_str().unwrap();
    assert_eq!(context.gateway.ask("/auth/me", token).await.0, 401, "it might be an older token for this tenant");
    let renewal =
        context.http.post(context.gateway.url("/auth/refresh")).json(&json!({ "refreshToken": gil["refreshToken"] }));
    let (status, gil) = answer(renewal).await;
    assert_eq!(status, 200, "the session in the other tenant continues: {gil}");
    let gil = gil["token"].as_str().unwrap();
    for token in [gil, &far] {
        assert_eq!(context.gateway.ask("/auth/me", token).await.0, 200);
    }
    context.expect_ok(Method::POST, "/admin/sessions/end", Value::Null).await;
    assert_eq!(context.gateway.ask("/auth/me", gil).await.0, 401, "a member could switch back with that session");
    assert_eq!(context.gateway.ask("/auth/me", &far).await.0, 200, "sessions of non-members continue");
}
