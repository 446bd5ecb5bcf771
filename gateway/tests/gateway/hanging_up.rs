//! Whoever hangs up in the middle of a change has made it, and it is noted like any other.

use std::time::Duration;

use ringside_gateway::{Accounts, Audit, Role};
use ringside_rig::until;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::client::PATIENCE;
use crate::floor::{Floor, member, tenant};

/// Asks, and hangs up once `begun` says that it has begun.
async fn ask_and_hang_up(floor: &Floor, path: &str, token: &str, body: &Value, begun: impl AsyncFn() -> bool) {
    let body = body.to_string();
    let mut socket = TcpStream::connect(floor.address).await.unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    until("it has begun", PATIENCE, begun).await.unwrap();
}

async fn is_noted(floor: &Floor, what: &str, target: &str) -> bool {
    let audit = Audit::new(floor.engine.clone(), Duration::from_secs(3600));
    let lines = audit.read(&tenant(), None, 1000).await.unwrap();
    lines.iter().any(|line| line.entry.what == what && (line.entry.who == target || line.entry.target == target))
}

#[tokio::test]
async fn a_password_that_nobody_waits_for_is_looked_at_and_noted() {
    let floor = Floor::start().await;
    Accounts::add(floor.engine.as_ref(), "ann", "correct horse", &member(Role::Viewer, &[])).await.unwrap();
    // It is counted for as long as the password is looked at, which may be over before we look.
    let has_begun =
        async || !floor.engine.list("tries/").await.unwrap().is_empty() || is_noted(&floor, "login", "ann").await;
    let login = json!({ "username": "ann", "password": "correct horse" });
    ask_and_hang_up(&floor, "/auth/login", "", &login, has_begun).await;
    until("the login is noted", PATIENCE, async || is_noted(&floor, "login", "ann").await).await.unwrap();
    let wrong = json!({ "username": "ann", "password": "battery staple" });
    for _ in 0..5 {
        let before = floor.engine.list("tries/").await.unwrap();
        let is_counted = async || floor.engine.list("tries/").await.unwrap() != before;
        ask_and_hang_up(&floor, "/auth/login", "", &wrong, is_counted).await;
    }
    let lock = async || {
        let audit = Audit::new(floor.engine.clone(), Duration::from_secs(3600));
        let lines = audit.read(&tenant(), None, 1000).await.unwrap();
        lines.iter().any(|line| line.entry.who == "ann" && line.entry.outcome == "locked")
    };
    until("who locks an account is noted", PATIENCE, lock).await.unwrap();
}

#[tokio::test]
async fn a_change_that_nobody_waits_for_is_noted() {
    let floor = Floor::start().await;
    let mut claims = Floor::claims(None);
    claims["role"] = json!("admin");
    let admin = floor.sign(&claims).await;
    for n in 0..20 {
        let name = format!("user{n}");
        let new = json!({ "name": name, "role": "admin", "campaigns": "*", "password": "a password of mine" });
        let is_there = async || Accounts::get(floor.engine.as_ref(), &name).await.unwrap().is_some();
        ask_and_hang_up(&floor, "/admin/users", &admin, &new, is_there).await;
    }
    for n in 0..20 {
        let name = format!("user{n}");
        until("it is noted", PATIENCE, async || is_noted(&floor, "user.add", &name).await).await.unwrap();
    }
}
