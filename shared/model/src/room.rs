//! Rooms, and cursors into them.

use std::fmt;
use std::str::FromStr;

use crate::CampaignId;

/// A topic that clients subscribe to, within a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Room {
    /// All campaigns in the viewer's scope and their sums.
    ///
    /// Each gateway composes it; the engine has no such room.
    Overview,
    /// One campaign's numbers, status changes and annotations.
    Campaign(CampaignId),
    /// One campaign's call events.
    Calls(CampaignId),
    /// Generic metrics.
    Metrics,
    /// System health.
    System,
    /// Alerts.
    Alerts,
    /// Notifications.
    Notifications,
    /// The list of campaigns. For gateways only.
    Directory,
    /// A room of a load run, by its number. It exists only with `--bench`.
    Bench(u16),
}

/// The error of a text that names no room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no such room; rooms are overview, campaign:<id>, calls:<id>, metrics, system, alerts and notifications")]
pub struct BadRoom;

impl FromStr for Room {
    type Err = BadRoom;

    fn from_str(text: &str) -> Result<Self, BadRoom> {
        let campaign = |id| CampaignId::parse(id).map_err(|_| BadRoom);
        match text.split_once(':') {
            None => match text {
                "overview" => Ok(Self::Overview),
                "metrics" => Ok(Self::Metrics),
                "system" => Ok(Self::System),
                "alerts" => Ok(Self::Alerts),
                "notifications" => Ok(Self::Notifications),
                _ => Err(BadRoom),
            },
            Some(("campaign", id)) => campaign(id).map(Self::Campaign),
            Some(("calls", id)) => campaign(id).map(Self::Calls),
            // Only the canonical spelling: engines and clients identify a room by its text.
            Some(("bench", n)) => {
                n.parse().map(Self::Bench).ok().filter(|room| room.to_string() == text).ok_or(BadRoom)
            }
            Some(_) => Err(BadRoom),
        }
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overview => f.write_str("overview"),
            Self::Campaign(id) => write!(f, "campaign:{id}"),
            Self::Calls(id) => write!(f, "calls:{id}"),
            Self::Metrics => f.write_str("metrics"),
            Self::System => f.write_str("system"),
            Self::Alerts => f.write_str("alerts"),
            Self::Notifications => f.write_str("notifications"),
            Self::Directory => f.write_str("directory"),
            Self::Bench(n) => write!(f, "bench:{n}"),
        }
    }
}

impl Room {
    /// Returns the campaign that access to this room depends on.
    pub fn campaign(&self) -> Option<&CampaignId> {
        match self {
            Self::Campaign(id) | Self::Calls(id) => Some(id),
            Self::Overview
            | Self::Metrics
            | Self::System
            | Self::Alerts
            | Self::Notifications
            | Self::Directory
            | Self::Bench(_) => None,
        }
    }

    /// Whether its frames carry a cursor. Rooms with frames that may not be missed do.
    pub fn has_cursor(&self) -> bool {
        matches!(self, Self::Campaign(_) | Self::Calls(_) | Self::Alerts | Self::Notifications | Self::Bench(_))
    }
}

/// The epoch of a room's offsets. Offsets of different epochs can't be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Epoch(pub u32);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// A position in a room: `epoch:offset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    /// The epoch of the offset.
    pub epoch: Epoch,
    /// The last offset that the client has seen.
    pub offset: u64,
}

/// The error of a text that is not a cursor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a cursor has the form epoch:offset, such as f3a1:1042; leave it out to start from the newest state")]
pub struct BadCursor;

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let plain = |part: &str, hex: bool| {
            !part.is_empty() && part.bytes().all(|b| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() })
        };
        let (epoch, offset) = text.split_once(':').ok_or(BadCursor)?;
        if !plain(epoch, true) || !plain(offset, false) {
            return Err(BadCursor);
        }
        let epoch = Epoch(u32::from_str_radix(epoch, 16).map_err(|_| BadCursor)?);
        let offset = offset.parse().map_err(|_| BadCursor)?;
        Ok(Self { epoch, offset })
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_and_cursors_round_trip() {
        for text in ["overview", "campaign:alpha", "calls:a.b-c_1", "metrics", "system", "alerts", "notifications"] {
            assert_eq!(text.parse::<Room>().unwrap().to_string(), text);
        }
        for n in [0, 7, u16::MAX] {
            assert_eq!(format!("bench:{n}").parse(), Ok(Room::Bench(n)));
            assert_eq!(Room::Bench(n).to_string(), format!("bench:{n}"));
        }
        for text in ["", "directory", "campaign:", "campaign:a/b", "calls", "bench:1:2", "overview:x"]
            .into_iter()
            .chain(["bench", "bench:", "bench:+1", "bench:01", "bench:-1", "bench:65536", "bench:x"])
        {
            assert_eq!(text.parse::<Room>(), Err(BadRoom), "{text}");
        }
        assert_eq!("f3a1:1042".parse::<Cursor>().unwrap().to_string(), "f3a1:1042");
        for text in
            ["", ":", "f3a1", "f3a1:", ":7", "xyz:1", "f3a1:-1", "f3a1:+1", "1:99999999999999999999", "fffffffff:1"]
        {
            assert_eq!(text.parse::<Cursor>(), Err(BadCursor), "{text}");
        }
    }
}
