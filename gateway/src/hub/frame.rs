//! A frame that is composed once and shared by all who get it.

use std::sync::{Arc, Mutex, OnceLock};

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use ringside_shared::engine::{Cursor, Lane, Room, RoomFrame, RoomId};
use ringside_shared::model::Timestamp;
use ringside_shared::wire::{compose_frame, with_conflated};
use serde::Deserialize;

use super::filter::{Filter, filter_metrics};
use super::row::Row;

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
    text: OnceLock<Utf8Bytes>,
    row: OnceLock<Option<Arc<Row>>>,
    filtered: Mutex<Vec<(Filter, Utf8Bytes)>>,
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
            text: OnceLock::new(),
            row: OnceLock::new(),
            filtered: Mutex::default(),
        }
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
    pub(crate) fn text(&self) -> Utf8Bytes {
        self.text.get_or_init(|| self.compose(self.cursor, &self.body)).clone()
    }

    /// As it is sent after `conflated` others were not.
    pub(crate) fn text_after(&self, conflated: u64) -> Utf8Bytes {
        match conflated {
            0 => self.text(),
            conflated => utf8(with_conflated(&self.text().into(), conflated)),
        }
    }

    /// As it is sent to one who has reached a later place already.
    pub(crate) fn text_at(&self, cursor: Cursor) -> Utf8Bytes {
        if cursor == self.cursor { self.text() } else { self.compose(cursor, &self.body) }
    }

    /// Only some metrics of it; made once for each choice.
    pub(crate) fn text_filtered(&self, filter: &Filter) -> Utf8Bytes {
        let mut filtered = self.filtered.lock().expect("nobody panics while filtering");
        if let Some((_, text)) = filtered.iter().find(|(known, _)| known == filter) {
            return text.clone();
        }
        let text = self.compose(self.cursor, &filter_metrics(&self.body, filter));
        filtered.push((filter.clone(), text.clone()));
        text
    }

    /// The campaign's row of the overview; read once.
    pub(crate) fn row(&self) -> Option<Arc<Row>> {
        self.row.get_or_init(|| Row::read(&self.body).map(Arc::new)).clone()
    }

    fn compose(&self, cursor: Cursor, body: &[u8]) -> Utf8Bytes {
        let cursor = self.room.has_cursor().then_some(cursor);
        utf8(compose_frame(&self.kind, Some(&self.room), cursor, self.at, body))
    }
}

/// Composed frames are JSON. One that is not text was damaged on its way here, and is told as an empty object.
pub(crate) fn utf8(bytes: Bytes) -> Utf8Bytes {
    Utf8Bytes::try_from(bytes).unwrap_or_else(|_| Utf8Bytes::from_static("{}"))
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
