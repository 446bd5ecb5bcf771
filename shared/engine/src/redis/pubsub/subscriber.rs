//! The listeners of this process, one for each node that has partitions.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::channel::Consumer;
use super::channel_registry::ChannelRegistry;
use super::health::Health;
use super::listener::{Listener, Pace};
use super::queue::Queue;
use super::subscription::RedisSubscription;
use crate::redis::keys::{Keys, slot};
use crate::redis::node::Target;
use crate::redis::router::Router;
use crate::{EngineError, Partition, Position};

/// How long Redis may take to confirm a subscription.
const CONFIRM_WITHIN: Duration = Duration::from_secs(4);
/// How often abandoned channels are looked for.
const SWEEP_EVERY: Duration = Duration::from_secs(10);

/// The subscribing side of pub/sub.
pub(in crate::redis) struct Subscriber {
    channels: Arc<ChannelRegistry>,
    /// Of each node's listener. Short and never across an await.
    health: Mutex<HashMap<Target, Arc<Health>>>,
}

impl Subscriber {
    pub(in crate::redis) fn new(router: Arc<Router>, keys: Keys, partitions: u16) -> Self {
        Self { channels: Arc::new(ChannelRegistry::new(router, keys, partitions)), health: Mutex::default() }
    }

    /// Subscribes to the rooms of a partition.
    pub(in crate::redis) async fn subscribe(&self, partition: Partition) -> Result<RedisSubscription, EngineError> {
        let queue = Arc::new(Queue::default());
        let channel = self.channels.subscribe(partition, &queue)?;
        // From here on dropping it unsubscribes.
        let subscription = RedisSubscription::new(partition, queue, self.channels.clone());
        if channel.wait_live(CONFIRM_WITHIN).await {
            return Ok(subscription);
        }
        let reason = self.problem().unwrap_or_else(|| "Redis does not confirm the subscription".to_owned());
        Err(EngineError::Unavailable(format!("can't subscribe to partition {}: {reason}", partition.0)))
    }

    /// Waits until a log may have an entry after a position.
    pub(in crate::redis) async fn wait_append(
        &self,
        partition: Partition,
        after: Position,
        patience: Duration,
    ) -> Result<(), EngineError> {
        let channel = self.channels.appends(partition)?;
        if let Consumer::LogOwner(signal) = &channel.consumer {
            signal.wait(after, patience).await;
        }
        Ok(())
    }

    /// Describes why messages are not delivered; none if they are.
    pub(in crate::redis) fn problem(&self) -> Option<String> {
        self.health.lock().values().find_map(|health| health.problem())
    }

    /// Ends all subscriptions.
    pub(in crate::redis) fn close(&self) {
        self.channels.close();
    }

    /// Keeps a listener for each node that has partitions, forever.
    pub(in crate::redis) async fn supervise(self: Arc<Self>, pace: Pace) {
        let router = self.channels.router();
        let mut listeners: HashMap<Target, AbortOnDropHandle<()>> = HashMap::new();
        let mut slots = router.watch();
        loop {
            slots.borrow_and_update();
            let mut needed: Vec<Target> = Vec::new();
            for target in self.channels.partitions().filter_map(|partition| router.target_of(slot(partition))) {
                if !needed.contains(&target) {
                    needed.push(target);
                }
            }
            listeners.retain(|target, _| needed.contains(target));
            {
                let mut all = self.health.lock();
                all.retain(|target, _| needed.contains(target));
                for target in needed {
                    listeners.entry(target.clone()).or_insert_with(|| {
                        let health = Arc::new(Health::new(&target));
                        all.insert(target.clone(), health.clone());
                        let listener = Listener::new(self.channels.clone(), target, health, pace);
                        AbortOnDropHandle::new(tokio::spawn(listener.run()))
                    });
                }
            }
            // Either the slots have moved or it is time to sweep.
            let _ = tokio::time::timeout(SWEEP_EVERY, slots.changed()).await;
            self.channels.sweep();
        }
    }
}
