//! Which server a command goes to.
//!
//! Outside of a cluster there is one for everything. In a cluster each slot has its node; a node that has it no more
//! says so (`MOVED`), and a slot on its way is answered for by both (`ASK`, `TRYAGAIN`). We route by ourselves, since
//! the library's cluster client repeats writes after a broken connection, and since the connections that wait for news
//! need the same map.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, RwLock};
use std::time::{Duration, Instant};

use redis::{Cmd, ErrorKind, Script, ServerErrorKind, Value, cmd};
use tokio::sync::{Notify, watch};

use super::super::EngineError;
use super::dial::Dial;
use super::error::{ConnectError, unavailable};
use super::node::{Failure, Node, Road, Target};
use super::reply;
use super::settings::RedisSettings;
use super::topology::{Address, Location, Topology};

/// How long to wait before a command is repeated that a moving slot refused.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);
/// How long to wait before the cluster is asked again while one of its nodes is away.
const BETWEEN_SURVEYS: Duration = Duration::from_millis(250);

/// A command and where it belongs.
pub(super) struct Request<'a> {
    pub(super) slot: u16,
    pub(super) command: Cmd,
    /// The script it calls.
    pub(super) script: Option<&'a Script>,
    pub(super) road: Road,
}

/// Slots and their nodes.
#[derive(Default)]
struct Layout {
    ranges: Vec<(u16, u16, Arc<Node>)>,
}

/// All servers of the installation.
pub(super) struct Router {
    dial: Arc<Dial>,
    /// Whom to ask about the slots, if none of the known nodes answers. Empty where this is no cluster.
    seeds: Vec<Address>,
    layout: RwLock<Arc<Layout>>,
    nodes: Mutex<HashMap<Target, Arc<Node>>>,
    version: watch::Sender<u64>,
    trouble: Notify,
    patience: Duration,
    bulk_timeout: Duration,
    survey_every: Duration,
}

impl Router {
    /// Looks at the Redis for the first time.
    pub(super) async fn connect(settings: &RedisSettings) -> Result<Arc<Self>, ConnectError> {
        let location = Location::parse(&settings.url)?;
        let dial = Arc::new(Dial::new(settings, &location)?);
        let (seeds, target) = match location.topology {
            Topology::Standalone(address) => (Vec::new(), Some(Target::Address(address))),
            Topology::Sentinel { sentinels, master } => {
                (Vec::new(), Some(Target::Master { sentinels: sentinels.into(), name: master.into() }))
            }
            Topology::Cluster(seeds) => (seeds, None),
        };
        let router = Arc::new(Self {
            dial,
            seeds,
            layout: RwLock::default(),
            nodes: Mutex::default(),
            version: watch::Sender::new(0),
            trouble: Notify::new(),
            patience: settings.response_timeout,
            bulk_timeout: settings.bulk_timeout,
            survey_every: settings.survey_every,
        });
        match target {
            Some(target) => {
                let address = target.find(&router.dial).await?;
                router.dial.open(&address, &router.dial.config()).await?;
                router.draw(vec![(0, u16::MAX, target)]);
            }
            None => router.survey().await?,
        }
        for node in router.layout().nodes() {
            // One that is away now is looked after like any that goes away later.
            let _ = node.wait_up(settings.connect_timeout).await;
        }
        Ok(router)
    }

    pub(super) fn dial(&self) -> &Arc<Dial> {
        &self.dial
    }

    pub(super) fn is_cluster(&self) -> bool {
        !self.seeds.is_empty()
    }

    /// Changes whenever slots have other nodes.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Who has a slot; none where nobody does.
    pub(super) fn target_of(&self, slot: u16) -> Option<Target> {
        self.layout().node(slot).map(|node| node.target().clone())
    }

    /// Asks for a new look at the cluster.
    pub(super) fn note_trouble(&self) {
        self.trouble.notify_one();
    }

    /// Sends a command to where it belongs.
    pub(super) async fn send(&self, request: Request<'_>) -> Result<Value, EngineError> {
        let deadline = Instant::now() + self.patience;
        let mut node = self.node(request.slot)?;
        let mut is_asking = false;
        loop {
            let answer = if std::mem::take(&mut is_asking) {
                node.send_asking(&request.command).await
            } else {
                node.send(request.road, &request.command).await
            };
            let error = match answer {
                Ok(value) => return Ok(value),
                Err(failure @ Failure::Down(_)) => {
                    self.note_trouble();
                    return Err(failure.into_engine_error());
                }
                Err(Failure::Redis(error)) => error,
            };
            if Instant::now() >= deadline {
                return Err(unavailable(&error));
            }
            // Everything that is tried again here was refused before it did anything.
            match (error.kind(), error.redirect_node()) {
                (ErrorKind::Server(ServerErrorKind::NoScript), _) if let Some(script) = request.script => {
                    node.load(script).await.map_err(Failure::into_engine_error)?;
                }
                (ErrorKind::Server(ServerErrorKind::Moved), Some((there, _))) => {
                    self.note_trouble();
                    node = self.node_at(&node, there)?;
                }
                (ErrorKind::Server(ServerErrorKind::Ask), Some((there, _))) => {
                    node = self.node_at(&node, there)?;
                    is_asking = true;
                }
                (ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown), _) => {
                    tokio::time::sleep(BETWEEN_TRIES).await;
                    node = self.node(request.slot)?;
                }
                (ErrorKind::Server(ServerErrorKind::ReadOnly), _) => {
                    // It was a master when we connected; who is it now?
                    node.doubt();
                    self.note_trouble();
                    tokio::time::sleep(BETWEEN_TRIES).await;
                    node = self.node(request.slot)?;
                }
                _ => {
                    if self.is_cluster() && !node.is_up() {
                        self.note_trouble();
                    }
                    return Err(unavailable(&error));
                }
            }
        }
    }

    /// Asks every node whether it answers.
    pub(super) async fn ping(&self) -> Result<(), EngineError> {
        for node in self.layout().nodes() {
            node.send(Road::Hot, &cmd("PING")).await.map_err(Failure::into_engine_error)?;
        }
        Ok(())
    }

    /// Keeps the map of a cluster up to date, for ever.
    pub(super) async fn keep_surveying(self: Arc<Self>) {
        if !self.is_cluster() {
            return;
        }
        loop {
            let all_up = self.layout().nodes().iter().all(|node| node.is_up());
            let pause = if all_up { self.survey_every } else { BETWEEN_SURVEYS };
            // Trouble or time, whichever comes first.
            let _ = tokio::time::timeout(pause, self.trouble.notified()).await;
            if let Err(reason) = self.survey().await {
                tracing::debug!(%reason, "the cluster does not say who has which slots");
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }

    /// Asks any node who has which slots.
    async fn survey(&self) -> Result<(), ConnectError> {
        let mut known = self.layout().nodes();
        // Another one first each time: one that was cut off may not know the newest.
        if !known.is_empty() {
            let first = rand::random_range(0..known.len());
            known.rotate_left(first);
        }
        for node in known.iter().filter(|node| node.is_up()) {
            if let Ok(slots) = node.send(Road::Hot, cmd("CLUSTER").arg("SLOTS")).await
                && let Target::Address(address) = node.target()
                && let Some(ranges) = ranges(slots, address)
            {
                self.draw(ranges);
                return Ok(());
            }
        }
        let mut failed = None;
        for seed in &self.seeds {
            match self.ask_seed(seed).await {
                Ok(ranges) => {
                    self.draw(ranges);
                    return Ok(());
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        Err(failed.expect("a URL of a cluster names somebody"))
    }

    async fn ask_seed(&self, seed: &Address) -> Result<Vec<(u16, u16, Target)>, ConnectError> {
        let mut connection = self.dial.open(seed, &self.dial.config()).await?;
        let unusable = |detail: String| ConnectError::Unusable { address: seed.to_string(), detail };
        let slots = cmd("CLUSTER").arg("SLOTS").query_async(&mut connection).await;
        let slots = slots.map_err(|error| unusable(super::error::sentence(&error)))?;
        ranges(slots, seed).ok_or_else(|| unusable("its cluster has no slots assigned yet".to_owned()))
    }

    /// Takes over a map, keeping the connections to nodes that stay.
    fn draw(&self, ranges: Vec<(u16, u16, Target)>) {
        let mut nodes = self.nodes.lock().expect("nobody panics with the nodes");
        let ranges = ranges.into_iter().map(|(from, to, target)| (from, to, self.known(&mut nodes, &target)));
        let layout = Layout { ranges: ranges.collect() };
        let there = layout.nodes();
        nodes.retain(|_, node| there.iter().any(|kept| Arc::ptr_eq(kept, node)));
        let mut current = self.layout.write().expect("nobody panics with the layout");
        if !current.is_same(&layout) {
            *current = Arc::new(layout);
            drop(current);
            self.version.send_modify(|version| *version += 1);
        }
    }

    fn known(&self, nodes: &mut HashMap<Target, Arc<Node>>, target: &Target) -> Arc<Node> {
        let made = || Arc::new(Node::new(self.dial.clone(), target.clone(), self.bulk_timeout));
        nodes.entry(target.clone()).or_insert_with(made).clone()
    }

    fn layout(&self) -> Arc<Layout> {
        self.layout.read().expect("nobody panics with the layout").clone()
    }

    fn node(&self, slot: u16) -> Result<Arc<Node>, EngineError> {
        let nobody = || EngineError::Unavailable(format!("no node of the cluster has slot {slot}"));
        self.layout().node(slot).cloned().ok_or_else(|| {
            self.note_trouble();
            nobody()
        })
    }

    /// The node that another one points at, as `host:port`; an empty host is its own.
    fn node_at(&self, from: &Node, there: &str) -> Result<Arc<Node>, EngineError> {
        let strange = || EngineError::Damaged(format!("a node of the cluster points at {there:?}"));
        let (host, port) = there.rsplit_once(':').ok_or_else(strange)?;
        let port = port.parse().map_err(|_| strange())?;
        let host = match (host, from.target()) {
            ("", Target::Address(address)) => address.host.clone(),
            _ => host.to_owned(),
        };
        let mut nodes = self.nodes.lock().expect("nobody panics with the nodes");
        Ok(self.known(&mut nodes, &Target::Address(Address { host, port })))
    }
}

impl Layout {
    fn node(&self, slot: u16) -> Option<&Arc<Node>> {
        self.ranges.iter().find(|(from, to, _)| (*from..=*to).contains(&slot)).map(|(_, _, node)| node)
    }

    /// Each node once.
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

/// What `CLUSTER SLOTS` says: each range's first and last slot, then its master's host and port. None where it says
/// nothing of use. A node that does not know its own host means the one it was asked at.
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
