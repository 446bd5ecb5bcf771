//! One room as one client watches it: from its first frame on, or from where it was.

use std::sync::Arc;
use std::time::Instant;

use ringside_access::{PhoneMask, Scope, Viewer};
use ringside_model::{Cursor, Room, Timestamp};
use ringside_wire::{compose_frame, frame_kind};

use crate::hub::{
    Filter, Frame, Hub, Overview, Packet, Past, Place, Reading, Refusal, RoomCell, RoomPacket, Seat, Sight, Watcher,
};
use crate::observe::{self, ResumedFrom};

/// A room that a client has joined.
pub(crate) struct Watch {
    phase: Phase,
    source: Option<Source>,
    pub(crate) filter: Option<Filter>,
    /// True where the newest state is to be sent, new or not.
    pub(crate) refresh: bool,
    /// True while it stands among what the session has to read.
    pub(crate) due: bool,
    pub(crate) room: Arc<Room>,
    pub(crate) refreshed: Option<Instant>,
    /// Not before: the last try to read it has failed.
    pub(crate) again: Option<Instant>,
    /// What was sent when the client was last asked whether it is there, and what it has for sure.
    pub(crate) asked: Option<Cursor>,
    pub(crate) acknowledged: Option<Cursor>,
}

enum Phase {
    /// Nothing was sent yet; the client has this place or none.
    Start(Option<Cursor>),
    /// It is further back than the ring: events come from the engine, page by page.
    CatchUp(Place, Option<(Arc<Past>, usize)>),
    /// It gets what comes.
    Live(Place),
}

enum Source {
    Room(Arc<RoomCell>, #[expect(dead_code, reason = "held for its drop")] Seat),
    Overview(Arc<Overview>, #[expect(dead_code, reason = "held for its drop")] Seat),
}

/// Whether there is more to read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// It waits for news.
    Waits,
    /// It has more than fitted.
    More,
}

struct ViewerSight<'a> {
    scope: &'a Scope,
    numbers: PhoneMask,
    filter: Option<&'a Filter>,
}

impl<'a> ViewerSight<'a> {
    fn new(viewer: &'a Viewer, filter: Option<&'a Filter>) -> Self {
        Self { scope: &viewer.scope, numbers: viewer.role.phone_mask(), filter }
    }
}

impl Sight for ViewerSight<'_> {
    fn sees(&self, frame: &Frame) -> bool {
        frame.about.as_deref().is_none_or(|campaign| self.scope.has_id(campaign))
    }

    fn told<'f>(&self, frame: &'f Frame) -> &'f Frame {
        frame.seen_with(self.numbers)
    }

    fn state(&self, frame: &Frame, conflated: u64) -> Packet {
        match self.filter {
            Some(filter) => frame.packet_filtered(filter),
            None if frame.room.has_cursor() => frame.packet_after(conflated),
            None => frame.packet(),
        }
    }
}

impl Watch {
    pub(crate) fn new(room: Room, cursor: Option<Cursor>, filter: Option<Filter>) -> Self {
        Self {
            room: Arc::new(room),
            filter,
            refresh: false,
            due: false,
            refreshed: None,
            again: None,
            asked: None,
            acknowledged: cursor,
            phase: Phase::Start(cursor),
            source: None,
        }
    }

    /// The place that was reached with what was sent.
    pub(crate) fn sent(&self) -> Option<Cursor> {
        match &self.phase {
            Phase::Start(_) => None,
            Phase::CatchUp(place, _) | Phase::Live(place) => Some(place.reached),
        }
    }

    /// Forgets what was sent: the next thing is an `initial`.
    pub(crate) fn begin_anew(&mut self) {
        self.phase = Phase::Start(None);
        self.source = None;
    }

    /// Reads what is new, up to about `room_bytes`; none where somebody has to be waited for: see [`Watch::read`].
    pub(crate) fn read_now(&mut self, viewer: &Viewer, room_bytes: usize, out: &mut Vec<RoomPacket>) -> Option<Step> {
        let (cell, place) = match (self.source.as_ref()?, &mut self.phase) {
            (Source::Overview(overview, _), _) => {
                let overview = overview.clone();
                self.read_overview(&overview, out);
                return Some(Step::Waits);
            }
            (Source::Room(cell, _), Phase::Live(place)) => (cell, place),
            (Source::Room(..), Phase::Start(_) | Phase::CatchUp(..)) => return None,
        };
        let sight = ViewerSight::new(viewer, self.filter.as_ref());
        let refresh = self.refresh;
        let reading = cell.with_ring(|ring| {
            let reading = ring.read(place, &sight, room_bytes, out);
            if reading == Reading::Done && refresh {
                out.extend(ring.newest_state(place, &sight));
            }
            reading
        });
        match reading? {
            Reading::Done => {
                self.refresh = false;
                Some(Step::Waits)
            }
            Reading::More => Some(Step::More),
            Reading::Behind | Reading::Other => None,
        }
    }

    /// Reads what there is for this client, up to about `room_bytes`.
    pub(crate) async fn read(
        &mut self,
        hub: &Arc<Hub>,
        viewer: &Viewer,
        watcher: (&Arc<dyn Watcher>, u32),
        room_bytes: usize,
        out: &mut Vec<RoomPacket>,
    ) -> Result<Step, Refusal> {
        if self.source.is_none() {
            self.source = Some(Source::join(hub, viewer, &self.room, watcher).await?);
        }
        let sent = bytes(out);
        loop {
            let left = room_bytes.saturating_sub(bytes(out) - sent);
            if let Some(step) = self.read_now(viewer, left, out) {
                return Ok(step);
            }
            let Some(Source::Room(cell, _)) = &self.source else { return Err(Refusal::Unavailable) };
            let cell = cell.clone();
            if let Some(step) = self.go_on(&cell, viewer, left, out).await? {
                return Ok(step);
            }
        }
    }

    fn read_overview(&mut self, overview: &Overview, out: &mut Vec<RoomPacket>) {
        let since = match &self.phase {
            Phase::Start(cursor) => *cursor,
            Phase::Live(place) | Phase::CatchUp(place, _) => Some(place.reached),
        };
        let resumes = matches!(self.phase, Phase::Start(Some(_)));
        let refresh = std::mem::take(&mut self.refresh);
        let reached = match since.map(|since| (since, overview.update(since))) {
            Some((since, Ok(None))) if !refresh => since,
            Some((_, Ok(_))) if refresh => push_update(out, overview.everything()),
            Some((_, Ok(Some(update)))) => push_update(out, update),
            Some((since, Ok(None))) => since,
            None | Some((_, Err(_))) => {
                let initial = overview.initial();
                let reached = initial.place;
                out.push(RoomPacket::plain(initial.packet(), Some(reached), Some(initial.at)));
                reached
            }
        };
        if resumes {
            let served = since.is_some_and(|since| since.epoch == reached.epoch);
            observe::resumed(if served { ResumedFrom::Ring } else { ResumedFrom::Snapshot });
        }
        let place = Place { generation: 0, reached, read: 0, index: 0, announced: 0, resuming: false };
        self.phase = Phase::Live(place);
    }

    /// One step towards where [`Watch::read_now`] does.
    async fn go_on(
        &mut self,
        cell: &Arc<RoomCell>,
        viewer: &Viewer,
        room_bytes: usize,
        out: &mut Vec<RoomPacket>,
    ) -> Result<Option<Step>, Refusal> {
        match &mut self.phase {
            Phase::Start(None) => {
                let initial = cell.initial(&viewer.scope, viewer.role.phone_mask(), self.filter.as_ref()).await?;
                let place = cell.with_ring(|ring| {
                    (ring.epoch() == initial.place.epoch).then(|| ring.place(initial.place.offset, false))
                });
                // None where another life of the room began in between: then again.
                if let Some(place) = place.flatten() {
                    out.push(RoomPacket::plain(initial.packet(), Some(initial.place), Some(initial.at)));
                    self.phase = Phase::Live(place);
                }
            }
            Phase::Start(Some(cursor)) => {
                let cursor = *cursor;
                match self.resume(cell, cursor).await? {
                    Ok(phase) => {
                        let past = matches!(phase, Phase::CatchUp(..));
                        observe::resumed(if past { ResumedFrom::Stream } else { ResumedFrom::Ring });
                        self.phase = phase;
                    }
                    Err(reason) => {
                        observe::resumed(ResumedFrom::Snapshot);
                        self.reset(reason, out);
                    }
                }
            }
            Phase::CatchUp(place, page) => {
                let sight = ViewerSight::new(viewer, self.filter.as_ref());
                match catch_up(cell, &self.room, place, page, &sight, room_bytes, out).await? {
                    CatchUp::Through(place) => self.phase = Phase::Live(place),
                    CatchUp::More => return Ok(Some(Step::More)),
                    CatchUp::Reset(reason) => self.reset(reason, out),
                }
            }
            Phase::Live(place) => {
                // The ring has moved on, or is of another life.
                let now = cell.with_ring(|ring| (ring.generation(), ring.epoch())).ok_or(Refusal::Unavailable)?;
                let place = *place;
                if now.0 == place.generation {
                    self.phase = Phase::CatchUp(place, None);
                } else {
                    self.reset(if now.1 == place.reached.epoch { "too_old" } else { "other_epoch" }, out);
                }
            }
        }
        Ok(None)
    }

    /// Where somebody with a cursor goes on, or why it can't be served.
    async fn resume(&self, cell: &RoomCell, cursor: Cursor) -> Result<Result<Phase, &'static str>, Refusal> {
        if cell.with_ring(|ring| cursor.epoch == ring.epoch() && cursor.offset > ring.head()) == Some(true) {
            // The news of it may be on its way here.
            cell.catch_up().await?;
        }
        let events_count = self.room.has_cursor();
        let phase = cell.with_ring(|ring| {
            if cursor.epoch != ring.epoch() {
                return Err("other_epoch");
            }
            if cursor.offset > ring.head() {
                return Err("from_future");
            }
            // Rooms of state alone have nothing to catch up with but the newest state.
            let place = ring.place(cursor.offset, events_count);
            Ok(if ring.covers(cursor.offset) || !events_count {
                Phase::Live(place)
            } else {
                Phase::CatchUp(place, None)
            })
        });
        phase.ok_or(Refusal::Unavailable)
    }

    fn reset(&mut self, reason: &'static str, out: &mut Vec<RoomPacket>) {
        if self.room.has_cursor() {
            let body = format!(r#"{{"reason":"{reason}"}}"#);
            let text = compose_frame(frame_kind::RESET, Some(&self.room), None, Timestamp::now(), body.as_bytes());
            out.push(RoomPacket::plain(Packet::new(&text), None, None));
            observe::reset(reason);
        }
        self.phase = Phase::Start(None);
    }
}

fn push_update(out: &mut Vec<RoomPacket>, (packet, place, at): (Packet, Cursor, Timestamp)) -> Cursor {
    out.push(RoomPacket::plain(packet, Some(place), Some(at)));
    place
}

fn bytes(out: &[RoomPacket]) -> usize {
    out.iter().map(|delivery| delivery.packet.len()).sum()
}

enum CatchUp {
    Through(Place),
    More,
    Reset(&'static str),
}

/// Sends events from the engine's history until the ring takes over.
async fn catch_up(
    cell: &RoomCell,
    room: &Arc<Room>,
    place: &mut Place,
    page: &mut Option<(Arc<Past>, usize)>,
    sight: &ViewerSight<'_>,
    room_bytes: usize,
    out: &mut Vec<RoomPacket>,
) -> Result<CatchUp, Refusal> {
    let mut left = room_bytes;
    loop {
        let same = cell.with_ring(|ring| (ring.generation() == place.generation, ring.covers(place.read)));
        match same {
            Some((true, true)) => return Ok(CatchUp::Through(*place)),
            Some((true, false)) => {}
            Some((false, _)) | None => return Ok(CatchUp::Reset("other_epoch")),
        }
        let (past, next) = match page.take() {
            Some(page) => page,
            None => (cell.past(Cursor { offset: place.read, ..place.reached }).await?, 0),
        };
        let view = past.seen_with(room, sight.numbers);
        if view.epoch != place.reached.epoch {
            return Ok(CatchUp::Reset("other_epoch"));
        }
        if view.trimmed > place.read && next == 0 {
            return Ok(CatchUp::Reset("too_old"));
        }
        for (n, event) in view.events.iter().enumerate().skip(next) {
            if left == 0 {
                *page = Some((past.clone(), n));
                return Ok(CatchUp::More);
            }
            place.read = event.offset;
            let frame = Frame::new(room, event.clone());
            if !sight.sees(&frame) {
                continue;
            }
            let conflated = event.offset - place.reached.offset - 1;
            let packet = frame.packet_after(conflated);
            left = left.saturating_sub(packet.len());
            place.reached = frame.cursor;
            out.push(RoomPacket { packet, cursor: Some(frame.cursor), at: Some(frame.at), conflated, skipped: 0 });
        }
        if !view.more {
            place.read = place.read.max(view.head);
        }
    }
}

impl Source {
    async fn join(
        hub: &Arc<Hub>,
        viewer: &Viewer,
        room: &Room,
        (watcher, slot): (&Arc<dyn Watcher>, u32),
    ) -> Result<Self, Refusal> {
        if *room == Room::Overview {
            let overview = hub.overview(viewer).await?;
            let seat = overview.members.join(watcher.clone(), slot);
            return Ok(Self::Overview(overview, seat));
        }
        let cell = hub.room(&viewer.tenant, room).await?;
        let seat = cell.members.join(watcher.clone(), slot);
        Ok(Self::Room(cell, seat))
    }
}
