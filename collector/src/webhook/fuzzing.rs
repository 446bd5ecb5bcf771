//! The readers of bodies, for the fuzz targets in `fuzz/` and nobody else.

use axum::http::HeaderMap;
use ringside_intake::IncomingEvent;
use ringside_wire::BadEvent;

use super::Limits;
use super::body::{Form, Lines, read_event, too_long};
use super::receive::read_events;

/// Each event of a body, or why the body can't be read. Events in lines are not read.
pub fn read(headers: &HeaderMap, body: &[u8], limits: &Limits) -> Result<Vec<Result<IncomingEvent, BadEvent>>, String> {
    let form = Form::of(headers).map_err(|problem| format!("{problem:?}"))?;
    let read = read_events(form, headers, body, limits).map_err(|problem| format!("{problem:?}"))?;
    Ok(read.unwrap_or_default())
}

/// Each event of a body in lines that comes in pieces.
pub fn read_lines<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Vec<Result<IncomingEvent, BadEvent>> {
    let (mut lines, mut read) = (Lines::default(), Vec::new());
    let mut tell = |line: Option<&[u8]>| {
        read.push(line.map_or_else(|| Err(too_long(limits)), |line| read_event(line, limits)));
    };
    for piece in pieces {
        lines.push(piece, limits.event_bytes, &mut tell);
    }
    lines.finish(&mut tell);
    read
}
