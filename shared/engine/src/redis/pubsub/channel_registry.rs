//! The channels that this process wants to be subscribed to.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::append_signal::AppendSignal;
use super::channel::{Channel, Consumer};
use super::queue::Queue;
use crate::redis::error::closed;
use crate::redis::keys::{Keys, slot};
use crate::redis::node::Target;
use crate::redis::router::Router;
use crate::{EngineError, Partition};

/// The wanted channels by name. Subscriptions of one partition share its channel.
pub(super) struct ChannelRegistry {
    router: Arc<Router>,
    keys: Keys,
    partitions: u16,
    /// Short and never across an await.
    inner: Mutex<Inner>,
    /// Changes with the set of wanted channels.
    version: watch::Sender<u64>,
}

#[derive(Default)]
struct Inner {
    channels: HashMap<String, Arc<Channel>>,
    is_closed: bool,
}

impl ChannelRegistry {
    pub(super) fn new(router: Arc<Router>, keys: Keys, partitions: u16) -> Self {
        Self { router, keys, partitions, inner: Mutex::default(), version: watch::Sender::new(0) }
    }

    pub(super) fn router(&self) -> &Arc<Router> {
        &self.router
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) fn partitions(&self) -> impl Iterator<Item = Partition> {
        (0..self.partitions).map(Partition)
    }

    /// Adds a subscription to the channel of a partition's publications.
    pub(super) fn subscribe(&self, partition: Partition, queue: &Arc<Queue>) -> Result<Arc<Channel>, EngineError> {
        let consumer = || Consumer::Subscriptions(Mutex::default());
        self.want(partition, self.keys.publications(partition), consumer, |channel| channel.add(queue.clone()))
    }

    /// Removes a subscription; the last one of a partition takes the channel with it.
    pub(super) fn unsubscribe(&self, partition: Partition, queue: &Arc<Queue>) {
        let mut inner = self.inner.lock();
        let name = self.keys.publications(partition);
        if inner.channels.get(&name).is_some_and(|channel| channel.remove(queue)) {
            inner.channels.remove(&name);
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Returns the channel of a partition's appends.
    pub(super) fn appends(&self, partition: Partition) -> Result<Arc<Channel>, EngineError> {
        let consumer = || Consumer::LogOwner(AppendSignal::new());
        self.want(partition, self.keys.appends(partition), consumer, |_| {})
    }

    /// Returns the channel of a name, which is wanted from now on.
    fn want(
        &self,
        partition: Partition,
        name: String,
        consumer: impl FnOnce() -> Consumer,
        join: impl FnOnce(&Channel),
    ) -> Result<Arc<Channel>, EngineError> {
        let mut inner = self.inner.lock();
        if inner.is_closed {
            return Err(closed());
        }
        let known = inner.channels.get(&name).cloned();
        let channel = known.unwrap_or_else(|| {
            let channel = Channel::new(name.clone(), slot(partition), consumer());
            inner.channels.insert(name, channel.clone());
            self.version.send_modify(|version| *version += 1);
            channel
        });
        join(&channel);
        Ok(channel)
    }

    /// Returns a wanted channel by its name.
    pub(super) fn by_name(&self, name: &str) -> Option<Arc<Channel>> {
        self.inner.lock().channels.get(name).cloned()
    }

    /// Returns the wanted channels that a node serves.
    pub(super) fn of_node(&self, target: &Target) -> Vec<Arc<Channel>> {
        let inner = self.inner.lock();
        let is_served = |channel: &&Arc<Channel>| self.router.target_of(channel.slot).as_ref() == Some(target);
        inner.channels.values().filter(is_served).cloned().collect()
    }

    /// Returns any partition that a node serves.
    pub(super) fn partition_of(&self, target: &Target) -> Option<Partition> {
        self.partitions().find(|partition| self.router.target_of(slot(*partition)).as_ref() == Some(target))
    }

    /// Watches the set of wanted channels.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.version.subscribe()
    }

    /// Drops the channels of logs whose owners have stopped waiting.
    pub(super) fn sweep(&self) {
        let mut inner = self.inner.lock();
        let before = inner.channels.len();
        let is_abandoned =
            |channel: &Channel| matches!(&channel.consumer, Consumer::LogOwner(signal) if signal.is_abandoned());
        inner.channels.retain(|_, channel| !is_abandoned(channel));
        if inner.channels.len() != before {
            self.version.send_modify(|version| *version += 1);
        }
    }

    /// Ends all subscriptions and refuses new ones.
    pub(super) fn close(&self) {
        let mut inner = self.inner.lock();
        inner.is_closed = true;
        inner.channels.drain().for_each(|(_, channel)| channel.close());
    }
}
