//! Reads rooms for single requests, within a viewer's rights.

use std::sync::Arc;

use ringside_access::{Access, Viewer};
use ringside_engine::{Engine, EngineError, ReadFrom, RoomId, RoomView};
use ringside_model::Room;

use super::{Hub, Initial, Refusal};

/// Reads rooms for pages and API requests. Cheap to clone.
#[derive(Clone)]
pub(crate) struct RoomReader {
    access: Access,
    hub: Arc<Hub>,
    engine: Arc<dyn Engine>,
}

impl RoomReader {
    /// Reads from memory what the hub follows, and the rest from the engine.
    pub(crate) fn new(access: Access, hub: Arc<Hub>, engine: Arc<dyn Engine>) -> Self {
        Self { access, hub, engine }
    }

    /// Returns a room's full snapshot: the very frame that a socket would be sent first.
    pub(crate) async fn initial(&self, viewer: &Viewer, room: &Room) -> Result<Initial, Refusal> {
        if !self.access.may_watch(viewer, room) {
            return Err(Refusal::Forbidden(room.clone()));
        }
        self.hub.initial(viewer, room).await
    }

    /// Reads a room's history. The caller has checked the viewer's rights.
    pub(crate) async fn read_room(&self, room: &RoomId, from: ReadFrom) -> Result<RoomView, EngineError> {
        self.engine.read_room(room, from).await
    }
}
