//! What arrived: of each client in what order, of all of them how late.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use hdrhistogram::Histogram;

/// Clients share histograms, so that ten thousand fit into memory; few enough share one to seldom wait for each other.
const SHARDS: usize = 16;

/// The clock and the sums of a run.
pub(super) struct Run {
    began: Instant,
    /// Frames posted from then on are measured; those before were to warm up.
    measured_from_us: AtomicU64,
    shards: [Mutex<Shard>; SHARDS],
}

/// Sums of some clients.
struct Shard {
    received: u64,
    measured: u64,
    last_us: u64,
    latency_us: Histogram<u64>,
}

/// The sums of all clients.
pub(super) struct Sums {
    /// Frames of the whole run.
    pub(super) received: u64,
    /// Of those, the measured ones.
    pub(super) measured: u64,
    /// When the last one came.
    pub(super) last_us: u64,
    pub(super) latency_us: Histogram<u64>,
}

fn histogram() -> Histogram<u64> {
    Histogram::new(3).expect("three digits are allowed")
}

impl Run {
    pub(super) fn begin() -> Self {
        let shard = |_| Mutex::new(Shard { received: 0, measured: 0, last_us: 0, latency_us: histogram() });
        Self { began: Instant::now(), measured_from_us: AtomicU64::new(u64::MAX), shards: std::array::from_fn(shard) }
    }

    /// Microseconds since the run began.
    pub(super) fn now_us(&self) -> u64 {
        self.began.elapsed().as_micros() as u64
    }

    /// From now on it counts.
    pub(super) fn measure(&self) -> u64 {
        let now = self.now_us();
        self.measured_from_us.store(now, Ordering::Relaxed);
        now
    }

    /// Takes what one read of a client brought: when each frame was posted.
    pub(super) fn note(&self, client: usize, posted_us: &[u64]) {
        let (now, from) = (self.now_us(), self.measured_from_us.load(Ordering::Relaxed));
        let mut shard = self.shards[client % SHARDS].lock().expect("nobody panics while counting");
        shard.received += posted_us.len() as u64;
        shard.last_us = now;
        for posted in posted_us.iter().filter(|posted| **posted >= from) {
            shard.measured += 1;
            shard.latency_us += now.saturating_sub(*posted);
        }
    }

    pub(super) fn sums(&self) -> Sums {
        let mut sums = Sums { received: 0, measured: 0, last_us: 0, latency_us: histogram() };
        for shard in &self.shards {
            let shard = shard.lock().expect("nobody panics while counting");
            sums.received += shard.received;
            sums.measured += shard.measured;
            sums.last_us = sums.last_us.max(shard.last_us);
            sums.latency_us.add(&shard.latency_us).expect("they are all alike, and resize");
        }
        sums
    }
}

/// What one client has seen of its room.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    /// Frames that came, each later than the one before.
    pub(super) received: u64,
    /// Frames that were told to be left out.
    pub(super) told: u64,
    /// Frames that came twice, or after a later one.
    pub(super) out_of_order: u64,
    /// What the next one is to be.
    next: u64,
    was_reset: bool,
}

impl Tally {
    /// A frame came.
    pub(super) fn take(&mut self, seq: u64) {
        if seq < self.next {
            self.out_of_order += 1;
            return;
        }
        if std::mem::take(&mut self.was_reset) {
            self.told += seq - self.next;
        }
        self.received += 1;
        self.next = seq + 1;
    }

    /// Events that the gateway announced as skipped.
    pub(super) fn skip(&mut self, count: u64) {
        self.told += count;
    }

    /// All that is missing before the next one is told to be.
    pub(super) fn reset(&mut self) {
        self.was_reset = true;
    }

    /// What never came and was not told, of so many that were published.
    pub(super) fn lost(&self, published: u64) -> u64 {
        let told_at_the_end = if self.was_reset { published.saturating_sub(self.next) } else { 0 };
        published.saturating_sub(self.received + self.told + told_at_the_end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(steps: impl FnOnce(&mut Tally)) -> Tally {
        let mut tally = Tally::default();
        steps(&mut tally);
        tally
    }

    #[test]
    fn what_is_missing_is_lost_unless_it_was_told() {
        assert_eq!(tally(|t| (0..5).for_each(|seq| t.take(seq))).lost(5), 0);
        assert_eq!(tally(|t| (0..4).for_each(|seq| t.take(seq))).lost(5), 1);
        assert_eq!(tally(|t| [0, 2, 3].into_iter().for_each(|seq| t.take(seq))).lost(4), 1);
        let skipped = |t: &mut Tally| {
            t.take(0);
            t.skip(3);
            t.take(4);
        };
        assert_eq!(tally(skipped).lost(5), 0);
        let reset = |t: &mut Tally| {
            t.take(0);
            t.reset();
            t.take(7);
        };
        assert_eq!((tally(reset).lost(8), tally(reset).told), (0, 6));
        assert_eq!(tally(|t| t.reset()).lost(9), 0);
    }

    #[test]
    fn a_frame_that_comes_twice_or_late_is_out_of_order() {
        let tally = tally(|t| [0, 1, 1, 3, 2].into_iter().for_each(|seq| t.take(seq)));
        assert_eq!((tally.received, tally.out_of_order), (3, 2));
        // One that comes late was lost in its place.
        assert_eq!(tally.lost(4), 1);
    }

    #[test]
    fn only_what_was_posted_after_the_warm_up_is_measured() {
        let run = Run::begin();
        run.note(0, &[run.now_us()]);
        let from = run.measure();
        run.note(17, &[from.saturating_sub(1), from]);
        let sums = run.sums();
        assert_eq!((sums.received, sums.measured, sums.latency_us.len()), (3, 1, 1));
        // However long it took: a histogram grows.
        let late = Run { began: Instant::now() - std::time::Duration::from_secs(5), ..Run::begin() };
        late.measured_from_us.store(0, Ordering::Relaxed);
        late.note(0, &[0]);
        assert!(late.sums().latency_us.value_at_quantile(0.5) >= 4_990_000);
    }
}
