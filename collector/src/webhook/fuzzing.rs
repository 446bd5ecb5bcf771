//! The parsers of bodies, only for the fuzz targets in `fuzz/`.

use axum::http::HeaderMap;
use ringside_intake::IncomingEvent;
use ringside_wire::BadEvent;

use super::Limits;
use super::body::{Form, Lines, read_event, too_long};
use super::receive::read_events;

/// Parses the events of a body, except events in lines.
pub fn read(headers: &HeaderMap, body: &[u8], limits: &Limits) -> Result<Vec<Result<IncomingEvent, BadEvent>>, String> {
    let form = Form::of(headers).map_err(|problem| format!("{problem:?}"))?;
    let read = read_events(form, headers, body, limits).map_err(|problem| format!("{problem:?}"))?;
    Ok(read.unwrap_or_default())
}

/// Parses the events of a body in lines that arrives in chunks.
pub fn read_lines<'a>(
    chunks: impl IntoIterator<Item = &'a [u8]>,
    limits: &Limits,
) -> Vec<Result<IncomingEvent, BadEvent>> {
    let (mut lines, mut read) = (Lines::default(), Vec::new());
    let mut on_line = |line: Option<&[u8]>| {
        read.push(line.map_or_else(|| Err(too_long(limits)), |line| read_event(line, limits)));
    };
    for chunk in chunks {
        lines.push(chunk, limits.event_bytes, &mut on_line);
    }
    lines.finish(&mut on_line);
    read
}
