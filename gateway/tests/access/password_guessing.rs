//! Password guessing at several gateways, and its effects on the account's owner.

use ringside_access::{Accounts, Role};
use ringside_gateway::GatewaySettings;
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::test_gateway::{TestGateway, member, serve};

/// Signs in. Returns the status, the cookies, and the body.
async fn sign_in(url: &str, user: &str, password: &str, cookie: Option<&str>) -> (u16, Vec<String>, Value) {
    let body = json!({ "username": user, "password": password }).to_string();
    let mut request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body);
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let response = request.send().await.unwrap();
    let status = response.status().as_u16();
    let cookies = response.headers().get_all("set-cookie").iter().map(|value| value.to_str().unwrap().to_owned());
    let cookies = cookies.collect();
    (status, cookies, serde_json::from_slice(&response.bytes().await.unwrap()).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn guessing_at_two_gateways_locks_out_only_the_guesser() {
    let gateway = TestGateway::start().await;
    for name in ["ann", "bob"] {
        let engine = gateway.engine.as_ref();
        Accounts::add(engine, name, "correct horse", &member(Role::Operator, &[])).await.unwrap();
    }
    let (_other, other_address) = serve(gateway.engine.clone(), GatewaySettings::default()).await;
    let urls = [gateway.url("/auth/login"), format!("http://{other_address}/auth/login")];

    let (status, cookies, body) = sign_in(&urls[0], "ann", "correct horse", None).await;
    assert_eq!(status, 200, "{body}");
    let device = cookies.iter().find(|cookie| cookie.starts_with("ringside_device=")).expect("a device cookie");
    let (device, rest) = device.split_once("; ").unwrap();
    assert_eq!(rest, "Path=/auth/login; HttpOnly; SameSite=Strict; Max-Age=15552000");
    let mut live = Client::connect(gateway.address, "/ws", body["token"].as_str().unwrap()).await;

    let tries: Vec<_> = (0..200)
        .map(|n| {
            let url = urls[n % 2].clone();
            tokio::spawn(async move { sign_in(&url, "ann", &format!("guess {n}"), None).await.0 })
        })
        .collect();
    assert_eq!(sign_in(&urls[1], "bob", "correct horse", None).await.0, 200, "other users sign in meanwhile");
    let mut answers = Vec::new();
    for attempt in tries {
        answers.push(attempt.await.unwrap());
    }
    // The fifth wrong one locks the account.
    let wrong = answers.iter().filter(|status| **status == 401).count();
    assert!(wrong == 4 && answers.iter().all(|status| matches!(status, 401 | 429)), "{answers:?}");

    live.send(json!({ "action": "ping" })).await;
    live.until("pong").await;
    for url in &urls {
        assert_eq!(sign_in(url, "ann", "correct horse", None).await.0, 429, "the right password comes too late");
        let (status, cookies, body) = sign_in(url, "ann", "correct horse", Some(device)).await;
        assert_eq!(status, 200, "{body}");
        assert!(cookies.iter().any(|cookie| cookie.starts_with(device)), "the device stays known: {cookies:?}");
        assert_eq!(sign_in(url, "bob", "correct horse", Some(device)).await.0, 200);
    }
    Accounts::enable(gateway.engine.as_ref(), "ann").await.unwrap();
    let (_third, address) = serve(gateway.engine.clone(), GatewaySettings::default()).await;
    let url = format!("http://{address}/auth/login");
    assert_eq!(sign_in(&url, "ann", "correct horse", None).await.0, 200, "an admin has unlocked it");
}

#[tokio::test]
async fn without_the_registry_sign_in_is_unavailable() {
    let (gateway, faulty) = TestGateway::faulty().await;
    Accounts::add(gateway.engine.as_ref(), "ann", "correct horse", &member(Role::Operator, &[])).await.unwrap();
    assert_eq!(sign_in(&gateway.url("/auth/login"), "ann", "correct horse", None).await.0, 200);
    for away in [crate::support::faulty_engine::Away::Refuses, crate::support::faulty_engine::Away::Hangs] {
        faulty.be_away(away);
        let (status, _, body) = sign_in(&gateway.url("/auth/login"), "ann", "correct horse", None).await;
        assert_eq!((status, body["code"].as_str()), (503, Some("unavailable")));
    }
}
