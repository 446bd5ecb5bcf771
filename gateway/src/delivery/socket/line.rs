//! One open socket with its session: what its own task and its shard share.
//!
//! Both write: the shard what is new in rooms that are followed already, the task everything for which somebody has to be
//! waited for (a join, a read of the engine, a socket that is full). Whoever writes holds the [`Counter`].

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Instant;

use ringside_access::Viewer;
use tokio::sync::{Mutex, Notify};

use super::message::CLOSE;
use super::outbox::Outbox;
use super::pace::Pace;
use super::shard::{Desk, Shard, ShardSocket};
use super::tally::Tally;
use super::transport::Transport;
use crate::delivery::Delivery;
use crate::delivery::ledger::{Look, Watched};
use crate::delivery::session::{Outgoing, Session, WAITS_FOR};
use crate::hub::{Marks, Packet, Watcher};
use crate::observe::{self, Life};

/// An open socket.
pub(super) struct Line {
    pub(super) socket: Transport,
    /// True where the client takes compressed messages.
    deflate: bool,
    counter: Mutex<Counter>,
    /// Rings where the shard leaves something to the task.
    bell: Notify,
    post: Arc<Post>,
}

/// Where things are handed over.
pub(super) struct Counter {
    broken: bool,
    /// True once its last frames are on their way.
    ended: bool,
    outbox: Outbox,
    pub(super) pace: Pace,
    /// When the socket last took something, or had nothing to take.
    moved: Instant,
    /// What it was given until now.
    life: Life,
    pub(super) session: Session,
}

/// What of a line the rooms know: where to leave word that there is something new.
struct Post {
    marks: Marks,
    /// True while it stands in its shard's queue.
    queued: AtomicBool,
    shard: Arc<Shard>,
    line: Weak<Line>,
}

impl Watcher for Post {
    fn marks(&self) -> &Marks {
        &self.marks
    }

    fn ring(&self) {
        if !self.queued.swap(true, Ordering::AcqRel) {
            self.shard.enqueue(self.line.clone());
        }
    }
}

/// How far a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Delivered {
    /// There is nothing more.
    All,
    /// The socket is full.
    Full,
    /// It is not to be written to before this.
    Paced(Instant),
}

impl ShardSocket for Line {
    fn deliver_now(&self, desk: &mut Desk, now: Instant) {
        self.post.queued.store(false, Ordering::Release);
        let Some(mut counter) = self.free_counter() else { return self.bell.notify_one() };
        let counter = &mut *counter;
        if counter.ended {
            return;
        }
        if counter.broken || !counter.outbox.is_empty() || counter.pace.wait(now).is_some() {
            // The task waits for just that, and reads on then.
            return self.bell.notify_one();
        }
        let complete = counter.session.batch_now(&mut desk.scratch, &mut desk.batch);
        let delivered = self.write(counter, &mut desk.batch, &mut desk.tally, now);
        if !complete || delivered != Ok(Delivered::All) {
            self.bell.notify_one();
        } else if counter.session.has_more() {
            // More than fits into one write; others come first.
            self.post.ring();
        }
    }

    fn give_up(&self) {
        if let Some(mut counter) = self.free_counter() {
            counter.broken = true;
        }
        self.bell.notify_one();
    }
}

impl Line {
    pub(super) fn open(delivery: &Delivery, viewer: Arc<Viewer>, socket: Transport, deflate: bool) -> Arc<Self> {
        Arc::new_cyclic(|line| {
            let shard = delivery.next_shard();
            let post =
                Arc::new(Post { marks: Marks::default(), queued: AtomicBool::new(false), shard, line: line.clone() });
            let session = Session::new(delivery.clone(), viewer, post.clone());
            let pace = Pace::full();
            observe::paced(pace.name()).increment(1.0);
            let counter = Counter {
                session,
                outbox: Outbox::default(),
                pace,
                life: Life::default(),
                moved: Instant::now(),
                broken: false,
                ended: false,
            };
            Self { socket, deflate, counter: Mutex::new(counter), bell: Notify::new(), post }
        })
    }

    /// Returns once the shard has left something to the task.
    pub(super) async fn rang(&self) {
        self.bell.notified().await;
    }

    /// What is handed over here; only for as long as nobody else has to be waited for.
    pub(super) async fn counter(&self) -> tokio::sync::MutexGuard<'_, Counter> {
        self.counter.lock().await
    }

    /// The same, unless somebody stands there.
    pub(super) fn free_counter(&self) -> Option<tokio::sync::MutexGuard<'_, Counter>> {
        self.counter.try_lock().ok()
    }

    /// Writes what there is, waiting for whoever has to be waited for but not for the socket.
    pub(super) async fn deliver(&self, tally: &mut Tally) -> Result<Delivered, Broken> {
        let began = Instant::now();
        let mut counter = self.counter.lock().await;
        let counter = &mut *counter;
        loop {
            if counter.broken {
                return Err(Broken);
            }
            let now = Instant::now();
            let mut batch = Vec::new();
            if counter.outbox.is_empty() {
                if let Some(next) = counter.pace.wait(now) {
                    return Ok(Delivered::Paced(next));
                }
                batch = counter.session.batch().await;
                if batch.is_empty() && !counter.session.has_more() {
                    return Ok(Delivered::All);
                }
            }
            let delivered = self.write(counter, &mut batch, tally, Instant::now());
            tally.flush();
            if delivered? == Delivered::Full {
                return Ok(Delivered::Full);
            }
            if counter.session.has_more() && began.elapsed() > WAITS_FOR {
                // It also has to listen, and to keep its clocks.
                self.bell.notify_one();
                return Ok(Delivered::All);
            }
        }
    }

    /// Writes a control frame behind what waits.
    pub(super) async fn control(&self, opcode: u8, payload: &[u8]) -> Result<(), Broken> {
        let mut counter = self.counter.lock().await;
        counter.outbox.push(Packet::control(opcode, payload));
        self.flush(&mut counter, &mut Vec::new(), Instant::now()).map(|_| ())
    }

    /// Writes these behind what waits, and a close frame behind them, as far as the socket takes them.
    pub(super) fn write_last(
        &self,
        counter: &mut Counter,
        batch: &mut Vec<Outgoing>,
        tally: &mut Tally,
        close: Option<&[u8]>,
    ) {
        // Where it is broken nobody is told anything.
        let written = self.write(counter, batch, tally, Instant::now());
        tally.flush();
        if let (Ok(_), Some(payload)) = (written, close) {
            counter.outbox.push(Packet::control(CLOSE, payload));
            let _ = self.flush(counter, &mut Vec::new(), Instant::now());
        }
    }

    /// Writes what waits.
    pub(super) async fn go_on(&self) -> Result<Delivered, Broken> {
        let mut counter = self.counter.lock().await;
        self.flush(&mut counter, &mut Vec::new(), Instant::now())
    }

    /// How much waits to be written.
    pub(super) fn waiting_bytes(&self, counter: &Counter) -> usize {
        counter.outbox.bytes(self.deflate) + counter.session.answer_bytes()
    }

    fn write(
        &self,
        counter: &mut Counter,
        batch: &mut Vec<Outgoing>,
        tally: &mut Tally,
        now: Instant,
    ) -> Result<Delivered, Broken> {
        tally.count(batch);
        counter.life.frames += batch.len() as u64;
        self.flush(counter, batch, now)
    }

    fn flush(&self, counter: &mut Counter, batch: &mut Vec<Outgoing>, now: Instant) -> Result<Delivered, Broken> {
        if counter.outbox.is_empty() && batch.is_empty() {
            return Ok(Delivered::All);
        }
        if counter.outbox.is_empty() {
            // Until now there was nothing to take.
            counter.moved = now;
        }
        let packets = batch.drain(..).map(|outgoing| outgoing.packet);
        let written = counter.outbox.write(&self.socket, self.deflate, packets).map_err(|_| {
            counter.broken = true;
            Broken
        })?;
        counter.life.bytes += written as u64;
        let all = counter.outbox.is_empty();
        if all || written > 0 {
            counter.moved = now;
        }
        if all {
            let before = counter.pace.name();
            counter.pace.took_all(now);
            let after = counter.pace.name();
            if before != after {
                observe::paced(before).decrement(1.0);
                observe::paced(after).increment(1.0);
            }
            Ok(Delivered::All)
        } else {
            counter.pace.is_full(now);
            Ok(Delivered::Full)
        }
    }
}

impl Watched for Line {
    fn look(&self) -> Option<Look> {
        let counter = self.free_counter()?;
        Some(Look {
            queued_bytes: self.waiting_bytes(&counter),
            pace: counter.pace.name(),
            rooms: counter.session.revocations(),
        })
    }

    fn queued_bytes(&self) -> usize {
        self.free_counter().map_or(0, |counter| self.waiting_bytes(&counter))
    }
}

impl Counter {
    /// Nothing more is written but what its task writes.
    pub(super) fn end(&mut self) {
        self.ended = true;
    }

    /// What it was given in all.
    pub(super) fn life(&mut self) -> Life {
        let (conflated, skipped) = self.session.take_left_out();
        Life { conflated, skipped, ..self.life }
    }

    /// Since when the socket takes nothing of what waits for it.
    pub(super) fn stuck_since(&self) -> Option<Instant> {
        (!self.outbox.is_empty()).then_some(self.moved)
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        observe::paced(self.pace.name()).decrement(1.0);
    }
}

/// The socket can't be written to any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken;
