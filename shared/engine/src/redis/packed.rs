//! The binary form of frames in Redis and in pub/sub messages.
//!
//! ```text
//! frame   made at (ms, i64) · lane (e or s) · length of kind (u8) · kind · body
//! stored  an event: offset of the event before it (u64) · frame       a state: its own offset (u64) · frame
//! message batch (u64) · epoch (u32) · part (u16) · 1 if last (u8) · rooms (u16) · [length (u16) · name] ...
//!         then [room's number (u16) · offset (u64) · length (u32) · frame] ...
//! ```
//! Numbers are big-endian. A batch is announced in one message or more. The scripts add offsets and lengths and do not
//! look into frames.

use bytes::{Buf, BufMut, Bytes};
use ringside_model::{Epoch, Room, TenantId, Timestamp};

use crate::{EngineError, Lane, Publication, RoomFrame, RoomId};

/// Packs a publication's frame.
pub(super) fn frame(publication: &Publication) -> Vec<u8> {
    let Publication { kind, body, at, lane, .. } = publication;
    let kind_bytes = u8::try_from(kind.len()).expect("kinds are constants of less than 256 bytes");
    let mut packed = Vec::with_capacity(10 + kind.len() + body.len());
    packed.put_i64(at.millis());
    packed.put_u8(match lane {
        Lane::Event => b'e',
        Lane::State => b's',
    });
    packed.put_u8(kind_bytes);
    packed.put_slice(kind.as_bytes());
    packed.put_slice(body);
    packed
}

/// Packs the names of a batch's rooms.
pub(super) fn rooms<'a>(rooms: impl ExactSizeIterator<Item = &'a RoomId>) -> Vec<u8> {
    let mut packed = Vec::new();
    packed.put_u16(u16::try_from(rooms.len()).expect("a partition has fewer than 65,536 rooms"));
    for room in rooms {
        let name = room.to_string();
        packed.put_u16(u16::try_from(name.len()).expect("ids are shorter than 65,536 bytes"));
        packed.put_slice(name.as_bytes());
    }
    packed
}

/// Unpacks a frame of a room.
pub(super) fn unpack(room: &RoomId, epoch: Epoch, offset: u64, mut packed: Bytes) -> Result<RoomFrame, EngineError> {
    let read = |packed: &mut Bytes| {
        let at = Timestamp::from_millis(packed.try_get_i64().ok()?);
        let lane = match packed.try_get_u8().ok()? {
            b'e' => Lane::Event,
            b's' => Lane::State,
            _ => return None,
        };
        let kind_bytes = usize::from(packed.try_get_u8().ok()?);
        let kind = take(packed, kind_bytes)?;
        Some((at, lane, Box::from(str::from_utf8(&kind).ok()?)))
    };
    let (at, lane, kind) = read(&mut packed).ok_or_else(|| damaged(room))?;
    Ok(RoomFrame { room: room.clone(), epoch, offset, lane, kind, at, body: packed })
}

/// Unpacks a stored entry: an offset and a frame.
pub(super) fn unpack_stored(mut stored: Bytes) -> Option<(u64, Bytes)> {
    Some((stored.try_get_u64().ok()?, stored))
}

/// One message about a published batch.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BatchPart {
    pub(super) seq: u64,
    /// Counts the messages of the batch.
    pub(super) index: u16,
    pub(super) is_last: bool,
    pub(super) frames: Vec<RoomFrame>,
}

impl BatchPart {
    /// Unpacks a message; none if it is malformed.
    pub(super) fn unpack(mut packed: Bytes) -> Option<Self> {
        let seq = packed.try_get_u64().ok()?;
        let epoch = Epoch(packed.try_get_u32().ok()?);
        let index = packed.try_get_u16().ok()?;
        let is_last = packed.try_get_u8().ok()? == 1;
        let mut rooms = Vec::new();
        for _ in 0..packed.try_get_u16().ok()? {
            let name_bytes = usize::from(packed.try_get_u16().ok()?);
            rooms.push(room(str::from_utf8(&take(&mut packed, name_bytes)?).ok()?)?);
        }
        let mut frames = Vec::new();
        while packed.has_remaining() {
            let room = rooms.get(usize::from(packed.try_get_u16().ok()?))?;
            let offset = packed.try_get_u64().ok()?;
            let frame_bytes = packed.try_get_u32().ok()? as usize;
            frames.push(unpack(room, epoch, offset, take(&mut packed, frame_bytes)?).ok()?);
        }
        Some(Self { seq, index, is_last, frames })
    }
}

fn take(bytes: &mut Bytes, count: usize) -> Option<Bytes> {
    (bytes.len() >= count).then(|| bytes.split_to(count))
}

fn room(name: &str) -> Option<RoomId> {
    let (tenant, room) = name.split_once('/')?;
    // Only gateways subscribe to the directory, so the names that clients may use do not include it.
    let room = if room == "directory" { Room::Directory } else { room.parse().ok()? };
    Some(RoomId::new(TenantId::parse(tenant).ok()?, room))
}

fn damaged(room: &RoomId) -> EngineError {
    EngineError::Damaged(format!("a frame of {room} can't be read"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;

    fn message(rooms_packed: &[u8], frames: &[(u16, u64, Vec<u8>)]) -> Bytes {
        let mut packed = Vec::new();
        packed.put_u64(7);
        packed.put_u32(0xf3a1);
        packed.put_u16(0);
        packed.put_u8(1);
        packed.put_slice(rooms_packed);
        for (room, offset, frame) in frames {
            packed.put_u16(*room);
            packed.put_u64(*offset);
            packed.put_u32(u32::try_from(frame.len()).unwrap());
            packed.put_slice(frame);
        }
        packed.into()
    }

    #[test]
    fn messages_unpack_to_their_frames_and_a_cut_is_detected() {
        let tenant = TenantId::parse("acme").unwrap();
        let ids = ["calls:alpha", "directory", "alerts"].map(|name| room(&format!("{tenant}/{name}")).unwrap());
        let publication = |id: &RoomId, lane, body: &'static [u8]| Publication {
            room: id.clone(),
            position: Position(1),
            lane,
            kind: "call_event",
            at: Timestamp::from_millis(-5),
            body: Bytes::from_static(body),
            snapshot: None,
        };
        let one = publication(&ids[0], Lane::Event, b"{\"a\":1}");
        let two = publication(&ids[1], Lane::State, b"");
        let packed = message(&rooms(ids.iter()), &[(0, 41, frame(&one)), (1, 1 << 40, frame(&two))]);
        let unpacked = BatchPart::unpack(packed.clone()).unwrap();
        assert_eq!((unpacked.seq, unpacked.index, unpacked.is_last), (7, 0, true));
        let [first, second] = &unpacked.frames[..] else { panic!("{unpacked:?}") };
        assert_eq!((&first.room, first.offset, first.lane, &first.body), (&ids[0], 41, Lane::Event, &one.body));
        assert_eq!((first.epoch, &*first.kind, first.at), (Epoch(0xf3a1), "call_event", one.at));
        assert_eq!((&second.room, second.offset, second.lane), (&ids[1], 1 << 40, Lane::State));
        let whole_parts = [0, 1].map(|n| message(&rooms(ids.iter()), &[(0, 41, frame(&one))][..n]).len());
        for cut in (0..packed.len()).filter(|cut| !whole_parts.contains(cut)) {
            assert_eq!(BatchPart::unpack(packed.slice(..cut)), None, "cut at {cut}");
        }
    }
}
