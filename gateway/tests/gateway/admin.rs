//! Admins change who has access to their own tenant, auditors read it, and all of it is remembered.

use reqwest::Method;
use ringside_gateway::{AccountError, Accounts, Membership, Role, Scope};
use ringside_shared::clock::system_clock;
use ringside_shared::keys::Keys;
use ringside_shared::model::{SourceId, TenantId, Timestamp};
use serde_json::{Value, json};

use crate::client::Client;
use crate::floor::{Floor, tenant};

const PASSWORD: &str = "correct horse";

/// A floor whose tenant has an admin and an auditor, and a browser that asks.
struct Office {
    floor: Floor,
    http: reqwest::Client,
    admin: String,
    auditor: String,
}

impl Office {
    async fn open() -> Self {
        let floor = Floor::start().await;
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut office = Self { floor, http, admin: String::new(), auditor: String::new() };
        office.add("root", Role::Admin).await;
        office.add("odd", Role::Auditor).await;
        office.admin = office.login("root", PASSWORD).await;
        office.auditor = office.login("odd", PASSWORD).await;
        office
    }

    async fn add(&self, name: &str, role: Role) {
        Accounts::add(self.floor.engine.as_ref(), &tenant(), name, PASSWORD, role, &[]).await.unwrap();
    }

    /// Somebody whose home is elsewhere and who is a guest here.
    async fn add_guest(&self, name: &str, role: Role) {
        let elsewhere = TenantId::parse("elsewhere").unwrap();
        Accounts::add(self.floor.engine.as_ref(), &elsewhere, name, PASSWORD, Role::Admin, &[]).await.unwrap();
        let here = Membership { tenant: tenant(), role, scope: Scope::All };
        Accounts::grant(self.floor.engine.as_ref(), name, &here).await.unwrap();
        // A token of the very second of a change does not count, once the gateway has read of the change.
        let granted = Timestamp::now().seconds();
        let over = async || Timestamp::now().seconds() > granted;
        ringside_rig::until("the second of the grant is over", crate::client::PATIENCE, over).await.unwrap();
    }

    async fn try_login(&self, name: &str, password: &str) -> (u16, Value) {
        let body = json!({ "username": name, "password": password }).to_string();
        let request = self.http.post(self.floor.url("/auth/login")).header("content-type", "application/json");
        answer(request.body(body)).await
    }

    async fn login(&self, name: &str, password: &str) -> String {
        let (status, body) = self.try_login(name, password).await;
        assert_eq!(status, 200, "{name}: {body}");
        body["token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.request(method, self.floor.url(path)).bearer_auth(token);
        answer(if body.is_null() { request } else { request.body(body.to_string()) }).await
    }

    /// As the admin; it must work.
    async fn did(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, told) = self.ask(&self.admin, method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {told}");
        told
    }

    /// As the admin; it must be refused with this status, by a sentence.
    async fn refused(&self, expected: u16, method: Method, path: &str, body: Value) -> String {
        let (status, told) = self.ask(&self.admin, method, path, body.clone()).await;
        assert_eq!(status, expected, "{path} {body}: {told}");
        let sentence = told["detail"].as_str().unwrap_or_else(|| panic!("{path}: a sentence in {told}")).to_owned();
        assert!(sentence.ends_with('.') && !sentence.contains("ringside "), "for who sits at a browser: {sentence}");
        sentence
    }

    async fn user(&self, name: &str) -> Value {
        let told = self.did(Method::GET, "/admin/users", Value::Null).await;
        told["users"].as_array().unwrap().iter().find(|user| user["name"] == name).cloned().unwrap_or(Value::Null)
    }

    /// What the audit log has of a kind, newest first: who, target, outcome, before, after.
    async fn noted(&self, what: &str) -> Vec<Value> {
        let told = self.did(Method::GET, &format!("/admin/audit?what={what}"), Value::Null).await;
        let entries = told["entries"].as_array().unwrap().clone();
        entries.into_iter().map(|e| json!([e["who"], e["target"], e["outcome"], e["before"], e["after"]])).collect()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_user_is_added_changed_locked_and_let_in_again() {
    let office = Office::open().await;
    let told = office
        .did(Method::POST, "/admin/users", json!({ "name": "bob", "role": "viewer", "campaigns": ["alpha"] }))
        .await;
    let password = told["password"].as_str().expect("a password was made up").to_owned();
    assert_eq!(told["user"]["campaigns"], json!(["alpha"]));
    let token = office.login("bob", &password).await;
    let mut live = Client::connect(office.floor.address, "/ws", &token).await;
    assert_eq!(office.user("bob").await["logins"], 1);

    office.did(Method::PATCH, "/admin/users/bob", json!({ "role": "operator", "campaigns": "*" })).await;
    let bob = office.user("bob").await;
    assert_eq!((&bob["role"], &bob["campaigns"], &bob["home"]), (&json!("operator"), &json!("*"), &json!(true)));
    assert_eq!(office.floor.ask("/auth/me", &token).await.0, 401, "the old rights are gone at once");

    office.did(Method::PATCH, "/admin/users/bob", json!({ "disabled": true })).await;
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(office.try_login("bob", &password).await.0, 401);
    office.did(Method::PATCH, "/admin/users/bob", json!({ "disabled": false })).await;
    let token = office.login("bob", &password).await;

    let told = office.did(Method::POST, "/admin/users/bob/password", json!({ "password": "battery staple" })).await;
    assert_eq!(told, json!({ "password": null }), "what was given is not told back");
    assert_eq!(office.floor.ask("/auth/me", &token).await.0, 401);
    assert_eq!(office.try_login("bob", &password).await.0, 401);
    let token = office.login("bob", "battery staple").await;
    assert_eq!(office.did(Method::POST, "/admin/users/bob/end", Value::Null).await, json!({ "ended": 1 }));
    assert_eq!(office.floor.ask("/auth/me", &token).await.0, 401);

    assert_eq!(
        office.noted("user").await,
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
    let log = office.did(Method::GET, "/admin/audit?limit=500", Value::Null).await.to_string();
    assert!(!log.contains(&password) && !log.contains("battery"), "no password is in the log");
}

#[tokio::test]
async fn nobody_locks_or_demotes_themselves_or_the_last_admin() {
    let office = Office::open().await;
    for change in [json!({ "role": "viewer" }), json!({ "campaigns": ["alpha"] }), json!({ "disabled": true })] {
        office.refused(409, Method::PATCH, "/admin/users/root", change).await;
    }
    // Somebody whose account is not here may be an admin too, by the word of an issuer.
    let mut claims = Floor::claims(None);
    (claims["sub"], claims["role"]) = (json!("sso:eve"), json!("admin"));
    let eve = office.floor.sign(&claims).await;
    for change in [json!({ "role": "viewer" }), json!({ "disabled": true })] {
        let (status, told) = office.ask(&eve, Method::PATCH, "/admin/users/root", change).await;
        assert_eq!((status, told["code"].as_str()), (409, Some("conflict")), "{told}");
    }
    office.add("second", Role::Admin).await;
    assert_eq!(office.ask(&eve, Method::PATCH, "/admin/users/root", json!({ "role": "viewer" })).await.0, 200);
    let root = office.login("root", PASSWORD).await;
    assert_eq!(office.ask(&root, Method::GET, "/admin/users", Value::Null).await.0, 403, "now there is another one");
}

#[tokio::test]
async fn who_is_removed_is_gone_and_a_guest_from_here_alone() {
    let office = Office::open().await;
    let engine = office.floor.engine.as_ref();
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    office.add("bob", Role::Operator).await;
    let there = Membership { tenant: elsewhere.clone(), role: Role::Admin, scope: Scope::All };
    Accounts::grant(engine, "bob", &there).await.unwrap();
    for admin in ["root", "bob"] {
        let told = office.refused(409, Method::DELETE, &format!("/admin/users/{admin}"), Value::Null).await;
        assert!(!told.contains("elsewhere"), "where else somebody is an admin is not told: {told}");
    }
    Accounts::grant(engine, "bob", &Membership { role: Role::Viewer, ..there }).await.unwrap();
    office.add_guest("gil", Role::Viewer).await;
    let login = json!({ "username": "bob", "password": PASSWORD, "cookies": false });
    let (_, bob) = answer(office.http.post(office.floor.url("/auth/login")).json(&login)).await;
    let (token, gil) = (bob["token"].as_str().unwrap(), office.login("gil", PASSWORD).await);
    let mut live = Client::connect(office.floor.address, "/ws", token).await;

    office.did(Method::DELETE, "/admin/users/gil", Value::Null).await;
    assert_eq!(office.user("gil").await, Value::Null);
    assert_eq!(Accounts::get(engine, "gil").await.unwrap().unwrap().memberships.len(), 1, "at home all is as it was");
    let home = office.login("gil", PASSWORD).await;
    assert_eq!(office.floor.ask("/auth/me", &home).await.1["tenant"], "elsewhere");

    office.did(Method::DELETE, "/admin/users/bob", Value::Null).await;
    assert_eq!(live.close_code().await, 4401);
    assert!(Accounts::get(engine, "bob").await.unwrap().is_none());
    assert_eq!(office.try_login("bob", PASSWORD).await.0, 401);
    office.refused(404, Method::DELETE, "/admin/users/bob", Value::Null).await;
    // Whoever gets the name after that has nothing of the one before.
    office.add("bob", Role::Viewer).await;
    assert!(bob["refreshToken"].as_str().is_some_and(|token| token.starts_with("rrt_")));
    let renewed = office.http.post(office.floor.url("/auth/refresh"));
    assert_eq!(answer(renewed.json(&json!({ "refreshToken": bob["refreshToken"] }))).await.0, 401);
    for token in [token, &gil] {
        assert_eq!(office.floor.ask("/auth/me", token).await.0, 401, "what was issued before counts no more");
    }
    let rights = |role: &str| json!({ "role": role, "campaigns": "*" });
    let (_, there) = office.ask(&home, Method::GET, "/admin/audit?what=user.remove", Value::Null).await;
    let there = &there["entries"][0];
    assert_eq!((&there["target"], &there["before"]), (&json!("bob"), &rights("viewer")), "whose guest it was");
    assert_eq!(
        office.noted("user.remove").await,
        [json!(["root", "bob", "ok", rights("operator"), null]), json!(["root", "gil", "ok", rights("viewer"), null])]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_at_the_same_time_do_not_undo_each_other() {
    let office = Office::open().await;
    for n in 0..10 {
        let name = format!("bob{n}");
        office.add(&name, Role::Operator).await;
        let path = format!("/admin/users/{name}");
        let change = |m: usize| match m % 2 {
            0 => json!({ "role": "viewer" }),
            _ => json!({ "campaigns": ["alpha"] }),
        };
        futures_util::future::join_all((0..16).map(|m| office.did(Method::PATCH, &path, change(m)))).await;
        let bob = office.user(&name).await;
        assert_eq!((&bob["role"], &bob["campaigns"]), (&json!("viewer"), &json!(["alpha"])), "round {n}");
        let noted = office.noted("user.grant").await;
        assert_eq!(noted.iter().filter(|entry| entry[1] == json!(name)).count(), 2, "each change is noted once");
    }
}

#[tokio::test]
async fn an_admin_sees_all_campaigns() {
    let office = Office::open().await;
    let engine = office.floor.engine.as_ref();
    let some = ["alpha".to_owned()];
    let added = Accounts::add(engine, &tenant(), "sly", PASSWORD, Role::Admin, &some).await;
    assert!(matches!(added, Err(AccountError::AdminOfSome)), "{added:?}");
    Accounts::add(engine, &tenant(), "sly", PASSWORD, Role::Viewer, &some).await.unwrap();
    let granted = Membership { tenant: tenant(), role: Role::Admin, scope: Scope::of(&some).unwrap() };
    let granted = Accounts::grant(engine, "sly", &granted).await;
    assert!(matches!(granted, Err(AccountError::AdminOfSome)), "{granted:?}");

    let new = json!({ "name": "x", "role": "admin", "campaigns": ["alpha"] });
    for (method, path, body) in [
        (Method::POST, "/admin/users", new),
        (Method::PATCH, "/admin/users/sly", json!({ "role": "admin" })),
        (Method::PATCH, "/admin/users/sly", json!({ "role": "admin", "campaigns": ["beta"] })),
    ] {
        assert!(office.refused(400, method, path, body).await.contains("An admin sees all campaigns"), "{path}");
    }
    let sly = office.user("sly").await;
    assert_eq!((&sly["role"], &sly["campaigns"]), (&json!("viewer"), &json!(["alpha"])));
    assert_eq!((office.user("x").await, office.noted("user").await), (Value::Null, Vec::new()));

    office.did(Method::PATCH, "/admin/users/sly", json!({ "role": "admin", "campaigns": "*" })).await;
    office.refused(400, Method::PATCH, "/admin/users/sly", json!({ "campaigns": ["alpha"] })).await;
    office.did(Method::PATCH, "/admin/users/sly", json!({ "role": "viewer", "campaigns": ["alpha"] })).await;
}

#[tokio::test]
async fn a_locked_admin_stays_locked_whatever_password_is_configured() {
    let office = Office::open().await;
    let engine = office.floor.engine.as_ref();
    office.add("admin", Role::Admin).await;
    office.did(Method::PATCH, "/admin/users/admin", json!({ "disabled": true })).await;
    let locked = engine.get("account/admin").await.unwrap();
    assert_eq!(Accounts::adopt_admin_password(engine, PASSWORD).await.unwrap(), None);
    assert_eq!(engine.get("account/admin").await.unwrap(), locked, "it has that password already");

    Accounts::ensure_admin(engine, &tenant(), Some("second password")).await.unwrap();
    assert_eq!(office.user("admin").await["disabled"], true);
    assert_eq!(office.try_login("admin", "second password").await.0, 401);
    assert_eq!(Accounts::adopt_admin_password(engine, "third password").await.unwrap(), Some(tenant()));
    assert_eq!(office.try_login("admin", "third password").await.0, 401);
    office.did(Method::PATCH, "/admin/users/admin", json!({ "disabled": false })).await;
    assert_eq!(office.try_login("admin", "third password").await.0, 200);
}

#[tokio::test]
async fn a_new_password_that_unlocks_is_noted_as_that() {
    let office = Office::open().await;
    office.add("bob", Role::Viewer).await;
    let path = "/admin/users/bob/password";
    office.did(Method::POST, path, json!({ "password": "battery staple" })).await;
    office.did(Method::PATCH, "/admin/users/bob", json!({ "disabled": true })).await;
    office.did(Method::POST, path, json!({ "password": "battery staples" })).await;
    assert_eq!(office.try_login("bob", "battery staples").await.0, 200);
    assert_eq!(
        office.noted("user.password").await,
        [
            json!(["root", "bob", "ok", { "disabled": true }, { "disabled": false }]),
            json!(["root", "bob", "ok", null, null]),
        ]
    );
}

#[tokio::test]
async fn what_makes_no_sense_is_told_by_what_to_do() {
    let office = Office::open().await;
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
        let sentence = office.refused(400, Method::POST, path, body).await;
        assert!(sentence.contains(says), "{sentence}");
    }
    let taken = json!({ "name": "odd", "role": "viewer", "campaigns": "*" });
    assert!(office.refused(409, Method::POST, "/admin/users", taken).await.contains("is taken"));
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
        assert!(office.refused(404, method, path, body).await.contains("There is no such"), "{path}");
    }
    for path in ["/admin/audit?limit=0", "/admin/audit?before=x", "/admin/audit?outcome=x", "/admin/audit/export"] {
        office.refused(400, Method::GET, path, Value::Null).await;
    }
}

#[tokio::test]
async fn auditors_read_and_change_nothing_and_others_do_neither() {
    let office = Office::open().await;
    office.add("sue", Role::Supervisor).await;
    let supervisor = office.login("sue", PASSWORD).await;
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
        assert_eq!(office.ask(&office.auditor, Method::GET, path, Value::Null).await.0, 200, "{path}");
        let (status, told) = office.ask(&supervisor, Method::GET, path, Value::Null).await;
        assert_eq!((status, told["code"].as_str()), (403, Some("forbidden_role")), "{path}");
        let nobody = office.ask("nonsense", Method::GET, path, Value::Null).await.0;
        assert_eq!(nobody, if path == "/admin" { 303 } else { 401 }, "{path}");
    }
    for (method, path) in change {
        for token in [&office.auditor, &supervisor] {
            let (status, told) = office.ask(token, method.clone(), path, json!({})).await;
            assert_eq!((status, told["code"].as_str()), (403, Some("forbidden_role")), "{method} {path}");
        }
        let foreign = office.http.request(method.clone(), office.floor.url(path)).bearer_auth(&office.admin);
        let (status, told) = answer(foreign.header("origin", "https://evil.example").body("{}")).await;
        assert_eq!((status, told["code"].as_str()), (403, Some("foreign_origin")), "{method} {path}");
    }
    // What was refused is remembered, as soon as it is written.
    let noted = async || {
        office.noted("access").await.contains(&json!(["odd", "POST /admin/users", "forbidden_role", null, null]))
    };
    ringside_rig::until("the refusal is noted", crate::client::PATIENCE, noted).await.unwrap();
}

#[tokio::test]
async fn an_admin_sees_and_changes_nothing_of_another_tenant() {
    let office = Office::open().await;
    office.add_guest("gil", Role::Viewer).await;
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    Accounts::add(office.floor.engine.as_ref(), &elsewhere, "far", PASSWORD, Role::Viewer, &[]).await.unwrap();
    let far = office.login("far", PASSWORD).await;
    // gil logs in at home, where an admin, and issues a token there.
    let gil = office.login("gil", PASSWORD).await;
    let wanted = json!({ "kind": "script", "name": "theirs", "role": "viewer", "campaigns": "*" });
    let (status, issued) = office.ask(&gil, Method::POST, "/admin/tokens", wanted).await;
    assert_eq!(status, 201);
    let their_token = issued["token"]["id"].as_str().unwrap();
    let (_, theirs) = office.ask(&gil, Method::GET, "/admin/sessions", Value::Null).await;
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
        office.refused(404, method, &path, body).await;
    }
    let lists = ["/admin/users", "/admin/tokens", "/admin/sessions", "/admin/audit?limit=500"];
    for path in lists {
        let told = office.did(Method::GET, path, Value::Null).await.to_string();
        assert!(!told.contains("far") && !told.contains("theirs") && !told.contains(their_token), "{path}: {told}");
    }
    // A guest's role here is ours to say; the password and the lock are not.
    let guest = office.user("gil").await;
    assert_eq!((&guest["home"], &guest["tenants"], &guest["logins"]), (&json!(false), &json!(2), &json!(0)));
    office.refused(409, Method::PATCH, "/admin/users/gil", json!({ "disabled": true })).await;
    office.refused(409, Method::POST, "/admin/users/gil/password", Value::Null).await;
    office.did(Method::PATCH, "/admin/users/gil", json!({ "role": "operator" })).await;
    assert_eq!(office.user("gil").await["role"], "operator");
    let gil = office.login("gil", PASSWORD).await;
    assert_eq!(office.did(Method::POST, "/admin/users/gil/end", Value::Null).await, json!({ "ended": 0 }));
    for token in [&gil, &far] {
        assert_eq!(office.floor.ask("/auth/me", token).await.0, 200, "logins elsewhere go on");
    }
    office.did(Method::POST, "/admin/sessions/end", Value::Null).await;
    assert_eq!(office.floor.ask("/auth/me", &gil).await.0, 401, "who belongs here could come back with that login");
    assert_eq!(office.floor.ask("/auth/me", &far).await.0, 200, "whoever does not belong here goes on");
}

#[tokio::test]
async fn a_wallboards_token_is_shown_once_works_and_ends_when_revoked() {
    let office = Office::open().await;
    let wanted = json!({ "kind": "wallboard", "name": "hall", "page": "overview", "days": 30 });
    let issued = office.did(Method::POST, "/admin/tokens", wanted).await;
    let text = issued["text"].as_str().unwrap();
    let list = office.did(Method::GET, "/admin/tokens", Value::Null).await;
    assert_eq!(list["tokens"], json!([issued["token"]]));
    assert!(!list.to_string().contains(text), "never again");
    let login = office.http.post(office.floor.url("/auth/login")).header("content-type", "application/json");
    let (status, told) = answer(login.body(json!({ "token": text }).to_string())).await;
    assert_eq!((status, &told["role"], &told["page"]), (200, &json!("wallboard"), &json!("overview")));
    let wall = told["token"].as_str().unwrap();
    let (status, told) = office.ask(wall, Method::GET, "/admin/users", Value::Null).await;
    assert_eq!((status, told["code"].as_str()), (403, Some("forbidden_page")));
    let mut live = Client::connect(office.floor.address, "/ws", wall).await;
    let id = issued["token"]["id"].as_str().unwrap();
    office.did(Method::DELETE, &format!("/admin/tokens/{id}"), Value::Null).await;
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(office.did(Method::GET, "/admin/tokens", Value::Null).await["tokens"], json!([]));
    let whats: Vec<Value> = office.noted("token").await;
    assert_eq!(whats.len(), 2);
    assert!(!json!(whats).to_string().contains(text));
}

#[tokio::test]
async fn an_api_key_is_shown_once_counts_and_ends_when_revoked_by_its_own_tenant() {
    let office = Office::open().await;
    let issued = office.did(Method::POST, "/admin/keys", json!({ "source": "pbx-1", "signed": true })).await;
    let (text, secret) = (issued["text"].as_str().unwrap(), issued["secret"].as_str().unwrap());
    let keys = Keys::new(office.floor.engine.clone(), system_clock());
    let found = keys.find(text).await.unwrap().expect("the collector takes it");
    assert_eq!((found.tenant.as_str(), found.source.as_str(), found.secrets.len()), ("acme", "pbx-1", 1));
    assert_eq!(found.secrets[0].reveal(), secret);
    let list = office.did(Method::GET, "/admin/keys", Value::Null).await;
    assert_eq!(list["keys"], json!([issued["key"]]));
    let elsewhere = TenantId::parse("elsewhere").unwrap();
    let theirs = keys.issue(&elsewhere, &SourceId::parse("pbx-2").unwrap(), "", Vec::new()).await.unwrap();
    office.refused(404, Method::DELETE, &format!("/admin/keys/{}", theirs.record.id), Value::Null).await;
    office.did(Method::DELETE, &format!("/admin/keys/{}", issued["key"]["id"].as_str().unwrap()), Value::Null).await;
    let fresh = Keys::new(office.floor.engine.clone(), system_clock());
    assert!(fresh.find(text).await.unwrap().is_none() && fresh.find(&theirs.key).await.unwrap().is_some());
    let noted = json!(office.noted("key").await).to_string();
    assert!(noted.contains("pbx-1") && !noted.contains("pbx-2"), "{noted}");
    assert!(![list.to_string(), noted].iter().any(|told| told.contains(text) || told.contains(secret)), "never again");
}

#[tokio::test]
async fn a_login_is_listed_with_its_browser_and_ended_from_the_list() {
    let office = Office::open().await;
    office.add("bob", Role::Viewer).await;
    let login = office.http.post(office.floor.url("/auth/login")).header("user-agent", "Mozilla/5.0 Firefox/132.0");
    let body = json!({ "username": "bob", "password": PASSWORD }).to_string();
    let (_, told) = answer(login.header("content-type", "application/json").body(body)).await;
    let bob = told["token"].as_str().unwrap();
    let mut live = Client::connect(office.floor.address, "/ws", bob).await;
    let told = office.did(Method::GET, "/admin/sessions", Value::Null).await;
    let sessions = told["sessions"].as_array().unwrap();
    let of = |user: &str| sessions.iter().find(|session| session["user"] == user).unwrap();
    let session = of("bob");
    assert_eq!(
        (&session["agent"], &session["via"], &session["address"], &session["current"]),
        (&json!("Mozilla/5.0 Firefox/132.0"), &json!("password"), &json!("127.0.0.1"), &json!(false))
    );
    assert_eq!(of("root")["current"], true);
    let id = session["id"].as_str().unwrap();
    office.did(Method::DELETE, &format!("/admin/sessions/{id}"), Value::Null).await;
    assert_eq!(live.close_code().await, 4401);
    assert_eq!(office.floor.ask("/auth/me", bob).await.0, 401);
    assert_eq!(office.noted("session").await, [json!(["root", id[..8], "ok", "bob", null])]);

    let ended = office.did(Method::POST, "/admin/sessions/end", Value::Null).await;
    assert_eq!(ended, json!({ "ended": 2 }), "the admin's own too");
    assert_eq!(office.ask(&office.admin, Method::GET, "/admin/users", Value::Null).await.0, 401);
    assert_eq!(
        office.ask(&office.login("root", PASSWORD).await, Method::GET, "/admin/users", Value::Null).await.0,
        200
    );
}

#[tokio::test]
async fn the_audit_log_comes_in_pages_by_filter_and_as_files_that_no_spreadsheet_runs() {
    let office = Office::open().await;
    for n in 0..5 {
        let body = json!({ "kind": "script", "name": format!("=HYPERLINK({n})"), "role": "viewer", "campaigns": "*" });
        office.did(Method::POST, "/admin/tokens", body).await;
    }
    let mut seen = Vec::new();
    let mut before = String::new();
    loop {
        let page = office
            .did(Method::GET, &format!("/admin/audit?limit=2&what=token.issue&before={before}"), Value::Null)
            .await;
        seen.extend(page["entries"].as_array().unwrap().iter().map(|entry| entry["after"]["name"].clone()));
        match page["next"].as_str() {
            Some(next) => next.clone_into(&mut before),
            None => break,
        }
    }
    let expected: Vec<Value> = (0..5).rev().map(|n| json!(format!("=HYPERLINK({n})"))).collect();
    assert_eq!(seen, expected, "each once, the newest first");
    let by = office.did(Method::GET, "/admin/audit?who=OD", Value::Null).await;
    assert!(by["entries"].as_array().unwrap().iter().all(|entry| entry["who"] == "odd"));
    let refused = office.did(Method::GET, "/admin/audit?outcome=refused", Value::Null).await;
    assert_eq!(refused["entries"], json!([]));

    let file = async |format: &str| {
        let path = format!("/admin/audit/export?format={format}&what=token");
        let response = office.http.get(office.floor.url(&path)).bearer_auth(&office.auditor).send().await.unwrap();
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
    let exports = office.noted("audit.export").await;
    assert_eq!(exports.len(), 2);
    assert_eq!((&exports[0][0], &exports[0][4]["format"]), (&json!("odd"), &json!("csv")));
}

#[tokio::test]
async fn the_page_lists_what_there_is_and_only_admins_get_forms() {
    let office = Office::open().await;
    office
        .did(Method::POST, "/admin/tokens", json!({ "kind": "wallboard", "name": "<b>hall</b>", "page": "overview" }))
        .await;
    let page = async |token: &str, path: &str| {
        let asked = office.http.get(office.floor.url(path)).bearer_auth(token).header("accept", "text/html");
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
        for (token, changes) in [(&office.admin, true), (&office.auditor, false)] {
            let (status, html) = page(token, path).await;
            assert!(status == 200 && html.contains(says), "{path}: {says}");
            assert_eq!(html.contains("<dialog class=\"dialog\" id=\"ask-dialog\""), changes, "{path}");
            let does = html.contains("data-do=");
            assert_eq!(does, changes, "{path}");
        }
    }
    office.add("sue", Role::Supervisor).await;
    let (status, html) = page(&office.login("sue", PASSWORD).await, "/admin").await;
    assert!(status == 403 && html.contains("Only auditors and admins may read this."), "{html}");
    assert_eq!(page(&office.admin, "/admin?show=nonsense").await.0, 400);
}
