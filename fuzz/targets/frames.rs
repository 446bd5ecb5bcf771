//! A client's bytes on its socket: frames, fragments, compression.
//!
//! The first byte says whether compression was agreed and how large the pieces are in which the rest arrives.

use ringside_gateway::fuzzing::{Frames, read_frames};

pub(crate) fn run(data: &[u8]) {
    let Some((first, rest)) = data.split_first() else { return };
    let (deflate, piece) = (first & 0x80 != 0, usize::from(first & 0x7f).max(1));
    let whole = read_frames([rest], deflate);
    assert_eq!(read_frames(rest.chunks(piece), deflate), whole, "it depends on the pieces");
    if let Ok(text) = str::from_utf8(rest) {
        let written = fragments(text, piece);
        let expected = Frames { messages: vec![format!("Text({text:?})")], bad: None };
        assert_eq!(read_frames([&*written], deflate), expected, "a text does not come through");
    }
}

/// A text as masked frames, cut into fragments of at most 125 bytes, whose length is one byte.
fn fragments(text: &str, size: usize) -> Vec<u8> {
    let mut pieces: Vec<&[u8]> = text.as_bytes().chunks(size.min(125)).collect();
    if pieces.is_empty() {
        pieces.push(&[]);
    }
    let (mut frames, last) = (Vec::new(), pieces.len() - 1);
    for (n, piece) in pieces.into_iter().enumerate() {
        // Text or continuation, the last one with FIN.
        frames.push(u8::from(n == 0) | if n == last { 0x80 } else { 0 });
        frames.push(0x80 | piece.len() as u8);
        let mask = [n as u8, 0x55, 0xaa, 0x0f];
        frames.extend_from_slice(&mask);
        frames.extend(piece.iter().zip(mask.iter().cycle()).map(|(byte, key)| byte ^ key));
    }
    frames
}
