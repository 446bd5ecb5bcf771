//! One pub/sub channel that this process subscribes to.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::append_signal::AppendSignal;
use super::queue::Queue;
use crate::redis::packed::BatchPart;

/// A channel and the consumer of its messages.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) slot: u16,
    pub(super) consumer: Consumer,
    /// True while Redis has confirmed the subscription.
    is_live: watch::Sender<bool>,
}

/// Where a channel's messages go.
#[derive(Debug)]
pub(super) enum Consumer {
    /// To the subscriptions of a partition.
    Subscriptions(Mutex<Fanout>),
    /// To the owner of a log.
    LogOwner(AppendSignal),
    /// To the listener itself: the number of its newest canary that came back.
    Canary(AtomicU64),
}

/// The queues of a partition's subscriptions, and the next expected message.
#[derive(Debug, Default)]
pub(super) struct Fanout {
    queues: Vec<Arc<Queue>>,
    /// The next batch and its part, once any has come.
    next: Option<(u64, u16)>,
    was_live: bool,
}

impl Channel {
    pub(super) fn new(name: String, slot: u16, consumer: Consumer) -> Arc<Self> {
        Arc::new(Self { name, slot, consumer, is_live: watch::Sender::new(false) })
    }

    /// Hands a message to the consumer.
    pub(super) fn deliver(&self, payload: Bytes) {
        match &self.consumer {
            Consumer::Subscriptions(fanout) => {
                let mut fanout = fanout.lock();
                match BatchPart::unpack(payload) {
                    Some(part) => fanout.deliver(part),
                    None => {
                        tracing::error!(
                            channel = self.name,
                            "pub/sub message is unreadable; do all processes run the same version?"
                        );
                        fanout.miss("unreadable");
                    }
                }
            }
            Consumer::LogOwner(signal) => signal.set_head(parse(&payload)),
            Consumer::Canary(newest) => newest.store(parse(&payload), Ordering::Release),
        }
    }

    /// Notes that Redis confirmed the subscription.
    ///
    /// Messages since the last confirmation are lost.
    pub(super) fn confirm(&self) {
        match &self.consumer {
            Consumer::Subscriptions(fanout) => {
                let mut fanout = fanout.lock();
                fanout.next = None;
                if std::mem::replace(&mut fanout.was_live, true) {
                    fanout.miss("resubscribed");
                }
            }
            Consumer::LogOwner(signal) => signal.wake(),
            Consumer::Canary(_) => {}
        }
        self.is_live.send_replace(true);
    }

    /// Notes that the subscription has ended for now.
    pub(super) fn mark_lost(&self) {
        self.is_live.send_replace(false);
    }

    /// Waits until Redis has confirmed the subscription.
    ///
    /// False if it does not within `patience`.
    pub(super) async fn wait_live(&self, patience: Duration) -> bool {
        let mut is_live = self.is_live.subscribe();
        tokio::time::timeout(patience, is_live.wait_for(|is_live| *is_live)).await.is_ok_and(|live| live.is_ok())
    }

    /// Adds a subscription's queue.
    pub(super) fn add(&self, queue: Arc<Queue>) {
        if let Consumer::Subscriptions(fanout) = &self.consumer {
            fanout.lock().queues.push(queue);
        }
    }

    /// Removes a subscription's queue; true if none is left.
    pub(super) fn remove(&self, queue: &Arc<Queue>) -> bool {
        let Consumer::Subscriptions(fanout) = &self.consumer else { return false };
        let mut fanout = fanout.lock();
        fanout.queues.retain(|other| !Arc::ptr_eq(other, queue));
        fanout.queues.is_empty()
    }

    /// Ends all subscriptions and waits.
    pub(super) fn close(&self) {
        match &self.consumer {
            Consumer::Subscriptions(fanout) => fanout.lock().queues.iter().for_each(|queue| queue.close()),
            Consumer::LogOwner(signal) => signal.wake(),
            Consumer::Canary(_) => {}
        }
    }
}

impl Fanout {
    fn deliver(&mut self, part: BatchPart) {
        let place = (part.seq, part.index);
        if self.next.is_some_and(|next| next != place) {
            self.miss("jump");
        }
        self.next = Some(if part.is_last { (part.seq + 1, 0) } else { (part.seq, part.index + 1) });
        if !part.frames.is_empty() {
            let frames = part.frames.into();
            self.queues.iter().for_each(|queue| queue.push(&frames));
        }
    }

    fn miss(&self, reason: &'static str) {
        metrics::counter!("ringside_redis_missed_total", "reason" => reason).increment(self.queues.len() as u64);
        self.queues.iter().for_each(|queue| queue.miss());
    }
}

/// Parses a number that an engine sent; 0 if it is none, which changes nothing.
fn parse(payload: &[u8]) -> u64 {
    str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}
