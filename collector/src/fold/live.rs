//! The live calls of a campaign, and their gauges.
//!
//! A gauge is the size of a set of calls. One function, [`LiveCalls::adjust`], moves calls in and out of the sets, so
//! that gauges can't drift.

use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use ringside_model::{ActiveCalls, CallEvent, CallPhase};

use super::FoldSettings;
use super::call::{Facts, OpenCall};
use super::window::MINUTE_MS;

/// Number of parts that the live calls are stored in.
/// A quiet campaign's checkpoint writes only a few of them.
pub(super) const SHARDS: u64 = 16;

/// A hasher for keys that are hashes already.
#[derive(Debug, Clone, Default)]
pub(super) struct IdentityHasher(u64);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("keys are fingerprints")
    }

    fn write_u64(&mut self, fingerprint: u64) {
        self.0 = fingerprint;
    }
}

/// A campaign's calls that are up or ended recently, by fingerprint.
#[derive(Debug, Clone, Default)]
pub(super) struct LiveCalls {
    calls: HashMap<u64, OpenCall, BuildHasherDefault<IdentityHasher>>,
    queued: i64,
    active: ActiveCalls,
    /// People waiting for an agent: since when, and the call's fingerprint.
    waiting: BTreeSet<(i64, u64)>,
    /// A lower bound of all deadlines.
    next_expiry: Option<i64>,
    /// Changed shards, as bits.
    dirty: u16,
}

impl LiveCalls {
    pub(super) fn get(&self, key: u64) -> Option<&OpenCall> {
        self.calls.get(&key)
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.calls.capacity() * (size_of::<OpenCall>() + 9) + self.waiting.len() * 24
    }

    pub(super) fn active(&self) -> ActiveCalls {
        self.active
    }

    pub(super) fn queued(&self) -> i64 {
        self.queued
    }

    pub(super) fn waiting(&self) -> i64 {
        self.waiting.len() as i64
    }

    /// Returns since when the longest-waiting person has been waiting.
    pub(super) fn oldest_wait(&self) -> Option<i64> {
        self.waiting.first().map(|(since, _)| *since)
    }

    /// Inserts a whole call, or replaces it.
    pub(super) fn put(&mut self, key: u64, call: OpenCall, settings: &FoldSettings) {
        let due = deadline(&call, settings);
        self.next_expiry = [self.next_expiry, due].into_iter().flatten().min();
        if let Some(before) = self.calls.get(&key).map(|call| call.facts) {
            self.adjust(key, &before, -1);
        }
        self.adjust(key, &call.facts, 1);
        self.calls.insert(key, call);
        self.dirty |= shard_bit(key);
    }

    /// Updates a call to its merged facts; inserts it if it is missing.
    pub(super) fn update(
        &mut self,
        key: u64,
        event: &CallEvent,
        facts: Facts,
        received_at: i64,
        settings: &FoldSettings,
    ) {
        let before = self.calls.get(&key).map(|call| call.facts);
        if before != Some(facts) {
            before.into_iter().for_each(|before| self.adjust(key, &before, -1));
            self.adjust(key, &facts, 1);
        }
        let call = self.calls.entry(key).or_insert_with(|| OpenCall {
            id: event.call.clone(),
            facts,
            received_at,
            to_masked: None,
            agent: None,
        });
        call.facts = facts;
        call.received_at = call.received_at.max(received_at);
        if event.to_masked.is_some() && call.to_masked != event.to_masked {
            call.to_masked.clone_from(&event.to_masked);
        }
        if event.agent.is_some() && call.agent != event.agent {
            call.agent.clone_from(&event.agent);
        }
        let due = deadline(call, settings);
        self.next_expiry = [self.next_expiry, due].into_iter().flatten().min();
        self.dirty |= shard_bit(key);
    }

    /// Removes a call.
    pub(super) fn take(&mut self, key: u64) -> Option<OpenCall> {
        let call = self.calls.remove(&key)?;
        self.adjust(key, &call.facts, -1);
        self.dirty |= shard_bit(key);
        Some(call)
    }

    fn adjust(&mut self, key: u64, facts: &Facts, by: i64) {
        match facts.phase() {
            Some(CallPhase::Queued) => self.queued += by,
            Some(CallPhase::Dialing) => self.active.dialing += by,
            Some(CallPhase::Ringing) => self.active.ringing += by,
            Some(CallPhase::Answered) => self.active.answered += by,
            Some(CallPhase::Bridged) => self.active.bridged += by,
            Some(CallPhase::Ended) | None => {}
        }
        if let Some(since) = facts.waiting_since() {
            if by > 0 {
                self.waiting.insert((since, key));
            } else {
                self.waiting.remove(&(since, key));
            }
        }
    }

    /// Returns the calls past their deadline, in a fixed order.
    pub(super) fn expired(&mut self, now_ms: i64, settings: &FoldSettings) -> Vec<u64> {
        if self.next_expiry.is_none_or(|due| due > now_ms) {
            return Vec::new();
        }
        let mut expired = Vec::new();
        self.next_expiry = None;
        for (key, call) in &self.calls {
            match deadline(call, settings) {
                Some(due) if due <= now_ms => expired.push(*key),
                due => self.next_expiry = [self.next_expiry, due].into_iter().flatten().min(),
            }
        }
        expired.sort_unstable();
        expired
    }

    /// Returns the ended calls without an event since `minute` began.
    /// They are ordered by the minute of their last receipt.
    pub(super) fn ended_before(&self, minute: i64) -> Vec<(i64, u64)> {
        let ended = self.calls.iter().filter(|(_, call)| call.facts.end.is_some());
        let mut quiet: Vec<_> = ended
            .map(|(key, call)| (call.received_at.div_euclid(MINUTE_MS), *key))
            .filter(|(received, _)| *received < minute)
            .collect();
        quiet.sort_unstable();
        quiet
    }

    /// Returns the calls of one shard, in a fixed order.
    pub(super) fn shard(&self, shard: u64) -> Vec<(u64, &OpenCall)> {
        let mut calls: Vec<_> =
            self.calls.iter().filter(|(key, _)| *key % SHARDS == shard).map(|(key, call)| (*key, call)).collect();
        calls.sort_unstable_by_key(|(key, _)| *key);
        calls
    }

    /// Returns the shards that changed since it was last called.
    pub(super) fn take_dirty(&mut self) -> impl Iterator<Item = u64> + use<> {
        let dirty = std::mem::take(&mut self.dirty);
        (0..SHARDS).filter(move |shard| dirty & (1 << shard) != 0)
    }
}

fn shard_bit(key: u64) -> u16 {
    1 << (key % SHARDS)
}

/// Returns when a silent call expires. Ended calls don't: they move to the ledger.
fn deadline(call: &OpenCall, settings: &FoldSettings) -> Option<i64> {
    let timeout_ms = match call.facts.phase() {
        Some(CallPhase::Dialing) => settings.call_limits.dialing_ms,
        Some(CallPhase::Ringing) => settings.call_limits.ringing_ms,
        Some(CallPhase::Answered | CallPhase::Bridged) => settings.call_limits.answered_ms,
        Some(CallPhase::Queued) | None => settings.dedupe_horizon_ms,
        Some(CallPhase::Ended) => return None,
    };
    Some(call.received_at + timeout_ms)
}
