//! Load runs: what is posted to `/bench/{n}` is published to the room `bench:{n}`, in batches, as an owner publishes.
//!
//! Everything else is published by collectors, and gateways publish nothing. This is the one exception, and only where an
//! operator has asked for it: a load run measures the way out, and on an event's way through log and fold it would
//! measure those. So a gateway takes the lease of the partition that the tenant's bench rooms live in. It gets it only
//! where no collector has it, so nothing real is mixed up with it; and it says of no part of the log that it was
//! published, so whoever owns the partition next tells everything.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use ringside_engine::{Batch, Checkpoint, Engine, EngineError, Lane, Partition, Position, Publication, RoomId, Token};
use ringside_model::Timestamp;
use ringside_wire::frame_kind;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::error::Error;

/// As long as a collector's.
const LEASE: Duration = Duration::from_secs(3);
const RENEW_EVERY: Duration = Duration::from_secs(1);
/// A partition that could not be had is asked for again after this.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// Frames in one publication at most.
const BATCH: usize = 1_000;
/// What may wait to be published, by its size in memory.
const QUEUE_BYTES: usize = 4 << 20;
/// What a post weighs there besides its body.
const POST_BYTES: usize = 256;

/// Publishes load runs, with a task for each partition in use.
pub(crate) struct Bench {
    engine: Arc<dyn Engine>,
    holder: String,
    lines: Vec<OnceLock<Line>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// The way to a partition's publisher.
struct Line {
    posts: mpsc::UnboundedSender<Post>,
    /// What of the queue is free, in bytes.
    free: Arc<Semaphore>,
    ownership: watch::Receiver<Ownership>,
}

/// What waits to be published.
struct Post {
    room: RoomId,
    at: Timestamp,
    body: Bytes,
    /// Its part of the queue, free again once it is published.
    _place: OwnedSemaphorePermit,
}

/// Whose a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// Nobody knows yet.
    Unknown,
    Ours,
    Others,
    /// The engine does not answer.
    Away,
}

impl Bench {
    pub(crate) fn new(engine: Arc<dyn Engine>, stop: CancellationToken) -> Self {
        info!("load runs are switched on: operators may publish to bench rooms");
        let lines = (0..engine.partitions()).map(|_| OnceLock::new()).collect();
        let holder = format!("bench-{:016x}", rand::random::<u64>());
        Self { engine, holder, lines, tasks: TaskTracker::new(), stop }
    }

    /// Queues a frame's own members, a JSON object, for a room. Waits only for the first answer on whose the room is.
    pub(crate) async fn take(&self, room: RoomId, body: Bytes) -> Result<(), Error> {
        let home = room.home(self.engine.partitions());
        let line = self.lines[usize::from(home.0)].get_or_init(|| self.begin(home));
        let mut ownership = *line.ownership.borrow();
        if ownership == Ownership::Unknown {
            let mut asked = line.ownership.clone();
            ownership =
                *asked.wait_for(|ownership| *ownership != Ownership::Unknown).await.map_err(|_| Error::Unavailable)?;
        }
        match ownership {
            Ownership::Ours => {}
            Ownership::Others => return Err(Error::OwnedByCollector),
            Ownership::Unknown | Ownership::Away => return Err(Error::Unavailable),
        }
        let weight = u32::try_from(POST_BYTES + body.len()).map_err(|_| Error::Busy)?;
        let place = line.free.clone().try_acquire_many_owned(weight).map_err(|_| Error::Busy)?;
        let post = Post { room, at: Timestamp::now(), body, _place: place };
        line.posts.send(post).map_err(|_| Error::Unavailable)
    }

    /// Returns once nothing is published any more and the partitions are given up.
    pub(crate) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn begin(&self, partition: Partition) -> Line {
        let (posts, taken) = mpsc::unbounded_channel();
        let (ownership, told) = watch::channel(Ownership::Unknown);
        let publisher = Publisher {
            engine: self.engine.clone(),
            holder: self.holder.clone(),
            partition,
            posts: taken,
            ownership,
            waiting: Vec::new(),
            unsure: None,
        };
        self.tasks.spawn(publisher.run(self.stop.clone()));
        Line { posts, free: Arc::new(Semaphore::new(QUEUE_BYTES)), ownership: told }
    }
}

/// Publishes what is posted for the rooms of one partition.
struct Publisher {
    engine: Arc<dyn Engine>,
    holder: String,
    partition: Partition,
    posts: mpsc::UnboundedReceiver<Post>,
    ownership: watch::Sender<Ownership>,
    /// The batch that is published next or right now.
    waiting: Vec<Post>,
    /// Set where nobody knows whether `waiting` was published: the number of batches before it.
    unsure: Option<u64>,
}

/// A partition, held.
struct Held {
    token: Token,
    seq: u64,
    published: Position,
}

impl Publisher {
    async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() && !self.posts.is_closed() {
            match timeout(LEASE, self.acquire()).await.unwrap_or_else(|_| Err(late())) {
                Ok(Some(held)) => {
                    self.say(Ownership::Ours, "publishing a load run");
                    let lost = self.publish_until(held, &stop).await;
                    if let Err(reason) = lost {
                        info!(partition.id = self.partition.0, %reason, "a load run looks again whose its rooms are");
                    }
                    // At once: whatever is queued waits for it.
                    continue;
                }
                Ok(None) => {
                    self.say(Ownership::Others, "a collector owns the rooms of a load run; what was queued is dropped");
                    self.waiting.clear();
                    while self.posts.try_recv().is_ok() {}
                }
                Err(reason) => self.say(Ownership::Away, &format!("a load run can't go on: {reason}")),
            }
            stop.run_until_cancelled(tokio::time::sleep(AGAIN_AFTER)).await;
        }
    }

    /// Tells a change of standing to who posts, and to the log.
    fn say(&self, ownership: Ownership, text: &str) {
        if self.ownership.send_replace(ownership) != ownership {
            info!(partition.id = self.partition.0, "{text}");
        }
    }

    async fn acquire(&mut self) -> Result<Option<Held>, EngineError> {
        let Some(token) = self.engine.acquire(self.partition, &self.holder, LEASE).await? else { return Ok(None) };
        let Checkpoint { seq, published, .. } = self.engine.load(self.partition).await?;
        if self.unsure.take().is_some_and(|before| seq == before + 1) {
            self.waiting.clear();
        }
        Ok(Some(Held { token, seq, published }))
    }

    /// Publishes at once what comes while it is idle; what comes while a batch is on its way goes with the next.
    async fn publish_until(&mut self, mut held: Held, stop: &CancellationToken) -> Result<(), EngineError> {
        let mut renewals = interval(RENEW_EVERY);
        renewals.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return self.engine.release(held.token).await,
                _ = renewals.tick() => if !self.engine.renew(held.token, LEASE).await? {
                    return Err(EngineError::Fenced(held.token));
                },
                taken = self.posts.recv_many(&mut self.waiting, BATCH), if self.waiting.is_empty() => if taken == 0 {
                    return self.engine.release(held.token).await;
                },
            }
            if !self.waiting.is_empty() {
                self.publish(&mut held).await?;
            }
        }
    }

    async fn publish(&mut self, held: &mut Held) -> Result<(), EngineError> {
        // Behind all that was published, so that nothing is taken for a repetition; but the batch says that the log is
        // published up to where it was: none of this is in the log, and what comes there must not be taken for one.
        let position = Position(held.published.0 + 1);
        let publications = self.waiting.iter().map(|post| Publication {
            room: post.room.clone(),
            position,
            lane: Lane::Event,
            kind: frame_kind::BENCH,
            at: post.at,
            body: post.body.clone(),
            snapshot: None,
        });
        let batch = Batch { expected_seq: held.seq, position: held.published, publications: publications.collect() };
        match self.engine.publish(held.token, batch).await {
            Ok(seq) => held.seq = seq,
            Err(refused @ (EngineError::Fenced(_) | EngineError::Diverged { .. })) => return Err(refused),
            Err(unsure) => {
                self.unsure = Some(held.seq);
                return Err(unsure);
            }
        }
        self.waiting.clear();
        Ok(())
    }
}

fn late() -> EngineError {
    EngineError::Unavailable("it did not answer in time".to_owned())
}
