//! From a connection's bytes to frames: WebSocket frames, events of a stream, answers to polls.
//!
//! What has come whole is looked at where it lies; only what is not whole yet is kept, so that a client that waits holds
//! no buffer.

use std::ops::Range;

use anyhow::{Context, bail};

use super::frame::HEAD;

/// Something that came.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Frame(&'a [u8]),
    /// To be answered with the same bytes.
    Ping(&'a [u8]),
    /// The server closes, with this code.
    Close(u16),
}

/// How bytes are cut into items.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    WebSocket,
    /// Events in the chunks of an HTTP answer.
    Events,
}

/// Cuts what comes; keeps what is not whole.
#[derive(Debug)]
pub(super) struct Reader {
    cut: Cut,
    kept: Vec<u8>,
}

impl Reader {
    pub(super) fn new(cut: Cut) -> Self {
        Self { cut, kept: Vec::new() }
    }

    /// Takes what has come, and gives on each item that is whole.
    pub(super) fn take(&mut self, bytes: &[u8], mut item: impl FnMut(Item<'_>)) -> anyhow::Result<()> {
        let mut kept = std::mem::take(&mut self.kept);
        let all = if kept.is_empty() {
            bytes
        } else {
            kept.extend_from_slice(bytes);
            &kept
        };
        let mut at = 0;
        loop {
            let used = match self.cut {
                Cut::WebSocket => take_frame(&all[at..], &mut item)?,
                Cut::Events => take_chunk(&all[at..], &mut item)?,
            };
            match used {
                0 => break,
                used => at += used,
            }
        }
        self.kept = all[at..].to_vec();
        Ok(())
    }
}

/// Takes one WebSocket frame; returns its length, 0 where it is not whole.
fn take_frame(bytes: &[u8], item: &mut impl FnMut(Item<'_>)) -> anyhow::Result<usize> {
    let [first, second, rest @ ..] = bytes else { return Ok(0) };
    if first & 0xf0 != 0x80 || second & 0x80 != 0 {
        bail!("a frame of the server is fragmented, compressed or masked, which nobody asked for");
    }
    let (extended, length) = match second & 0x7f {
        126 => (2, rest.get(..2).map(|length| u64::from(u16::from_be_bytes([length[0], length[1]])))),
        127 => (8, rest.first_chunk::<8>().map(|length| u64::from_be_bytes(*length))),
        length => (0, Some(u64::from(length))),
    };
    let Some(length) = length else { return Ok(0) };
    let length = usize::try_from(length).context("a frame of the server is too long for this machine")?;
    let Some(payload) = rest.get(extended..).and_then(|rest| rest.get(..length)) else { return Ok(0) };
    match first & 0x0f {
        1 => item(Item::Frame(payload)),
        8 => item(Item::Close(payload.first_chunk::<2>().map_or(1005, |code| u16::from_be_bytes(*code)))),
        9 => item(Item::Ping(payload)),
        10 => {}
        opcode => bail!("the server sent a frame with the opcode {opcode}"),
    }
    Ok(2 + extended + length)
}

/// Takes one chunk of an answer, in which there are whole events; returns its length, 0 where it is not whole.
fn take_chunk(bytes: &[u8], item: &mut impl FnMut(Item<'_>)) -> anyhow::Result<usize> {
    let Some((payload, used)) = chunk(bytes)? else { return Ok(0) };
    if payload.is_empty() {
        item(Item::Close(0));
    }
    for line in payload.split(|byte| *byte == b'\n') {
        if let Some(frame) = line.strip_prefix(b"data:") {
            item(Item::Frame(frame.trim_ascii_start()));
        }
    }
    Ok(used)
}

/// A chunk's payload and its whole length.
fn chunk(bytes: &[u8]) -> anyhow::Result<Option<(&[u8], usize)>> {
    let Some(line) = memchr::memmem::find(bytes, b"\r\n") else { return Ok(None) };
    let size = str::from_utf8(&bytes[..line]).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
    let size = size.context("the server's answer is not cut into chunks as it says")?;
    let payload = line + 2..line + 2 + size;
    Ok(bytes.get(payload.clone()).filter(|_| bytes.len() >= payload.end + 2).map(|bytes| (bytes, payload.end + 2)))
}

/// An HTTP answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

/// An answer's head: its status, how long it is, and how the body comes.
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) len: usize,
    body: Body,
}

enum Body {
    Length(usize),
    Chunks,
}

/// Reads an answer's head, once it is whole.
pub(super) fn head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(None) };
    let text = str::from_utf8(&bytes[..end]).context("the head of the server's answer is no text")?;
    let mut lines = text.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).and_then(|status| status.parse().ok());
    let status = status.context("the server's answer has no status")?;
    let mut body = Body::Length(0);
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("content-length") {
            body = Body::Length(value.trim().parse().context("the answer's length is no number")?);
        } else if name.eq_ignore_ascii_case("transfer-encoding") {
            body = Body::Chunks;
        }
    }
    Ok(Some(Head { status, len: end + 4, body }))
}

/// Reads an answer, once it is whole, and its length.
pub(super) fn answer(bytes: &[u8]) -> anyhow::Result<Option<(Answer, usize)>> {
    let Some(Head { status, len, body }) = head(bytes)? else { return Ok(None) };
    match body {
        Body::Length(length) => {
            let body = bytes.get(len..len + length);
            Ok(body.map(|body| (Answer { status, body: body.to_vec() }, len + length)))
        }
        Body::Chunks => {
            let (mut body, mut at) = (Vec::new(), len);
            while let Some((payload, used)) = chunk(&bytes[at..])? {
                body.extend_from_slice(payload);
                at += used;
                if payload.is_empty() {
                    return Ok(Some((Answer { status, body }, at)));
                }
            }
            Ok(None)
        }
    }
}

/// The frames of a poll's answer, and the cursors to go on from.
pub(super) fn polled(body: &[u8]) -> anyhow::Result<(Vec<&[u8]>, &str)> {
    let marker = br#","cursor":""#;
    let end = memchr::memmem::rfind(body, marker).context("a poll was answered without a cursor")?;
    let cursor = body[end + marker.len()..].split(|byte| *byte == b'"').next().unwrap_or_default();
    let starts: Vec<usize> = memchr::memmem::find_iter(&body[..end], HEAD).chain([end]).collect();
    let ranges = starts.windows(2).map(|pair| Range { start: pair[0], end: pair[1] });
    Ok((ranges.map(|range| &body[range]).collect(), str::from_utf8(cursor)?))
}

/// A message to a WebSocket server. Its mask is zero: what is masked is what caches in between could misread, and there
/// is nothing in between.
pub(super) fn message(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).ok().filter(|length| *length < 126).expect("a load client says little");
    let mut frame = vec![0x80 | opcode, 0x80 | length, 0, 0, 0, 0];
    frame.extend_from_slice(payload);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(cut: Cut, pieces: &[&[u8]]) -> Vec<String> {
        let (mut reader, mut items) = (Reader::new(cut), Vec::new());
        for piece in pieces {
            let note = |item: Item<'_>| {
                items.push(match item {
                    Item::Frame(frame) => String::from_utf8_lossy(frame).into_owned(),
                    Item::Ping(ping) => format!("ping {}", ping.len()),
                    Item::Close(code) => format!("close {code}"),
                });
            };
            reader.take(piece, note).unwrap();
        }
        assert!(reader.kept.is_empty(), "all was whole in the end");
        items
    }

    #[test]
    fn however_bytes_arrive_the_same_frames_come_out() {
        let long = "x".repeat(300);
        let mut socket = b"\x81\x02{}\x89\x01p\x81\x7e\x01\x2c".to_vec();
        socket.extend_from_slice(long.as_bytes());
        socket.extend_from_slice(b"\x88\x02\x11\x9c");
        let expected = ["{}", "ping 1", &long, "close 4508"];
        let mut events = b"10\r\nid: 1\ndata: {}\n\n\r\n".to_vec();
        events.extend_from_slice(format!("{:x}\r\ndata: {long}\n\n\r\n0\r\n\r\n", 8 + long.len()).as_bytes());
        for (cut, bytes, expected) in
            [(Cut::WebSocket, socket, expected.to_vec()), (Cut::Events, events, vec!["{}", &long, "close 0"])]
        {
            for cut_at in 0..bytes.len() {
                assert_eq!(read(cut, &[&bytes[..cut_at], &bytes[cut_at..]]), expected, "{cut:?} cut at {cut_at}");
            }
            assert_eq!(read(cut, &bytes.chunks(1).collect::<Vec<_>>()), expected);
        }
    }

    #[test]
    fn frames_that_nobody_asked_for_end_the_client() {
        for frame in [&b"\x01\x00"[..], b"\xc1\x00", b"\x81\x80", b"\x82\x00"] {
            assert!(Reader::new(Cut::WebSocket).take(frame, |_| {}).is_err(), "{frame:?}");
        }
    }

    #[test]
    fn answers_are_read_once_they_are_whole() {
        for bytes in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"[..],
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        ] {
            for end in 0..bytes.len() {
                assert_eq!(answer(&bytes[..end]).unwrap(), None, "{end}");
            }
            let whole = answer(bytes).unwrap();
            assert_eq!(whole, Some((Answer { status: 200, body: b"{}".to_vec() }, bytes.len())));
        }
        assert!(answer(b"nonsense\r\n\r\n").is_err());
    }

    #[test]
    fn a_polls_answer_is_cut_into_its_frames() {
        let body = br#"{"frames":[{"type":"initial"},{"type":"bench","t":1}],"cursor":"bench:0@a:1"}"#;
        let (frames, cursor) = polled(body).unwrap();
        assert_eq!((frames.len(), cursor), (2, "bench:0@a:1"));
        assert!(frames[1].starts_with(br#"{"type":"bench","t":1}"#));
        assert_eq!(polled(br#"{"frames":[],"cursor":"bench:0@a:1"}"#).unwrap(), (vec![], "bench:0@a:1"));
    }

    #[test]
    fn a_message_is_masked_with_nothing() {
        assert_eq!(message(1, b"hi"), b"\x81\x82\0\0\0\0hi");
    }
}
