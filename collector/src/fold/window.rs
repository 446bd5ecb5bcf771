//! Counters by time: seconds for charts, minutes for a day, hours for 30 days.
//!
//! A tier is a sparse sequence of buckets in time order. A bucket without counts does not exist, so an idle campaign
//! costs nothing. Buckets are kept, stored and evicted in chunks, and only a tick evicts.

use std::collections::{BTreeSet, VecDeque};

use ringside_model::{Counter, Counters};

use super::contribution::{Increment, bit};

pub(super) const SECOND_MS: i64 = 1_000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// The counts of one bucket.
pub(super) trait Tally: Default + Clone + PartialEq {
    /// The counters kept, as bits.
    const KEPT: u32;
    /// Adds an increment, or subtracts it with a `sign` of -1.
    fn add(&mut self, increment: &Increment, sign: i32);
    /// Returns one counter; zero if it is not kept.
    fn get(&self, counter: Counter) -> i64;
    /// Returns the counts in their stored order.
    fn values(&self) -> Vec<i64>;
    /// Creates a tally from stored counts.
    fn from_values(values: &[i64]) -> Self;
}

/// The counts of a second: only those that charts and live rates need.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SecondCounts([i32; 4]);

/// The counters that every tier keeps.
pub(super) const SECOND_COUNTERS: [Counter; 4] =
    [Counter::Attempts, Counter::Answered, Counter::Human, Counter::Abandoned];

impl Tally for SecondCounts {
    const KEPT: u32 =
        bit(SECOND_COUNTERS[0]) | bit(SECOND_COUNTERS[1]) | bit(SECOND_COUNTERS[2]) | bit(SECOND_COUNTERS[3]);

    fn add(&mut self, increment: &Increment, sign: i32) {
        for (count, counter) in self.0.iter_mut().zip(SECOND_COUNTERS) {
            *count += if increment.counters & bit(counter) == 0 { 0 } else { sign };
        }
    }

    fn get(&self, counter: Counter) -> i64 {
        SECOND_COUNTERS.iter().position(|kept| *kept == counter).map_or(0, |slot| i64::from(self.0[slot]))
    }

    fn values(&self) -> Vec<i64> {
        self.0.iter().copied().map(i64::from).collect()
    }

    fn from_values(values: &[i64]) -> Self {
        let mut counts = Self::default();
        for (slot, value) in counts.0.iter_mut().zip(values) {
            *slot = narrow(*value);
        }
        counts
    }
}

const TALK: usize = Counter::TalkMs as usize;

/// The counts of a minute or an hour: all counters, with only talk time in 64 bits.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Bucket {
    talk_ms: i64,
    /// The other counters in their order.
    counts: [i32; Counter::COUNT - 1],
}

impl Bucket {
    /// Adds this bucket to `sum`.
    pub(super) fn add_to(&self, sum: &mut Counters) {
        for (slot, count) in self.counts.iter().enumerate() {
            sum[Counter::ALL[slot + usize::from(slot >= TALK)]] += i64::from(*count);
        }
        sum[Counter::TalkMs] += self.talk_ms;
    }
}

impl Tally for Bucket {
    const KEPT: u32 = u32::MAX;

    fn add(&mut self, increment: &Increment, sign: i32) {
        self.talk_ms += increment.talk_ms * i64::from(sign);
        let mut rest = increment.counters;
        while rest != 0 {
            let counter = rest.trailing_zeros() as usize;
            self.counts[counter - usize::from(counter > TALK)] += sign;
            rest &= rest - 1;
        }
    }

    fn get(&self, counter: Counter) -> i64 {
        let slot = counter as usize;
        if slot == TALK { self.talk_ms } else { i64::from(self.counts[slot - usize::from(slot > TALK)]) }
    }

    fn values(&self) -> Vec<i64> {
        std::iter::once(self.talk_ms).chain(self.counts.iter().copied().map(i64::from)).collect()
    }

    fn from_values(values: &[i64]) -> Self {
        let mut bucket = Self { talk_ms: values.first().copied().unwrap_or(0), ..Self::default() };
        for (slot, value) in bucket.counts.iter_mut().zip(values.iter().skip(1)) {
            *slot = narrow(*value);
        }
        bucket
    }
}

fn narrow(value: i64) -> i32 {
    value.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
}

/// Buckets of one width, in time order.
#[derive(Debug, Clone)]
pub(super) struct Tier<T> {
    width_ms: i64,
    /// Buckets stored under one key.
    chunk: i64,
    keep_ms: i64,
    /// The first index that is not evicted. Late increments before it are ignored.
    first_kept: i64,
    buckets: VecDeque<(i64, T)>,
    dirty: BTreeSet<i64>,
    evicted: BTreeSet<i64>,
}

impl<T: Tally> Tier<T> {
    pub(super) fn new(width_ms: i64, chunk: i64, keep_ms: i64) -> Self {
        Self {
            width_ms,
            chunk,
            keep_ms,
            first_kept: i64::MIN,
            buckets: VecDeque::new(),
            dirty: BTreeSet::new(),
            evicted: BTreeSet::new(),
        }
    }

    pub(super) fn width_ms(&self) -> i64 {
        self.width_ms
    }

    pub(super) fn is_empty(&self) -> bool {
        self.buckets.is_empty()
    }

    /// Returns the memory of the buckets.
    pub(super) fn heap_bytes(&self) -> usize {
        self.buckets.capacity() * size_of::<(i64, T)>()
    }

    /// Adds an increment to the bucket of its time, unless that is evicted.
    pub(super) fn add(&mut self, increment: &Increment, sign: i32) {
        let index = increment.at.div_euclid(self.width_ms);
        if increment.counters & T::KEPT == 0 || index < self.first_kept {
            return;
        }
        self.bucket(index).add(increment, sign);
        let chunk = index.div_euclid(self.chunk);
        if self.dirty.last() != Some(&chunk) {
            self.dirty.insert(chunk);
        }
    }

    fn bucket(&mut self, index: i64) -> &mut T {
        let place = match self.buckets.back() {
            Some((last, _)) if *last == index => self.buckets.len() - 1,
            Some((last, _)) if *last > index => match self.buckets.binary_search_by_key(&index, |(at, _)| *at) {
                Ok(place) => place,
                Err(place) => {
                    self.insert(place, index, T::default());
                    place
                }
            },
            _ => {
                self.insert(self.buckets.len(), index, T::default());
                self.buckets.len() - 1
            }
        };
        &mut self.buckets[place].1
    }

    fn insert(&mut self, place: usize, index: i64, tally: T) {
        if self.buckets.len() == self.buckets.capacity() {
            // Doubling would waste up to half of a busy campaign's memory.
            self.buckets.reserve_exact((self.buckets.len() / 8).clamp(4, 64));
        }
        self.buckets.insert(place, (index, tally));
    }

    /// Returns the buckets that begin in `from_ms..to_ms`.
    pub(super) fn range(&self, from_ms: i64, to_ms: i64) -> impl Iterator<Item = (i64, &T)> {
        let from = from_ms.div_euclid(self.width_ms) + i64::from(from_ms.rem_euclid(self.width_ms) != 0);
        let first = self.buckets.partition_point(|(index, _)| *index < from);
        let width_ms = self.width_ms;
        self.buckets
            .range(first..)
            .map(move |(index, tally)| (index * width_ms, tally))
            .take_while(move |(at, _)| *at < to_ms)
    }

    /// Sums one counter over the buckets that begin in `from_ms..to_ms`.
    pub(super) fn sum(&self, from_ms: i64, to_ms: i64, counter: Counter) -> i64 {
        self.range(from_ms, to_ms).map(|(_, tally)| tally.get(counter)).sum()
    }

    /// Evicts the chunks that ended before `now - keep`.
    pub(super) fn evict(&mut self, now_ms: i64) {
        let chunk = (now_ms - self.keep_ms).div_euclid(self.width_ms).div_euclid(self.chunk);
        self.first_kept = self.first_kept.max(chunk * self.chunk);
        while let Some((index, _)) = self.buckets.front() {
            if *index >= self.first_kept {
                break;
            }
            let chunk = index.div_euclid(self.chunk);
            self.dirty.remove(&chunk);
            self.evicted.insert(chunk);
            self.buckets.pop_front();
        }
    }

    /// Returns the chunks that changed, and those evicted, since it was last called.
    pub(super) fn take_dirty(&mut self) -> (BTreeSet<i64>, BTreeSet<i64>) {
        (std::mem::take(&mut self.dirty), std::mem::take(&mut self.evicted))
    }

    /// Returns the buckets of one chunk.
    pub(super) fn chunk(&self, chunk: i64) -> impl Iterator<Item = (i64, &T)> {
        let first = self.buckets.partition_point(|(index, _)| *index < chunk * self.chunk);
        let end = (chunk + 1) * self.chunk;
        self.buckets.range(first..).map(|(index, tally)| (*index, tally)).take_while(move |(index, _)| *index < end)
    }

    /// Restores a stored bucket.
    pub(super) fn restore(&mut self, index: i64, tally: T) {
        *self.bucket(index) = tally;
    }
}

/// The counters of one campaign: three tiers and the totals.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    pub(super) seconds: Tier<SecondCounts>,
    pub(super) minutes: Tier<Bucket>,
    pub(super) hours: Tier<Bucket>,
    pub(super) totals: Counters,
}

impl Windows {
    /// Creates empty windows.
    /// Each of `points` chart seconds needs the five minutes before it.
    pub(super) fn new(points: usize) -> Self {
        let charts_ms = 5 * MINUTE_MS + points as i64 * SECOND_MS;
        Self {
            seconds: Tier::new(SECOND_MS, 60, charts_ms.max(15 * MINUTE_MS)),
            minutes: Tier::new(MINUTE_MS, 60, 26 * HOUR_MS),
            hours: Tier::new(HOUR_MS, 24, 35 * DAY_MS),
            totals: Counters::default(),
        }
    }

    /// Adds an increment everywhere, or subtracts it with a `sign` of -1.
    pub(super) fn add(&mut self, increment: &Increment, sign: i32) {
        if increment.counters == 0 {
            return;
        }
        self.seconds.add(increment, sign);
        self.minutes.add(increment, sign);
        self.hours.add(increment, sign);
        self.totals[Counter::TalkMs] += increment.talk_ms * i64::from(sign);
        let mut rest = increment.counters;
        while rest != 0 {
            self.totals[Counter::ALL[rest.trailing_zeros() as usize]] += i64::from(sign);
            rest &= rest - 1;
        }
    }

    /// Sums all counters over the minutes that begin in `from_ms..to_ms`.
    pub(super) fn minutes_sum(&self, from_ms: i64, to_ms: i64) -> Counters {
        let mut sum = Counters::default();
        for (_, bucket) in self.minutes.range(from_ms, to_ms) {
            bucket.add_to(&mut sum);
        }
        sum
    }

    /// Sums some counters since the minute at `from_ms`.
    /// Minutes count up to the full hour, hours from there on.
    pub(super) fn since<const N: usize>(&self, from_ms: i64, counters: [Counter; N]) -> [i64; N] {
        let hour = from_ms + (HOUR_MS - from_ms.rem_euclid(HOUR_MS)) % HOUR_MS;
        let mut sums = [0; N];
        let minutes = self.minutes.range(from_ms, hour);
        for (_, bucket) in minutes.chain(self.hours.range(hour, i64::MAX)) {
            for (sum, counter) in sums.iter_mut().zip(counters) {
                *sum += bucket.get(counter);
            }
        }
        sums
    }

    /// Evicts the buckets that no reader asks for any more.
    pub(super) fn evict(&mut self, now_ms: i64) {
        self.seconds.evict(now_ms);
        self.minutes.evict(now_ms);
        self.hours.evict(now_ms);
    }

    /// Clears the change marks, after a restore.
    pub(super) fn take_dirty(&mut self) {
        self.seconds.take_dirty();
        self.minutes.take_dirty();
        self.hours.take_dirty();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn increment(at: i64) -> Increment {
        Increment { at, counters: bit(Counter::Attempts) | bit(Counter::Human), talk_ms: 9 }
    }

    /// Fills 37 days: seconds near the end, minutes for a day, hours before.
    fn busy(now: i64) -> Windows {
        let mut windows = Windows::new(60);
        let mut at = now - 37 * DAY_MS;
        while at < now {
            windows.evict(at);
            windows.add(&increment(at), 1);
            at += match now - at {
                left if left <= 20 * MINUTE_MS => SECOND_MS,
                left if left <= 28 * HOUR_MS => MINUTE_MS,
                _ => HOUR_MS,
            };
        }
        windows
    }

    #[test]
    fn the_busiest_campaign_fits_in_its_memory() {
        let windows = busy(1_000 * DAY_MS);
        let tiers = [windows.seconds.heap_bytes(), windows.minutes.heap_bytes(), windows.hours.heap_bytes()];
        assert!(tiers.iter().sum::<usize>() < 400_000, "{tiers:?}");
        assert!(tiers.iter().all(|bytes| *bytes > 0));
    }

    #[test]
    fn a_subtracted_increment_leaves_no_count() {
        let mut windows = Windows::new(60);
        windows.add(&increment(5_000), 1);
        windows.add(&increment(65_000), 1);
        windows.add(&increment(5_000), -1);
        assert_eq!(windows.minutes_sum(0, MINUTE_MS), Counters::default());
        assert_eq!(windows.minutes_sum(0, i64::MAX)[Counter::TalkMs], 9);
        assert_eq!(windows.totals[Counter::Human], 1);
    }

    #[test]
    fn minutes_and_hours_count_each_moment_once() {
        let windows = busy(1_000 * DAY_MS);
        for minutes in [0, 1, 59, 60, 61, 600, 1_439, 1_440] {
            let from = 1_000 * DAY_MS - minutes * MINUTE_MS;
            let [attempts] = windows.since(from, [Counter::Attempts]);
            assert_eq!(attempts, windows.minutes.sum(from, i64::MAX, Counter::Attempts), "{minutes}");
        }
    }

    #[test]
    fn a_bucket_survives_storing() {
        let mut bucket = Bucket::default();
        bucket.add(&Increment { at: 0, counters: u32::MAX >> 1 & !bit(Counter::TalkMs), talk_ms: 1 << 40 }, 1);
        bucket.add(&Increment { at: 0, counters: bit(Counter::OutcomeLost), talk_ms: 0 }, 1);
        assert_eq!(Bucket::from_values(&bucket.values()), bucket);
        let mut sum = Counters::default();
        bucket.add_to(&mut sum);
        assert_eq!((sum[Counter::TalkMs], sum[Counter::OutcomeLost], sum[Counter::Attempts]), (1 << 40, 2, 1));
    }
}
