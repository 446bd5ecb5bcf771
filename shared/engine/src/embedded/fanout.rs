//! Delivery of published frames to the subscriptions of this process.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::broadcast::{self, Receiver, Sender};

use crate::{Partition, RoomFrame, Signal, Subscription};

/// How many batches a subscription may lag behind before it misses some.
const BACKLOG_BATCHES: usize = 512;

/// The frames of one batch, shared by all subscriptions.
///
/// None if some may have been missed.
type Message = Option<Arc<[RoomFrame]>>;

/// The broadcast channel of each subscribed partition.
///
/// None once the engine has closed.
#[derive(Debug)]
pub(super) struct Fanout(Mutex<Option<HashMap<Partition, Sender<Message>>>>);

impl Fanout {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }

    /// Subscribes to a partition from now on; none if the engine has closed.
    pub(super) fn subscribe(&self, partition: Partition) -> Option<Box<dyn Subscription>> {
        let mut channels = self.0.lock();
        let sender = channels.as_mut()?.entry(partition).or_insert_with(|| broadcast::channel(BACKLOG_BATCHES).0);
        Some(Box::new(EmbeddedSubscription { messages: sender.subscribe(), batch: None }))
    }

    /// Sends published frames to the subscriptions of a partition.
    pub(super) fn send(&self, partition: Partition, frames: Vec<RoomFrame>) {
        let mut channels = self.0.lock();
        let Some(channels) = channels.as_mut() else { return };
        if let Some(sender) = channels.get(&partition)
            && !frames.is_empty()
            && sender.send(Some(frames.into())).is_err()
        {
            // The last subscription has been dropped.
            channels.remove(&partition);
        }
    }

    /// Signals to all subscriptions that they may have missed frames.
    pub(super) fn send_missed(&self) {
        let channels = self.0.lock();
        // A send fails if the partition has no subscriptions left.
        channels.iter().flat_map(HashMap::values).for_each(|sender| drop(sender.send(None)));
    }

    /// Ends all subscriptions after they have received everything sent before.
    pub(super) fn close(&self) {
        self.0.lock().take();
    }
}

struct EmbeddedSubscription {
    messages: Receiver<Message>,
    /// The batch that is being delivered and the index of its next frame.
    batch: Option<(Arc<[RoomFrame]>, usize)>,
}

#[async_trait]
impl Subscription for EmbeddedSubscription {
    async fn next(&mut self) -> Option<Signal> {
        loop {
            if let Some((frames, next)) = &mut self.batch
                && let Some(frame) = frames.get(*next)
            {
                *next += 1;
                return Some(Signal::Frame(frame.clone()));
            }
            match self.messages.recv().await {
                Ok(Some(frames)) => self.batch = Some((frames, 0)),
                Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => return Some(Signal::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
