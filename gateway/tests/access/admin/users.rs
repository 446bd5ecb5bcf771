//! Adding, changing, locking and removing accounts, and keeping the last admin.

use reqwest::Method;
use ringside_access::{Account, AccountError, Accounts, EnsuredAdmin, Membership, Role, Scope};
use ringside_model::TenantId;
use serde_json::{Value, json};

use super::{AdminContext, PASSWORD, answer};
use crate::support::client::Client;
use crate::support::test_gateway::{TestGateway, member, tenant};

#[tokio::test]
async fn a_user_is_added_changed_locked_and_unlocked() {
    let context = AdminContext::new().await;
    let response = context
        .expect_ok(Method::POST, "/admin/users", json!({ "name": "bob", "role": "viewer", "campaigns": ["alpha"] }))
        .await;
    let password = response["password"].as_str().expect("a generated password").to_owned();
    assert_eq!(response["user"]["campaigns"], json!(["alpha"]));
    let token = context.sign_in("bob", &password).await;
    let mut live = Client::connect(context.gateway.address, "/ws", &token).await;
    assert_eq!(context.user("bob").await["logins"], 1);

    context.expect_ok(Method::PATCH, "/admin/users/bob", json!({ "role": "operator", "campaigns": "*" })).await;
    let bob = context.user("bob").await;
    assert_eq!((&bob["role"], &bob["campaigns"], &bob["home"]), (&json!("operator"), &json!("*"), &json!(true)));
    assert_eq!(context.gateway.ask("/auth/me", &token).await.0, 401, "tokens with the old rights are revoked at once");

    context.expect_ok(Method::PATCH, "/admin/users/bob", json!({ "disabled": true })).await;
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(context.try_sign_in("bob", &password).await.0, 401);
    context.expect_ok(Method::PATCH, "/admin/users/bob", json!({ "disabled": false })).await;
    let token = context.sign_in("bob", &password).await;

    let response =
        context.expect_ok(Method::POST, "/admin/users/bob/password", json!({ "password": "battery staple" })).await;
    assert_eq!(response, json!({ "password": null }), "a given password is not returned");
    assert_eq!(context.gateway.ask("/auth/me", &token).await.0, 401);
    assert_eq!(context.try_sign_in("bob", &password).await.0, 401);
    let token = context.sign_in("bob", "battery staple").await;
    assert_eq!(context.expect_ok(Method::POST, "/admin/users/bob/end", Value::Null).await, json!({ "ended": 1 }));
    assert_eq!(context.gateway.ask("/auth/me", &token).await.0, 401);

    assert_eq!(
        context.audited("user").await,
        [
            json!(["root", "bob", "ok", 1, null]),
            json!(["root", "bob", "ok", null, null]),
            json!(["root", "bob", "ok", { "disabled": true }, { "disabled": false }]),
            json!(["root", "bob", "ok", { "disabled": false }, { "disabled": true }]),
            json!([
                "root", "bob", "ok",
                { "role": "viewer", "campaigns": "alpha" }, { "role": "operator", "campaigns": "*" }
            ]),
            json!(["root", "bob", "ok", null, { "role": "viewer", "campaigns": "alpha" }]),
        ]
    );
    let log = context.expect_ok(Method::GET, "/admin/audit?limit=500", Value::Null).await.to_string();
    assert!(!log.contains(&password) && !log.contains("battery"), "no password is in the log");
}

#[tokio::test]
async fn admins_can_not_demote_themselves_or_the_last_admin() {
    let context = AdminContext::new().await;
    for change in [json!({ "role": "viewer" }), json!({ "campaigns": ["alpha"] }), json!({ "disabled": true })] {
        context.expect_rejected(409, Method::PATCH, "/admin/users/root", change).await;
    }
    // A user of an issuer, without an account, may be an admin too.
    let mut claims = TestGateway::claims(None);
    (claims["sub"], claims["role"]) = (json!("sso:eve"), json!("admin"));
    let eve = context.gateway.sign(&claims).await;
    for change in [json!({ "role": "viewer" }), json!({ "disabled": true })] {
        let (status, response) = context.ask(&eve, Method::PATCH, "/admin/users/root", change).await;
        assert_eq!((status, response["code"].as_str()), (409, Some("conflict")), "{response}");
    }
    context.add("second", Role::Admin).await;
    assert_eq!(context.ask(&eve, Method::PATCH, "/admin/users/root", json!({ "role": "viewer" })).await.0, 200);
    let root = context.sign_in("root", PASSWORD).await;
    assert_eq!(
        context.ask(&root, Method::GET, "/admin/users", Value::Null).await.0,
        403,
        "the other admin may demote this one"
    );
}

#[tokio::test]
async fn a_removed_user_is_deleted_and_a_guest_only_leaves() {
    let context = AdminContext::new().await;
    let engine = context.gateway.engine.as_ref();
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    context.add("bob", Role::Operator).await;
    let there = Membership { tenant: elsewhere.clone(), role: Role::Admin, scope: Scope::All };
    Accounts::grant(engine, "bob", &there).await.unwrap();
    for admin in ["root", "bob"] {
        let response =
            context.expect_rejected(409, Method::DELETE, &format!("/admin/users/{admin}"), Value::Null).await;
        assert!(!response.contains("elsewhere"), "other tenants are not disclosed: {response}");
    }
    Accounts::grant(engine, "bob", &Membership { role: Role::Viewer, ..there }).await.unwrap();
    context.add_guest("gil", Role::Viewer).await;
    let login = json!({ "username": "bob", "password": PASSWORD, "cookies": false });
    let (_, bob) = answer(context.http.post(context.gateway.url("/auth/login")).json(&login)).await;
    let (token, gil) = (bob["token"].as_str().unwrap(), context.sign_in("gil", PASSWORD).await);
    let mut live = Client::connect(context.gateway.address, "/ws", token).await;

    context.expect_ok(Method::DELETE, "/admin/users/gil", Value::Null).await;
    assert_eq!(context.user("gil").await, Value::Null);
    assert_eq!(
        Account::get(engine, "gil").await.unwrap().unwrap().memberships.len(),
        1,
        "the home membership is unchanged"
    );
    let home = context.sign_in("gil", PASSWORD).await;
    assert_eq!(context.gateway.ask("/auth/me", &home).await.1["tenant"], "elsewhere");

    context.expect_ok(Method::DELETE, "/admin/users/bob", Value::Null).await;
    assert_eq!(live.close_code().await, 4401);
    assert!(Account::get(engine, "bob").await.unwrap().is_none());
    assert_eq!(context.try_sign_in("bob", PASSWORD).await.0, 401);
    context.expect_rejected(404, Method::DELETE, "/admin/users/bob", Value::Null).await;
    // A new account of the same name inherits nothing.
    context.add("bob", Role::Viewer).await;
    assert!(bob["refreshToken"].as_str().is_some_and(|token| token.starts_with("rrt_")));
    let renewed = context.http.post(context.gateway.url("/auth/refresh"));
    assert_eq!(answer(renewed.json(&json!({ "refreshToken": bob["refreshToken"] }))).await.0, 401);
    for token in [token, &gil] {
        assert_eq!(context.gateway.ask("/auth/me", token).await.0, 401, "tokens issued before are revoked");
    }
    let rights = |role: &str| json!({ "role": role, "campaigns": "*" });
    let (_, there) = context.ask(&home, Method::GET, "/admin/audit?what=user.remove", Value::Null).await;
    let there = &there["entries"][0];
    assert_eq!(
        (&there["target"], &there["before"]),
        (&json!("bob"), &rights("viewer")),
        "the removal is audited where it was a guest"
    );
    assert_eq!(
        context.audited("user.remove").await,
        [json!(["root", "bob", "ok", rights("operator"), null]), json!(["root", "gil", "ok", rights("viewer"), null])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_changes_do_not_undo_each_other() {
    let context = AdminContext::new().await;
    for n in 0..10 {
        let name = format!("bob{n}");
        context.add(&name, Role::Operator).await;
        let path = format!("/admin/users/{name}");
        let change = |m: usize| match m % 2 {
            0 => json!({ "role": "viewer" }),
            _ => json!({ "campaigns": ["alpha"] }),
        };
        futures_util::future::join_all((0..16).map(|m| context.expect_ok(Method::PATCH, &path, change(m)))).await;
        let bob = context.user(&name).await;
        assert_eq!((&bob["role"], &bob["campaigns"]), (&json!("viewer"), &json!(["alpha"])), "round {n}");
        let audited = context.audited("user.grant").await;
        let of_bob: Vec<_> = audited.iter().filter(|entry| entry[1] == json!(name)).collect();
        let changed = of_bob.iter().filter(|entry| entry[3] != entry[4]).count();
        assert_eq!((of_bob.len(), changed), (16, 2), "each request is audited, and each change once");
    }
}

#[tokio::test]
async fn an_admin_sees_all_campaigns() {
    let context = AdminContext::new().await;
    let engine = context.gateway.engine.as_ref();
    let added = Accounts::add(engine, "sly", PASSWORD, &member(Role::Admin, &["alpha"])).await;
    assert!(matches!(added, Err(AccountError::AdminNeedsAllCampaigns)), "{added:?}");
    Accounts::add(engine, "sly", PASSWORD, &member(Role::Viewer, &["alpha"])).await.unwrap();
    let granted = Accounts::grant(engine, "sly", &member(Role::Admin, &["alpha"])).await;
    assert!(matches!(granted, Err(AccountError::AdminNeedsAllCampaigns)), "{granted:?}");

    let new = json!({ "name": "x", "role": "admin", "campaigns": ["alpha"] });
    for (method, path, body) in [
        (Method::POST, "/admin/users", new),
        (Method::PATCH, "/admin/users/sly", json!({ "role": "admin" })),
        (Method::PATCH, "/admin/users/sly", json!({ "role": "admin", "campaigns": ["beta"] })),
    ] {
        assert!(
            context.expect_rejected(400, method, path, body).await.contains("An admin sees all campaigns"),
            "{path}"
        );
    }
    let sly = context.user("sly").await;
    assert_eq!((&sly["role"], &sly["campaigns"]), (&json!("viewer"), &json!(["alpha"])));
    assert_eq!((context.user("x").await, context.audited("user").await), (Value::Null, Vec::new()));

    context.expect_ok(Method::PATCH, "/admin/users/sly", json!({ "role": "admin", "campaigns": "*" })).await;
    context.expect_rejected(400, Method::PATCH, "/admin/users/sly", json!({ "campaigns": ["alpha"] })).await;
    context.expect_ok(Method::PATCH, "/admin/users/sly", json!({ "role": "viewer", "campaigns": ["alpha"] })).await;
}

#[tokio::test]
async fn a_locked_admin_stays_locked_whatever_password_is_configured() {
    let context = AdminContext::new().await;
    let engine = context.gateway.engine.as_ref();
    context.add("admin", Role::Admin).await;
    context.expect_ok(Method::PATCH, "/admin/users/admin", json!({ "disabled": true })).await;
    let locked = engine.get("account/admin").await.unwrap();
    let ensure = async |password| Accounts::ensure_admin(engine, &tenant(), Some(password)).await.unwrap();
    assert_eq!(ensure(PASSWORD).await, EnsuredAdmin::AsConfigured);
    assert_eq!(engine.get("account/admin").await.unwrap(), locked, "it has that password already");

    for password in ["second password", "third password"] {
        assert_eq!(ensure(password).await, EnsuredAdmin::Changed { home: tenant() });
        assert_eq!(context.user("admin").await["disabled"], true);
        assert_eq!(context.try_sign_in("admin", password).await.0, 401);
    }
    context.expect_ok(Method::PATCH, "/admin/users/admin", json!({ "disabled": false })).await;
    assert_eq!(context.try_sign_in("admin", "third password").await.0, 200);
}

#[tokio::test]
async fn a_new_password_that_unlocks_is_audited_as_an_unlock() {
    let context = AdminContext::new().await;
    context.add("bob", Role::Viewer).await;
    let path = "/admin/users/bob/password";
    context.expect_ok(Method::POST, path, json!({ "password": "battery staple" })).await;
    context.expect_ok(Method::PATCH, "/admin/users/bob", json!({ "disabled": true })).await;
    context.expect_ok(Method::POST, path, json!({ "password": "battery staples" })).await;
    assert_eq!(context.try_sign_in("bob", "battery staples").await.0, 200);
    assert_eq!(
        context.audited("user.password").await,
        [
            json!(["root", "bob", "ok", { "disabled": true }, { "disabled": false }]),
            json!(["root", "bob", "ok", null, null]),
        ]
    );
}
