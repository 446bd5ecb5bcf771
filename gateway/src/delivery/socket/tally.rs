//! What is counted of deliveries: added up over a pass, because counting each one by itself would cost as much as a
//! tenth of sending it.

use ringside_model::Timestamp;

use crate::data_age::Ages;
use crate::delivery::session::Outgoing;
use crate::observe;

/// Deliveries since the last flush.
#[derive(Debug, Default)]
pub(super) struct Tally {
    frames: u64,
    ages: Ages,
    /// Looked at once a pass.
    now: Option<Timestamp>,
}

impl Tally {
    /// Counts what is written at once.
    pub(super) fn count(&mut self, batch: &[Outgoing]) {
        self.frames += batch.len() as u64;
        if let Some(oldest) = batch.iter().filter_map(|outgoing| outgoing.at).min() {
            let now = *self.now.get_or_insert_with(Timestamp::now);
            self.ages.add(now.since(oldest));
        }
    }

    /// Adds it to what `/metrics` shows.
    pub(super) fn flush(&mut self) {
        self.now = None;
        if self.frames > 0 {
            observe::sent("websocket", std::mem::take(&mut self.frames));
            self.ages.flush("websocket");
        }
    }
}
