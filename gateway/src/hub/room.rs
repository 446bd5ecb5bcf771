//! A room that somebody here watches: its ring, who watches it, and the reads that fill and repair it.
//!
//! Frames come in from the partition's link. One that does not fit (a gap, another epoch) starts a repair: the room is
//! read from the engine, which has the truth, while the watchers go on with what is here. However many watchers ask
//! for the same, one read answers them all.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringside_access::{PhoneMask, Scope};
use ringside_engine::{Engine, EngineProbe, ReadFrom, RoomFrame, RoomId, RoomView};
use ringside_model::{Cursor, Timestamp};
use ringside_pacing::Backoff;
use tracing::warn;

use super::initial::{self, Initial};
use super::mailbox::Members;
use super::masked::Masked;
use super::past::Past;
use super::ring::{Accepted, RING_FRAMES, Ring};
use super::{Refusal, filter};
use crate::observe::{self, Gap};

/// Pauses between tries to repair a room. When one room can't be read, many can't, and all return with the engine.
const REPAIR_BACKOFF: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
/// How long the engine may take to answer a read that somebody waits for.
const READ_WITHIN: Duration = Duration::from_secs(2);
/// How long somebody waits for it who could be given what is known here.
const KNOWN_AFTER: Duration = Duration::from_secs(1);
/// Who waited for a read that failed so lately is not made to wait for another one.
const FAILED_LATELY: Duration = Duration::from_millis(500);
/// A repair that failed waits for the engine to answer again, but not for longer.
const REPAIRED_EVERY: Duration = Duration::from_secs(5);
/// An `initial` is shared by all who come within this time.
const INITIAL_FRESH: Duration = Duration::from_millis(250);
/// The same where nothing was published since.
const INITIAL_IDLE: Duration = Duration::from_secs(2);
/// So many events come with one read of a resume.
const PAGE: usize = 512;
/// So many pages are remembered for those who resume from the same place.
const PAGES: usize = 4;

/// A room that somebody here watches.
pub(crate) struct RoomCell {
    pub(crate) id: RoomId,
    room: Arc<ringside_model::Room>,
    engine: Arc<dyn Engine>,
    probe: Arc<EngineProbe>,
    /// Short and never across an await.
    inside: Mutex<Inside>,
    pub(crate) members: Arc<Members>,
    /// Held by the one who reads.
    reading: tokio::sync::Mutex<()>,
    /// How often a repair was asked for since the last one began that saw everything.
    repairs_wanted: AtomicU64,
    /// True where the next repair has to drop what is here.
    contradicted: AtomicBool,
    /// When a frame or a read last said where the room is, and when somebody last came, in ms since `born`.
    heard_ms: AtomicU64,
    used_ms: AtomicU64,
    born: Instant,
}

#[derive(Default)]
struct Inside {
    ring: Option<Ring>,
    /// Frames that came before the ring was filled, or after a gap.
    early: VecDeque<RoomFrame>,
    initial: Option<(Instant, Arc<Initial>)>,
    /// The newest snapshot that was read; it is not fanned out.
    snapshot: Option<Bytes>,
    failed: Option<Instant>,
    past: VecDeque<Arc<Past>>,
}

impl RoomCell {
    pub(crate) fn new(id: RoomId, engine: Arc<dyn Engine>, probe: Arc<EngineProbe>) -> Self {
        Self {
            room: Arc::new(id.room.clone()),
            id,
            engine,
            probe,
            inside: Mutex::default(),
            members: Arc::default(),
            reading: tokio::sync::Mutex::default(),
            repairs_wanted: AtomicU64::new(0),
            contradicted: AtomicBool::new(false),
            heard_ms: AtomicU64::new(0),
            used_ms: AtomicU64::new(0),
            born: Instant::now(),
        }
    }

    /// Runs something on the ring, if it is filled.
    pub(crate) fn with_ring<T>(&self, work: impl FnOnce(&Ring) -> T) -> Option<T> {
        self.inside.lock().expect("nobody panics in a room").ring.as_ref().map(work)
    }

    /// Remembers that somebody is interested.
    pub(crate) fn touch(&self) {
        self.used_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    /// How long nobody was interested.
    pub(crate) fn unused(&self) -> Duration {
        Duration::from_millis(self.age_ms().saturating_sub(self.used_ms.load(Ordering::Relaxed)))
    }

    /// How long nothing was heard of it.
    pub(crate) fn silent(&self) -> Duration {
        Duration::from_millis(self.age_ms().saturating_sub(self.heard_ms.load(Ordering::Relaxed)))
    }

    fn heard(&self) {
        self.heard_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    fn age_ms(&self) -> u64 {
        self.born.elapsed().as_millis() as u64
    }

    /// Takes a frame from the link.
    pub(crate) fn accept(self: &Arc<Self>, frame: RoomFrame) {
        self.heard();
        let accepted = {
            let mut inside = self.inside.lock().expect("nobody panics in a room");
            let accepted = inside.ring.as_mut().map(|ring| match self.contradicted.load(Ordering::Acquire) {
                // What follows a contradiction does not follow what is here.
                true => Accepted::Gap,
                false => ring.accept(&frame),
            });
            if accepted == Some(Accepted::Contradiction) {
                self.contradicted.store(true, Ordering::Release);
            }
            if matches!(accepted, None | Some(Accepted::Gap)) {
                // What does not fit here any more is read from the engine.
                inside.early.truncate(RING_FRAMES);
                inside.early.push_back(frame);
            }
            accepted
        };
        match accepted {
            Some(Accepted::New) => self.members.tell(),
            Some(Accepted::Gap | Accepted::Contradiction) => self.repair(),
            Some(Accepted::Known) | None => {}
        }
    }

    /// Makes sure that the ring is filled.
    pub(crate) async fn fill(&self) -> Result<(), Refusal> {
        self.touch();
        if self.is_filled() {
            return Ok(());
        }
        let _one = self.reading.lock().await;
        if self.is_filled() {
            return Ok(());
        }
        if self.failed_lately() {
            return Err(Refusal::Unavailable);
        }
        self.refill(0).await
    }

    /// True where there is something that could be shown.
    pub(crate) fn is_filled(&self) -> bool {
        self.with_ring(|_| ()).is_some()
    }

    fn failed_lately(&self) -> bool {
        let inside = self.inside.lock().expect("nobody panics in a room");
        inside.failed.is_some_and(|at| at.elapsed() < FAILED_LATELY)
    }

    /// The full snapshot for somebody; shared with others who come at the same time. Where the engine does not answer it
    /// is made of what is known here, and its time says how old that is.
    pub(crate) async fn initial(
        &self,
        scope: &Scope,
        numbers: PhoneMask,
        only: Option<&filter::Filter>,
    ) -> Result<Arc<Initial>, Refusal> {
        self.fill().await?;
        let whole = match self.fresh_initial() {
            Some(initial) => initial,
            None => {
                let _one = self.reading.lock().await;
                match self.fresh_initial() {
                    Some(initial) => initial,
                    None => match self.probe.within(KNOWN_AFTER, self.read_initial()).await {
                        Some(Ok(read)) => read,
                        Some(Err(_)) | None => self.known_initial()?,
                    },
                }
            }
        };
        let cut = *self.room == ringside_model::Room::Alerts && *scope != Scope::All;
        if only.is_none() && !cut {
            return Ok(whole.seen_with(numbers));
        }
        let mut body = whole.body.clone();
        if let Some(only) = only {
            body = filter::filter_initial(&body, only);
        }
        if cut {
            body = initial::cut_alerts(&body, scope);
        }
        Ok(Arc::new(whole.with_body(body)).seen_with(numbers))
    }

    fn fresh_initial(&self) -> Option<Arc<Initial>> {
        let inside = self.inside.lock().expect("nobody panics in a room");
        let (ring, (made, initial)) = (inside.ring.as_ref()?, inside.initial.as_ref()?);
        let fresh = if ring.head() == initial.place.offset { INITIAL_IDLE } else { INITIAL_FRESH };
        let usable = made.elapsed() < fresh && ring.epoch() == initial.place.epoch && ring.covers(initial.place.offset);
        usable.then(|| initial.clone())
    }

    async fn read_initial(&self) -> Result<Arc<Initial>, Refusal> {
        // As many as the ring has: then whatever was published since can be taken over without a gap.
        let view = self.read(ReadFrom::Newest(RING_FRAMES)).await?;
        let mut inside = self.inside.lock().expect("nobody panics in a room");
        let Inside { ring, .. } = &mut *inside;
        let changed = match ring {
            Some(ring) if ring.epoch() == view.epoch && reaches(&view, ring.head()) => {
                let before = ring.head();
                ring.absorb(&view);
                ring.head() != before
            }
            Some(ring) => {
                let generation = ring.generation() + 1;
                *ring = Ring::fill(self.room.clone(), generation, &view, RING_FRAMES);
                true
            }
            None => false,
        };
        let initial = self.keep_initial(&mut inside, &view);
        drop(inside);
        if changed {
            self.members.tell();
        }
        Ok(initial)
    }

    fn known_initial(&self) -> Result<Arc<Initial>, Refusal> {
        let mut inside = self.inside.lock().expect("nobody panics in a room");
        let snapshot = inside.snapshot.clone();
        let view = inside.ring.as_ref().map(|ring| ring.view(&self.id, initial::RECENT, snapshot));
        view.map(|view| self.keep_initial(&mut inside, &view)).ok_or(Refusal::Unavailable)
    }

    fn keep_initial(&self, inside: &mut Inside, view: &RoomView) -> Arc<Initial> {
        let place = Cursor { epoch: view.epoch, offset: view.head };
        let newest = view.state.iter().chain(view.events.last()).map(|frame| frame.at).max();
        let initial = Arc::new(Initial {
            room: self.id.room.clone(),
            cursor: self.id.room.has_cursor().then_some(place),
            at: newest.unwrap_or_else(Timestamp::now),
            body: initial::body(&self.id.room, view),
            place,
            packet: OnceLock::new(),
            masked: Masked::default(),
        });
        inside.initial = Some((Instant::now(), initial.clone()));
        inside.snapshot = view.snapshot.clone();
        initial
    }

    /// Events after a place that the ring does not go back to.
    pub(crate) async fn past(&self, after: Cursor) -> Result<Arc<Past>, Refusal> {
        let remembered = || {
            let inside = self.inside.lock().expect("nobody panics in a room");
            let ring = inside.ring.as_ref();
            // A page that ends before the ring begins is from before; it would be read again and again.
            let reaches = |view: &RoomView| view.more || ring.is_some_and(|ring| ring.covers(view.head));
            let fresh = |past: &&Arc<Past>| past.after == after && past.age() < INITIAL_IDLE && reaches(&past.view);
            inside.past.iter().find(fresh).cloned()
        };
        if let Some(past) = remembered() {
            return Ok(past);
        }
        let _one = self.reading.lock().await;
        if let Some(past) = remembered() {
            return Ok(past);
        }
        if self.failed_lately() {
            return Err(Refusal::Unavailable);
        }
        let read = self.read(ReadFrom::After { offset: after.offset, limit: PAGE }).await?;
        let past = Arc::new(Past::new(after, read));
        let mut inside = self.inside.lock().expect("nobody panics in a room");
        inside.past.truncate(PAGES - 1);
        inside.past.push_front(past.clone());
        Ok(past)
    }

    /// Brings the ring to where the engine is now: what somebody with a cursor from the future asks for.
    pub(crate) async fn catch_up(&self) -> Result<(), Refusal> {
        let _one = self.reading.lock().await;
        self.read_on().await.map(|_| ())
    }

    /// Compares the room with the engine and reads what is missing, in the background, until it has worked.
    pub(crate) fn repair(self: &Arc<Self>) {
        if self.repairs_wanted.fetch_add(1, Ordering::AcqRel) > 0 {
            // The task that runs looks again: what it reads just now may be from before this was missed.
            return;
        }
        let cell = self.clone();
        tokio::spawn(async move {
            let mut backoff = REPAIR_BACKOFF;
            // Nobody needs a room that only this task knows.
            while Arc::strong_count(&cell) > 1 {
                let wanted = cell.repairs_wanted.load(Ordering::Acquire);
                let done = {
                    let _one = cell.reading.lock().await;
                    cell.read_on().await
                };
                match done {
                    Ok(true) => {
                        let seen_all =
                            cell.repairs_wanted.compare_exchange(wanted, 0, Ordering::AcqRel, Ordering::Acquire);
                        if seen_all.is_ok() {
                            return;
                        }
                    }
                    Ok(false) => {}
                    Err(_) => {
                        backoff.wait().await;
                        let _ = tokio::time::timeout(REPAIRED_EVERY, cell.probe.healthy()).await;
                    }
                }
            }
            cell.repairs_wanted.store(0, Ordering::Release);
        });
    }

    /// Reads what is after the ring's head; true where the ring then has all there is.
    async fn read_on(&self) -> Result<bool, Refusal> {
        let Some((epoch, head, generation)) = self.with_ring(|ring| (ring.epoch(), ring.head(), ring.generation()))
        else {
            return Ok(true);
        };
        let view = self.read(ReadFrom::After { offset: head, limit: PAGE }).await?;
        let contradicted = self.contradicted.load(Ordering::Acquire);
        let lost = match () {
            () if view.epoch != epoch => Some(Gap::Epoch),
            () if contradicted => Some(Gap::Contradiction),
            () if view.head < head => Some(Gap::Position),
            () if view.trimmed > head => Some(Gap::Missed),
            () => None,
        };
        if let Some(gap) = lost {
            // Another life of the room, or a piece of it is gone: who watches begins anew.
            self.refill(generation + 1).await?;
            observe::gap(gap, false);
            self.members.tell();
            return Ok(true);
        }
        let more = view.more;
        let (complete, changed) = {
            let mut inside = self.inside.lock().expect("nobody panics in a room");
            let Inside { ring, early, .. } = &mut *inside;
            let Some(ring) = ring else { return Ok(true) };
            ring.absorb(&view);
            (take_early(ring, early), ring.head() != head)
        };
        if changed {
            observe::gap(Gap::Missed, true);
            self.members.tell();
        }
        Ok(complete && !more)
    }

    async fn refill(&self, generation: u32) -> Result<(), Refusal> {
        let view = self.read(ReadFrom::Newest(RING_FRAMES)).await?;
        let mut inside = self.inside.lock().expect("nobody panics in a room");
        let mut ring = Ring::fill(self.room.clone(), generation, &view, RING_FRAMES);
        take_early(&mut ring, &mut inside.early);
        inside.ring = Some(ring);
        // Not sooner: until now nothing that came followed what was here.
        self.contradicted.store(false, Ordering::Release);
        inside.past.clear();
        self.keep_initial(&mut inside, &view);
        Ok(())
    }

    async fn read(&self, from: ReadFrom) -> Result<RoomView, Refusal> {
        let read = self.probe.within(READ_WITHIN, self.engine.read_room(&self.id, from)).await;
        match read {
            Some(Ok(view)) => {
                self.heard();
                self.inside.lock().expect("nobody panics in a room").failed = None;
                return Ok(view);
            }
            // Of an engine that is away the operator has been told; a thousand rooms need not repeat it.
            Some(Err(error)) if self.probe.is_healthy() => warn!(room = %self.id, %error, "a room could not be read"),
            None if self.probe.is_healthy() => warn!(room = %self.id, "the engine took too long to read a room"),
            Some(Err(_)) | None => {}
        }
        self.inside.lock().expect("nobody panics in a room").failed = Some(Instant::now());
        Err(Refusal::Unavailable)
    }
}

/// True where the view has all events after `head`.
fn reaches(view: &RoomView, head: u64) -> bool {
    view.head >= head
        && (view.events.len() < RING_FRAMES && view.trimmed <= head
            || view.events.first().is_some_and(|first| first.offset <= head + 1))
}

/// Takes what waited; true where none of it has to wait any longer.
fn take_early(ring: &mut Ring, early: &mut VecDeque<RoomFrame>) -> bool {
    while let Some(frame) = early.front() {
        if ring.accept(frame) == Accepted::Gap && frame.epoch == ring.epoch() {
            return false;
        }
        early.pop_front();
    }
    true
}
