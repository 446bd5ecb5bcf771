//! The roles as processes: what they need, what they wait for, what they say.

use std::time::Duration;

use ringside_rig::{Process, RedisOptions, RedisServer, free_port, until};
use tempfile::TempDir;

use crate::app::{output, ringside};
use crate::scene::{PATIENCE, Role, command};

#[test]
fn a_gateway_or_collector_without_a_redis_says_that_it_needs_one() {
    let folder = TempDir::new().expect("a temporary folder");
    for role in ["gateway", "collector"] {
        let ended = output(ringside(&folder.path().join("data")).arg(role));
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(!ended.status.success());
        assert!(said.contains("--redis") && said.contains(role), "{said}");
    }
}

#[tokio::test]
async fn a_role_waits_for_a_redis_that_is_away_and_says_so() {
    let folder = TempDir::new().expect("a temporary folder");
    let port = free_port();
    let collector = Role::start("collector", &format!("redis://127.0.0.1:{port}/"), &folder, &[]).await;
    let alive = reqwest::get(collector.url("/healthz")).await.expect("it answers");
    assert_eq!(alive.status(), 200);
    let (status, text) = collector.readiness().await.expect("it answers");
    assert!(status == 503 && text.contains("Redis"), "{status} {text}");
    let post = reqwest::Client::new().post(collector.url("/ingest/events")).body("{}").send().await.expect("an answer");
    assert_eq!(post.status(), 503);
    assert!(post.headers().contains_key("retry-after"));
    let options = RedisOptions { port: Some(port), ..RedisOptions::default() };
    let _redis = RedisServer::start(options).await.expect("a Redis");
    collector.until_ready().await;
    assert!(!folder.path().join("data").exists(), "with Redis nothing is made in the data folder");
}

#[tokio::test]
async fn a_wrong_password_or_number_of_partitions_ends_a_role_with_a_sentence_without_the_password() {
    let folder = TempDir::new().expect("a temporary folder");
    let config = vec!["requirepass the-right-one".to_owned()];
    let redis = RedisServer::start(RedisOptions { config, ..RedisOptions::default() }).await.expect("a Redis");
    let wrong = format!("redis://:hunter2@127.0.0.1:{}/", redis.port());
    let mut gateway = Process::start(&command("gateway", &wrong, &folder, &[])).expect("the binary starts");
    let ended = gateway.wait(PATIENCE).await.expect("it ends");
    let said = gateway.lines().join("\n");
    assert!(!ended.success() && said.contains("refuses the login"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");

    let right = format!("redis://:the-right-one@127.0.0.1:{}/", redis.port());
    let collector = Role::start("collector", &right, &folder, &[]).await;
    collector.until_ready().await;
    let mut other = command("collector", &right, &folder, &[]);
    let mut other = Process::start(other.env("RINGSIDE_PARTITIONS", "32")).expect("the binary starts");
    let ended = other.wait(PATIENCE).await.expect("it ends");
    let said = other.lines().join("\n");
    assert!(!ended.success() && said.contains("64") && said.contains("32"), "{said}");

    let check = output(command("check", &right, &folder, &[]).env("RINGSIDE_REDIS_USER", "default"));
    let said = format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert!(check.status.success() && said.contains("Redis answers"), "{said}");
    assert!(
        !said.contains("the-right-one") && !collector.process.lines().join("\n").contains("the-right-one"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_that_start_at_once_agree_on_one_admin_and_accounts_are_changed_while_they_run() {
    let redis = RedisServer::start(RedisOptions::default()).await.expect("a Redis");
    let folder = TempDir::new().expect("a temporary folder");
    let start = async || {
        let mut command = command("gateway", &redis.url(), &folder, &[]);
        command.env_remove("RINGSIDE_ADMIN_PASSWORD").env_remove("RINGSIDE_INGEST_KEY");
        let mut process = Process::start(&command).expect("the binary starts");
        let line = process.wait_for_line("http://", PATIENCE).await.expect("it says where it listens");
        let url = line.split_whitespace().last().expect("words").trim_end_matches('/').to_owned();
        let role = Role { process, url };
        role.until_ready().await;
        role
    };
    let (one, two, three) = tokio::join!(start(), start(), start());
    let gateways = [one, two, three];
    let passwords: Vec<String> = gateways
        .iter()
        .flat_map(|gateway| gateway.process.lines())
        .filter_map(|line| Some(line.split_once("with the password ")?.1.trim().to_owned()))
        .collect();
    assert_eq!(passwords.len(), 1, "one of them made it");
    for gateway in &gateways {
        let login = serde_json::json!({"username": "admin", "password": passwords[0]});
        let logs_in = async || {
            let answer = reqwest::Client::new().post(gateway.url("/auth/login")).json(&login).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        until("the password works everywhere", Duration::from_secs(20), logs_in).await.expect("it does");
    }
    let list = output(command("user", &redis.url(), &folder, &["list"]).env_remove("RINGSIDE_ADMIN_PASSWORD"));
    let said = String::from_utf8_lossy(&list.stdout).into_owned();
    assert!(list.status.success() && said.contains("admin"), "{said}{}", String::from_utf8_lossy(&list.stderr));
}
