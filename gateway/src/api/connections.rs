//! The connections of this gateway, for admins. Each is asked for its rooms only now.

use axum::extract::State;
use axum::response::Response;
use ringside_access::Permission;
use ringside_model::{Room, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::json_answer;
use crate::delivery::{Delivery, Line, Look};
use crate::error::Error;
use crate::extract::{Query, QueryParams, User, require};

const DEFAULT_LIMIT: usize = 100;
const LARGEST_LIMIT: usize = 1_000;
/// After so many that were asked, others get their turn.
const ASKED_AT_ONCE: usize = 256;

#[derive(Deserialize)]
pub(crate) struct ConnectionsQuery {
    user: Option<String>,
    room: Option<String>,
    limit: Option<usize>,
    after: Option<u64>,
}

impl QueryParams for ConnectionsQuery {
    const ALLOWED: &'static str = "user and room are names, limit is a whole number, 1 to 1000; after is the \"next\" of \
        the page that came last. Give each at most once, such as room=overview&limit=100.";
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ConnectionJson {
    id: u64,
    user: String,
    transport: &'static str,
    address: Option<String>,
    connected_at: String,
    age_ms: i64,
    queued_bytes: Option<usize>,
    pace: Option<&'static str>,
    rooms: Option<Vec<RoomJson>>,
}

#[derive(Serialize)]
struct RoomJson {
    room: String,
    sent: Option<String>,
    acked: Option<String>,
}

/// `GET /admin/connections?user=&room=&limit=&after=`: in the order in which they came. One that is too busy to be looked
/// at is listed without its rooms, unless rooms are asked for.
pub(crate) async fn list_connections(
    State(delivery): State<Delivery>,
    User(viewer): User,
    Query(query): Query<ConnectionsQuery>,
) -> Result<Response, Error> {
    require(&viewer, Permission::Administer)?;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=LARGEST_LIMIT).contains(&limit) {
        return Err(Error::BadRequest(format!("limit must be 1 to {LARGEST_LIMIT}.")));
    }
    let room: Option<Room> = query
        .room
        .as_deref()
        .map(str::parse)
        .transpose()
        .map_err(|bad| Error::BadRequest(format!("\"{}\": {bad}.", query.room.as_deref().unwrap_or_default())))?;
    let after = query.after.unwrap_or(0);
    let (now, mut total) = (Timestamp::now(), 0);
    let mut page = Vec::new();
    let mut more = false;
    for (n, (id, line)) in delivery.ledger().of(&viewer.tenant).into_iter().enumerate() {
        if query.user.as_ref().is_some_and(|user| *user != line.viewer.user) {
            continue;
        }
        let on_page = id > after && page.len() < limit;
        let look = if on_page || room.is_some() { line.look() } else { None };
        if n % ASKED_AT_ONCE == ASKED_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        let is_in = |room: &Room| look.as_ref().is_some_and(|look| look.rooms.iter().any(|found| found.room == *room));
        if room.as_ref().is_some_and(|room| !is_in(room)) {
            continue;
        }
        total += 1;
        if on_page {
            page.push(ConnectionJson::of(id, &line, look, now));
        } else if id > after {
            more = true;
        }
    }
    let next = page.last().filter(|_| more).map(|last| last.id);
    Ok(json_answer(json!({ "connections": page, "total": total, "next": next }).to_string()))
}

impl ConnectionJson {
    fn of(id: u64, line: &Line, look: Option<Look>, now: Timestamp) -> Self {
        Self {
            id,
            user: line.viewer.user.clone(),
            transport: line.transport,
            address: line.address.map(|address| address.to_string()),
            connected_at: line.connected_at.to_string(),
            age_ms: now.since(line.connected_at).max(0),
            queued_bytes: look.as_ref().map(|look| look.queued_bytes),
            pace: look.as_ref().map(|look| look.pace),
            rooms: look.map(|look| look.rooms.into_iter().map(RoomJson::from).collect()),
        }
    }
}

impl From<crate::delivery::RoomLook> for RoomJson {
    fn from(look: crate::delivery::RoomLook) -> Self {
        Self {
            room: look.room.to_string(),
            sent: look.sent.map(|cursor| cursor.to_string()),
            acked: look.acked.map(|cursor| cursor.to_string()),
        }
    }
}
