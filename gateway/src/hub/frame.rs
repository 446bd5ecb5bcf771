//! A frame that is composed once and shared by all who get it.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use ringside_access::PhoneMask;
use ringside_engine::{Lane, RoomFrame, RoomId};
use ringside_model::{Cursor, Room, Timestamp};
use ringside_wire::{compose_frame, with_conflated};
use serde::Deserialize;

use super::filter::{Filter, filter_metrics};
use super::masked::Masked;
use super::packet::Packet;
use super::row::Row;
use crate::hub::call_mask::mask_calls;

/// One publication as this gateway holds it.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) room: Arc<Room>,
    pub(crate) cursor: Cursor,
    pub(crate) kind: Box<str>,
    pub(crate) at: Timestamp,
    pub(crate) body: Bytes,
    /// The campaign that it is about, in rooms where that decides who may see it.
    pub(crate) about: Option<Box<str>>,
    packet: OnceLock<Packet>,
    /// As it was last composed for somebody who missed states before it: many have missed the same.
    after: Mutex<Option<(u64, Packet)>>,
    row: OnceLock<Option<Arc<Row>>>,
    filtered: Mutex<Vec<(Filter, Packet)>>,
    masked: Masked<Box<Frame>>,
}

impl Frame {
    pub(crate) fn new(room: &Arc<Room>, frame: RoomFrame) -> Self {
        Self {
            cursor: Cursor { epoch: frame.epoch, offset: frame.offset },
            about: if **room == Room::Alerts { alert_campaign(&frame.body) } else { None },
            kind: frame.kind,
            at: frame.at,
            body: frame.body,
            room: room.clone(),
            packet: OnceLock::new(),
            after: Mutex::default(),
            row: OnceLock::new(),
            filtered: Mutex::default(),
            masked: Masked::default(),
        }
    }

    /// As it is for those who see so much of phone numbers: itself, or a frame with the calls rewritten.
    pub(crate) fn seen_with(&self, numbers: PhoneMask) -> &Self {
        if !matches!(*self.room, Room::Calls(_)) {
            return self;
        }
        let mask = || {
            Box::new(Self {
                room: self.room.clone(),
                cursor: self.cursor,
                kind: self.kind.clone(),
                at: self.at,
                body: mask_calls(numbers, &self.body),
                about: self.about.clone(),
                packet: OnceLock::new(),
                after: Mutex::default(),
                row: OnceLock::new(),
                filtered: Mutex::default(),
                masked: Masked::default(),
            })
        };
        self.masked.of(numbers, mask).map_or(self, Box::as_ref)
    }

    /// As the engine told it.
    pub(super) fn published(&self, room: &RoomId, lane: Lane) -> RoomFrame {
        RoomFrame {
            room: room.clone(),
            epoch: self.cursor.epoch,
            offset: self.cursor.offset,
            lane,
            kind: self.kind.clone(),
            at: self.at,
            body: self.body.clone(),
        }
    }

    /// As it is sent; composed for the first who asks.
    pub(crate) fn packet(&self) -> Packet {
        self.packet.get_or_init(|| Packet::new(&self.compose(self.cursor, &self.body))).clone()
    }

    /// As it is sent after `conflated` others were not.
    pub(crate) fn packet_after(&self, conflated: u64) -> Packet {
        if conflated == 0 {
            return self.packet();
        }
        let mut after = self.after.lock().expect("nobody panics while composing");
        match &*after {
            Some((known, packet)) if *known == conflated => packet.clone(),
            _ => {
                let composed = with_conflated(&self.compose(self.cursor, &self.body), conflated);
                after.insert((conflated, Packet::new(&composed))).1.clone()
            }
        }
    }

    /// As it is sent to one who has reached a later place already.
    pub(crate) fn packet_at(&self, cursor: Cursor) -> Packet {
        if cursor == self.cursor { self.packet() } else { Packet::new(&self.compose(cursor, &self.body)) }
    }

    /// Only some metrics of it; made once for each choice.
    pub(crate) fn packet_filtered(&self, filter: &Filter) -> Packet {
        let mut filtered = self.filtered.lock().expect("nobody panics while filtering");
        if let Some((_, packet)) = filtered.iter().find(|(known, _)| known == filter) {
            return packet.clone();
        }
        let packet = Packet::new(&self.compose(self.cursor, &filter_metrics(&self.body, filter)));
        filtered.push((filter.clone(), packet.clone()));
        packet
    }

    /// The campaign's row of the overview; read once.
    pub(crate) fn row(&self) -> Option<Arc<Row>> {
        self.row.get_or_init(|| Row::read(&self.body).map(Arc::new)).clone()
    }

    fn compose(&self, cursor: Cursor, body: &[u8]) -> Bytes {
        let cursor = self.room.has_cursor().then_some(cursor);
        compose_frame(&self.kind, Some(&self.room), cursor, self.at, body)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertAbout {
    pub(super) campaign_id: Option<Box<str>>,
}

fn alert_campaign(body: &[u8]) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct Body {
        alert: AlertAbout,
    }
    match serde_json::from_slice::<Body>(body) {
        Ok(body) => body.alert.campaign_id,
        // What can't be read is nobody's but those who see everything: no campaign has an empty id.
        Err(_) => Some("".into()),
    }
}
