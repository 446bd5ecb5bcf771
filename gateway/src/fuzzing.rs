//! What reads bytes from outside, for the fuzz targets in `fuzz/` and nobody else.

pub use crate::auth::fuzzing::Verifier;
pub use crate::delivery::fuzzing::{Frames, read_cursors, read_frames};
