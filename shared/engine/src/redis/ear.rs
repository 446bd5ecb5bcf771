//! Where a connection leaves what it hears, until its listener takes it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use redis::{PushInfo, PushKind, Value};
use tokio::sync::mpsc;

/// Messages that may wait to be told on.
const WAITING_MESSAGES: usize = 8192;
/// And bytes of them.
const WAITING_BYTES: usize = 32 << 20;

/// What waits. Leaving it must not wait, and what waits must not grow without end.
pub(super) struct Ear {
    heard: mpsc::Sender<PushInfo>,
    bytes: AtomicUsize,
    missed: AtomicBool,
}

impl Ear {
    pub(super) fn new() -> (Self, mpsc::Receiver<PushInfo>) {
        let (heard, hears) = mpsc::channel(WAITING_MESSAGES);
        (Self { heard, bytes: AtomicUsize::new(0), missed: AtomicBool::new(false) }, hears)
    }

    /// Takes what the connection hears.
    pub(super) fn hear(&self, push: PushInfo) {
        let bytes = size(&push);
        let is_message = push.kind == PushKind::SMessage;
        if is_message && self.bytes.load(Ordering::Acquire) + bytes > WAITING_BYTES {
            self.missed.store(true, Ordering::Release);
            return;
        }
        self.bytes.fetch_add(bytes, Ordering::AcqRel);
        if self.heard.try_send(push).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::AcqRel);
            self.missed.store(true, Ordering::Release);
        }
    }

    /// Makes its place free again.
    pub(super) fn done(&self, push: &PushInfo) {
        self.bytes.fetch_sub(size(push), Ordering::AcqRel);
    }

    /// True once something had no place.
    pub(super) fn has_missed(&self) -> bool {
        self.missed.load(Ordering::Acquire)
    }
}

fn size(push: &PushInfo) -> usize {
    push.data.iter().map(|value| if let Value::BulkString(bytes) = value { bytes.len() } else { 0 }).sum()
}
