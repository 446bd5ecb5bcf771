//! The polling door: what is new since the last poll, at once or as soon as there is something.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use ringside_http::Peer;
use ringside_model::Timestamp;
use ringside_wire::frame_kind;
use serde_json::json;
use tokio::time::Instant;

use super::cursors::Cursors;
use super::goodbye::Goodbye;
use super::session::{Outgoing, plain};
use super::sse::{RoomsQuery, begin};
use super::standpoint::Standpoint;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::extract::{AnyViewer, Query};
use crate::hub::Mailbox;
use crate::observe::Connected;

/// Proxies cut what is silent for longer.
const LONGEST_WAIT_SECS: u64 = 55;
/// What one answer holds at most, about; the rest comes with the next poll.
const ANSWER_BYTES: usize = 1 << 20;

/// `GET /poll?rooms=…&wait=25`
pub(crate) async fn poll(
    State(delivery): State<Delivery>,
    peer: Peer,
    AnyViewer(viewer): AnyViewer,
    Query(query): Query<RoomsQuery>,
) -> Result<Response, Error> {
    let mut cursors = Cursors::parse(query.rooms.as_deref().unwrap_or_default())?;
    let mailbox = Arc::new(Mailbox::default());
    let mut session = begin(&delivery, viewer.clone(), &mailbox, &cursors, query.filter().as_ref())?;
    let standpoint = Arc::new(Standpoint::new(cursors.clone()));
    let came_with = standpoint.came_with();
    let weak = Arc::downgrade(&standpoint);
    let entry = delivery.ledger().enter("poll", &viewer, peer.address, weak);
    let mut counted = Connected::by("poll", entry.id());
    let _tracked = delivery.connections().token();
    let goodbye = delivery.goodbye();
    let mut taken_back = delivery.access().revocations().watch();
    let expiry = Duration::from_millis(session.viewer().expires_at.since(Timestamp::now()).max(0) as u64);
    let wait = Duration::from_secs(query.wait.unwrap_or(0).min(LONGEST_WAIT_SECS)).min(expiry);
    let until = Instant::now() + wait;
    let mut frames: Vec<Outgoing> = Vec::new();
    let mut bytes = 0;
    loop {
        let mut batch = session.batch().await;
        // A resume ends with the newest state, also with one that the last poll gave out: that is no news.
        let known = |slot, cursor| session.room(slot).is_some_and(|room| came_with.has(room, cursor));
        batch.retain(|outgoing| outgoing.reached.is_none_or(|(slot, cursor)| !known(slot, cursor)));
        bytes += batch.iter().map(|outgoing| outgoing.packet.len()).sum::<usize>();
        standpoint.queued(bytes);
        frames.extend(batch);
        if session.has_more() && bytes < ANSWER_BYTES {
            continue;
        }
        if !frames.is_empty() || goodbye.has_begun() {
            break;
        }
        tokio::select! {
            biased;
            _ = taken_back.changed() => {
                if !delivery.access().revocations().allows(session.viewer()) {
                    return Err(Error::Unauthorized);
                }
            }
            () = tokio::time::sleep_until(until) => break,
            // Around once more: with what has come until now.
            () = goodbye.begun() => {}
            () = mailbox.rang() => {}
        }
    }
    let leaves = goodbye.has_begun();
    if leaves {
        frames.push(plain(frame_kind::BYE, None, &json!({ "retryMs": Goodbye::retry_ms() })));
    }
    for (slot, cursor) in frames.iter().filter_map(|outgoing| outgoing.reached) {
        if let Some(room) = session.room(slot) {
            cursors.reach(room, cursor);
        }
    }
    counted.sent(frames.len(), frames.iter().filter_map(|outgoing| outgoing.at).min());
    let texts: Vec<&str> = frames.iter().map(|outgoing| outgoing.packet.text()).collect();
    // Rooms and cursors are letters, digits and ".:@,-_": nothing that JSON would have to escape.
    let body = format!(r#"{{"frames":[{}],"cursor":"{cursors}"}}"#, texts.join(","));
    counted.wrote(body.len());
    counted.left_out(session.take_left_out());
    let kind = [(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))];
    let mut response = (kind, body).into_response();
    if leaves {
        // The next question is to be asked over a new connection, which a balancer opens elsewhere.
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
