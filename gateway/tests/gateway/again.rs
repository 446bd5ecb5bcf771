//! What was changed and could not be told to the other gateways is answered with 503, and said again it is told.

use reqwest::Method;
use ringside_gateway::{Accounts, Role};
use serde_json::{Value, json};

use crate::client::Client;
use crate::floor::{Floor, member};

const PASSWORD: &str = "correct horse";

async fn ask(floor: &Floor, token: &str, method: Method, path: &str, body: Value) -> (u16, Value) {
    let request = reqwest::Client::new().request(method, floor.url(path)).bearer_auth(token);
    let response = if body.is_null() { request } else { request.json(&body) }.send().await.unwrap();
    let status = response.status().as_u16();
    (status, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or(Value::Null))
}

async fn log_in(floor: &Floor, body: Value) -> String {
    let (status, me) = ask(floor, "", Method::POST, "/auth/login", body).await;
    assert_eq!(status, 200, "{me}");
    me["token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_revocation_that_could_not_be_told_is_told_when_it_is_said_again() {
    let (floor, faulty) = Floor::faulty().await;
    for (name, role) in [("root", Role::Admin), ("ann", Role::Supervisor)] {
        Accounts::add(floor.engine.as_ref(), name, PASSWORD, &member(role, &[])).await.unwrap();
    }
    let admin = log_in(&floor, json!({ "username": "root", "password": PASSWORD })).await;
    let issued = json!({ "kind": "script", "name": "report", "role": "viewer", "campaigns": "*" });
    for what in ["login", "token", "rights", "lock", "account"] {
        let login = json!({ "username": "ann", "password": PASSWORD });
        let (token, method, path, body) = match what {
            "token" => {
                let (_, told) = ask(&floor, &admin, Method::POST, "/admin/tokens", issued.clone()).await;
                let path = format!("/admin/tokens/{}", told["token"]["id"].as_str().unwrap());
                (told["text"].as_str().unwrap().to_owned(), Method::DELETE, path, Value::Null)
            }
            "login" => {
                let token = log_in(&floor, login).await;
                let (_, told) = ask(&floor, &admin, Method::GET, "/admin/sessions", Value::Null).await;
                let of_ann = told["sessions"].as_array().unwrap().iter().find(|session| session["user"] == "ann");
                let path = format!("/admin/sessions/{}", of_ann.unwrap()["id"].as_str().unwrap());
                (token, Method::DELETE, path, Value::Null)
            }
            _ => {
                let (method, body) = match what {
                    "rights" => (Method::PATCH, json!({ "role": "viewer" })),
                    "lock" => (Method::PATCH, json!({ "disabled": true })),
                    _ => (Method::DELETE, Value::Null),
                };
                Accounts::enable(floor.engine.as_ref(), "ann").await.unwrap();
                (log_in(&floor, login).await, method, "/admin/users/ann".to_owned(), body)
            }
        };
        let mut live = Client::connect(floor.address, "/ws", &token).await;
        faulty.tell_nobody(true);
        let (status, told) = ask(&floor, &admin, method.clone(), &path, body.clone()).await;
        assert_eq!((status, &told["code"]), (503, &json!("unavailable")), "{what}: {told}");
        faulty.tell_nobody(false);
        let (status, told) = ask(&floor, &admin, method, &path, body).await;
        assert!((200..300).contains(&status), "{what}: {status} {told}");
        assert_eq!(live.close_code().await, 4401, "{what}");
        assert_eq!(ask(&floor, &token, Method::GET, "/auth/me", Value::Null).await.0, 401, "{what}");
    }
    assert!(Accounts::get(floor.engine.as_ref(), "ann").await.unwrap().is_none());
}
