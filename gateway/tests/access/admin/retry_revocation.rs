//! A revocation that can't be journaled gets 503, and a retry succeeds.

use reqwest::Method;
use ringside_access::{Account, Accounts, Role};
use serde_json::{Value, json};

use super::{AdminContext, PASSWORD};
use crate::support::client::Client;
use crate::support::test_gateway::TestGateway;

#[tokio::test]
async fn a_failed_revocation_succeeds_when_it_is_retried() {
    let (gateway, faulty) = TestGateway::faulty().await;
    let context = AdminContext::with(gateway).await;
    let engine = context.gateway.engine.as_ref();
    context.add("ann", Role::Supervisor).await;
    let issued = json!({ "kind": "script", "name": "report", "role": "viewer", "campaigns": "*" });
    for what in ["login", "token", "rights", "lock", "account"] {
        let (token, method, path, body) = match what {
            "token" => {
                let response = context.expect_ok(Method::POST, "/admin/tokens", issued.clone()).await;
                let path = format!("/admin/tokens/{}", response["token"]["id"].as_str().unwrap());
                (response["text"].as_str().unwrap().to_owned(), Method::DELETE, path, Value::Null)
            }
            "login" => {
                let token = context.sign_in("ann", PASSWORD).await;
                let response = context.expect_ok(Method::GET, "/admin/sessions", Value::Null).await;
                let of_ann = response["sessions"].as_array().unwrap().iter().find(|session| session["user"] == "ann");
                let path = format!("/admin/sessions/{}", of_ann.unwrap()["id"].as_str().unwrap());
                (token, Method::DELETE, path, Value::Null)
            }
            _ => {
                let (method, body) = match what {
                    "rights" => (Method::PATCH, json!({ "role": "viewer" })),
                    "lock" => (Method::PATCH, json!({ "disabled": true })),
                    _ => (Method::DELETE, Value::Null),
                };
                Accounts::enable(engine, "ann").await.unwrap();
                (context.sign_in("ann", PASSWORD).await, method, "/admin/users/ann".to_owned(), body)
            }
        };
        let mut live = Client::connect(context.gateway.address, "/ws", &token).await;
        faulty.tell_nobody(true);
        let (status, response) = context.ask(&context.admin, method.clone(), &path, body.clone()).await;
        assert_eq!((status, &response["code"]), (503, &json!("unavailable")), "{what}: {response}");
        faulty.tell_nobody(false);
        let (status, response) = context.ask(&context.admin, method, &path, body).await;
        assert!((200..300).contains(&status), "{what}: {status} {response}");
        assert_eq!(live.close_code().await, 4401, "{what}");
        assert_eq!(context.gateway.ask("/auth/me", &token).await.0, 401, "{what}");
    }
    assert!(Account::get(engine, "ann").await.unwrap().is_none());
}
