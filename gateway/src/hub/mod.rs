//! The rooms that somebody here watches, one hub per gateway.
//!
//! A frame comes from its partition's [`link`] into its [`room`]'s [`ring`]; whoever watches is told by a bit in its
//! mailbox and reads the ring when its socket can take more. So a frame is composed once, all who get it share the
//! bytes, and a slow watcher costs nothing but its place. The [`overview`] is made here, one per tenant and scope.

mod call_mask;
mod filter;
mod frame;
mod initial;
mod link;
mod mailbox;
mod masked;
mod overview;
mod packet;
mod past;
mod reader;
mod ring;
mod room;
mod row;
mod series;

pub(crate) use call_mask::mask_calls;
pub(crate) use filter::{Filter, MetricsInitial};
pub(crate) use frame::Frame;
pub use initial::Initial;
pub(crate) use mailbox::{Mailbox, Marks, Seat, Watcher};
pub(crate) use overview::Overview;
pub(crate) use packet::Packet;
#[cfg(test)]
pub(crate) use packet::put_header;
pub(crate) use past::Past;
pub(crate) use reader::RoomReader;
pub(crate) use ring::{Place, Reading, RoomPacket, Sight};
pub(crate) use room::RoomCell;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use link::Link;
use ringside_access::{Scope, Viewer};
use ringside_engine::{Engine, EngineProbe, Partition, RoomId};
use ringside_model::{Room, TenantId};
use tokio_util::sync::CancellationToken;

/// Why somebody does not get a room.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is out of their scope.
    #[error("you may not watch {0}")]
    Forbidden(Room),
    /// The engine does not answer.
    #[error("live data is not available right now")]
    Unavailable,
}

/// All rooms of this gateway.
pub(crate) struct Hub {
    engine: Arc<dyn Engine>,
    probe: Arc<EngineProbe>,
    links: Vec<Arc<Link>>,
    overviews: Mutex<HashMap<(TenantId, Scope), Arc<Overview>>>,
    publish_every: Duration,
    stop: CancellationToken,
}

impl Hub {
    pub(crate) fn new(
        engine: Arc<dyn Engine>,
        probe: Arc<EngineProbe>,
        publish_every: Duration,
        stop: CancellationToken,
    ) -> Arc<Self> {
        let link = |n| Arc::new(Link::new(Partition(n), engine.clone(), probe.clone()));
        let links = (0..engine.partitions()).map(link).collect();
        Arc::new(Self { engine, probe, links, overviews: Mutex::default(), publish_every, stop })
    }

    /// The room, filled and followed.
    pub(crate) async fn room(&self, tenant: &TenantId, room: &Room) -> Result<Arc<RoomCell>, Refusal> {
        let id = RoomId::new(tenant.clone(), room.clone());
        let Partition(home) = id.home(self.engine.partitions());
        self.links[usize::from(home)].room(&id).await
    }

    /// The overview of a scope, with what there is in it.
    pub(crate) async fn overview(self: &Arc<Self>, viewer: &Viewer) -> Result<Arc<Overview>, Refusal> {
        let key = (viewer.tenant.clone(), viewer.scope.clone());
        let overview = {
            let mut overviews = self.overviews.lock().expect("nobody panics in the hub");
            let made = || Overview::start(self.clone(), key.0.clone(), key.1.clone(), self.publish_every);
            overviews.entry(key.clone()).or_insert_with(made).clone()
        };
        overview.touch();
        overview.ready(&self.probe).await?;
        Ok(overview)
    }

    /// A room's full snapshot for a viewer who may watch it: what a socket would be sent first.
    pub(crate) async fn initial(self: &Arc<Self>, viewer: &Viewer, room: &Room) -> Result<Initial, Refusal> {
        match room {
            Room::Overview => Ok(self.overview(viewer).await?.initial().as_ref().clone()),
            room => {
                let cell = self.room(&viewer.tenant, room).await?;
                Ok(cell.initial(&viewer.scope, viewer.role.phone_mask(), None).await?.as_ref().clone())
            }
        }
    }

    /// Why live data may be missing, for readiness.
    pub(crate) fn trouble(&self) -> Option<String> {
        let broken = self.links.iter().filter(|link| !link.is_up()).count();
        (broken > 0).then(|| format!("{broken} subscriptions are being restored"))
    }

    /// Looks after rooms and overviews until the gateway ends.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        while self.stop.run_until_cancelled(every.tick()).await.is_some() {
            for link in &self.links {
                link.sweep();
            }
            self.overviews
                .lock()
                .expect("nobody panics in the hub")
                .retain(|_, overview| overview.is_wanted(&self.probe));
        }
        self.overviews.lock().expect("nobody panics in the hub").clear();
        for link in &self.links {
            link.stop().await;
        }
    }

    /// What ends everything that runs here.
    pub(crate) fn stopped(&self) -> &CancellationToken {
        &self.stop
    }
}
