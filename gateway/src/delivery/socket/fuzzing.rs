//! The reader of a client's frames, for fuzz targets.

use super::message::Messages;
use crate::delivery::limits::TAKEN_BYTES;

/// What was read of a client's bytes.
#[derive(Debug, PartialEq, Eq)]
pub struct Frames {
    /// Each message, as `Debug` prints it.
    pub messages: Vec<String>,
    /// Why no more can be read.
    pub bad: Option<String>,
}

/// Reads what comes in pieces. Panics where more is kept of it than one message may have.
pub fn read_frames<'a>(pieces: impl IntoIterator<Item = &'a [u8]>, deflate: bool) -> Frames {
    let (mut reader, mut messages) = (Messages::new(deflate), Vec::new());
    for piece in pieces {
        reader.push(piece);
        loop {
            match reader.next() {
                Ok(Some(message)) => messages.push(format!("{message:?}")),
                Ok(None) => break,
                Err(bad) => return Frames { messages, bad: Some(format!("{bad:?}")) },
            }
        }
        assert!(reader.held() <= TAKEN_BYTES + super::message::HEADER_BYTES, "it keeps {} bytes", reader.held());
    }
    Frames { messages, bad: None }
}
