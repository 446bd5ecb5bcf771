//! The readers of sockets and of `rooms=…`, for fuzz targets.

use super::cursors::Cursors;
pub use super::socket::fuzzing::{Frames, read_frames};

/// Rooms with cursors, printed as they were understood, or the sentence why they were not.
pub fn read_cursors(text: &str) -> Result<String, String> {
    Cursors::parse(text).map(|cursors| cursors.to_string()).map_err(|error| error.to_string())
}
