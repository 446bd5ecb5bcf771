//! Which channels this process listens to, and the listeners that do it: one for each node that has partitions.
//!
//! ```text
//! follower ─┐                      ┌─ listener of node a ── its own connection
//! follower ─┼─ channel ─ subscriber┤
//! owner ────┘   (one a partition)  └─ listener of node b ── its own connection
//! ```
//! Followers of one partition share its channel. The subscriber knows what is wanted; each listener brings its node in
//! line with that, whenever the wish or the cluster's map changes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::super::{EngineError, Partition, Position};
use super::channel::{Channel, Ears};
use super::error::closed;
use super::follower::{Follower, Queue};
use super::growth::Growth;
use super::health::Health;
use super::keys::{Keys, slot};
use super::listener::{Listener, Pace};
use super::node::Target;
use super::router::Router;

/// How long Redis may take to confirm that we listen.
const CONFIRM_WITHIN: Duration = Duration::from_secs(4);
/// How often channels that nobody asks for any more are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// What this process listens to.
pub(super) struct Subscriber {
    router: Arc<Router>,
    pub(super) keys: Keys,
    partitions: u16,
    /// Short and never across an await.
    wanted: Mutex<Wanted>,
    /// Changes with what is wanted.
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Wanted {
    channels: HashMap<String, Arc<Channel>>,
    health: HashMap<Target, Arc<Health>>,
    is_closed: bool,
}

impl Subscriber {
    pub(super) fn new(router: Arc<Router>, keys: Keys, partitions: u16) -> Arc<Self> {
        let (wanted, version) = (Mutex::default(), watch::Sender::new(0));
        Arc::new(Self { router, keys, partitions, wanted, version })
    }

    /// Follows a partition.
    pub(super) async fn follow(self: &Arc<Self>, partition: Partition) -> Result<Follower, EngineError> {
        let queue = Arc::new(Queue::default());
        let made = || Ears::News(Mutex::default());
        let channel =
            self.channel(partition, self.keys.news(partition), made, |channel| channel.join(queue.clone()))?;
        // From here on it leaves by being dropped.
        let follower = Follower { partition, queue, subscriber: self.clone(), batch: None };
        if channel.wait_live(CONFIRM_WITHIN).await {
            return Ok(follower);
        }
        let reason = self.trouble().unwrap_or_else(|| "Redis does not confirm it".to_owned());
        Err(EngineError::Unavailable(format!("partition {} can't be followed: {reason}", partition.0)))
    }

    /// A follower of a partition is gone.
    pub(super) fn leave(&self, partition: Partition, queue: &Arc<Queue>) {
        let mut wanted = self.wanted.lock().expect("nobody panics while subscribing");
        let name = self.keys.news(partition);
        if wanted.channels.get(&name).is_some_and(|channel| channel.leave(queue)) {
            wanted.channels.remove(&name);
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Waits until a log may have more.
    pub(super) async fn wait_growth(
        &self,
        partition: Partition,
        after: Position,
        patience: Duration,
    ) -> Result<(), EngineError> {
        let made = || Ears::Growth(Growth::new());
        let channel = self.channel(partition, self.keys.growth(partition), made, |_| {})?;
        if let Ears::Growth(growth) = &channel.ears {
            growth.wait(after, patience).await;
        }
        Ok(())
    }

    /// The channel of a name, wanted from now on.
    fn channel(
        &self,
        partition: Partition,
        name: String,
        ears: impl FnOnce() -> Ears,
        join: impl FnOnce(&Channel),
    ) -> Result<Arc<Channel>, EngineError> {
        let mut wanted = self.wanted.lock().expect("nobody panics while subscribing");
        if wanted.is_closed {
            return Err(closed());
        }
        let known = wanted.channels.get(&name).cloned();
        let channel = known.unwrap_or_else(|| {
            let channel = Channel::new(name.clone(), slot(partition), ears());
            wanted.channels.insert(name, channel.clone());
            self.version.send_modify(|version| *version += 1);
            channel
        });
        join(&channel);
        Ok(channel)
    }

    /// A channel by its name.
    pub(super) fn by_name(&self, name: &str) -> Option<Arc<Channel>> {
        self.wanted.lock().expect("nobody panics while subscribing").channels.get(name).cloned()
    }

    /// The channels that are wanted of a node.
    pub(super) fn wanted_of(&self, target: &Target) -> Vec<Arc<Channel>> {
        let wanted = self.wanted.lock().expect("nobody panics while subscribing");
        let here = |channel: &&Arc<Channel>| self.router.target_of(channel.slot).as_ref() == Some(target);
        wanted.channels.values().filter(here).cloned().collect()
    }

    /// A partition that a node has.
    pub(super) fn partition_of(&self, target: &Target) -> Option<Partition> {
        (0..self.partitions).map(Partition).find(|p| self.router.target_of(slot(*p)).as_ref() == Some(target))
    }

    /// Changes with what is wanted.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    pub(super) fn router(&self) -> &Arc<Router> {
        &self.router
    }

    /// Why news don't travel; none where they do.
    pub(super) fn trouble(&self) -> Option<String> {
        let wanted = self.wanted.lock().expect("nobody panics while subscribing");
        wanted.health.values().find_map(|health| health.trouble())
    }

    /// Ends all subscriptions.
    pub(super) fn close(&self) {
        let mut wanted = self.wanted.lock().expect("nobody panics while subscribing");
        wanted.is_closed = true;
        wanted.channels.drain().for_each(|(_, channel)| channel.close());
    }

    /// Keeps a listener for each node that has partitions, for ever.
    pub(super) async fn supervise(self: Arc<Self>, pace: Pace) {
        let mut listeners: HashMap<Target, AbortOnDropHandle<()>> = HashMap::new();
        let mut layout = self.router.watch();
        loop {
            layout.borrow_and_update();
            let targets = (0..self.partitions).filter_map(|p| self.router.target_of(slot(Partition(p))));
            let mut needed: Vec<Target> = Vec::new();
            for target in targets {
                if !needed.contains(&target) {
                    needed.push(target);
                }
            }
            listeners.retain(|target, _| needed.contains(target));
            {
                let mut wanted = self.wanted.lock().expect("nobody panics while subscribing");
                wanted.health.retain(|target, _| needed.contains(target));
                for target in needed {
                    listeners.entry(target.clone()).or_insert_with(|| {
                        let health = Arc::new(Health::new(&target));
                        wanted.health.insert(target.clone(), health.clone());
                        AbortOnDropHandle::new(tokio::spawn(Listener::new(self.clone(), target, health, pace).run()))
                    });
                }
            }
            // The layout changed or it is time to sweep; either way round again.
            let _ = tokio::time::timeout(SWEEP_EVERY, layout.changed()).await;
            self.sweep();
        }
    }

    fn sweep(&self) {
        let mut wanted = self.wanted.lock().expect("nobody panics while subscribing");
        let before = wanted.channels.len();
        wanted.channels.retain(|_, channel| !matches!(&channel.ears, Ears::Growth(growth) if growth.is_forgotten()));
        if wanted.channels.len() != before {
            self.version.send_modify(|version| *version += 1);
        }
    }
}
