//! What a client's bytes say: frames put together to messages, by RFC 6455, with compression by RFC 7692.
//!
//! It has no socket and no clock. Whatever comes in, it keeps at most one message of [`TAKEN_BYTES`] and a header.

use flate2::{Decompress, FlushDecompress, Status};

use crate::delivery::limits::TAKEN_BYTES;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
pub(super) const CLOSE: u8 = 0x8;
pub(super) const PING: u8 = 0x9;
pub(super) const PONG: u8 = 0xa;
/// A control frame has at most so many bytes.
const CONTROL_BYTES: usize = 125;
/// The longest header: length of eight bytes, and the mask.
#[cfg(any(test, feature = "fuzzing"))]
pub(super) const HEADER_BYTES: usize = 14;

/// Something whole that a client said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Text(String),
    Binary,
    Ping(Vec<u8>),
    Pong,
    /// With the code that came, if any.
    Close(Option<u16>),
}

/// What can't be taken, and after which nothing else can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Bad {
    /// Against the protocol.
    Protocol,
    /// A text that is not UTF-8.
    Text,
    /// More than anybody needs.
    Long,
}

/// Reads a client's messages.
#[derive(Debug)]
pub(super) struct Messages {
    /// What came and is not a whole frame yet.
    kept: Vec<u8>,
    /// The message of which some fragments have come.
    begun: Option<Begun>,
    /// True where messages may come compressed.
    deflate: bool,
    /// Fragments since somebody asked.
    fragments: u32,
}

#[derive(Debug)]
struct Begun {
    text: bool,
    deflated: bool,
    payload: Vec<u8>,
}

struct Header {
    fin: bool,
    rsv: u8,
    opcode: u8,
    mask: [u8; 4],
    /// Where the payload begins.
    begin: usize,
    length: usize,
}

impl Messages {
    pub(super) fn new(deflate: bool) -> Self {
        Self { kept: Vec::new(), begun: None, deflate, fragments: 0 }
    }

    /// Takes bytes as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.kept.extend_from_slice(bytes);
    }

    /// The next whole message.
    pub(super) fn next(&mut self) -> Result<Option<Message>, Bad> {
        while let Some(header) = self.header()? {
            let end = header.begin + header.length;
            if self.kept.len() < end {
                break;
            }
            self.fragments += u32::from(!header.fin);
            let mut payload = self.kept[header.begin..end].to_vec();
            // A buffer that is not needed is given back: most connections say little, and there are many of them.
            self.kept = if self.kept.len() == end { Vec::new() } else { self.kept.split_off(end) };
            for (byte, key) in payload.iter_mut().zip(header.mask.iter().cycle()) {
                *byte ^= key;
            }
            if let Some(message) = self.take(&header, payload)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// How many frames that end no message were read since this was asked before.
    pub(super) fn take_fragments(&mut self) -> u32 {
        std::mem::take(&mut self.fragments)
    }

    /// The header of the frame that comes next, once it is there; refused before its payload is waited for.
    fn header(&self) -> Result<Option<Header>, Bad> {
        let &[first, second, ..] = self.kept.as_slice() else { return Ok(None) };
        let (fin, rsv, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
        let control = opcode & 0x08 != 0;
        let known = matches!(opcode, CONTINUATION | TEXT | BINARY | CLOSE | PING | PONG);
        // The first fragment of a message says whether it is compressed.
        let compressed = rsv == 0x40 && self.deflate && matches!(opcode, TEXT | BINARY);
        let masked = second & 0x80 != 0;
        let short = usize::from(second & 0x7f);
        if !known || !masked || (rsv != 0 && !compressed) || (control && (!fin || short > CONTROL_BYTES)) {
            return Err(Bad::Protocol);
        }
        if (opcode == CONTINUATION) != self.begun.is_some() && !control {
            return Err(Bad::Protocol);
        }
        let rest = &self.kept[2..];
        let (length, wide) = match short {
            126 => match rest.first_chunk() {
                Some(bytes) => (u64::from(u16::from_be_bytes(*bytes)), 2),
                None => return Ok(None),
            },
            127 => match rest.first_chunk() {
                Some(bytes) => (u64::from_be_bytes(*bytes), 8),
                None => return Ok(None),
            },
            short => (short as u64, 0),
        };
        let before = self.begun.as_ref().map_or(0, |begun| begun.payload.len()) as u64;
        if !control && length.saturating_add(before) > TAKEN_BYTES as u64 {
            return Err(Bad::Long);
        }
        let Some(mask) = rest.get(wide..).and_then(|rest| rest.first_chunk()) else { return Ok(None) };
        Ok(Some(Header { fin, rsv, opcode, mask: *mask, begin: 2 + wide + 4, length: length as usize }))
    }

    fn take(&mut self, header: &Header, payload: Vec<u8>) -> Result<Option<Message>, Bad> {
        match header.opcode {
            PING => return Ok(Some(Message::Ping(payload))),
            PONG => return Ok(Some(Message::Pong)),
            CLOSE => return close_code(&payload).map(|code| Some(Message::Close(code))),
            _ => {}
        }
        let mut message = match self.begun.take() {
            Some(mut begun) => {
                begun.payload.extend_from_slice(&payload);
                begun
            }
            None => Begun { text: header.opcode == TEXT, deflated: header.rsv != 0, payload },
        };
        if !header.fin {
            self.begun = Some(message);
            return Ok(None);
        }
        if message.deflated {
            message.payload = inflate(message.payload)?;
        }
        if !message.text {
            return Ok(Some(Message::Binary));
        }
        String::from_utf8(message.payload).map(|text| Some(Message::Text(text))).map_err(|_| Bad::Text)
    }

    /// How much is held of what is not whole yet.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(super) fn held(&self) -> usize {
        self.kept.len() + self.begun.as_ref().map_or(0, |begun| begun.payload.len())
    }
}

fn close_code(payload: &[u8]) -> Result<Option<u16>, Bad> {
    let Some((code, reason)) = payload.split_first_chunk() else {
        return if payload.is_empty() { Ok(None) } else { Err(Bad::Protocol) };
    };
    let code = u16::from_be_bytes(*code);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Bad::Protocol);
    }
    if str::from_utf8(reason).is_err() {
        return Err(Bad::Text);
    }
    Ok(Some(code))
}

/// Each message is compressed by itself. What would grow beyond what is taken is refused before it has.
fn inflate(mut payload: Vec<u8>) -> Result<Vec<u8>, Bad> {
    payload.extend_from_slice(&[0, 0, 0xff, 0xff]);
    let mut inflated = Vec::with_capacity(TAKEN_BYTES.min(payload.len() * 4));
    let mut inflater = Decompress::new(false);
    loop {
        let read = inflater.total_in() as usize;
        if inflated.len() > TAKEN_BYTES {
            return Err(Bad::Long);
        }
        inflated.reserve(4 << 10);
        let before = inflated.len();
        match inflater.decompress_vec(&payload[read..], &mut inflated, FlushDecompress::Sync) {
            Ok(Status::StreamEnd) => return Ok(inflated),
            Ok(_) if inflater.total_in() as usize == payload.len() && inflated.len() < inflated.capacity() => {
                return Ok(inflated);
            }
            Ok(_) if inflater.total_in() as usize == read && inflated.len() == before => return Err(Bad::Protocol),
            Ok(_) => {}
            Err(_) => return Err(Bad::Protocol),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        crate::hub::put_header(&mut frame, first, payload.len());
        frame[1] |= 0x80;
        frame.extend_from_slice(&[7, 1, 9, 200]);
        frame.extend(payload.iter().zip([7, 1, 9, 200].iter().cycle()).map(|(byte, key)| byte ^ key));
        frame
    }

    fn read(bytes: &[u8], piece: usize, deflate: bool) -> (Vec<Message>, Option<Bad>) {
        let (mut messages, mut read) = (Messages::new(deflate), Vec::new());
        for piece in bytes.chunks(piece) {
            messages.push(piece);
            loop {
                match messages.next() {
                    Ok(Some(message)) => read.push(message),
                    Ok(None) => break,
                    Err(bad) => return (read, Some(bad)),
                }
            }
            assert!(messages.held() <= TAKEN_BYTES + HEADER_BYTES + piece.len(), "it holds {}", messages.held());
        }
        (read, None)
    }

    #[test]
    fn fragments_are_joined_and_control_frames_come_between_them() {
        let bytes = [
            frame(0x01, "Hä".as_bytes()),
            frame(0x89, b"?"),
            frame(0x00, "l".as_bytes()),
            frame(0x8a, b""),
            frame(0x80, "lo".as_bytes()),
            frame(0x82, &[1, 2]),
            frame(0x88, &[3, 232, b'b']),
        ];
        let expected = [
            Message::Ping(b"?".to_vec()),
            Message::Pong,
            Message::Text("Hällo".into()),
            Message::Binary,
            Message::Close(Some(1000)),
        ];
        for piece in [1, 2, 5, 1_000] {
            assert_eq!(read(&bytes.concat(), piece, false), (expected.to_vec(), None));
        }
    }

    #[test]
    fn what_is_against_the_protocol_is_refused_before_it_is_read() {
        let too_long = [&[0x81, 0xff][..], &(TAKEN_BYTES as u64 + 1).to_be_bytes()].concat();
        for (bytes, bad) in [
            (vec![0x81, 0x02], Bad::Protocol),         // not masked
            (vec![0xc1, 0x80], Bad::Protocol),         // compressed, where that was not agreed
            (vec![0x91, 0x80], Bad::Protocol),         // reserved
            (vec![0x83, 0x80], Bad::Protocol),         // an unknown kind
            (vec![0x8b, 0x80], Bad::Protocol),         // an unknown control frame
            (vec![0x80, 0x80], Bad::Protocol),         // goes on with nothing
            (vec![0x09, 0x80], Bad::Protocol),         // a control frame in pieces
            (vec![0x89, 0xfe, 0, 126], Bad::Protocol), // a long one
            (vec![0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0], Bad::Long),
            ([frame(0x01, b"a"), frame(0x81, b"b")].concat(), Bad::Protocol), // begins anew within
            (too_long, Bad::Long),
            ([frame(0x01, &vec![b'a'; TAKEN_BYTES]), frame(0x80, b"a")].concat(), Bad::Long),
            (frame(0x81, &[0xc3]), Bad::Text),
            (frame(0x88, &[3]), Bad::Protocol),
            (frame(0x88, &[3, 237]), Bad::Protocol), // 1005 is never sent
            (frame(0x88, &[3, 232, 0xff]), Bad::Text),
        ] {
            for piece in [1, 1_000] {
                assert_eq!(read(&bytes, piece, false), (vec![], Some(bad)), "{:?}", &bytes[..bytes.len().min(12)]);
            }
        }
    }

    #[test]
    fn compressed_messages_are_read_and_bombs_are_not() {
        use std::io::Write as _;
        let deflated = |text: &[u8]| {
            let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(text).unwrap();
            encoder.flush().unwrap();
            let mut bytes = encoder.get_ref().clone();
            bytes.truncate(bytes.len() - 4);
            bytes
        };
        let text = r#"{"action":"ping"}"#.repeat(200);
        assert_eq!(read(&frame(0xc1, &deflated(text.as_bytes())), 7, true), (vec![Message::Text(text)], None));
        assert_eq!(read(&frame(0xc1, &deflated(b"")), 7, true), (vec![Message::Text(String::new())], None));
        let bomb = deflated(&vec![b'a'; 10 << 20]);
        assert!(bomb.len() < TAKEN_BYTES);
        assert_eq!(read(&frame(0xc1, &bomb), 1_000, true), (vec![], Some(Bad::Long)));
        assert_eq!(read(&frame(0xc1, &[0xff; 40]), 1_000, true), (vec![], Some(Bad::Protocol)));
        assert_eq!(read(&frame(0xc9, b""), 1_000, true), (vec![], Some(Bad::Protocol)), "control frames never are");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_the_same_in_any_pieces(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(0x81), Just(0x80), Just(0xc1)], 0..600),
            piece in 1_usize..50,
            deflate: bool,
        ) {
            prop_assert_eq!(read(&bytes, piece, deflate), read(&bytes, 1_000, deflate));
        }

        #[test]
        fn texts_come_through_in_any_fragments(text in "\\PC{0,300}", cuts in prop::collection::vec(0_usize..300, 0..4), piece in 1_usize..99) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            cuts.push(text.len());
            let (mut bytes, mut from) = (Vec::new(), 0);
            for (n, cut) in cuts.iter().enumerate() {
                let first = u8::from(n == 0) | if n + 1 == cuts.len() { 0x80 } else { 0 };
                bytes.extend(frame(first, &text.as_bytes()[from..*cut]));
                from = *cut;
            }
            prop_assert_eq!(read(&bytes, piece, false), (vec![Message::Text(text)], None));
        }
    }
}
