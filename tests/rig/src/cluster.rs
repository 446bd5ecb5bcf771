//! A real Redis Cluster: masters with their slots, and replicas.
//!
//! It is created with ADDSLOTSRANGE, MEET and REPLICATE, in a second or two. With proxies, each node announces the
//! port of a [`FaultProxy`] in front of it: clients connect through the proxies, and the nodes connect to each other
//! directly.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use redis::{Value, from_redis_value};

use crate::port::free_port;
use crate::server::wait_for_replica;
use crate::{AppendFsync, FaultProxy, RedisOptions, RedisServer, until};

const SLOTS: u16 = 16_384;
/// The time in which nodes agree, a replica is promoted or a slot moves.
const SETTLE_WITHIN: Duration = Duration::from_secs(40);
/// The time after which a failover that has not happened is requested again.
const REQUEST_AGAIN_AFTER: Duration = Duration::from_secs(8);

/// The options of a cluster.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Masters, at least three for a failover.
    pub masters: usize,
    /// Replicas of each master.
    pub replicas: usize,
    /// Write append-only files.
    pub append_only: Option<AppendFsync>,
    /// Put a proxy in front of each node.
    pub proxied: bool,
    /// The time after which a silent node counts as failed.
    pub node_timeout_ms: u64,
    /// Further lines of each redis.conf.
    pub config: Vec<String>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self { masters: 3, replicas: 0, append_only: None, proxied: false, node_timeout_ms: 1000, config: Vec::new() }
    }
}

/// A running cluster; killed when dropped.
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    ids: Vec<String>,
    proxies: Vec<FaultProxy>,
    masters: usize,
}

impl RedisCluster {
    /// Starts a cluster without proxies. `replicas` is the number for each master.
    pub async fn start(masters: usize, replicas: usize) -> anyhow::Result<Self> {
        Self::start_with(ClusterOptions { masters, replicas, ..ClusterOptions::default() }).await
    }

    /// Starts a cluster with options; returns once it is complete.
    pub async fn start_with(options: ClusterOptions) -> anyhow::Result<Self> {
        let count = options.masters * (1 + options.replicas);
        let (mut nodes, mut ids, mut proxies) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..count {
            let (node, proxy) = start_node(&options).await?;
            ids.push(node.command::<String>("CLUSTER MYID").await?);
            nodes.push(node);
            proxies.extend(proxy);
        }
        let cluster = Self { nodes, ids, proxies, masters: options.masters };
        cluster.join().await?;
        Ok(cluster)
    }

    /// Returns `redis+cluster://127.0.0.1:port,…` with all nodes or their proxies.
    pub fn url(&self) -> String {
        let ports = (0..self.nodes.len()).map(|node| self.client_port(node));
        let hosts: Vec<String> = ports.map(|port| format!("127.0.0.1:{port}")).collect();
        format!("redis+cluster://{}", hosts.join(","))
    }

    /// Returns all nodes: the initial masters, then their replicas in the same order.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// Returns a node, to kill or restart it.
    pub fn node_mut(&mut self, node: usize) -> &mut RedisServer {
        &mut self.nodes[node]
    }

    /// Returns the proxies in the order of the nodes; empty without proxies.
    pub fn proxies(&self) -> &[FaultProxy] {
        &self.proxies
    }

    /// Returns the masters with slots, as the living nodes report them.
    pub async fn masters(&self) -> anyhow::Result<Vec<usize>> {
        let mut masters: Vec<usize> = self.ranges().await?.into_iter().map(|(_, _, node)| node).collect();
        masters.sort_unstable();
        masters.dedup();
        Ok(masters)
    }

    /// Returns the master that has a slot.
    pub async fn owner_of(&self, slot: u16) -> anyhow::Result<usize> {
        let range = self.ranges().await?.into_iter().find(|(first, last, _)| (*first..=*last).contains(&slot));
        Ok(range.with_context(|| format!("no node has slot {slot}"))?.2)
    }

    /// Returns the slot of a key.
    pub async fn slot_of(&self, key: &str) -> anyhow::Result<u16> {
        self.living_node().await?.command(&format!("CLUSTER KEYSLOT {key}")).await
    }

    /// Moves a slot with its keys to another master, live.
    pub async fn migrate_slot(&self, slot: u16, to: usize) -> anyhow::Result<()> {
        let from = self.owner_of(slot).await?;
        if from == to {
            return Ok(());
        }
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        target.command::<()>(&format!("CLUSTER SETSLOT {slot} IMPORTING {}", self.ids[from])).await?;
        source.command::<()>(&format!("CLUSTER SETSLOT {slot} MIGRATING {}", self.ids[to])).await?;
        loop {
            let keys: Vec<String> = source.command(&format!("CLUSTER GETKEYSINSLOT {slot} 20")).await?;
            if keys.is_empty() {
                break;
            }
            let migrate = format!("MIGRATE 127.0.0.1 {} \"\" 0 5000 KEYS {}", target.port(), keys.join(" "));
            source.command::<String>(&migrate).await.with_context(|| format!("slot {slot} can't be moved"))?;
        }
        // The target first, so that a node has the slot at any time.
        target.command::<()>(&format!("CLUSTER SETSLOT {slot} NODE {}", self.ids[to])).await?;
        source.command::<()>(&format!("CLUSTER SETSLOT {slot} NODE {}", self.ids[to])).await?;
        for master in self.masters().await?.into_iter().filter(|master| ![from, to].contains(master)) {
            self.nodes[master].command::<()>(&format!("CLUSTER SETSLOT {slot} NODE {}", self.ids[to])).await?;
        }
        Ok(())
    }

    /// Waits until a replica of this master has confirmed all its current data.
    pub async fn wait_for_replica(&self, master: usize) -> anyhow::Result<()> {
        wait_for_replica(&self.nodes[master]).await
    }

    /// Kills a master and waits until a replica has its slots. Returns the new master.
    pub async fn failover(&mut self, master: usize) -> anyhow::Result<usize> {
        let slot = self.first_slot_of(master).await?;
        self.nodes[master].kill();
        self.wait_for_new_owner(slot, master).await
    }

    /// Runs CLUSTER FAILOVER: a replica takes over from its living master without loss.
    ///
    /// Returns the new master.
    pub async fn graceful_failover(&self, master: usize) -> anyhow::Result<usize> {
        let slot = self.first_slot_of(master).await?;
        let replica = self.replica_of(master).await?;
        // The replica gives up after 5 s if masters don't vote for it. They don't until they know whose replica it is.
        let mut requested: Option<Instant> = None;
        until("the replica has the slots", SETTLE_WITHIN, async || {
            if self.owner_of(slot).await.is_ok_and(|owner| owner != master) {
                return true;
            }
            if requested.is_none_or(|at| at.elapsed() > REQUEST_AGAIN_AFTER) {
                // An error means that it has become the master or is about to.
                let _ = self.nodes[replica].command::<()>("CLUSTER FAILOVER").await;
                requested = Some(Instant::now());
            }
            false
        })
        .await?;
        self.wait_for_new_owner(slot, master).await
    }

    /// Restarts a killed node. The other nodes decide its role.
    pub async fn restart(&mut self, node: usize) -> anyhow::Result<()> {
        self.nodes[node].restart().await?;
        self.wait_until_complete().await
    }

    /// Waits until the cluster is complete and every replica follows its master.
    pub async fn wait_until_complete(&self) -> anyhow::Result<()> {
        until("every node reports cluster_state:ok", SETTLE_WITHIN, async || {
            for node in &self.nodes {
                let Ok(info) = node.command::<String>("CLUSTER INFO").await else { continue };
                let Ok(replication) = node.command::<String>("INFO replication").await else { return false };
                let follows = !replication.contains("role:slave") || replication.contains("master_link_status:up");
                if !info.contains("cluster_state:ok") || !follows {
                    return false;
                }
            }
            true
        })
        .await
    }

    async fn join(&self) -> anyhow::Result<()> {
        for (index, node) in self.nodes.iter().enumerate() {
            node.command::<()>(&format!("CLUSTER SET-CONFIG-EPOCH {}", index + 1)).await?;
            if index < self.masters {
                let share = |index: usize| index * usize::from(SLOTS) / self.masters;
                let (first, last) = (share(index), share(index + 1) - 1);
                node.command::<()>(&format!("CLUSTER ADDSLOTSRANGE {first} {last}")).await?;
            }
            for (other, neighbour) in self.nodes[..index].iter().enumerate() {
                let (port, bus) = (self.client_port(other), neighbour.port() + 10_000);
                node.command::<()>(&format!("CLUSTER MEET 127.0.0.1 {port} {bus}")).await?;
            }
        }
        let all = format!("cluster_known_nodes:{}\r", self.nodes.len());
        until("every node knows every other", SETTLE_WITHIN, async || {
            for node in &self.nodes {
                let nodes: String = node.command("CLUSTER NODES").await.unwrap_or_default();
                let info: String = node.command("CLUSTER INFO").await.unwrap_or_default();
                if !info.contains(&all) || nodes.contains("handshake") {
                    return false;
                }
            }
            true
        })
        .await?;
        for replica in self.masters..self.nodes.len() {
            let master = &self.ids[(replica - self.masters) % self.masters];
            self.nodes[replica].command::<()>(&format!("CLUSTER REPLICATE {master}")).await?;
        }
        self.wait_until_complete().await?;
        let replicas = self.nodes.len() - self.masters;
        until("the replicas are known", SETTLE_WITHIN, async || {
            for node in &self.nodes {
                let nodes: String = node.command("CLUSTER NODES").await.unwrap_or_default();
                if nodes.lines().filter(|line| line.contains("slave")).count() != replicas {
                    return false;
                }
            }
            true
        })
        .await
    }

    fn client_port(&self, node: usize) -> u16 {
        self.proxies.get(node).map_or(self.nodes[node].port(), FaultProxy::port)
    }

    async fn first_slot_of(&self, master: usize) -> anyhow::Result<u16> {
        let range = self.ranges().await?.into_iter().find(|(_, _, node)| *node == master);
        Ok(range.with_context(|| format!("node {master} is no master with slots"))?.0)
    }

    async fn wait_for_new_owner(&self, slot: u16, old: usize) -> anyhow::Result<usize> {
        let mut new = old;
        until("another node has the slots", SETTLE_WITHIN, async || {
            new = self.owner_of(slot).await.unwrap_or(old);
            new != old
        })
        .await?;
        self.wait_until_complete().await?;
        Ok(new)
    }

    /// Returns the index of a replica of this master.
    ///
    /// Waits for one that was just restarted: its master takes it for failed until it hears from it.
    pub async fn replica_of(&self, master: usize) -> anyhow::Result<usize> {
        let mut found = None;
        until(&format!("node {master} knows of a replica"), SETTLE_WITHIN, async || {
            let nodes = self.nodes[master].command::<String>("CLUSTER NODES").await.unwrap_or_default();
            found = nodes.lines().find_map(|line| {
                let mut words = line.split_whitespace();
                let (id, _, flags, follows) = (words.next()?, words.next()?, words.next()?, words.next()?);
                let follows_it = follows == self.ids[master] && flags.contains("slave") && !flags.contains("fail");
                follows_it.then(|| self.ids.iter().position(|known| known == id)).flatten()
            });
            found.is_some()
        })
        .await?;
        found.with_context(|| format!("node {master} has no replica"))
    }

    async fn living_node(&self) -> anyhow::Result<&RedisServer> {
        for node in &self.nodes {
            if node.command::<String>("PING").await.is_ok() {
                return Ok(node);
            }
        }
        bail!("no node of the cluster responds")
    }

    /// Returns first slot, last slot and node of each range, in the newest view.
    async fn ranges(&self) -> anyhow::Result<Vec<(u16, u16, usize)>> {
        // A node that was cut off has an old view. The highest epoch is the newest one.
        let mut best: Option<(u64, &RedisServer)> = None;
        for node in &self.nodes {
            let Ok(info) = node.command::<String>("CLUSTER INFO").await else { continue };
            let epoch = info.lines().find_map(|line| line.strip_prefix("cluster_current_epoch:"));
            let epoch = epoch.and_then(|epoch| epoch.trim().parse().ok()).unwrap_or(0);
            if best.is_none_or(|(newest, _)| epoch > newest) {
                best = Some((epoch, node));
            }
        }
        let (_, node) = best.context("no node of the cluster responds")?;
        self.ranges_at(node).await
    }

    async fn ranges_at(&self, node: &RedisServer) -> anyhow::Result<Vec<(u16, u16, usize)>> {
        let slots: Vec<Vec<Value>> = node.command("CLUSTER SLOTS").await?;
        let mut ranges = Vec::new();
        for slot in slots {
            ensure!(slot.len() >= 3, "CLUSTER SLOTS returned an unexpected reply");
            let mut slot = slot.into_iter();
            let mut next = || slot.next().expect("each has three elements");
            let (first, last) = (from_redis_value(next())?, from_redis_value(next())?);
            let Value::Array(master) = next() else { bail!("CLUSTER SLOTS returned an unexpected reply") };
            let id: String = from_redis_value(master.into_iter().nth(2).context("a node without an id")?)?;
            if let Some(node) = self.ids.iter().position(|known| *known == id) {
                ranges.push((first, last, node));
            }
        }
        Ok(ranges)
    }
}

async fn start_node(options: &ClusterOptions) -> anyhow::Result<(RedisServer, Option<FaultProxy>)> {
    let port = free_port();
    let mut config = vec![
        format!("cluster-node-timeout {}", options.node_timeout_ms),
        "cluster-replica-validity-factor 0".to_owned(),
        "repl-diskless-sync-delay 0".to_owned(),
        "repl-ping-replica-period 1".to_owned(),
    ];
    config.extend(options.config.iter().cloned());
    let proxy = if options.proxied { Some(FaultProxy::to_port(port).await?) } else { None };
    if let Some(proxy) = &proxy {
        config.push("cluster-announce-ip 127.0.0.1".to_owned());
        config.push(format!("cluster-announce-port {}", proxy.port()));
        config.push(format!("cluster-announce-bus-port {}", port + 10_000));
    }
    let append_only = options.append_only;
    let options = RedisOptions { append_only, cluster: true, config, port: Some(port), ..RedisOptions::default() };
    Ok((RedisServer::start(options).await?, proxy))
}
