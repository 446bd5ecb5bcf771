//! One subscription: what waits for it, within bounds.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::Notify;

use super::super::{Partition, RoomFrame, Signal, Subscription};
use super::subscriber::Subscriber;

/// So many bytes of frames wait for a follower at most; then it has missed something.
const WAITING_BYTES: usize = 8 << 20;
/// So many batches as well, for small ones cost too.
const WAITING_BATCHES: usize = 4096;

/// What waits for one follower.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Short and never across an await.
    inside: Mutex<Inside>,
    news: Notify,
}

#[derive(Debug, Default)]
struct Inside {
    batches: VecDeque<Arc<[RoomFrame]>>,
    bytes: usize,
    has_missed: bool,
    is_closed: bool,
}

impl Queue {
    pub(super) fn push(&self, frames: &Arc<[RoomFrame]>) {
        let mut inside = self.inside.lock().expect("nobody panics in a queue");
        let bytes = size(frames);
        if inside.bytes + bytes > WAITING_BYTES || inside.batches.len() >= WAITING_BATCHES {
            // It has to read from the rooms anyway; what waits would only be older than what it reads there.
            inside.batches.clear();
            inside.bytes = 0;
            inside.has_missed = true;
            metrics::counter!("ringside_redis_missed_total", "reason" => "slow_follower").increment(1);
        } else {
            inside.bytes += bytes;
            inside.batches.push_back(frames.clone());
        }
        drop(inside);
        self.news.notify_one();
    }

    pub(super) fn miss(&self) {
        self.inside.lock().expect("nobody panics in a queue").has_missed = true;
        self.news.notify_one();
    }

    pub(super) fn close(&self) {
        self.inside.lock().expect("nobody panics in a queue").is_closed = true;
        self.news.notify_one();
    }

    async fn next(&self) -> Option<Told> {
        loop {
            {
                let mut inside = self.inside.lock().expect("nobody panics in a queue");
                if std::mem::take(&mut inside.has_missed) {
                    return Some(Told::Missed);
                }
                if let Some(frames) = inside.batches.pop_front() {
                    inside.bytes -= size(&frames);
                    return Some(Told::Frames(frames));
                }
                if inside.is_closed {
                    return None;
                }
            }
            self.news.notified().await;
        }
    }
}

fn size(frames: &[RoomFrame]) -> usize {
    frames.iter().map(|frame| size_of::<RoomFrame>() + frame.body.len()).sum()
}

enum Told {
    Missed,
    Frames(Arc<[RoomFrame]>),
}

/// A subscription to a partition.
pub(super) struct Follower {
    pub(super) partition: Partition,
    pub(super) queue: Arc<Queue>,
    pub(super) subscriber: Arc<Subscriber>,
    /// The batch that is being told and the place of its next frame.
    pub(super) batch: Option<(Arc<[RoomFrame]>, usize)>,
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
            self.batch = None;
            match self.queue.next().await? {
                Told::Missed => return Some(Signal::Missed),
                Told::Frames(frames) => self.batch = Some((frames, 0)),
            }
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.subscriber.leave(self.partition, &self.queue);
    }
}
