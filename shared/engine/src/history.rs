//! How much of a room's past is kept, by what the room is.

use std::time::Duration;

use ringside_model::Room;

/// How much one room keeps: whichever is reached first. An engine may keep a little more, never less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// So many events.
    pub events: u64,
    /// Events that are at most so much older than the room's newest publication.
    pub age: Duration,
}

/// How much each kind of room keeps. Rooms of state alone keep their newest state, whatever is said here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histories {
    /// `calls:{id}`, and `bench:{n}`, which is measured in its place.
    pub calls: History,
    /// `alerts` and `notifications`.
    pub alerts: History,
    /// `campaign:{id}` and all others: status changes and annotations.
    pub campaign: History,
}

impl Histories {
    /// What this room keeps.
    pub fn of(&self, room: &Room) -> History {
        match room {
            Room::Calls(_) | Room::Bench(_) => self.calls,
            Room::Alerts | Room::Notifications => self.alerts,
            Room::Overview | Room::Campaign(_) | Room::Metrics | Room::System | Room::Directory => self.campaign,
        }
    }
}

impl Default for Histories {
    fn default() -> Self {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        Self {
            calls: History { events: 10_000, age: Duration::from_secs(30 * 60) },
            alerts: History { events: 5_000, age: hours(24) },
            campaign: History { events: 1_000, age: hours(24) },
        }
    }
}
