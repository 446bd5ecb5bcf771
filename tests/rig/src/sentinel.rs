//! A master and a replica with three sentinels.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use redis::Client;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::port::free_port;
use crate::server::{connection_config, wait_for_replica};
use crate::{AppendFsync, Process, RedisOptions, RedisServer, until};

/// The sentinels' name of the master.
const NAME: &str = "ringside";
const SETTLE_WITHIN: Duration = Duration::from_secs(60);

/// A running set; killed when dropped.
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    sentinels: Vec<Sentinel>,
}

struct Sentinel {
    port: u16,
    _process: Process,
    _folder: TempDir,
}

impl RedisSentinel {
    /// Starts them with append-only files; returns once the set is complete.
    ///
    /// A server counts as down after five seconds without a reply, so that a busy machine causes no failover.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(5_000).await
    }

    /// Starts them with another time until a server counts as down.
    pub async fn start_with(down_after_ms: u64) -> anyhow::Result<Self> {
        let options = RedisOptions::append_only(AppendFsync::Always);
        let master = RedisServer::start(options.clone()).await?;
        let mut config = vec![format!("replicaof 127.0.0.1 {}", master.port())];
        config.push("repl-diskless-sync-delay 0".to_owned());
        let replica = RedisServer::start(RedisOptions { config, ..options }).await?;
        let mut sentinels = Vec::new();
        for _ in 0..3 {
            sentinels.push(Sentinel::start(master.port(), down_after_ms).await?);
        }
        let set = Self { servers: vec![master, replica], sentinels };
        set.wait_until_complete().await?;
        Ok(set)
    }

    /// Returns `redis+sentinel://127.0.0.1:port,…/ringside`.
    pub fn url(&self) -> String {
        let hosts: Vec<String> = self.sentinels.iter().map(|one| format!("127.0.0.1:{}", one.port)).collect();
        format!("redis+sentinel://{}/{NAME}", hosts.join(","))
    }

    /// Returns the two servers. Either may be the master.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// Returns a server, to kill or restart it.
    pub fn server_mut(&mut self, server: usize) -> &mut RedisServer {
        &mut self.servers[server]
    }

    /// Returns the master, as the first sentinel reports it.
    pub async fn master(&self) -> anyhow::Result<usize> {
        let mut connection = self.sentinels[0].connection().await?;
        let mut query = redis::cmd("SENTINEL");
        let address: (String, u16) =
            query.arg("GET-MASTER-ADDR-BY-NAME").arg(NAME).query_async(&mut connection).await?;
        let master = self.servers.iter().position(|server| server.port() == address.1);
        master.context("the sentinels' master is not one of the two servers")
    }

    /// Kills the master and waits for the promotion of the replica.
    ///
    /// Returns the new master.
    pub async fn failover(&mut self) -> anyhow::Result<usize> {
        let old = self.master().await?;
        self.servers[old].kill();
        self.wait_for_promotion(old).await
    }

    /// Runs SENTINEL FAILOVER: promotes the replica while the master lives.
    ///
    /// The master's last writes may be lost.
    pub async fn forced_failover(&self) -> anyhow::Result<usize> {
        let old = self.master().await?;
        let mut connection = self.sentinels[0].connection().await?;
        redis::cmd("SENTINEL").arg("FAILOVER").arg(NAME).query_async::<()>(&mut connection).await?;
        self.wait_for_promotion(old).await
    }

    /// Waits until the replica has confirmed everything that the master has now.
    pub async fn wait_for_replica(&self) -> anyhow::Result<()> {
        wait_for_replica(&self.servers[self.master().await?]).await
    }

    /// Restarts a killed server; the sentinels make it a replica.
    pub async fn restart(&mut self, server: usize) -> anyhow::Result<()> {
        self.servers[server].restart().await?;
        self.wait_until_complete().await
    }

    /// Waits until the sentinels know one master, its living replica and each other.
    pub async fn wait_until_complete(&self) -> anyhow::Result<()> {
        until("the sentinels know the replica and each other", SETTLE_WITHIN, async || {
            for sentinel in &self.sentinels {
                let Ok(info) = sentinel.master_info().await else { return false };
                let is = |name: &str, value: &str| info.get(name).is_some_and(|known| known == value);
                if !(is("num-other-sentinels", "2") && is("num-slaves", "1") && is("flags", "master")) {
                    return false;
                }
            }
            let Ok(master) = self.master().await else { return false };
            let replica: String = self.servers[1 - master].command("INFO replication").await.unwrap_or_default();
            replica.contains("role:slave") && replica.contains("master_link_status:up")
        })
        .await
    }

    async fn wait_for_promotion(&self, old: usize) -> anyhow::Result<usize> {
        let new = 1 - old;
        until("the sentinels have promoted the replica", SETTLE_WITHIN, async || {
            let role: String = self.servers[new].command("INFO replication").await.unwrap_or_default();
            role.contains("role:master") && self.master().await.is_ok_and(|master| master == new)
        })
        .await?;
        Ok(new)
    }
}

impl Sentinel {
    async fn start(master: u16, down_after_ms: u64) -> anyhow::Result<Self> {
        let (port, folder) = (free_port(), TempDir::with_prefix("sentinel-")?);
        let file = folder.path().join("sentinel.conf");
        let lines = [
            format!("port {port}"),
            "bind 127.0.0.1".to_owned(),
            format!("dir {}", folder.path().display()),
            format!("sentinel monitor {NAME} 127.0.0.1 {master} 2"),
            format!("sentinel down-after-milliseconds {NAME} {down_after_ms}"),
            format!("sentinel failover-timeout {NAME} 3000"),
        ];
        std::fs::write(&file, lines.join("\n") + "\n")?;
        let mut command = Command::new("redis-server");
        command.arg(&file).arg("--sentinel");
        let mut process = Process::start(&command)?;
        process.wait_for_line("Sentinel ID is", SETTLE_WITHIN).await?;
        Ok(Self { port, _process: process, _folder: folder })
    }

    async fn connection(&self) -> anyhow::Result<MultiplexedConnection> {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port))?;
        Ok(client.get_multiplexed_async_connection_with_config(&connection_config()).await?)
    }

    async fn master_info(&self) -> anyhow::Result<HashMap<String, String>> {
        let mut connection = self.connection().await?;
        Ok(redis::cmd("SENTINEL").arg("MASTER").arg(NAME).query_async(&mut connection).await?)
    }
}
