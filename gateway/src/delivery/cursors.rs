//! Several rooms with their cursors in one text: `campaign:alpha@f3a1:1042,alerts`.
//!
//! The same text comes in `rooms=…`, goes out as a poll's `cursor` and is the `id:` of each SSE event. In it the rooms
//! whose frames carry no cursor have one too, so that who comes back gets what is new and not everything.

use std::fmt;

use ringside_model::{Cursor, Room};

use crate::error::Error;

/// So many rooms fit in one request.
const ROOMS: usize = 100;

/// Rooms in the order they were named, each with the place that was reached in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cursors(Vec<(Room, Option<Cursor>)>);

impl Cursors {
    /// Reads them.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let mut rooms: Vec<(Room, Option<Cursor>)> = Vec::new();
        for item in text.split(',').filter(|item| !item.is_empty()) {
            let (room, cursor) = match item.split_once('@') {
                Some((room, cursor)) => (room, Some(cursor)),
                None => (item, None),
            };
            let room: Room = room.parse().map_err(|bad| Error::BadRequest(format!("\"{room}\": {bad}.")))?;
            let cursor = cursor.map(str::parse).transpose();
            let cursor = cursor.map_err(|bad| Error::BadRequest(format!("\"{item}\": {bad}.")))?;
            if !rooms.iter().any(|(known, _)| *known == room) {
                rooms.push((room, cursor));
            }
        }
        match rooms.len() {
            0 => Err(Error::BadRequest("Name rooms, such as rooms=overview,alerts.".to_owned())),
            count if count > ROOMS => {
                Err(Error::BadRequest(format!("Name at most {ROOMS} rooms; the WebSocket takes more.")))
            }
            _ => Ok(Self(rooms)),
        }
    }

    /// A single room without a cursor.
    pub(crate) fn of(room: Room) -> Self {
        Self(vec![(room, None)])
    }

    /// The rooms and their cursors.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Room, Option<Cursor>)> {
        self.0.iter()
    }

    /// True where this is the place of the room.
    pub(crate) fn has(&self, room: &Room, cursor: Cursor) -> bool {
        self.0.iter().any(|(known, reached)| known == room && *reached == Some(cursor))
    }

    /// Takes the cursors of what the client had before; rooms that are not here are left out.
    pub(crate) fn take_over(&mut self, before: &Self) {
        for (room, cursor) in &before.0 {
            if let Some(cursor) = cursor {
                self.reach(room, *cursor);
            }
        }
    }

    /// A room's frame with this cursor was given out.
    pub(crate) fn reach(&mut self, room: &Room, cursor: Cursor) {
        if let Some((_, reached)) = self.0.iter_mut().find(|(known, _)| known == room) {
            *reached = Some(cursor);
        }
    }
}

impl fmt::Display for Cursors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, (room, cursor)) in self.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            match cursor {
                Some(cursor) => write!(f, "{comma}{room}@{cursor}")?,
                None => write!(f, "{comma}{room}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_with_cursors_read_back_and_nonsense_is_told() {
        let text = "campaign:alpha@f3a1:1042,alerts,overview@7:3";
        let mut cursors = Cursors::parse(text).unwrap();
        assert_eq!(cursors.to_string(), text);
        cursors.take_over(&Cursors::parse("alerts@a:5,system@b:1").unwrap());
        assert_eq!(cursors.to_string(), "campaign:alpha@f3a1:1042,alerts@a:5,overview@7:3");
        for text in ["", ",", "kitchen", "directory", "alerts@", "alerts@yesterday"] {
            assert!(matches!(Cursors::parse(text), Err(Error::BadRequest(_))), "{text}");
        }
        let many: Vec<String> = (0..=ROOMS).map(|n| format!("calls:c{n}")).collect();
        assert_eq!(Cursors::parse(&many[..ROOMS].join(",")).unwrap().iter().count(), ROOMS);
        assert!(matches!(Cursors::parse(&many.join(",")), Err(Error::BadRequest(_))));
    }
}
