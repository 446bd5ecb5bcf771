//! Two collectors, two gateways, one Redis, 2,000 events a second; then something is killed, paused or flushed. What was
//! acknowledged is counted once, and nobody restarts anything.

use std::time::Duration;

use ringside_rig::until;
use serde_json::json;

use crate::scene::{PATIENCE, Scene, now};

/// A lease of 3 s, half a second until somebody looks, and the replay; measured by the last tick, which is up to 1 s older.
const BY_LEASE_MS: u64 = 5_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_collector_is_taken_over_from_and_totals_are_exact() {
    let mut scene = Scene::start().await;
    let load = scene.load();
    load.until_more(4_000).await;
    scene.collectors[0].process.kill();
    let survivor = &scene.collectors[1];
    let took_all = async || metric(&survivor.url("/metrics"), "ringside_owner_partitions").await == Some(64.0);
    until("the survivor has all partitions", PATIENCE, took_all).await.expect("taken over");
    load.until_more(2_000).await;
    let events = load.stop().await;
    scene.until_counted(events).await;
    let silent_ms = scene.collectors[1].greatest_logged("takeover.silent_ms").expect("it took partitions with calls");
    println!("{events} events; the longest silence of a partition was {silent_ms} ms (by the lease: {BY_LEASE_MS} ms)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_collector_that_goes_on_is_refused_and_totals_are_exact() {
    let scene = Scene::start().await;
    let load = scene.load();
    load.until_more(2_000).await;
    scene.collectors[0].process.pause();
    let other = scene.collectors[1].url("/metrics");
    let took_all = async || metric(&other, "ringside_owner_partitions").await == Some(64.0);
    until("the other one has all partitions", PATIENCE, took_all).await.expect("taken over");
    // Longer than any lease: the pause itself is what is tried here.
    tokio::time::sleep(Duration::from_secs(7)).await;
    scene.collectors[0].process.resume();
    let paused = scene.collectors[0].url("/metrics");
    let shared = async || {
        metric(&paused, "ringside_owner_partitions").await == Some(32.0)
            && metric(&other, "ringside_owner_partitions").await == Some(32.0)
    };
    until("both have halves again", PATIENCE, shared).await.expect("shared again");
    let ended = ["fenced", "lapsed"].map(|reason| format!("ringside_owner_stints_ended_total{{reason=\"{reason}\"}}"));
    let mut refused = 0.0;
    for name in &ended {
        refused += metric(&paused, name).await.expect("it is shown");
    }
    assert!(refused > 0.0, "the stints of before the pause ended");
    load.until_more(2_000).await;
    let events = load.stop().await;
    scene.until_counted(events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_killed_and_comes_back_has_all_that_was_acknowledged() {
    let mut scene = Scene::start().await;
    let load = scene.load();
    load.until_more(2_000).await;
    scene.redis.kill();
    for role in scene.collectors.iter().chain(&scene.gateways) {
        let red = async || role.readiness().await.is_some_and(|(status, _)| status == 503);
        until("readiness turns red", PATIENCE, red).await.expect("it notices");
    }
    let event = json!({"id": "away", "type": "call.dialing", "campaign": "load-0", "callId": "away", "at": now()});
    let post = reqwest::Client::new().post(scene.collectors[0].url("/ingest/events")).bearer_auth(crate::app::KEY);
    let refused = post.json(&event).timeout(PATIENCE).send().await.expect("an answer");
    let retry = refused.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    assert!(refused.status() == 503 && retry.is_some_and(|seconds| seconds > 0), "{refused:?}");
    scene.redis.restart().await.expect("it starts again");
    let back = tokio::time::Instant::now();
    for role in scene.collectors.iter().chain(&scene.gateways) {
        role.until_ready().await;
    }
    println!("all ready {:?} after Redis", back.elapsed());
    load.until_more(2_000).await;
    let events = load.stop().await;
    scene.until_counted(events).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_flush_everybody_begins_anew_without_a_restart() {
    let scene = Scene::start().await;
    let load = scene.load();
    load.until_more(1_000).await;
    let before = load.stop().await;
    scene.until_counted(before).await;
    scene.redis.command::<()>("FLUSHALL").await.expect("it flushes");
    // Accounts and key are made again, and the load counts from 0 with ids of its own life.
    for role in scene.collectors.iter().chain(&scene.gateways) {
        role.until_ready().await;
    }
    let again = reqwest::Client::new();
    let event = json!({"id": "after", "type": "call.dialing", "campaign": "load-0", "callId": "after", "at": now()});
    let taken = async || {
        let post = again.post(scene.collectors[1].url("/ingest/events")).bearer_auth(crate::app::KEY).json(&event);
        post.send().await.is_ok_and(|answer| answer.status() == 200)
    };
    until("events are taken again", PATIENCE, taken).await.expect("the key is there again");
    // Not by trying to log in: who fails so often is locked out for a while.
    let account =
        async || scene.redis.command::<bool>("HEXISTS ringside:{installation}:registry:account account/admin").await;
    until("the account is there again", PATIENCE, async || account().await.is_ok_and(|there| there))
        .await
        .expect("it is");
    for gateway in &scene.gateways {
        let one = async || crate::scene::attempts(gateway).await.iter().sum::<i64>() == 1;
        until("only what came after the flush is counted", PATIENCE, one).await.expect("a fresh count");
    }
}

/// A metric's value, by its name with labels.
async fn metric(url: &str, name: &str) -> Option<f64> {
    let text = reqwest::get(url).await.ok()?.text().await.ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}
