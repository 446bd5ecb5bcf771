//! The names of keys and channels.
//!
//! All keys and channels of a partition share its hash tag, so that one script can write them together on any node. The
//! installation's own keys share another tag, and each journal has its own. `ringside:{12}:log` is the log of partition
//! 12.

use crate::{Partition, RoomId};

/// The tag of keys that belong to no partition.
const INSTALLATION: &str = "installation";
/// The prefix of journals' tags, so that they differ from all others.
const JOURNAL: &str = "journal:";
/// The number of slots of a cluster.
const SLOTS: u16 = 16384;

/// Builds the names under a prefix.
#[derive(Debug, Clone)]
pub(super) struct Keys {
    prefix: String,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.to_owned() }
    }

    /// Hash: the partition's lease, epoch, serving node, positions and counters.
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

    /// Channel: publications to the rooms of a partition.
    pub(super) fn publications(&self, partition: Partition) -> String {
        self.of(partition, "news")
    }

    /// Channel: appends to the log.
    pub(super) fn appends(&self, partition: Partition) -> String {
        self.of(partition, "growth")
    }

    /// Channel: one engine's canary.
    pub(super) fn canary(&self, partition: Partition, engine: u64) -> String {
        self.of(partition, &format!("canary:{engine:x}"))
    }

    /// Hash: values fixed when the installation was created.
    pub(super) fn installation(&self) -> String {
        format!("{}:{{{INSTALLATION}}}:fixed", self.prefix)
    }

    /// Hash: a key's shelf of the registry, so that a listing reads one shelf only.
    pub(super) fn shelf(&self, key: &str) -> String {
        let shelf = key.split_once('/').map_or("", |(shelf, _)| shelf);
        format!("{}:{{{INSTALLATION}}}:registry:{shelf}", self.prefix)
    }

    /// Sorted set: a group's members by the time at which they lapse.
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

/// Returns the slot of a partition.
pub(super) fn slot(partition: Partition) -> u16 {
    slot_of(&partition.0.to_string())
}

/// Returns the slot of keys that belong to no partition.
pub(super) fn installation_slot() -> u16 {
    slot_of(INSTALLATION)
}

/// Returns the slot of a journal.
///
/// A closing brace in its name ends the tag, as the cluster specification says.
pub(super) fn journal_slot(name: &str) -> u16 {
    slot_of(&format!("{JOURNAL}{}", name.split('}').next().unwrap_or_default()))
}

/// Returns the slot of a hash tag, as the cluster specification says.
///
/// It is the CRC-16/XMODEM of the tag.
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
    fn slots_match_the_cluster_specification() {
        // The specification's check value, and two results of `CLUSTER KEYSLOT`.
        assert_eq!(slot_of("123456789"), 0x31C3 % SLOTS);
        assert_eq!(slot_of("foo"), 12182);
        assert_eq!(slot(Partition(0)), 13907);
    }
}
