//! Where the time comes from.

use std::sync::Arc;

use crate::Timestamp;

/// Where the time comes from: the machine's clock in production, a hand-moved one in tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}
