//! The installation that is tortured: Redis, links, collectors and gateways, all on this machine and all real.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use ringside_rig::{
    AppendFsync, ClusterOptions, FaultProxy, Process, RedisCluster, RedisOptions, RedisSentinel, RedisServer,
    free_port, redis_server_installed, until,
};
use tempfile::TempDir;

use super::load::{Gate, KEY};
use super::schedule::{Fault, Schedule, Topology};

pub(super) const PASSWORD: &str = "only for this torture";

/// A role is up, or has stopped, within this.
const PATIENCE: Duration = Duration::from_secs(60);

/// A busy machine must not look like a dead server: failovers are ours to cause, because only those can be judged.
const PATIENT_MS: u64 = 4_000;
/// How many partitions' slots move at once.
const SLOTS_MOVED: u16 = 3;

/// Redis as it stands there.
enum Store {
    Standalone(Box<RedisServer>),
    Cluster(Box<RedisCluster>),
    Sentinel(Box<RedisSentinel>),
}

/// A collector or a gateway.
struct Role {
    kind: &'static str,
    number: usize,
    redis: String,
    address: SocketAddr,
    folder: PathBuf,
    process: Process,
}

/// All of it; gone when dropped.
pub(crate) struct Site {
    store: Store,
    /// Stand-alone: one a process, collectors first. Cluster: one a node.
    links: Vec<FaultProxy>,
    collectors: Vec<Role>,
    gateways: Vec<Role>,
    folder: TempDir,
}

impl Site {
    /// Starts everything and waits until all are ready.
    pub(crate) async fn start(schedule: &Schedule) -> anyhow::Result<Self> {
        if !redis_server_installed() {
            bail!("torture needs redis-server on the PATH; on Debian: apt install redis-server");
        }
        let folder = TempDir::with_prefix("torture-").context("no temporary folder")?;
        let store = match schedule.topology {
            Topology::Standalone => {
                Store::Standalone(Box::new(RedisServer::start(RedisOptions::append_only(AppendFsync::Always)).await?))
            }
            Topology::Cluster => Store::Cluster(Box::new(
                RedisCluster::start_with(ClusterOptions {
                    replicas: 1,
                    append_only: Some(AppendFsync::Always),
                    proxied: true,
                    node_timeout_ms: PATIENT_MS,
                    ..ClusterOptions::default()
                })
                .await?,
            )),
            Topology::Sentinel => Store::Sentinel(Box::new(RedisSentinel::start_with(PATIENT_MS).await?)),
        };
        let mut site = Self { store, links: Vec::new(), collectors: Vec::new(), gateways: Vec::new(), folder };
        for number in 0..schedule.collectors {
            let role = site.role("collector", number).await?;
            site.collectors.push(role);
        }
        for number in 0..schedule.gateways {
            let role = site.role("gateway", number).await?;
            site.gateways.push(role);
        }
        site.wait_until_ready().await?;
        Ok(site)
    }

    /// A way to Redis that no fault lies on, for the judge.
    pub(crate) fn redis_url(&self) -> String {
        match &self.store {
            Store::Standalone(server) => server.url(),
            Store::Cluster(cluster) => cluster.url(),
            Store::Sentinel(set) => set.url(),
        }
    }

    /// Where events are taken.
    pub(crate) fn collectors(&self) -> Vec<String> {
        self.collectors.iter().map(Role::url).collect()
    }

    /// Where clients go.
    pub(crate) fn gateways(&self) -> Vec<String> {
        self.gateways.iter().map(Role::url).collect()
    }

    /// Waits until every role says that it is ready.
    pub(crate) async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        for role in self.collectors.iter_mut().chain(&mut self.gateways) {
            role.wait_until_ready().await?;
        }
        Ok(())
    }

    /// Lets it go wrong.
    pub(crate) async fn apply(&mut self, fault: Fault, gate: &Gate) -> anyhow::Result<()> {
        match fault {
            Fault::KillCollector(n) => of(&mut self.collectors, n).process.kill(),
            Fault::PauseCollector(n) => of(&mut self.collectors, n).process.pause(),
            Fault::RestartCollector(n) => of(&mut self.collectors, n).restart().await?,
            Fault::KillGateway(n) => of(&mut self.gateways, n).process.kill(),
            Fault::PauseGateway(n) => of(&mut self.gateways, n).process.pause(),
            Fault::RestartGateway(n) => of(&mut self.gateways, n).restart().await?,
            Fault::PauseRedis => {
                if let Store::Standalone(server) = &self.store {
                    server.pause();
                }
            }
            Fault::PauseReplica => self.paused_replica(true).await?,
            Fault::RestartRedis => {
                if let Store::Standalone(server) = &mut self.store {
                    server.kill();
                }
            }
            Fault::CutLink(n) => self.link(n).refuse(),
            Fault::HoldLink(n) => self.link(n).pause(),
            Fault::LoseAnswers(n) => self.link(n).hold_replies(),
            Fault::SlowLink(n) => self.link(n).delay(Duration::from_millis(100)),
            Fault::MoveSlots(first) => {
                if let Store::Cluster(cluster) = &self.store {
                    let masters = cluster.masters().await?;
                    for partition in first..first + SLOTS_MOVED {
                        let slot = cluster.slot_of(&format!("{{{partition}}}")).await?;
                        let owner = cluster.owner_of(slot).await?;
                        let place = masters.iter().position(|master| *master == owner).unwrap_or(0);
                        cluster.migrate_slot(slot, masters[(place + 1) % masters.len()]).await?;
                    }
                }
            }
            Fault::GracefulFailover(n) => {
                if let Store::Cluster(cluster) = &self.store {
                    let masters = cluster.masters().await?;
                    cluster.graceful_failover(masters[n % masters.len()]).await?;
                }
            }
            Fault::CrashFailover(n) => self.crash_failover(n, gate).await?,
        }
        Ok(())
    }

    /// Ends it.
    pub(crate) async fn undo(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::KillCollector(n) => of(&mut self.collectors, n).launch()?,
            Fault::PauseCollector(n) => of(&mut self.collectors, n).process.resume(),
            Fault::KillGateway(n) => of(&mut self.gateways, n).launch()?,
            Fault::PauseGateway(n) => of(&mut self.gateways, n).process.resume(),
            Fault::PauseRedis => {
                if let Store::Standalone(server) = &self.store {
                    server.resume();
                }
            }
            Fault::PauseReplica => self.paused_replica(false).await?,
            Fault::RestartRedis => {
                if let Store::Standalone(server) = &mut self.store {
                    server.restart().await?;
                }
            }
            Fault::CutLink(n) | Fault::HoldLink(n) | Fault::SlowLink(n) => self.link(n).heal(),
            Fault::LoseAnswers(n) => {
                self.link(n).cut();
                self.link(n).heal();
            }
            Fault::RestartCollector(_)
            | Fault::RestartGateway(_)
            | Fault::MoveSlots(_)
            | Fault::GracefulFailover(_)
            | Fault::CrashFailover(_) => {}
        }
        Ok(())
    }

    /// What the roles said last, for a failed run.
    pub(crate) fn last_words(&self) -> String {
        let roles = self.collectors.iter().chain(&self.gateways);
        roles.fold(String::new(), |text, role| {
            let lines = role.process.lines();
            let newest = lines[lines.len().saturating_sub(8)..].join("\n    ");
            format!("{text}  {} {}:\n    {newest}\n", role.kind, role.number)
        })
    }

    /// An asynchronous replica may miss what its master took last, which is Redis' own promise and none of ours; so the
    /// load is held until the replica has all that was acknowledged, and only then is the master killed.
    async fn crash_failover(&mut self, n: usize, gate: &Gate) -> anyhow::Result<()> {
        let _held = gate.hold().await;
        match &mut self.store {
            Store::Standalone(_) => {}
            Store::Cluster(cluster) => {
                let masters = cluster.masters().await?;
                let master = masters[n % masters.len()];
                cluster.wait_for_replica(master).await?;
                cluster.failover(master).await?;
                cluster.restart(master).await?;
            }
            Store::Sentinel(set) => {
                let master = set.master().await?;
                set.wait_for_replica().await?;
                set.failover().await?;
                set.restart(master).await?;
            }
        }
        Ok(())
    }

    async fn paused_replica(&self, paused: bool) -> anyhow::Result<()> {
        if let Store::Sentinel(set) = &self.store {
            let replica = &set.servers()[1 - set.master().await?];
            if paused { replica.pause() } else { replica.resume() }
        }
        Ok(())
    }

    fn link(&self, n: usize) -> &FaultProxy {
        let links = match &self.store {
            Store::Cluster(cluster) => cluster.proxies(),
            Store::Standalone(_) | Store::Sentinel(_) => &self.links,
        };
        &links[n % links.len()]
    }

    async fn role(&mut self, kind: &'static str, number: usize) -> anyhow::Result<Role> {
        let redis = match &self.store {
            Store::Standalone(server) => {
                let link = FaultProxy::to_port(server.port()).await?;
                let url = link.url();
                self.links.push(link);
                url
            }
            Store::Cluster(cluster) => cluster.url(),
            Store::Sentinel(set) => set.url(),
        };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()));
        let folder = self.folder.path().join(format!("{kind}-{number}"));
        std::fs::create_dir_all(&folder)?;
        let process = spawn(kind, &redis, address, &folder)?;
        Ok(Role { kind, number, redis, address, folder, process })
    }
}

fn of(roles: &mut [Role], n: usize) -> &mut Role {
    let count = roles.len();
    &mut roles[n % count]
}

impl Role {
    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    fn launch(&mut self) -> anyhow::Result<()> {
        self.process = spawn(self.kind, &self.redis, self.address, &self.folder)?;
        Ok(())
    }

    /// SIGTERM, its own time to end, and a new one.
    async fn restart(&mut self) -> anyhow::Result<()> {
        self.process.terminate();
        let status = self.process.wait(PATIENCE).await?;
        if !status.success() {
            bail!("{} {} did not stop well: {status}", self.kind, self.number);
        }
        self.launch()
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let (http, url) = (reqwest::Client::new(), format!("{}/readyz", self.url()));
        let process = &mut self.process;
        let mut ended = None;
        let ready = until(&format!("{} {} is ready", self.kind, self.number), PATIENCE, async || {
            ended = process.exit_status();
            let answer = http.get(&url).timeout(Duration::from_secs(2)).send().await;
            ended.is_some() || answer.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        if ready.is_err() || ended.is_some() {
            let said = process.lines().join("\n  ");
            bail!("{} {} is not ready ({ended:?}); it said:\n  {said}", self.kind, self.number);
        }
        Ok(())
    }
}

fn spawn(kind: &str, redis: &str, address: SocketAddr, folder: &Path) -> anyhow::Result<Process> {
    let mut command = Command::new(std::env::current_exe().context("this binary can't be found")?);
    // Nothing of this environment configures it.
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RINGSIDE_")) {
        command.env_remove(name);
    }
    command.args([kind, "--redis", redis, "--listen", &address.to_string(), "--simulate", "false", "--log", "info"]);
    command.arg("--data").arg(folder.join("data")).current_dir(folder);
    command.envs([("RINGSIDE_ADMIN_PASSWORD", PASSWORD), ("RINGSIDE_INGEST_KEY", KEY), ("RINGSIDE_HOST", "false")]);
    Process::start(&command)
}
