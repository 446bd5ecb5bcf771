//! The SSE door: unnamed events, each a frame, each with an `id:` that resumes all of the stream's rooms.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream};
use ringside_access::Viewer;
use ringside_http::Peer;
use ringside_model::{Room, Timestamp};
use ringside_wire::frame_kind;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::admission::Admitted;
use super::cursors::Cursors;
use super::expiry::{until_announced, until_over};
use super::goodbye::Goodbye;
use super::ledger::Entry;
use super::lifetime;
use super::session::{Outgoing, Session, plain};
use super::standpoint::Standpoint;
use crate::delivery::Delivery;
use crate::error::Error;
use crate::extract::{AnyViewer, Query, QueryParams};
use crate::hub::{Filter, Mailbox};
use crate::observe::Connected;

const HEARTBEAT_EVERY: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_secs(2);

/// The query of a stream and of a poll.
#[derive(Deserialize)]
pub(crate) struct RoomsQuery {
    pub(super) rooms: Option<String>,
    pub(super) metrics: Option<String>,
    pub(super) wait: Option<u64>,
}

impl QueryParams for RoomsQuery {
    const ALLOWED: &'static str = "rooms and metrics are lists, wait is a whole number of seconds, of which 55 count. Give \
        each at most once, such as rooms=overview,alerts&wait=25.";
}

impl RoomsQuery {
    pub(super) fn filter(&self) -> Option<Filter> {
        let names = self.metrics.as_ref()?.split(',').filter(|name| !name.is_empty()).map(Into::into);
        Filter::of(Some(names.take(200).collect()))
    }
}

/// `GET /events?rooms=…`
pub(crate) async fn stream_events(
    State(delivery): State<Delivery>,
    admitted: Admitted,
    peer: Peer,
    AnyViewer(viewer): AnyViewer,
    Query(query): Query<RoomsQuery>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let cursors = Cursors::parse(query.rooms.as_deref().unwrap_or_default())?;
    open(delivery, admitted, peer, &viewer, cursors, query.filter().as_ref(), &headers)
}

/// `GET /events/alerts`
pub(crate) async fn stream_alerts(
    State(delivery): State<Delivery>,
    admitted: Admitted,
    peer: Peer,
    AnyViewer(viewer): AnyViewer,
    headers: HeaderMap,
) -> Result<Response, Error> {
    open(delivery, admitted, peer, &viewer, Cursors::of(Room::Alerts), None, &headers)
}

fn open(
    delivery: Delivery,
    admitted: Admitted,
    peer: Peer,
    viewer: &Arc<Viewer>,
    mut cursors: Cursors,
    filter: Option<&Filter>,
    headers: &HeaderMap,
) -> Result<Response, Error> {
    // A cursor that can't be read is no reason to stay away for ever, which is what a browser does after a 400.
    let before = headers.get("last-event-id").and_then(|id| id.to_str().ok()).map(Cursors::parse);
    if let Some(Ok(before)) = before {
        cursors.take_over(&before);
    }
    let mailbox = Arc::new(Mailbox::default());
    let session = begin(&delivery, viewer.clone(), &mailbox, &cursors, filter)?;
    admitted.enter();
    let standpoint = Arc::new(Standpoint::new(cursors));
    let weak = Arc::downgrade(&standpoint);
    let entry = delivery.ledger().enter("sse", viewer, peer.address, weak);
    let mut response = Sse::new(events(delivery, session, mailbox, standpoint, entry)).into_response();
    let headers = response.headers_mut();
    // `Sse` itself says `no-cache`.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(response)
}

/// A session that has joined the rooms at their cursors.
pub(super) fn begin(
    delivery: &Delivery,
    viewer: Arc<Viewer>,
    mailbox: &Arc<Mailbox>,
    cursors: &Cursors,
    filter: Option<&Filter>,
) -> Result<Session, Error> {
    let mut session = Session::new(delivery.clone(), viewer, mailbox.clone());
    for (room, cursor) in cursors.iter() {
        let filter = filter.filter(|_| *room == Room::Metrics).cloned();
        session.join(room.clone(), *cursor, filter)?;
    }
    Ok(session)
}

struct Streaming {
    delivery: Delivery,
    session: Session,
    mailbox: Arc<Mailbox>,
    standpoint: Arc<Standpoint>,
    waiting: VecDeque<Outgoing>,
    queued_bytes: usize,
    ended: bool,
    /// When it is its turn to go, and when to come back, once that is known.
    turn: Option<Instant>,
    bye_ms: Option<u64>,
    /// When it has lasted long enough.
    lasts_until: Instant,
    taken_back: watch::Receiver<u64>,
    /// True once it was told that its token ends.
    warned: bool,
    first: bool,
    counted: Connected,
    _entry: Entry,
    _tracked: tokio_util::task::task_tracker::TaskTrackerToken,
}

fn events(
    delivery: Delivery,
    session: Session,
    mailbox: Arc<Mailbox>,
    standpoint: Arc<Standpoint>,
    entry: Entry,
) -> impl Stream<Item = Result<Event, Infallible>> {
    let lifetime = lifetime::lifetime(delivery.settings().max_age, rand::random());
    let streaming = Streaming {
        _tracked: delivery.connections().token(),
        taken_back: delivery.access().revocations().watch(),
        delivery,
        session,
        mailbox,
        standpoint,
        counted: Connected::by("sse", entry.id()),
        _entry: entry,
        waiting: VecDeque::new(),
        queued_bytes: 0,
        ended: false,
        turn: None,
        bye_ms: None,
        lasts_until: Instant::now() + lifetime,
        warned: false,
        first: true,
    };
    stream::unfold(streaming, async |mut streaming| streaming.next().await.map(|event| (Ok(event), streaming)))
}

impl Streaming {
    async fn next(&mut self) -> Option<Event> {
        while self.waiting.is_empty() && !self.ended {
            let batch = self.session.batch().await;
            self.take(batch);
            let (viewer, now) = (self.session.viewer(), Timestamp::now());
            let announced = until_announced(viewer, now);
            let over = until_over(viewer, self.delivery.settings().token_grace, now);
            // Its end comes first, so that it also comes to a stream that always has something to tell.
            tokio::select! {
                biased;
                _ = self.taken_back.changed() => {
                    if !self.delivery.access().revocations().allows(self.session.viewer()) {
                        self.waiting.clear();
                        self.end(4401, "the login was taken back");
                    }
                }
                () = tokio::time::sleep(over) => self.end(4401, "the login has ended"),
                () = tokio::time::sleep(announced), if !self.warned => {
                    self.warned = true;
                    let body = json!({ "expiresAt": self.session.viewer().expires_at.to_string() });
                    self.waiting.push_back(plain(frame_kind::AUTH_EXPIRING, None, &body));
                }
                () = self.delivery.goodbye().turn(&mut self.turn) => {
                    self.end(4503, "this gateway is going away");
                    self.leave(Goodbye::retry_ms()).await;
                }
                () = tokio::time::sleep_until(self.lasts_until) => {
                    self.end(4600, "it has lasted long enough");
                    self.leave(lifetime::retry_ms()).await;
                }
                () = std::future::ready(()), if !self.waiting.is_empty() => {}
                () = self.mailbox.rang() => {}
                () = tokio::time::sleep(HEARTBEAT_EVERY) => {
                    self.waiting.push_back(plain(frame_kind::HEARTBEAT, None, &json!({})));
                }
            }
        }
        let Some(outgoing) = self.waiting.pop_front() else {
            let retry_ms = self.bye_ms.take()?;
            let bye = plain(frame_kind::BYE, None, &json!({ "retryMs": retry_ms }));
            return Some(Event::default().data(bye.packet.text()).retry(Duration::from_millis(retry_ms)));
        };
        self.queue(self.queued_bytes.saturating_sub(outgoing.packet.len()));
        let mut event = Event::default().data(outgoing.packet.text());
        let reached = outgoing.reached.and_then(|(slot, cursor)| Some((self.session.room(slot)?, cursor)));
        if let Some((room, cursor)) = reached {
            event = event.id(self.standpoint.with_reached(|cursors| {
                cursors.reach(room, cursor);
                cursors.to_string()
            }));
        }
        if std::mem::take(&mut self.first) {
            event = event.retry(RETRY);
        }
        Some(event)
    }

    /// Nothing more is read; what waits still goes out.
    fn end(&mut self, code: u16, reason: &'static str) {
        self.counted.ends(code, reason);
        self.ended = true;
    }

    /// Says goodbye, after what has come until now.
    async fn leave(&mut self, retry_ms: u64) {
        let rest = self.session.rest().await;
        self.take(rest);
        self.bye_ms = Some(retry_ms);
    }

    fn queue(&mut self, bytes: usize) {
        self.queued_bytes = bytes;
        self.standpoint.queued(bytes);
    }

    fn take(&mut self, batch: Vec<Outgoing>) {
        self.counted.sent(batch.len(), batch.iter().filter_map(|outgoing| outgoing.at).min());
        let bytes = batch.iter().map(|outgoing| outgoing.packet.len()).sum();
        self.counted.left_out(self.session.take_left_out());
        self.counted.wrote(bytes);
        self.queue(self.queued_bytes + bytes);
        self.waiting.extend(batch);
    }
}
