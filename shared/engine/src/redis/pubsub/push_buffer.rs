//! The bounded buffer between a connection and its listener.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

/// How many messages may wait for the listener.
const CAPACITY_MESSAGES: usize = 8192;
/// How many bytes of messages may wait for the listener.
const CAPACITY_BYTES: usize = 32 << 20;

/// The sending side of the buffer. Pushing never waits, and overflow is remembered.
pub(super) struct PushBuffer {
    pushes: mpsc::Sender<PushInfo>,
    bytes: AtomicUsize,
    has_overflowed: AtomicBool,
}

impl PushBuffer {
    pub(super) fn new() -> (Self, mpsc::Receiver<PushInfo>) {
        let (pushes, received) = mpsc::channel(CAPACITY_MESSAGES);
        (Self { pushes, bytes: AtomicUsize::new(0), has_overflowed: AtomicBool::new(false) }, received)
    }

    /// Adds a push of the connection; drops it if the buffer is full.
    pub(super) fn push(&self, push: PushInfo) {
        let bytes = size(&push);
        let is_message = push.kind == PushKind::SMessage;
        if is_message && self.bytes.load(Ordering::Acquire) + bytes > CAPACITY_BYTES {
            self.has_overflowed.store(true, Ordering::Release);
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if self.pushes.try_send(push).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.has_overflowed.store(true, Ordering::Release);
        }
    }

    /// Returns the space of a push that the listener has received.
    pub(super) fn release(&self, push: &PushInfo) {
        self.bytes.fetch_sub(size(push), Ordering::AcqRel);
    }

    /// True once a push was dropped.
    pub(super) fn has_overflowed(&self) -> bool {
        self.has_overflowed.load(Ordering::Acquire)
    }
}

fn size(push: &PushInfo) -> usize {
    push.data.iter().map(|value| if let Value::BulkString(bytes) = value { bytes.len() } else { 0 }).sum()
}
