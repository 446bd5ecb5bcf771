//! The scaled-out system for one test: a Redis of its own, collectors and gateways as processes, and load with known totals.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use ringside_rig::{AppendFsync, Process, RedisOptions, RedisServer, until};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app::{KEY, PASSWORD, ringside};

/// Nothing here takes so long; a test that waits longer has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// Campaigns of the load, enough to lie in many partitions.
const CAMPAIGNS: usize = 8;
/// 100 events each 50 ms are the 2,000 a second of the design point.
const BATCH: usize = 100;
const BATCH_EVERY: Duration = Duration::from_millis(50);

/// One of our processes and where it listens.
pub(crate) struct Role {
    pub(crate) process: Process,
    pub(crate) url: String,
}

impl Role {
    /// Starts a role and waits until it says where it listens.
    pub(crate) async fn start(role: &str, redis: &str, folder: &TempDir, flags: &[&str]) -> Self {
        let mut process = Process::start(&command(role, redis, folder, flags)).expect("the binary starts");
        let line = process.wait_for_line("http://", PATIENCE).await.expect("it says where it listens");
        let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://")).expect("an address");
        let url = format!("http://{}", url.split('/').next().expect("an authority"));
        Self { process, url }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    /// Status and reasons of its readiness; none where it does not answer.
    pub(crate) async fn readiness(&self) -> Option<(u16, String)> {
        let answer = Client::new().get(self.url("/readyz")).timeout(Duration::from_secs(5)).send().await.ok()?;
        Some((answer.status().as_u16(), answer.text().await.ok()?))
    }

    pub(crate) async fn until_ready(&self) {
        let ready = async || self.readiness().await.is_some_and(|(status, _)| status == 200);
        if let Err(reason) = until("readiness", PATIENCE, ready).await {
            panic!("{reason}: {:?}\n{}", self.readiness().await, self.process.lines().join("\n"));
        }
    }

    /// The greatest of the numbers that its log has under a field.
    pub(crate) fn greatest_logged(&self, field: &str) -> Option<u64> {
        let lines = self.process.lines();
        let values = lines.iter().filter_map(|line| {
            let (_, rest) = line.split_once(&format!("{field}="))?;
            rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
        });
        values.max()
    }
}

/// The command that starts a role in a folder of its own.
pub(crate) fn command(role: &str, redis: &str, folder: &TempDir, flags: &[&str]) -> Command {
    let mut command = ringside(&folder.path().join("data"));
    command.arg(role).args(["--redis", redis, "--log", "info"]).args(flags);
    // Each is given what it serves, no more.
    match role {
        "collector" => command.env("RINGSIDE_INGEST_KEY", KEY),
        _ => command.env("RINGSIDE_ADMIN_PASSWORD", PASSWORD),
    };
    command.env("RINGSIDE_HOST", "false").env("NO_COLOR", "1");
    command
}

/// A Redis that keeps each write, two collectors and two gateways, all ready.
pub(crate) struct Scene {
    pub(crate) redis: RedisServer,
    pub(crate) collectors: Vec<Role>,
    pub(crate) gateways: Vec<Role>,
    _folder: TempDir,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let redis = RedisServer::start(RedisOptions::append_only(AppendFsync::Always)).await.expect("a Redis");
        let folder = TempDir::new().expect("a temporary folder");
        let (mut collectors, mut gateways) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            collectors.push(Role::start("collector", &redis.url(), &folder, &[]).await);
            gateways.push(Role::start("gateway", &redis.url(), &folder, &[]).await);
        }
        for role in collectors.iter().chain(&gateways) {
            role.until_ready().await;
        }
        Self { redis, collectors, gateways, _folder: folder }
    }

    /// Load on all collectors, each batch sent until one of them has acknowledged it.
    pub(crate) fn load(&self) -> Load {
        let urls: Vec<_> = self.collectors.iter().map(|role| role.url("/ingest/events")).collect();
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let acknowledged = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counted = acknowledged.clone();
        let task = tokio::spawn(async move {
            let http = Client::builder().timeout(Duration::from_secs(3)).build().expect("a client");
            let mut beat = tokio::time::interval(BATCH_EVERY);
            let mut batches = 0;
            while !stopped.is_cancelled() {
                beat.tick().await;
                let events: Vec<Value> = (0..BATCH).map(|event| dialing(batches * BATCH + event)).collect();
                let mut turn = batches;
                loop {
                    let post = http.post(&urls[turn % urls.len()]).bearer_auth(KEY).json(&events).send().await;
                    if let Ok(answer) = post
                        && answer.status() == 200
                    {
                        break;
                    }
                    turn += 1;
                    tokio::time::sleep(BATCH_EVERY).await;
                }
                batches += 1;
                counted.store(batches * BATCH, std::sync::atomic::Ordering::SeqCst);
            }
            batches * BATCH
        });
        Load { stop, task, acknowledged }
    }

    /// Waits until every gateway counts exactly so many calls over all campaigns.
    pub(crate) async fn until_counted(&self, events: usize) {
        for gateway in &self.gateways {
            let mut seen = Vec::new();
            let counted = until("the totals", PATIENCE, async || {
                seen = attempts(gateway).await;
                seen.iter().sum::<i64>() == events as i64
            });
            if let Err(reason) = counted.await {
                let logs = self.collectors.iter().flat_map(|role| role.process.lines()).collect::<Vec<_>>().join("\n");
                panic!("{reason}: {seen:?} is {} and not {events}\n{logs}", seen.iter().sum::<i64>());
            }
            let part = |campaign: usize| ((events + CAMPAIGNS - 1 - campaign) / CAMPAIGNS) as i64;
            assert_eq!(seen, (0..CAMPAIGNS).map(part).collect::<Vec<_>>(), "each campaign has its part");
        }
    }
}

/// Load that runs.
pub(crate) struct Load {
    stop: CancellationToken,
    task: JoinHandle<usize>,
    acknowledged: Arc<std::sync::atomic::AtomicUsize>,
}

impl Load {
    /// Waits until so many more events were acknowledged.
    pub(crate) async fn until_more(&self, events: usize) {
        let now = || self.acknowledged.load(std::sync::atomic::Ordering::SeqCst);
        let goal = now() + events;
        until("acknowledgements", PATIENCE, async || now() >= goal).await.expect("events are taken");
    }

    /// Ends it; returns how many events were acknowledged.
    pub(crate) async fn stop(self) -> usize {
        self.stop.cancel();
        self.task.await.expect("the load runs to its end")
    }
}

/// The moment as events say it.
pub(crate) fn now() -> String {
    jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

fn dialing(number: usize) -> Value {
    let at = now();
    let campaign = format!("load-{}", number % CAMPAIGNS);
    json!({"id": format!("e{number}"), "type": "call.dialing", "at": at, "campaign": campaign, "callId": format!("c{number}")})
}

/// The attempts of each campaign, as a gateway tells them; what it does not know is 0.
pub(crate) async fn attempts(gateway: &Role) -> Vec<i64> {
    let http = Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
    let login = json!({"username": "admin", "password": PASSWORD});
    let mut counts = vec![0; CAMPAIGNS];
    let Ok(answer) = http.post(gateway.url("/auth/login")).json(&login).send().await else { return counts };
    let Ok(answer) = answer.json::<Value>().await else { return counts };
    let Some(token) = answer["token"].as_str() else { return counts };
    for (campaign, count) in counts.iter_mut().enumerate() {
        let path = format!("/analytics/campaigns/load-{campaign}/metrics");
        if let Ok(answer) = http.get(gateway.url(&path)).bearer_auth(token).send().await
            && let Ok(metrics) = answer.json::<Value>().await
        {
            *count = metrics["counters"]["attempts"].as_i64().unwrap_or(0);
        }
    }
    counts
}
