//! The clock, injected so that tests can set the time.

use std::sync::Arc;

use crate::Timestamp;

/// Returns the current time: the machine's in production, a set one in tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Returns the machine's clock.
pub fn system_clock() -> Clock {
    Arc::new(Timestamp::now)
}
