//! Gauge levels at the end of each second, and which seconds were closed.
//!
//! A tick closes the seconds before it. Without ticks no collector was watching, and the chart has a gap. A level is
//! recorded only when it changes (run-length encoding), so an idle campaign writes nothing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Two ticks further apart leave a gap. One tick a second, with jitter, does not.
const GAP_MS: i64 = 2_500;
const KEEP_CLOSED_S: i64 = 2 * 3_600;
const KEEP_MINUTES: i64 = 90;

/// The seconds that ticks have closed, as runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct ClosedSeconds {
    runs: VecDeque<(i64, i64)>,
}

impl ClosedSeconds {
    /// Closes the seconds before `now`; returns the first and last newly closed one.
    pub(super) fn close(&mut self, last_tick_ms: Option<i64>, now_ms: i64) -> Option<(i64, i64)> {
        let newest = now_ms.div_euclid(1_000) - 1;
        let unbroken = last_tick_ms.is_some_and(|last| now_ms - last <= GAP_MS);
        let first = match self.runs.back() {
            Some((_, closed)) if *closed >= newest => return None,
            Some((_, closed)) if unbroken => closed + 1,
            _ => newest,
        };
        match self.runs.back_mut() {
            Some((_, closed)) if *closed + 1 == first => *closed = newest,
            _ => self.runs.push_back((first, newest)),
        }
        while self.runs.front().is_some_and(|(_, closed)| *closed < newest - KEEP_CLOSED_S) {
            self.runs.pop_front();
        }
        Some((first, newest))
    }

    /// Returns the newest closed second.
    pub(super) fn newest(&self) -> Option<i64> {
        self.runs.back().map(|(_, closed)| *closed)
    }

    /// Whether any second in `from..to` was closed.
    pub(super) fn any_in(&self, from: i64, to: i64) -> bool {
        self.runs.iter().rev().any(|(first, last)| *first < to && *last >= from)
    }
}

/// A campaign's gauges at one time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Level {
    pub(super) active: i64,
    pub(super) queue: Option<i64>,
}

/// A campaign's levels, each with the second or minute it began in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Levels {
    seconds: VecDeque<(i64, Level)>,
    minutes: VecDeque<(i64, Level)>,
}

impl Levels {
    /// Records the level of the seconds `first..=last`; returns whether it changed.
    pub(super) fn record(&mut self, first: i64, last: i64, level: Level, keep_seconds: usize) -> bool {
        if self.seconds.back().is_some_and(|(_, known)| *known == level) {
            return false;
        }
        self.seconds.push_back((first, level));
        let minute = last.div_euclid(60);
        match self.minutes.back_mut() {
            Some((newest, known)) if *newest == minute => *known = level,
            _ => self.minutes.push_back((minute, level)),
        }
        trim(&mut self.seconds, last - keep_seconds as i64 - 1);
        trim(&mut self.minutes, minute - KEEP_MINUTES);
        true
    }

    pub(super) fn at_second(&self, second: i64) -> Option<Level> {
        in_effect(&self.seconds, second)
    }

    pub(super) fn at_minute(&self, minute: i64) -> Option<Level> {
        in_effect(&self.minutes, minute)
    }
}

/// Drops levels that ended before `oldest`; keeps the one in effect then.
fn trim(levels: &mut VecDeque<(i64, Level)>, oldest: i64) {
    while levels.get(1).is_some_and(|(from, _)| *from <= oldest) {
        levels.pop_front();
    }
}

/// Returns the level in effect at a time.
fn in_effect(levels: &VecDeque<(i64, Level)>, at: i64) -> Option<Level> {
    let after = levels.partition_point(|(from, _)| *from <= at);
    after.checked_sub(1).map(|place| levels[place].1)
}
