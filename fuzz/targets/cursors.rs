//! Cursors, rooms, several of both in `rooms=…` and `cursor=…`, and places in journals.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use ringside_engine::JournalEntryId;
use ringside_gateway::fuzzing::read_cursors;
use ringside_model::{Cursor, Room};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    reads_back::<Cursor>(text);
    reads_back::<Room>(text);
    if let Some(id) = JournalEntryId::parse(text) {
        assert_eq!(JournalEntryId::parse(&id.to_string()), Some(id));
    }
    if let Ok(room) = text.parse::<Room>() {
        assert_eq!(room.to_string(), text, "a room has one spelling");
        assert_ne!(room, Room::Directory, "the directory is for gateways only");
    }
    if let Ok(printed) = read_cursors(text) {
        assert!(printed.split(',').count() <= 100, "{printed}");
        assert_eq!(read_cursors(&printed).as_deref(), Ok(&*printed));
    }
}

fn reads_back<T: FromStr + Display + Debug + PartialEq>(text: &str)
where
    T::Err: Debug + PartialEq,
{
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse::<T>().as_ref(), Ok(&value));
    }
}
