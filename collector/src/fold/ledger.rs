//! The ledger of closed calls, so that late facts and duplicates find their call.
//!
//! A closed call is packed into a few bytes: the fingerprint of its id, then its facts, with times as differences.
//! Calls with their last event in the same minute share a chunk, which is stored and evicted as a whole. A later event
//! moves a call back to the live calls, and from there into a newer chunk. Its old record is then dead: the newest
//! holds.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use hashbrown::HashTable;
use ringside_model::{Amd, Disposition, EndedBy};

use super::call::{End, Facts, UNKNOWN};
use super::window::MINUTE_MS;

/// The location of a call's record: minute of the chunk, offset in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Place {
    minute: u32,
    offset: u32,
}

/// The closed calls of one campaign.
#[derive(Debug, Clone, Default)]
pub(super) struct Ledger {
    chunks: BTreeMap<u32, Vec<u8>>,
    places: HashTable<Place>,
    dirty: BTreeSet<u32>,
    evicted: BTreeSet<u32>,
}

impl Ledger {
    /// Returns the number of calls.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.chunks.values().map(|chunk| chunk.capacity() + 64).sum::<usize>() + self.places.capacity() * 10
    }

    /// Returns the facts of a closed call, and the minute of its last event.
    pub(super) fn get(&self, key: u64) -> Option<(Facts, i64)> {
        let place = self.places.find(key, |place| key_at(&self.chunks, *place) == key)?;
        let chunk = self.chunks.get(&place.minute)?;
        let minute = i64::from(place.minute);
        let (facts, _) = Facts::unpack(chunk.get(place.offset as usize + 8..)?, minute * MINUTE_MS)?;
        Some((facts, minute))
    }

    /// Packs a call into the chunk of a minute.
    pub(super) fn put(&mut self, key: u64, facts: &Facts, minute: i64) {
        let minute = chunk_of(minute);
        let chunk = self.chunks.entry(minute).or_default();
        let place = Place { minute, offset: chunk.len() as u32 };
        chunk.extend_from_slice(&key.to_le_bytes());
        facts.pack(i64::from(minute) * MINUTE_MS, chunk);
        self.dirty.insert(minute);
        self.index(key, place);
    }

    fn index(&mut self, key: u64, place: Place) {
        let chunks = &self.chunks;
        let same = |known: &Place| key_at(chunks, *known) == key;
        let rehash = |known: &Place| key_at(chunks, *known);
        match self.places.entry(key, same, rehash) {
            hashbrown::hash_table::Entry::Occupied(mut known) => *known.get_mut() = place,
            hashbrown::hash_table::Entry::Vacant(vacant) => {
                vacant.insert(place);
            }
        }
    }

    /// Frees the spare capacity of a minute's chunk, once that minute is packed.
    pub(super) fn shrink(&mut self, minute: i64) {
        if let Some(chunk) = self.chunks.get_mut(&chunk_of(minute)) {
            chunk.shrink_to_fit();
        }
    }

    /// Evicts the chunks of the minutes before `minute`.
    pub(super) fn evict(&mut self, minute: i64) {
        while let Some((oldest, _)) = self.chunks.first_key_value()
            && i64::from(*oldest) < minute
        {
            let oldest = *oldest;
            for (key, offset) in records(&self.chunks[&oldest], oldest) {
                let place = Place { minute: oldest, offset };
                if let Ok(found) = self.places.find_entry(key, |known| *known == place) {
                    found.remove();
                }
            }
            self.chunks.remove(&oldest);
            self.dirty.remove(&oldest);
            self.evicted.insert(oldest);
        }
        if self.places.capacity() > 4 * self.places.len() + 64 {
            let chunks = &self.chunks;
            self.places.shrink_to_fit(|known| key_at(chunks, *known));
        }
    }

    /// Takes the changed chunks, and the minutes of evicted ones.
    pub(super) fn take_dirty(&mut self) -> (Vec<(u32, Bytes)>, BTreeSet<u32>) {
        let dirty = std::mem::take(&mut self.dirty);
        let chunks = dirty.into_iter().map(|minute| (minute, Bytes::copy_from_slice(&self.chunks[&minute])));
        (chunks.collect(), std::mem::take(&mut self.evicted))
    }

    /// Restores a stored chunk; returns false if it is damaged.
    /// Chunks must come in the order of their minutes.
    pub(super) fn restore(&mut self, minute: u32, chunk: &[u8]) -> bool {
        let found = records(chunk, minute);
        let read = found.last().map_or(0, |(_, offset)| {
            let at = *offset as usize + 8;
            at + Facts::unpack(&chunk[at..], 0).map_or(0, |(_, len)| len)
        });
        self.chunks.insert(minute, chunk.to_vec());
        for (key, offset) in found {
            self.index(key, Place { minute, offset });
        }
        read == chunk.len()
    }
}

fn chunk_of(minute: i64) -> u32 {
    minute.clamp(0, i64::from(u32::MAX)) as u32
}

fn key_at(chunks: &BTreeMap<u32, Vec<u8>>, place: Place) -> u64 {
    let offset = place.offset as usize;
    let bytes = chunks.get(&place.minute).and_then(|chunk| chunk.get(offset..offset + 8));
    bytes.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("the slice has eight bytes")))
}

/// Returns the records of a chunk: fingerprint and offset.
fn records(chunk: &[u8], minute: u32) -> Vec<(u64, u32)> {
    let mut found = Vec::new();
    let mut offset = 0;
    while let Some(bytes) = chunk.get(offset..offset + 8) {
        let key = u64::from_le_bytes(bytes.try_into().expect("the slice has eight bytes"));
        let Some((_, len)) = Facts::unpack(&chunk[offset + 8..], i64::from(minute) * MINUTE_MS) else { break };
        found.push((key, offset as u32));
        offset += 8 + len;
    }
    found
}

const HAS_CAUSE: u8 = 0x80;
const LOST: u8 = 0x40;
const NOT_ENDED: u8 = 3;

impl Facts {
    /// Appends these facts, with times as differences to `base_ms`.
    pub(super) fn pack(&self, base_ms: i64, out: &mut Vec<u8>) {
        let times = (0..5).filter(|slot| self.times[*slot] != UNKNOWN).fold(0u8, |bits, slot| bits | 1 << slot);
        out.push(times | self.amd.map_or(0, |amd| amd as u8 + 1) << 5);
        let by = self.end.map_or(NOT_ENDED, |end| end.by as u8);
        let mut flags = self.disposition.map_or(0, |(_, disposition)| disposition as u8 + 1);
        flags |= u8::from(self.opt_out) << 3 | by << 4;
        let mut from = base_ms;
        if let Some(end) = self.end {
            flags |= if end.lost { LOST } else { 0 } | if end.cause.is_some() { HAS_CAUSE } else { 0 };
            out.push(flags);
            if let Some(cause) = end.cause {
                write_varint(u64::from(cause), out);
            }
            write_difference(end.at, &mut from, out);
        } else {
            out.push(flags);
        }
        if let Some((at, _)) = self.disposition {
            write_difference(at, &mut from.clone(), out);
        }
        for time in self.times.iter().rev().filter(|time| **time != UNKNOWN) {
            write_difference(*time, &mut from, out);
        }
    }

    /// Reads packed facts and their length; none if the bytes are damaged.
    pub(super) fn unpack(bytes: &[u8], base_ms: i64) -> Option<(Self, usize)> {
        let mut rest = bytes;
        let mut facts = Self::NONE;
        let times = read_byte(&mut rest)?;
        let flags = read_byte(&mut rest)?;
        facts.amd = match times >> 5 {
            0 => None,
            code => Some(*[Amd::Unsure, Amd::Human, Amd::Fax, Amd::Machine].get(usize::from(code) - 1)?),
        };
        let mut from = base_ms;
        let by = flags >> 4 & 3;
        if by != NOT_ENDED {
            let cause = if flags & HAS_CAUSE == 0 { None } else { Some(read_varint(&mut rest)?.try_into().ok()?) };
            let by = [EndedBy::Us, EndedBy::Them, EndedBy::Unknown][usize::from(by)];
            let at = read_difference(&mut from, &mut rest)?;
            facts.end = Some(End { lost: flags & LOST != 0, at, cause, by });
        }
        facts.opt_out = flags & 8 != 0;
        facts.disposition = match flags & 7 {
            0 => None,
            code => {
                let disposition = *DISPOSITIONS.get(usize::from(code) - 1)?;
                Some((read_difference(&mut from.clone(), &mut rest)?, disposition))
            }
        };
        for slot in (0..5).rev().filter(|slot| times & 1 << slot != 0) {
            facts.times[slot] = read_difference(&mut from, &mut rest)?;
        }
        Some((facts, bytes.len() - rest.len()))
    }
}

const DISPOSITIONS: [Disposition; 5] = [
    Disposition::Converted,
    Disposition::OptOut,
    Disposition::Callback,
    Disposition::NotInterested,
    Disposition::Other,
];

fn write_difference(time: i64, from: &mut i64, out: &mut Vec<u8>) {
    let difference = from.wrapping_sub(time);
    write_varint((difference << 1 ^ difference >> 63) as u64, out);
    *from = time;
}

fn read_difference(from: &mut i64, rest: &mut &[u8]) -> Option<i64> {
    let folded = read_varint(rest)?;
    let difference = (folded >> 1) as i64 ^ -((folded & 1) as i64);
    *from = from.wrapping_sub(difference);
    Some(*from)
}

fn write_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = read_byte(rest)?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn read_byte(rest: &mut &[u8]) -> Option<u8> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn facts() -> impl Strategy<Value = Facts> {
        let time = || prop_oneof![Just(UNKNOWN), 0..1_i64 << 44];
        let amd =
            prop::sample::select(vec![None, Some(Amd::Unsure), Some(Amd::Human), Some(Amd::Fax), Some(Amd::Machine)]);
        let by = prop::sample::select(vec![EndedBy::Us, EndedBy::Them, EndedBy::Unknown]);
        let end = (any::<bool>(), 0..1_i64 << 44, any::<Option<u16>>(), by).prop_map(|(lost, at, cause, by)| End {
            lost,
            at,
            cause,
            by,
        });
        let disposition = (0..1_i64 << 44, prop::sample::select(DISPOSITIONS.to_vec()));
        let times = [time(), time(), time(), time(), time()];
        (times, prop::option::of(end), amd, prop::option::of(disposition), any::<bool>())
            .prop_map(|(times, end, amd, disposition, opt_out)| Facts { times, end, amd, disposition, opt_out })
    }

    proptest! {
        #[test]
        fn packed_facts_unpack_to_the_same(facts in facts(), base_ms in 0..1_i64 << 44) {
            let mut bytes = Vec::new();
            facts.pack(base_ms, &mut bytes);
            let len = bytes.len();
            bytes.push(0xff);
            prop_assert_eq!(Facts::unpack(&bytes, base_ms), Some((facts, len)));
            prop_assert_eq!(Facts::unpack(&bytes[..len - 1], base_ms), None);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Some((_, len)) = Facts::unpack(&bytes, 0) {
                prop_assert!(len <= bytes.len());
            }
            Ledger::default().restore(7, &bytes);
        }
    }

    #[test]
    fn the_newest_record_of_a_call_holds() {
        let record = |at| Facts { end: Facts::lost(at).end, ..Facts::NONE };
        let mut ledger = Ledger::default();
        ledger.put(1, &record(100), 10);
        ledger.put(2, &record(200), 10);
        ledger.put(1, &record(300), 12);
        let (chunks, _) = ledger.take_dirty();
        let mut restored = Ledger::default();
        for (minute, chunk) in &chunks {
            assert!(restored.restore(*minute, chunk));
        }
        for mut ledger in [ledger, restored] {
            assert_eq!(
                (ledger.len(), ledger.get(1), ledger.get(2)),
                (2, Some((record(300), 12)), Some((record(200), 10)))
            );
            ledger.evict(11);
            assert_eq!((ledger.len(), ledger.get(1), ledger.get(2)), (1, Some((record(300), 12)), None));
            assert_eq!(ledger.take_dirty().1.into_iter().collect::<Vec<_>>(), [10]);
            ledger.evict(13);
            assert_eq!((ledger.len(), ledger.get(1)), (0, None));
        }
    }
}
