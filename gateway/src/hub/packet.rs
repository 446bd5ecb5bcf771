//! A frame as it goes out: its JSON text behind the few bytes that a WebSocket needs before it. Made once, shared by all.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// Texts shorter than this are not worth compressing: they fit in a network packet with their neighbours anyway.
const DEFLATED_FROM: usize = 512;
/// Says that a frame is the last of its message; here each is.
const FIN: u8 = 0x80;
const TEXT: u8 = 0x1;
/// Says that a message is compressed.
const RSV1: u8 = 0x40;

/// A frame, composed. Cloning it makes another handle to the same bytes.
#[derive(Debug, Clone)]
pub(crate) struct Packet(Arc<Bytes>);

#[derive(Debug)]
struct Bytes {
    /// Header and text.
    plain: Box<[u8]>,
    /// How long the header is.
    head: usize,
    /// Header and compressed text; made for the first who takes it so, none where it would not be shorter.
    deflated: OnceLock<Option<Box<[u8]>>>,
}

impl Packet {
    /// From a text, which is JSON. One that is not text was damaged on its way here, and is told as an empty object.
    pub(crate) fn new(text: &[u8]) -> Self {
        let text = if str::from_utf8(text).is_ok() { text } else { b"{}" };
        let mut plain = Vec::with_capacity(text.len() + 10);
        put_header(&mut plain, FIN | TEXT, text.len());
        let head = plain.len();
        plain.extend_from_slice(text);
        Self(Arc::new(Bytes { plain: plain.into(), head, deflated: OnceLock::new() }))
    }

    /// A control frame, which has no text.
    pub(crate) fn control(opcode: u8, payload: &[u8]) -> Self {
        let mut plain = Vec::with_capacity(payload.len() + 2);
        put_header(&mut plain, FIN | opcode, payload.len());
        plain.extend_from_slice(payload);
        let head = plain.len();
        Self(Arc::new(Bytes { plain: plain.into(), head, deflated: OnceLock::new() }))
    }

    /// The JSON.
    pub(crate) fn text(&self) -> &str {
        str::from_utf8(&self.0.plain[self.0.head..]).expect("it was text when it was made")
    }

    /// How long the JSON is.
    pub(crate) fn len(&self) -> usize {
        self.0.plain.len() - self.0.head
    }

    /// The message as it is written to a WebSocket, whose client may take it compressed.
    pub(crate) fn wire(&self, deflate: bool) -> &[u8] {
        if deflate && let Some(deflated) = self.0.deflated.get_or_init(|| self.deflate()) {
            return deflated;
        }
        &self.0.plain
    }

    /// Without any context, so that one compression serves all who take it.
    fn deflate(&self) -> Option<Box<[u8]>> {
        let text = &self.0.plain[self.0.head..];
        if text.len() < DEFLATED_FROM {
            return None;
        }
        let mut encoder = DeflateEncoder::new(Vec::with_capacity(text.len() / 2), Compression::new(6));
        encoder.write_all(text).and_then(|()| encoder.flush()).expect("a Vec takes everything");
        let flushed = encoder.get_ref();
        // A flush ends with an empty block, which the other side adds by itself.
        let body = flushed.strip_suffix(&[0, 0, 0xff, 0xff])?;
        let mut message = Vec::with_capacity(body.len() + 10);
        put_header(&mut message, FIN | RSV1 | TEXT, body.len());
        message.extend_from_slice(body);
        (message.len() < self.0.plain.len()).then(|| message.into())
    }
}

/// The header of a message that is sent by a server: whole, and not masked.
pub(crate) fn put_header(out: &mut Vec<u8>, first: u8, length: usize) {
    out.push(first);
    match length {
        0..126 => out.push(length as u8),
        126..=0xffff => {
            out.push(126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn every_length_has_its_header() {
        for (length, head) in
            [(0, &[0x81, 0][..]), (125, &[0x81, 125]), (126, &[0x81, 126, 0, 126]), (65_535, &[0x81, 126, 255, 255])]
        {
            let packet = Packet::new(&vec![b' '; length]);
            assert!(packet.wire(false).starts_with(head) && packet.len() == length, "{length}");
        }
        let long = Packet::new(&vec![b' '; 65_536]);
        assert!(long.wire(false).starts_with(&[0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]));
        assert_eq!(Packet::new(&[0xff]).text(), "{}");
    }

    #[test]
    fn what_is_compressed_reads_back_and_what_would_not_shrink_is_sent_as_it_is() {
        let text = r#"{"type":"metrics_update","campaigns":["#.to_owned() + &r#"{"id":"alpha"},"#.repeat(60) + "0]}";
        let packet = Packet::new(text.as_bytes());
        let wire = packet.wire(true);
        assert!(wire.len() * 3 < text.len() && wire[0] == 0xc1);
        assert!(std::ptr::eq(wire, packet.clone().wire(true)), "it is made once");
        let body = [&wire[2..], &[0, 0, 0xff, 0xff]].concat();
        let body = if wire[1] == 126 { &body[2..] } else { &body };
        let mut read = String::new();
        // The stream has no end: what came until now is what counts.
        let _ = flate2::read::DeflateDecoder::new(body).read_to_string(&mut read);
        assert_eq!(read, text);
        let short = Packet::new(b"{}");
        assert_eq!(short.wire(true), short.wire(false));
    }
}
