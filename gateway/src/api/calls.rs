//! A campaign's recent calls, page by page into the past, as far as its room's history goes.

use axum::extract::State;
use axum::response::Response;
use ringside_engine::{ReadFrom, RoomId};
use ringside_model::{Cursor, Room};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::campaigns::existing;
use super::json_answer;
use crate::error::Error;
use crate::extract::{Path, Query, QueryParams, User};
use crate::hub::{RoomReader, mask_calls};

const DEFAULT_LIMIT: usize = 50;
const LARGEST_LIMIT: usize = 500;

#[derive(Deserialize)]
pub(crate) struct CallsQuery {
    limit: Option<usize>,
    before: Option<String>,
}

impl QueryParams for CallsQuery {
    const ALLOWED: &'static str = "limit is a whole number, 1 to 500; before is the \"before\" of the page that came \
        last. Give each at most once, such as limit=50.";
}

#[derive(Deserialize)]
struct Batch {
    calls: Vec<Box<RawValue>>,
}

/// `GET /analytics/campaigns/{id}/calls?limit=&before=`: newest first. A page holds whole batches, so it may hold a
/// little more than `limit`.
pub(crate) async fn list_calls(
    State(reader): State<RoomReader>,
    User(viewer): User,
    Path(id): Path<String>,
    Query(query): Query<CallsQuery>,
) -> Result<Response, Error> {
    let (id, _) = existing(&reader, &viewer, &id).await?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Error::BadRequest(format!("limit must be 1 to {LARGEST_LIMIT}.")));
    }
    let before: Option<Cursor> = query
        .before
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|_| Error::BadRequest("before must be the \"before\" of the page that came last.".to_owned()))?;
    let room = RoomId::new(viewer.tenant.clone(), Room::Calls(id));
    // In this room every publication is an event, so the `limit` offsets before a place hold as many.
    let from = match before {
        None => ReadFrom::Newest(limit),
        Some(before) => ReadFrom::After { offset: before.offset.saturating_sub(1 + limit as u64), limit },
    };
    let view = reader.read_room(&room, from).await?;
    if before.is_some_and(|before| before.epoch != view.epoch) {
        return Err(Error::BadRequest("These pages are from before a restart; begin without \"before\".".to_owned()));
    }
    let numbers = viewer.role.phone_mask();
    let mut calls: Vec<Box<RawValue>> = Vec::new();
    let mut oldest = None;
    for event in view.events.iter().rev().filter(|event| before.is_none_or(|before| event.offset < before.offset)) {
        let batch: Batch =
            serde_json::from_slice(&mask_calls(numbers, &event.body)).map_err(|error| Error::internal(&error))?;
        calls.extend(batch.calls.into_iter().rev());
        oldest = Some(event.offset);
        if calls.len() >= limit {
            break;
        }
    }
    let next = oldest.filter(|oldest| *oldest > view.trimmed + 1).map(|offset| Cursor { epoch: view.epoch, offset });
    let cursor = Cursor { epoch: view.epoch, offset: view.head };
    let body = json!({
        "calls": calls,
        "before": next.map(|cursor| cursor.to_string()),
        "cursor": cursor.to_string(),
    });
    Ok(json_answer(body.to_string()))
}
