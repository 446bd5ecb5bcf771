//! A client that disconnects mid-request has still asked: the request completes and is audited.

use std::time::Duration;

use ringside_access::{Accounts, Audit, Role};
use ringside_rig::until;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::client::PATIENCE;
use crate::support::test_gateway::{TestGateway, member, tenant};

/// Logs in, and hangs up once `begun` says that it has begun.
async fn log_in_and_hang_up(floor: &TestGateway, password: &str, begun: impl AsyncFn() -> bool) {
    let body = json!({ "username": "ann", "password": password }).to_string();
    let mut socket = TcpStream::connect(floor.address).await.unwrap();
    let head = format!(
        "POST /auth/login HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    socket.write_all(&[head.as_bytes(), body.as_bytes()].concat()).await.unwrap();
    until("it has begun", PATIENCE, begun).await.unwrap();
}

/// True once the audit log has a login of ann's that came to this.
async fn is_noted(floor: &TestGateway, outcome: &str) -> bool {
    let audit = Audit::new(floor.engine.clone(), Duration::from_secs(3600));
    let lines = audit.read(&tenant(), None, 100).await.unwrap();
    lines.iter().any(|line| line.entry.action == "login" && line.entry.user == "ann" && line.entry.outcome == outcome)
}

#[tokio::test]
async fn a_password_that_nobody_waits_for_is_looked_at_and_noted() {
    let floor = TestGateway::start().await;
    Accounts::add(floor.engine.as_ref(), "ann", "correct horse", &member(Role::Viewer, &[])).await.unwrap();
    let tries = async || floor.engine.list("tries/").await.unwrap();
    // It is counted for as long as the password is looked at, which may be over before we look.
    let has_begun = async || !tries().await.is_empty() || is_noted(&floor, "ok").await;
    log_in_and_hang_up(&floor, "correct horse", has_begun).await;
    until("the login is noted", PATIENCE, async || is_noted(&floor, "ok").await).await.unwrap();
    for _ in 0..5 {
        let before = tries().await;
        log_in_and_hang_up(&floor, "battery staple", async || tries().await != before).await;
    }
    until("who locks an account is noted", PATIENCE, async || is_noted(&floor, "locked").await).await.unwrap();
}
