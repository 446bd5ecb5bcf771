//! Administration of a tenant: admins change access, auditors read it.

mod denials;
mod lists;
mod retry_revocation;
mod users;

use reqwest::Method;
use ringside_access::{Accounts, Membership, Role, Scope};
use ringside_model::{TenantId, Timestamp};
use serde_json::{Value, json};

use crate::support::test_gateway::{TestGateway, member, tenant};

const PASSWORD: &str = "correct horse";

/// A gateway whose tenant has an admin and an auditor, and a client for both.
struct AdminContext {
    gateway: TestGateway,
    http: reqwest::Client,
    admin: String,
    auditor: String,
}

impl AdminContext {
    async fn new() -> Self {
        Self::with(TestGateway::start().await).await
    }

    async fn with(gateway: TestGateway) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut context = Self { gateway, http, admin: String::new(), auditor: String::new() };
        context.add("root", Role::Admin).await;
        context.add("odd", Role::Auditor).await;
        context.admin = context.sign_in("root", PASSWORD).await;
        context.auditor = context.sign_in("odd", PASSWORD).await;
        context
    }

    async fn add(&self, name: &str, role: Role) {
        Accounts::add(self.gateway.engine.as_ref(), name, PASSWORD, &member(role, &[])).await.unwrap();
    }

    /// Adds an admin of another tenant as a guest of this one.
    async fn add_guest(&self, name: &str, role: Role) {
        let elsewhere = TenantId::parse("elsewhere").unwrap();
        Accounts::add(
            self.gateway.engine.as_ref(),
            name,
            PASSWORD,
            &Membership { tenant: elsewhere.clone(), ..member(Role::Admin, &[]) },
        )
        .await
        .unwrap();
        let here = Membership { tenant: tenant(), role, scope: Scope::All };
        Accounts::grant(self.gateway.engine.as_ref(), name, &here).await.unwrap();
        // A token issued in the second of a change is revoked once the gateway has read the change.
        let granted = Timestamp::now().seconds();
        let passed = async || Timestamp::now().seconds() > granted;
        ringside_rig::until("the second of the grant has passed", crate::support::client::PATIENCE, passed)
            .await
            .unwrap();
    }

    async fn try_sign_in(&self, name: &str, password: &str) -> (u16, Value) {
        let body = json!({ "username": name, "password": password }).to_string();
        let request = self.http.post(self.gateway.url("/auth/login")).header("content-type", "application/json");
        answer(request.body(body)).await
    }

    async fn sign_in(&self, name: &str, password: &str) -> String {
        let (status, body) = self.try_sign_in(name, password).await;
        assert_eq!(status, 200, "{name}: {body}");
        body["token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.request(method, self.gateway.url(path)).bearer_auth(token);
        answer(if body.is_null() { request } else { request.body(body.to_string()) }).await
    }

    /// Sends a request of the admin, which must succeed.
    async fn expect_ok(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, response) = self.ask(&self.admin, method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {response}");
        response
    }

    /// Sends a request of the admin, which must be rejected with this status.
    ///
    /// Returns the detail, a sentence.
    async fn expect_rejected(&self, expected: u16, method: Method, path: &str, body: Value) -> String {
        let (status, response) = self.ask(&self.admin, method, path, body.clone()).await;
        assert_eq!(status, expected, "{path} {body}: {response}");
        let sentence =
            response["detail"].as_str().unwrap_or_else(|| panic!("{path}: a sentence in {response}")).to_owned();
        assert!(
            sentence.ends_with('.') && !sentence.contains("ringside "),
            "a sentence for the browser, without commands: {sentence}"
        );
        sentence
    }

    async fn user(&self, name: &str) -> Value {
        let response = self.expect_ok(Method::GET, "/admin/users", Value::Null).await;
        response["users"].as_array().unwrap().iter().find(|user| user["name"] == name).cloned().unwrap_or(Value::Null)
    }

    /// Returns audit entries, newest first: who, target, outcome, before, after.
    async fn audited(&self, what: &str) -> Vec<Value> {
        let response = self.expect_ok(Method::GET, &format!("/admin/audit?what={what}"), Value::Null).await;
        let entries = response["entries"].as_array().unwrap().clone();
        entries.into_iter().map(|e| json!([e["who"], e["target"], e["outcome"], e["before"], e["after"]])).collect()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}
