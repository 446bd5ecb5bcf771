//! The frames that wait for one subscription, within bounds.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::RoomFrame;

/// How many bytes of frames may wait for a subscription.
const CAPACITY_BYTES: usize = 8 << 20;
/// How many batches may wait for a subscription: small ones cost memory too.
const CAPACITY_BATCHES: usize = 4096;

/// A bounded queue of batches. Overflow empties it and counts as missed.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// Short and never across an await.
    inner: Mutex<Inner>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    batches: VecDeque<Arc<[RoomFrame]>>,
    bytes: usize,
    has_missed: bool,
    is_closed: bool,
}

/// The next item of a queue.
pub(super) enum Queued {
    /// Frames were lost.
    Missed,
    /// The frames of one batch.
    Frames(Arc<[RoomFrame]>),
}

impl Queue {
    /// Adds the frames of a batch.
    pub(super) fn push(&self, frames: &Arc<[RoomFrame]>) {
        let mut inner = self.inner.lock();
        let bytes = size(frames);
        if inner.bytes + bytes > CAPACITY_BYTES || inner.batches.len() >= CAPACITY_BATCHES {
            // The subscriber has to read the rooms anyway; the waiting frames are older than what it reads there.
            inner.batches.clear();
            inner.bytes = 0;
            inner.has_missed = true;
            metrics::counter!("ringside_redis_missed_total", "reason" => "slow_follower").increment(1);
        } else {
            inner.bytes += bytes;
            inner.batches.push_back(frames.clone());
        }
        drop(inner);
        self.changed.notify_one();
    }

    /// Reports that frames were lost.
    pub(super) fn miss(&self) {
        self.inner.lock().has_missed = true;
        self.changed.notify_one();
    }

    /// Ends the queue once everything in it has been taken.
    pub(super) fn close(&self) {
        self.inner.lock().is_closed = true;
        self.changed.notify_one();
    }

    /// Waits for the next item; none once the queue is closed.
    pub(super) async fn next(&self) -> Option<Queued> {
        loop {
            {
                let mut inner = self.inner.lock();
                if std::mem::take(&mut inner.has_missed) {
                    return Some(Queued::Missed);
                }
                if let Some(frames) = inner.batches.pop_front() {
                    inner.bytes -= size(&frames);
                    return Some(Queued::Frames(frames));
                }
                if inner.is_closed {
                    return None;
                }
            }
            self.changed.notified().await;
        }
    }
}

fn size(frames: &[RoomFrame]) -> usize {
    frames.iter().map(|frame| size_of::<RoomFrame>() + frame.body.len()).sum()
}
