//! What reads bytes from outside, for the fuzz targets in `fuzz/` and nobody else.

pub use crate::delivery::fuzzing::{Frames, read_cursors, read_frames};
pub use ringside_access::fuzzing::Verifier;
