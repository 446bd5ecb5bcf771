//! Admins change who has access to their own tenant, auditors read it, and all of it is remembered.

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

/// A gateway whose tenant has an admin and an auditor, and a browser that asks.
struct AdminContext {
    gateway: TestGateway,
    http: reqwest::Client,
    admin: String,
    auditor: String,
}

impl AdminContext {
    async fn open() -> Self {
        Self::on(TestGateway::start().await).await
    }

    async fn on(gateway: TestGateway) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let mut context = Self { gateway, http, admin: String::new(), auditor: String::new() };
        context.add("root", Role::Admin).await;
        context.add("odd", Role::Auditor).await;
        context.admin = context.login("root", PASSWORD).await;
        context.auditor = context.login("odd", PASSWORD).await;
        context
    }

    async fn add(&self, name: &str, role: Role) {
        Accounts::add(self.gateway.engine.as_ref(), name, PASSWORD, &member(role, &[])).await.unwrap();
    }

    /// Somebody whose home is elsewhere and who is a guest here.
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
        // A token of the very second of a change does not count, once the gateway has read of the change.
        let granted = Timestamp::now().seconds();
        let over = async || Timestamp::now().seconds() > granted;
        ringside_rig::until("the second of the grant is over", crate::support::client::PATIENCE, over).await.unwrap();
    }

    async fn try_login(&self, name: &str, password: &str) -> (u16, Value) {
        let body = json!({ "username": name, "password": password }).to_string();
        let request = self.http.post(self.gateway.url("/auth/login")).header("content-type", "application/json");
        answer(request.body(body)).await
    }

    async fn login(&self, name: &str, password: &str) -> String {
        let (status, body) = self.try_login(name, password).await;
        assert_eq!(status, 200, "{name}: {body}");
        body["token"].as_str().unwrap().to_owned()
    }

    async fn ask(&self, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
        let request = self.http.request(method, self.gateway.url(path)).bearer_auth(token);
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
