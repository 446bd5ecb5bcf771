//! How much history each kind of room keeps.

use std::time::Duration;

use ringside_model::Room;

/// The history of one room, limited by number and by age.
///
/// An engine may keep a little more, never less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct History {
    /// The number of events.
    pub events: u64,
    /// The age of an event, measured against the room's newest publication.
    pub age: Duration,
}

/// The history of each kind of room.
///
/// Rooms without events keep their newest state in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Histories {
    /// `calls:{id}`, and `bench:{n}`, which stands in for it in load runs.
    pub calls: History,
    /// `alerts` and `notifications`.
    pub alerts: History,
    /// `campaign:{id}` and all others: status changes and annotations.
    pub campaign: History,
}

impl Histories {
    /// Returns the history of a room.
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
