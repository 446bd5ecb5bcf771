//! Writes for many sockets in one pass.
//!
//! A frame for a room of a thousand is a thousand small writes. Waking a task for each would cost more than the write
//! itself, so whoever has something new is put into the queue of its shard, whose one task goes through it: it reads the
//! rooms' rings for each socket and writes what there is, with one call each. What comes during a pass goes with the
//! next one; and after a long pass the shard rests for as long, so that under load frames share their writes and the
//! process has time for everything else. Where little is going on there is no such rest: frames go out at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::tally::Tally;
use crate::delivery::session::{Outgoing, Scratch};

/// So many sockets are written to before others get their turn of the processor.
const SOCKETS_A_TURN: usize = 128;
/// A shorter pass needs no rest.
const SHORT_PASS: Duration = Duration::from_millis(1);
/// No rest is longer.
const LONGEST_REST: Duration = Duration::from_millis(40);

/// A socket that a shard writes to.
pub(super) trait ShardSocket: Send + Sync {
    /// Writes what is new, as far as that goes without waiting.
    fn deliver_now(&self, desk: &mut Desk, now: Instant);

    /// Ends the socket, after a fault in it.
    fn give_up(&self);
}

/// Some of a gateway's sockets.
pub(crate) struct Shard {
    queue: Mutex<Vec<Weak<dyn ShardSocket>>>,
    bell: Notify,
}

/// What a pass needs besides the sockets, kept from one to the next.
#[derive(Default)]
pub(super) struct Desk {
    pub(super) scratch: Scratch,
    pub(super) batch: Vec<Outgoing>,
    pub(super) tally: Tally,
}

impl Shard {
    /// Starts one for each processor that this process may use.
    pub(crate) fn start_all(stop: &CancellationToken) -> Vec<Arc<Self>> {
        let count = std::thread::available_parallelism().map_or(1, usize::from);
        let start = |_| {
            let shard = Arc::new(Self { queue: Mutex::default(), bell: Notify::new() });
            let (task, stop) = (shard.clone(), stop.clone());
            tokio::spawn(async move { stop.run_until_cancelled(task.run()).await });
            shard
        };
        (0..count).map(start).collect()
    }

    /// Puts a socket into the queue; it must not be there already.
    pub(super) fn enqueue(&self, line: Weak<dyn ShardSocket>) {
        let first = {
            let mut queue = self.queue.lock().expect("nobody panics while queueing");
            queue.push(line);
            queue.len() == 1
        };
        if first {
            self.bell.notify_one();
        }
    }

    async fn run(self: Arc<Self>) {
        let mut lines = Vec::new();
        let mut desk = Desk::default();
        loop {
            self.bell.notified().await;
            loop {
                std::mem::swap(&mut *self.queue.lock().expect("nobody panics while queueing"), &mut lines);
                if lines.is_empty() {
                    break;
                }
                let took = pass(&mut lines, &mut desk).await;
                if took > SHORT_PASS {
                    tokio::time::sleep(took.min(LONGEST_REST)).await;
                }
            }
        }
    }
}

/// Serves all who are in line; returns how long that took, without the time that others had in between.
async fn pass(lines: &mut Vec<Weak<dyn ShardSocket>>, desk: &mut Desk) -> Duration {
    let mut took = Duration::ZERO;
    let mut lines = lines.drain(..).peekable();
    loop {
        let began = Instant::now();
        for line in lines.by_ref().take(SOCKETS_A_TURN).filter_map(|line| line.upgrade()) {
            // A fault with one must not silence all the others.
            if catch_unwind(AssertUnwindSafe(|| line.deliver_now(desk, began))).is_err() {
                *desk = Desk::default();
                line.give_up();
            }
        }
        desk.tally.flush();
        took += began.elapsed();
        if lines.peek().is_none() {
            return took;
        }
        tokio::task::yield_now().await;
    }
}
