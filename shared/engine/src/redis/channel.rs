//! A channel of Redis that somebody in this process listens to.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::follower::Queue;
use super::growth::Growth;
use super::packed::News;

/// One channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) slot: u16,
    pub(super) ears: Ears,
    /// True while Redis has confirmed that we listen.
    is_live: watch::Sender<bool>,
}

/// Who listens.
#[derive(Debug)]
pub(super) enum Ears {
    /// The followers of a partition.
    News(Mutex<Followed>),
    /// The owner of a log.
    Growth(Growth),
    /// The listener itself, for its canary: the newest that came.
    Canary(AtomicU64),
}

/// Followers and what they are to be told next.
#[derive(Debug, Default)]
pub(super) struct Followed {
    queues: Vec<Arc<Queue>>,
    /// Batch and part that come next, once any has come.
    next: Option<(u64, u16)>,
    was_live: bool,
}

impl Channel {
    pub(super) fn new(name: String, slot: u16, ears: Ears) -> Arc<Self> {
        Arc::new(Self { name, slot, ears, is_live: watch::Sender::new(false) })
    }

    /// Takes a message.
    pub(super) fn tell(&self, payload: Bytes) {
        match &self.ears {
            Ears::News(followed) => {
                let mut followed = followed.lock().expect("nobody panics while telling");
                match News::unpack(payload) {
                    Some(news) => followed.tell(news),
                    None => {
                        tracing::error!(channel = self.name, "can't read the news; are all processes of one version?");
                        followed.miss("unreadable");
                    }
                }
            }
            Ears::Growth(growth) => growth.hear(parse(&payload)),
            Ears::Canary(newest) => newest.store(parse(&payload), Ordering::Release),
        }
    }

    /// Notes that Redis confirmed. Whatever was said since it last did was not heard.
    pub(super) fn confirm(&self) {
        match &self.ears {
            Ears::News(followed) => {
                let mut followed = followed.lock().expect("nobody panics while telling");
                followed.next = None;
                if std::mem::replace(&mut followed.was_live, true) {
                    followed.miss("resubscribed");
                }
            }
            Ears::Growth(growth) => growth.wake(),
            Ears::Canary(_) => {}
        }
        self.is_live.send_replace(true);
    }

    /// Notes that nothing is heard for now.
    pub(super) fn lose(&self) {
        self.is_live.send_replace(false);
    }

    /// True once Redis has confirmed that we listen.
    pub(super) async fn wait_live(&self, patience: Duration) -> bool {
        let mut is_live = self.is_live.subscribe();
        tokio::time::timeout(patience, is_live.wait_for(|is_live| *is_live)).await.is_ok_and(|live| live.is_ok())
    }

    pub(super) fn join(&self, queue: Arc<Queue>) {
        if let Ears::News(followed) = &self.ears {
            followed.lock().expect("nobody panics while telling").queues.push(queue);
        }
    }

    /// Returns true where nobody is left.
    pub(super) fn leave(&self, queue: &Arc<Queue>) -> bool {
        let Ears::News(followed) = &self.ears else { return false };
        let mut followed = followed.lock().expect("nobody panics while telling");
        followed.queues.retain(|other| !Arc::ptr_eq(other, queue));
        followed.queues.is_empty()
    }

    pub(super) fn close(&self) {
        match &self.ears {
            Ears::News(followed) => {
                followed.lock().expect("nobody panics while telling").queues.iter().for_each(|queue| queue.close());
            }
            Ears::Growth(growth) => growth.wake(),
            Ears::Canary(_) => {}
        }
    }
}

impl Followed {
    fn tell(&mut self, news: News) {
        let place = (news.seq, news.part);
        if self.next.is_some_and(|next| next != place) {
            self.miss("jump");
        }
        self.next = Some(if news.is_last { (news.seq + 1, 0) } else { (news.seq, news.part + 1) });
        if !news.frames.is_empty() {
            let frames = news.frames.into();
            self.queues.iter().for_each(|queue| queue.push(&frames));
        }
    }

    fn miss(&self, reason: &'static str) {
        metrics::counter!("ringside_redis_missed_total", "reason" => reason).increment(self.queues.len() as u64);
        self.queues.iter().for_each(|queue| queue.miss());
    }
}

/// Numbers that we sent ourselves; what is none tells nothing.
fn parse(payload: &[u8]) -> u64 {
    str::from_utf8(payload).ok().and_then(|text| text.parse().ok()).unwrap_or_default()
}
