//! A revocation on one gateway takes effect on the other: two processes, and a Redis between them.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::join_all;
use reqwest::{Client, Method};
use ringside_rig::{RedisOptions, RedisServer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use crate::app::PASSWORD;
use crate::scene::{PATIENCE, Role};

async fn ask(gateway: &Role, method: Method, path: &str, token: &str, body: &Value) -> Value {
    let asked = Client::new().request(method, gateway.url(path)).bearer_auth(token).json(body);
    let answer = asked.send().await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.text().await.unwrap_or_default());
    answer.json().await.expect("JSON")
}

async fn log_in(gateway: &Role, name: &str) -> String {
    let login = json!({ "username": name, "password": PASSWORD });
    let told = ask(gateway, Method::POST, "/auth/login", "", &login).await;
    told["token"].as_str().expect("a token").to_owned()
}

/// Opens a socket, a stream and a held poll at a gateway; what comes out ends once all three have.
async fn watch(gateway: &Role, token: &str) -> impl Future<Output = Duration> + use<> {
    let mut request = gateway.url("/ws").replacen("http", "ws", 1).into_client_request().expect("an address");
    request.headers_mut().insert("authorization", format!("Bearer {token}").parse().expect("a plain header"));
    let (mut socket, _) = tokio_tungstenite::connect_async(request).await.expect("a socket");
    let get = |path: String| Client::new().get(gateway.url(&path)).bearer_auth(token).send();
    let mut stream = get("/events/alerts".to_owned()).await.expect("a stream");
    stream.chunk().await.expect("its first frame");
    let place = ask(gateway, Method::GET, "/poll?rooms=alerts", token, &Value::Null).await;
    let place = place["cursor"].as_str().expect("a place").to_owned();
    let poll = tokio::spawn(get(format!("/poll?rooms={place}&wait=50")));
    let began = Instant::now();
    async move {
        let socket = async {
            loop {
                match socket.next().await {
                    Some(Ok(Message::Close(Some(close)))) => break assert_eq!(u16::from(close.code), 4401),
                    Some(Ok(_)) => {}
                    end => panic!("without a word: {end:?}"),
                }
            }
        };
        let stream = async { while let Ok(Some(_)) = stream.chunk().await {} };
        let poll = async { assert_eq!(poll.await.expect("it is asked").expect("an answer").status(), 401) };
        tokio::join!(socket, stream, poll);
        began.elapsed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_who_is_revoked_at_one_gateway_loses_socket_stream_and_poll_at_both() {
    let redis = RedisServer::start(RedisOptions::default()).await.expect("a Redis");
    let folder = TempDir::new().expect("a temporary folder");
    let mut gateways = Vec::new();
    for _ in 0..2 {
        gateways.push(Role::start("gateway", &redis.url(), &folder, &[]).await);
    }
    for gateway in &gateways {
        gateway.until_ready().await;
    }
    let admin = log_in(&gateways[0], "admin").await;
    let new = json!({ "name": "ann", "role": "viewer", "campaigns": "*", "password": PASSWORD });
    ask(&gateways[0], Method::POST, "/admin/users", &admin, &new).await;
    let ann = log_in(&gateways[1], "ann").await;
    let mut watching = Vec::new();
    for gateway in &gateways {
        watching.push(watch(gateway, &ann).await);
    }
    let ended = tokio::spawn(async move { tokio::time::timeout(PATIENCE, join_all(watching)).await });
    ask(&gateways[0], Method::POST, "/admin/users/ann/end", &admin, &Value::Null).await;
    let revoked = Instant::now();
    let took = ended.await.expect("nothing panics").expect("all of it ends");
    println!("the last of them ended {:?} after the revocation was answered; each lasted {took:?}", revoked.elapsed());
    for gateway in &gateways {
        let answer = Client::new().get(gateway.url("/auth/me")).bearer_auth(&ann).send().await.expect("an answer");
        assert_eq!(answer.status(), 401);
    }
}
