//! A tenant's rooms, as engines know them.

use std::fmt;

use ringside_model::{Room, TenantId};

use super::Partition;

/// A tenant's room.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId {
    /// Whose.
    pub tenant: TenantId,
    /// Which.
    pub room: Room,
}

impl RoomId {
    /// A tenant's room.
    pub fn new(tenant: TenantId, room: Room) -> Self {
        Self { tenant, room }
    }

    /// The partition whose owner publishes to it.
    pub fn home(&self, partitions: u16) -> Partition {
        Partition::of(&self.tenant, self.room.campaign(), partitions)
    }
}

/// `tenant/room`, as engines key it. No id contains a slash.
impl fmt::Display for RoomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.room)
    }
}

#[cfg(test)]
mod tests {
    use ringside_model::CampaignId;

    use super::*;

    #[test]
    fn a_campaigns_rooms_live_together_and_tenant_rooms_with_the_tenant() {
        let tenant = TenantId::parse("acme").unwrap();
        let campaign = CampaignId::parse("alpha").unwrap();
        let home = |room| RoomId::new(tenant.clone(), room).home(64);
        assert_eq!(home(Room::Campaign(campaign.clone())), home(Room::Calls(campaign)));
        assert_eq!(home(Room::Alerts), home(Room::Metrics));
        assert_eq!(home(Room::Alerts), home(Room::Bench(7)));
    }
}
