//! Strange events, by kind. They are counted and shown, never errors.

use std::ops::AddAssign;

/// Counts of strange events from sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Oddities {
    /// Facts that were known already.
    pub duplicates: i64,
    /// Facts that came after a later one of the same call.
    pub reordered: i64,
    /// Facts that changed an ended call.
    pub corrected: i64,
    /// Events older than the dedupe horizon.
    ///
    /// They are rejected, because they could be counted twice.
    pub too_old: i64,
    /// Events more than 5 s in the future. Their time is set to that of their receipt.
    pub from_future: i64,
    /// Calls given up as lost, because no end was reported.
    pub ends_lost: i64,
    /// Calls with an end reported after they were given up as lost.
    pub ends_found: i64,
    /// Gauges or states older than the current ones.
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
