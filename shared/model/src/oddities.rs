//! Strange events, by kind. They are counted and shown, never errors.

use std::ops::AddAssign;

/// What sources did that they should not, or could not help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities {
    /// Facts that were known already.
    pub duplicates: i64,
    /// Facts that came after a later one of the same call.
    pub reordered: i64,
    /// Facts that changed a call which had ended.
    pub corrected: i64,
    /// Events older than the dedupe horizon: refused, because they could be counted twice.
    pub too_old: i64,
    /// Events from the future by more than 5 s: placed at their receipt.
    pub from_future: i64,
    /// Calls given up on, because their end never came.
    pub ends_lost: i64,
    /// Calls whose end came after they had been given up on.
    pub ends_found: i64,
    /// Gauges or states older than what is known.
    pub outdated: i64,
}

impl AddAssign for Oddities {
    fn add_assign(&mut self, other: Self) {
        self.duplicates += other.duplicates;
        self.reordered += other.reordered;
        self.corrected += other.corrected;
        self.too_old += other.too_old;
        self.from_future += other.from_future;
        self.ends_lost += other.ends_lost;
        self.ends_found += other.ends_found;
        self.outdated += other.outdated;
    }
}
