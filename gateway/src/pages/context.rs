//! What every page is made of.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use ringside_access::Access;

use crate::hub::RoomReader;

/// What a page's handler needs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct PageContext {
    /// Reads the rooms that the page shows.
    pub(crate) reader: RoomReader,
    /// Checks who may see what.
    pub(crate) access: Access,
    /// True while a simulator makes data: pages say so.
    pub(crate) demo: Arc<AtomicBool>,
}
