//! A subscription to the rooms of a partition.

use std::sync::Arc;

use async_trait::async_trait;

use super::channel_registry::ChannelRegistry;
use super::queue::{Queue, Queued};
use crate::{Partition, RoomFrame, Signal, Subscription};

/// A subscription. Unsubscribes when it is dropped.
pub(in crate::redis) struct RedisSubscription {
    partition: Partition,
    queue: Arc<Queue>,
    channels: Arc<ChannelRegistry>,
    /// The batch that is being delivered and the index of its next frame.
    batch: Option<(Arc<[RoomFrame]>, usize)>,
}

impl RedisSubscription {
    pub(super) fn new(partition: Partition, queue: Arc<Queue>, channels: Arc<ChannelRegistry>) -> Self {
        Self { partition, queue, channels, batch: None }
    }
}

#[async_trait]
impl Subscription for RedisSubscription {
    async fn next(&mut self) -> Option<Signal> {
        loop {
            if let Some((frames, next)) = &mut self.batch
                && let Some(frame) = frames.get(*next)
            {
                *next += 1;
                return Some(Signal::Frame(frame.clone()));
            }
            self.batch = None;
            match self.queue.next().await? {
                Queued::Missed => return Some(Signal::Missed),
                Queued::Frames(frames) => self.batch = Some((frames, 0)),
            }
        }
    }
}

impl Drop for RedisSubscription {
    fn drop(&mut self) {
        self.channels.unsubscribe(self.partition, &self.queue);
    }
}
