//! The news of what was published, to whoever follows a partition in this process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::broadcast::{self, Receiver, Sender};

use super::super::{Partition, RoomFrame, Signal, Subscription};

/// Batches that a subscription may lag behind before it has missed something.
const BACKLOG_BATCHES: usize = 512;

/// The frames of one batch, shared by all who are told; none where some may have been missed.
type News = Option<Arc<[RoomFrame]>>;

/// Who follows which partition. None once the engine has closed.
#[derive(Debug)]
pub(super) struct Fanout(Mutex<Option<HashMap<Partition, Sender<News>>>>);

impl Fanout {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }

    /// Follows a partition from now on; none where the engine has closed.
    pub(super) fn subscribe(&self, partition: Partition) -> Option<Box<dyn Subscription>> {
        let mut followed = self.0.lock().expect("nobody panics while following");
        let sender = followed.as_mut()?.entry(partition).or_insert_with(|| broadcast::channel(BACKLOG_BATCHES).0);
        Some(Box::new(Follower { news: sender.subscribe(), batch: None }))
    }

    /// Tells the followers of a partition what was published.
    pub(super) fn tell(&self, partition: Partition, frames: Vec<RoomFrame>) {
        let mut followed = self.0.lock().expect("nobody panics while following");
        let Some(followed) = followed.as_mut() else { return };
        if let Some(sender) = followed.get(&partition)
            && !frames.is_empty()
            && sender.send(Some(frames.into())).is_err()
        {
            // The last one has left.
            followed.remove(&partition);
        }
    }

    /// Tells all followers that they may have missed something.
    pub(super) fn tell_missed(&self) {
        let followed = self.0.lock().expect("nobody panics while following");
        // A partition that nobody follows any more has nobody to tell.
        followed.iter().flat_map(HashMap::values).for_each(|sender| drop(sender.send(None)));
    }

    /// Ends all subscriptions, once they have had what was told before.
    pub(super) fn close(&self) {
        self.0.lock().expect("nobody panics while following").take();
    }
}

struct Follower {
    news: Receiver<News>,
    /// The batch that is being told and the place of its next frame.
    batch: Option<(Arc<[RoomFrame]>, usize)>,
}

#[async_trait]
impl Subscription for Follower {
    async fn next(&mut self) -> Option<Signal> {
        loop {
            if let Some((frames, next)) = &mut self.batch
                && let Some(frame) = frames.get(*next)
            {
                *next += 1;
                return Some(Signal::Frame(frame.clone()));
            }
            match self.news.recv().await {
                Ok(Some(frames)) => self.batch = Some((frames, 0)),
                Ok(None) | Err(broadcast::error::RecvError::Lagged(_)) => return Some(Signal::Missed),
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }
}
