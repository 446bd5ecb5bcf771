//! Routing of commands to servers.
//!
//! Without a cluster one server has all slots. In a cluster each slot has its node. A node that no longer has a slot
//! answers `MOVED`; during a migration both nodes serve the slot (`ASK`, `TRYAGAIN`). The library's cluster client is not
//! used: it repeats writes after a broken connection, and pub/sub needs the same slot map.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use redis::{Cmd, ErrorKind, Script, ServerErrorKind, Value, cmd};
use tokio::sync::{Notify, watch};

use super::address::Address;
use super::dialer::Dialer;
use super::error::{ConnectError, sentence, unavailable};
use super::node::{Node, Route, SendError, Target};
use super::reply;
use super::settings::RedisSettings;
use super::topology::{Location, Topology};
use crate::EngineError;

/// How long to wait before retrying a command that a migrating slot refused.
const RETRY_AFTER: Duration = Duration::from_millis(20);
/// How often the slot map is refreshed while a node is away.
const REFRESH_DEGRADED_EVERY: Duration = Duration::from_millis(250);

/// A command and its destination.
pub(super) struct Request<'a> {
    pub(super) slot: u16,
    pub(super) command: Cmd,
    /// The script that it calls.
    pub(super) script: Option<&'a Script>,
    pub(super) route: Route,
}

/// The nodes of slot ranges.
#[derive(Default)]
struct SlotMap {
    ranges: Vec<(u16, u16, Arc<Node>)>,
}

/// All servers of the installation.
pub(super) struct Router {
    dialer: Arc<Dialer>,
    /// Addresses to ask for the slot map if no known node answers.
    ///
    /// Empty without a cluster.
    seeds: Vec<Address>,
    slots: RwLock<Arc<SlotMap>>,
    nodes: Mutex<HashMap<Target, Arc<Node>>>,
    version: watch::Sender<u64>,
    refresh: Notify,
    patience: Duration,
    bulk_timeout: Duration,
    refresh_every: Duration,
}

impl Router {
    /// Connects to the Redis of a URL.
    pub(super) async fn connect(settings: &RedisSettings) -> Result<Arc<Self>, ConnectError> {
        let location = Location::parse(&settings.url)?;
        let dialer = Arc::new(Dialer::new(settings, &location)?);
        let (seeds, target) = match location.topology {
            Topology::Standalone(address) => (Vec::new(), Some(Target::Address(address))),
            Topology::Sentinel { sentinels, master } => {
                (Vec::new(), Some(Target::Master { sentinels: sentinels.into(), name: master.into() }))
            }
            Topology::Cluster(seeds) => (seeds, None),
        };
        let router = Arc::new(Self {
            dialer,
            seeds,
            slots: RwLock::default(),
            nodes: Mutex::default(),
            version: watch::Sender::new(0),
            refresh: Notify::new(),
            patience: settings.response_timeout,
            bulk_timeout: settings.bulk_timeout,
            refresh_every: settings.refresh_every,
        });
        match target {
            Some(target) => {
                let address = target.find(&router.dialer).await?;
                router.dialer.open(&address, &router.dialer.config()).await?;
                router.apply(vec![(0, u16::MAX, target)]);
            }
            None => router.refresh_slots().await?,
        }
        for node in router.slots().nodes() {
            // A node that is away now is retried like one that goes away later.
            let _ = node.wait_up(settings.connect_timeout).await;
        }
        Ok(router)
    }

    pub(super) fn dialer(&self) -> &Arc<Dialer> {
        &self.dialer
    }

    pub(super) fn is_cluster(&self) -> bool {
        !self.seeds.is_empty()
    }

    /// Watches the slot map.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Returns the server of a slot; none if no server has it.
    pub(super) fn target_of(&self, slot: u16) -> Option<Target> {
        self.slots().node(slot).map(|node| node.target().clone())
    }

    /// Requests a refresh of the slot map.
    pub(super) fn request_refresh(&self) {
        self.refresh.notify_one();
    }

    /// Sends a command to the node of its slot.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Value, EngineError> {
        let deadline = Instant::now() + self.patience;
        let mut node = self.node(request.slot)?;
        let mut is_asking = false;
        loop {
            let answer = if std::mem::take(&mut is_asking) {
                node.send_asking(&request.command).await
            } else {
                node.send(request.route, &request.command).await
            };
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(failure @ SendError::Down(_)) => {
                    self.request_refresh();
                    return Err(failure.into_engine_error());
                }
                Err(SendError::Redis(error)) => error,
            };
            if Instant::now() >= deadline {
                return Err(unavailable(&error));
            }
            // Only commands that were refused before they had any effect are retried.
            match (error.kind(), error.redirect_node()) {
                (ErrorKind::Server(ServerErrorKind::NoScript), _) if let Some(script) = request.script => {
                    node.load(script).await.map_err(SendError::into_engine_error)?;
                }
                (ErrorKind::Server(ServerErrorKind::Moved), Some((address, _))) => {
                    self.request_refresh();
                    node = self.node_at(&node, address)?;
                }
                (ErrorKind::Server(ServerErrorKind::Ask), Some((address, _))) => {
                    node = self.node_at(&node, address)?;
                    is_asking = true;
                }
                (ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown), _) => {
                    tokio::time::sleep(RETRY_AFTER).await;
                    node = self.node(request.slot)?;
                }
                (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
                    // The node was a master when the connection was made, and no longer is.
                    node.suspect();
                    self.request_refresh();
                    tokio::time::sleep(RETRY_AFTER).await;
                    node = self.node(request.slot)?;
                }
                _ => {
                    if self.is_cluster() && !node.is_up() {
                        self.request_refresh();
                    }
                    return Err(unavailable(&error));
                }
            }
        }
    }

    /// Returns Ok if every node answers.
    pub(super) async fn ping(&self) -> Result<(), EngineError> {
        for node in self.slots().nodes() {
            node.send(Route::Shared, &cmd("PING")).await.map_err(SendError::into_engine_error)?;
        }
        Ok(())
    }

    /// Keeps the slot map of a cluster up to date, forever.
    pub(super) async fn keep_refreshing(self: Arc<Self>) {
        if !self.is_cluster() {
            return;
        }
        loop {
            let all_up = self.slots().nodes().iter().all(|node| node.is_up());
            let pause = if all_up { self.refresh_every } else { REFRESH_DEGRADED_EVERY };
            // Refreshes on request, or after the pause.
            let _ = tokio::time::timeout(pause, self.refresh.notified()).await;
            if let Err(reason) = self.refresh_slots().await {
                tracing::debug!(error = %reason, "slot map refresh failed");
            }
            tokio::time::sleep(RETRY_AFTER).await;
        }
    }

    /// Reads the slot map from any node.
    async fn refresh_slots(&self) -> Result<(), ConnectError> {
        let mut known = self.slots().nodes();
        // In random order: a node that was partitioned off may have a stale map.
        if !known.is_empty() {
            let first = rand::random_range(0..known.len());
            known.rotate_left(first);
        }
        for node in known.iter().filter(|node| node.is_up()) {
            if let Ok(slots) = node.send(Route::Shared, cmd("CLUSTER").arg("SLOTS")).await
                && let Target::Address(address) = node.target()
                && let Some(ranges) = ranges(slots, address)
            {
                self.apply(ranges);
                return Ok(());
            }
        }
        let mut failed = None;
        for seed in &self.seeds {
            match self.ask_seed(seed).await {
                Ok(ranges) => {
                    self.apply(ranges);
                    return Ok(());
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.expect("a cluster URL has at least one address"))
    }

    async fn ask_seed(&self, seed: &Address) -> Result<Vec<(u16, u16, Target)>, ConnectError> {
        let mut connection = self.dialer.open(seed, &self.dialer.config()).await?;
        let unusable = |detail: String| ConnectError::Unusable { address: seed.to_string(), detail };
        let slots = cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await;
        let slots = slots.map_err(|error| unusable(sentence(&error)))?;
        ranges(slots, seed).ok_or_else(|| unusable("its cluster has no slots assigned yet".to_owned()))
    }

    /// Applies a new slot map, keeping the connections to nodes that stay.
    fn apply(&self, ranges: Vec<(u16, u16, Target)>) {
        let mut nodes = self.nodes.lock();
        let ranges = ranges.into_iter().map(|(from, to, target)| (from, to, self.known(&mut nodes, &target)));
        let slots = SlotMap { ranges: ranges.collect() };
        let current_nodes = slots.nodes();
        nodes.retain(|_, node| current_nodes.iter().any(|kept| Arc::ptr_eq(kept, node)));
        let mut current = self.slots.write();
        if !current.is_same(&slots) {
            *current = Arc::new(slots);
            drop(current);
            self.version.send_modify(|version| *version += 1);
        }
    }

    fn known(&self, nodes: &mut HashMap<Target, Arc<Node>>, target: &Target) -> Arc<Node> {
        let new_node = || Arc::new(Node::new(self.dialer.clone(), target.clone(), self.bulk_timeout));
        nodes.entry(target.clone()).or_insert_with(new_node).clone()
    }

    fn slots(&self) -> Arc<SlotMap> {
        self.slots.read().clone()
    }

    fn node(&self, slot: u16) -> Result<Arc<Node>, EngineError> {
        let unassigned = || EngineError::Unavailable(format!("no node of the cluster has slot {slot}"));
        self.slots().node(slot).cloned().ok_or_else(|| {
            self.request_refresh();
            unassigned()
        })
    }

    /// Returns the node that another one redirects to, as `host:port`.
    ///
    /// An empty host means its own.
    fn node_at(&self, from: &Node, address: &str) -> Result<Arc<Node>, EngineError> {
        let malformed = || EngineError::Damaged(format!("a node of the cluster redirects to {address:?}"));
        let (host, port) = address.rsplit_once(':').ok_or_else(malformed)?;
        let port = port.parse().map_err(|_| malformed())?;
        let host = match (host, from.target()) {
            ("", Target::Address(address)) => address.host.clone(),
            _ => host.to_owned(),
        };
        let mut nodes = self.nodes.lock();
        Ok(self.known(&mut nodes, &Target::Address(Address { host, port })))
    }
}

impl SlotMap {
    fn node(&self, slot: u16) -> Option<&Arc<Node>> {
        self.ranges.iter().find(|(from, to, _)| (*from..=*to).contains(&slot)).map(|(_, _, node)| node)
    }

    /// Returns each node once.
    fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        for (_, _, node) in &self.ranges {
            if !nodes.iter().any(|known| Arc::ptr_eq(known, node)) {
                nodes.push(node.clone());
            }
        }
        nodes
    }

    fn is_same(&self, other: &Self) -> bool {
        let same = |((from, to, node), (other_from, other_to, other)): (&(u16, u16, Arc<Node>), &(u16, u16, _))| {
            (from, to) == (other_from, other_to) && Arc::ptr_eq(node, other)
        };
        self.ranges.len() == other.ranges.len() && self.ranges.iter().zip(&other.ranges).all(same)
    }
}

/// Decodes a reply to `CLUSTER SLOTS`; none if it is malformed or empty.
///
/// Each range has its first and last slot, then its master's host and port. A node that does not know its own host
/// leaves it out; it is then the address that was asked.
fn ranges(slots: Value, asked: &Address) -> Option<Vec<(u16, u16, Target)>> {
    let mut ranges = Vec::new();
    for range in reply::list(slots).ok()? {
        let mut range = reply::list(range).ok()?.into_iter();
        let mut number = || reply::number(range.next()?).ok()?.and_then(|slot| u16::try_from(slot).ok());
        let (from, to) = (number()?, number()?);
        let mut master = reply::list(range.next()?).ok()?.into_iter();
        let host = reply::text(master.next()?).ok()?.filter(|host| !host.is_empty() && host != "?");
        let port = reply::number(master.next()?).ok()?.and_then(|port| u16::try_from(port).ok())?;
        let host = host.unwrap_or_else(|| asked.host.clone());
        ranges.push((from, to, Target::Address(Address { host, port })));
    }
    ranges.sort_by_key(|(from, _, _)| *from);
    (!ranges.is_empty()).then_some(ranges)
}
