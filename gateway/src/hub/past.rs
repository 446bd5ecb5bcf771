//! Events from before the ring, read once for all who resume from the same place.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ringside_access::PhoneMask;
use ringside_engine::RoomView;
use ringside_model::{Cursor, Room};

use super::masked::Masked;
use crate::hub::call_mask::mask_calls;

/// One reading of a room's past.
pub(crate) struct Past {
    read: Instant,
    pub(super) after: Cursor,
    pub(super) view: Arc<RoomView>,
    masked: Masked<Arc<RoomView>>,
}

impl Past {
    /// What was read just now.
    pub(super) fn new(after: Cursor, view: RoomView) -> Self {
        Self { read: Instant::now(), after, view: Arc::new(view), masked: Masked::default() }
    }

    /// How old it is.
    pub(super) fn age(&self) -> Duration {
        self.read.elapsed()
    }

    /// As it is for those who see so much of phone numbers.
    pub(crate) fn seen_with(&self, room: &Room, numbers: PhoneMask) -> Arc<RoomView> {
        if !matches!(room, Room::Calls(_)) {
            return self.view.clone();
        }
        let mask = || {
            let mut view = self.view.as_ref().clone();
            for event in &mut view.events {
                event.body = mask_calls(numbers, &event.body);
            }
            Arc::new(view)
        };
        self.masked.of(numbers, mask).unwrap_or(&self.view).clone()
    }
}
