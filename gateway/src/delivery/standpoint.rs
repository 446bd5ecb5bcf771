//! Where a stream or a poll is in its rooms, as its own task writes it down and an admin may look at it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::cursors::Cursors;
use super::ledger::{Look, RoomLook, Watched};
use crate::observe::PACES;

/// Cursors that are given out, and what waits.
pub(super) struct Standpoint {
    /// What the client came with: it surely has that.
    came_with: Cursors,
    /// Short and never across an await.
    reached: Mutex<Cursors>,
    queued_bytes: AtomicUsize,
}

impl Standpoint {
    pub(super) fn new(came_with: Cursors) -> Self {
        Self { reached: Mutex::new(came_with.clone()), came_with, queued_bytes: AtomicUsize::new(0) }
    }

    /// What the client came with.
    pub(super) fn came_with(&self) -> &Cursors {
        &self.came_with
    }

    /// Runs something on the cursors that are reached.
    pub(super) fn with_reached<T>(&self, work: impl FnOnce(&mut Cursors) -> T) -> T {
        work(&mut self.reached.lock().expect("nobody panics with cursors"))
    }

    /// So much waits to be written.
    pub(super) fn queued(&self, bytes: usize) {
        self.queued_bytes.store(bytes, Ordering::Relaxed);
    }
}

impl Watched for Standpoint {
    fn look(&self) -> Option<Look> {
        let reached = self.reached.try_lock().ok()?;
        let rooms = reached.iter().zip(self.came_with.iter()).map(|((room, reached), (_, acked))| RoomLook {
            room: room.clone(),
            // What it came with was sent by whoever had it before.
            sent: *reached,
            acked: *acked,
        });
        Some(Look { queued_bytes: self.queued_bytes(), pace: PACES[0], rooms: rooms.collect() })
    }

    fn queued_bytes(&self) -> usize {
        self.queued_bytes.load(Ordering::Relaxed)
    }
}
