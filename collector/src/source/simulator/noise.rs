//! A noisy channel: some events arrive twice, some late, some never.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use ringside_intake::IncomingEvent;
use ringside_model::{CallFact, EventKind, Timestamp};

use super::dice::Dice;

/// The share of call events that are delivered twice.
pub(super) const DUPLICATES: f64 = 0.005;
/// The share of call events that arrive up to two seconds late, after newer ones.
pub(super) const REORDERED: f64 = 0.01;
/// The share of call ends that never arrive.
pub(super) const LOST_ENDS: f64 = 0.002;

/// The events in transit to the receiver.
#[derive(Default)]
pub(super) struct NoisyChannel {
    in_transit: BinaryHeap<Reverse<Delivery>>,
    sent: u64,
}

struct Delivery {
    at: Timestamp,
    order: u64,
    event: IncomingEvent,
}

impl NoisyChannel {
    /// Sends an event; it may be duplicated, delayed or lost.
    pub(super) fn send(&mut self, event: IncomingEvent, dice: &mut Dice) {
        let EventKind::Call(call) = &event.kind else {
            return self.deliver(event.at, event);
        };
        if matches!(call.fact, CallFact::Ended { .. }) && dice.chance(LOST_ENDS) {
            return;
        }
        if dice.chance(DUPLICATES) {
            let repeat_at = event.at.plus_millis(dice.between(30, 5_000));
            self.deliver(repeat_at, event.clone());
        }
        let late_ms = if dice.chance(REORDERED) { dice.between(50, 2_000) } else { 0 };
        self.deliver(event.at.plus_millis(late_ms), event);
    }

    /// Returns the events that arrived until then, in order of arrival.
    pub(super) fn arrived(&mut self, by: Timestamp) -> Vec<IncomingEvent> {
        let mut arrived = Vec::new();
        while self.in_transit.peek().is_some_and(|Reverse(next)| next.at <= by) {
            arrived.extend(self.in_transit.pop().map(|Reverse(delivery)| delivery.event));
        }
        arrived
    }

    fn deliver(&mut self, at: Timestamp, event: IncomingEvent) {
        self.sent += 1;
        self.in_transit.push(Reverse(Delivery { at, order: self.sent, event }));
    }
}

impl Ord for Delivery {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Delivery {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Delivery {
    fn eq(&self, other: &Self) -> bool {
        self.order == other.order
    }
}

impl Eq for Delivery {}
