//! The names of everything in Redis.
//!
//! All keys and channels of a partition share its hash tag, so that one script may write them together wherever the
//! slot lies; the installation's own keys share another,
//! and each journal has its own. `ringside:{12}:log` is the log of partition 12.

use super::super::{Partition, RoomId};

/// The tag of what belongs to no partition.
const INSTALLATION: &str = "installation";
/// What the tags of journals begin with: no partition's and not the installation's.
const JOURNAL: &str = "journal:";
/// How many slots a cluster has.
const SLOTS: u16 = 16384;

/// A prefix and the names that begin with it.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Hash: token, holder and lease, epoch, who served it, positions, number of batches, bytes of the log.
    pub(super) fn meta(&self, partition: Partition) -> String {
        self.of(partition, "meta")
    }

    /// Stream: the log.
    pub(super) fn log(&self, partition: Partition) -> String {
        self.of(partition, "log")
    }

    /// Hash: the state.
    pub(super) fn state(&self, partition: Partition) -> String {
        self.of(partition, "state")
    }

    /// Hash: a room's head, newest state and snapshot.
    pub(super) fn room(&self, partition: Partition, room: &RoomId) -> String {
        self.of(partition, &format!("room:{room}"))
    }

    /// Stream: a room's events.
    pub(super) fn events(&self, partition: Partition, room: &RoomId) -> String {
        self.of(partition, &format!("events:{room}"))
    }

    /// Channel: what is published in a partition.
    pub(super) fn news(&self, partition: Partition) -> String {
        self.of(partition, "news")
    }

    /// Channel: the log has grown.
    pub(super) fn growth(&self, partition: Partition) -> String {
        self.of(partition, "growth")
    }

    /// Channel: one engine's canary.
    pub(super) fn canary(&self, partition: Partition, engine: u64) -> String {
        self.of(partition, &format!("canary:{engine:x}"))
    }

    /// Hash: what was fixed when the installation was made.
    pub(super) fn installation(&self) -> String {
        format!("{}:{{{INSTALLATION}}}:fixed", self.prefix)
    }

    /// Hash: the shelf of the registry that this key is on, so that a list reads what it asks for and no more.
    pub(super) fn shelf(&self, key: &str) -> String {
        let shelf = key.split_once('/').map_or("", |(shelf, _)| shelf);
        format!("{}:{{{INSTALLATION}}}:registry:{shelf}", self.prefix)
    }

    /// Sorted set: a group's members, by when they lapse.
    pub(super) fn members(&self, group: &str) -> String {
        format!("{}:{{{INSTALLATION}}}:members:{group}", self.prefix)
    }

    /// Stream: a journal.
    pub(super) fn journal(&self, name: &str) -> String {
        format!("{}:{{{JOURNAL}{name}}}", self.prefix)
    }

    fn of(&self, partition: Partition, what: &str) -> String {
        format!("{}:{{{}}}:{what}", self.prefix, partition.0)
    }
}

/// The slot of a partition.
pub(super) fn slot(partition: Partition) -> u16 {
    slot_of(&partition.0.to_string())
}

/// The slot of what belongs to no partition.
pub(super) fn installation_slot() -> u16 {
    slot_of(INSTALLATION)
}

/// The slot of a journal. A brace in its name ends the tag there, as it does for the cluster.
pub(super) fn journal_slot(name: &str) -> u16 {
    slot_of(&format!("{JOURNAL}{}", name.split('}').next().unwrap_or_default()))
}

/// CRC-16/XMODEM of the hash tag, as the cluster specification says.
fn slot_of(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8)
            .fold(crc ^ (u16::from(byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_cluster_specification() {
        // The specification's own check value, and two that `CLUSTER KEYSLOT` gave.
        assert_eq!(slot_of("123456789"), 0x31C3 % SLOTS);
        assert_eq!(slot_of("foo"), 12182);
        assert_eq!(slot(Partition(0)), 13907);
    }
}
