//! The overview of one scope: its campaigns' newest numbers and their sums, made once for all who have that scope.
//!
//! A task watches the tenant's directory and the rooms of the campaigns in scope, as any viewer does, and publishes
//! the rows that changed. It is state alone: who was slow gets all rows that changed since what it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use ringside_access::{PhoneMask, Scope};
use ringside_engine::EngineProbe;
use ringside_model::{Aggregate, CampaignId, Cursor, Epoch, Room, TenantId, Timestamp};
use ringside_wire::{AggregateJson, CampaignSnapshot, DirectoryBody, SeriesPointJson, compose_frame, frame_kind};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::mailbox::{Mailbox, Members, Seat, Watcher};
use super::masked::Masked;
use super::packet::Packet;
use super::row::Row;
use super::series::Summed;
use super::{Hub, Initial, Refusal, RoomCell};

/// How long an overview stays after the last one who watched it.
const LINGER: Duration = Duration::from_secs(15);
/// How long the first look at all campaigns may take.
const READY_WITHIN: Duration = Duration::from_secs(10);
/// So many campaigns are read at once at the first look: a thousand are there within a second, and nobody is stormed.
const JOINED_AT_ONCE: usize = 32;
/// State is published at least so often.
const AT_LEAST_EVERY: Duration = Duration::from_millis(500);
/// More campaigns than this are published once a second.
const MANY: usize = 100;
/// A little less than a second, so that a late tick does not cost a whole one.
const SECOND: Duration = Duration::from_millis(950);

/// The overview of one scope.
pub(crate) struct Overview {
    tenant: TenantId,
    scope: Scope,
    /// Short and never across an await.
    totals: Mutex<Totals>,
    pub(crate) members: Arc<Members>,
    used: Mutex<Instant>,
    ready: watch::Sender<bool>,
    stop: CancellationToken,
}

struct Totals {
    place: Cursor,
    rows: BTreeMap<CampaignId, (Arc<Row>, u64)>,
    summed: Summed,
    aggregate: String,
    point: Option<SeriesPointJson>,
    at: Timestamp,
    initial: Option<Arc<Initial>>,
    /// What was composed for those who come from that place, of the newest publication.
    updates: Vec<(u64, Packet)>,
    /// True where rows are gone, which no update can say: the next publication begins another life.
    rows_gone: bool,
}

/// The rooms that an overview's task watches.
struct Watched {
    mailbox: Arc<Mailbox>,
    directory: Arc<RoomCell>,
    /// By slot; the directory has slot 0. A campaign that is gone leaves its slot empty.
    campaigns: Vec<Option<Followed>>,
    known: BTreeSet<CampaignId>,
    _seat: Seat,
}

struct Followed {
    id: CampaignId,
    cell: Arc<RoomCell>,
    _seat: Seat,
}

impl Overview {
    /// Starts it; see [`Overview::ready`].
    pub(super) fn start(hub: Arc<Hub>, tenant: TenantId, scope: Scope, publish_every: Duration) -> Arc<Self> {
        let overview = Arc::new(Self {
            tenant,
            scope,
            totals: Mutex::new(Totals::new()),
            members: Arc::default(),
            used: Mutex::new(Instant::now()),
            ready: watch::Sender::new(false),
            stop: hub.stopped().child_token(),
        });
        let task = overview.clone();
        tokio::spawn(async move {
            let stop = task.stop.clone();
            stop.run_until_cancelled(task.run(&hub, publish_every)).await;
            debug!(tenant = %task.tenant, scope = %task.scope, "overview ended");
        });
        overview
    }

    /// Returns once all campaigns have been looked at.
    pub(super) async fn ready(&self, probe: &EngineProbe) -> Result<(), Refusal> {
        let mut ready = self.ready.subscribe();
        let ready = probe.within(READY_WITHIN, async { ready.wait_for(|ready| *ready).await.is_ok() });
        if ready.await == Some(true) { Ok(()) } else { Err(Refusal::Unavailable) }
    }

    /// Remembers that somebody is interested.
    pub(super) fn touch(&self) {
        *self.used.lock().expect("nobody panics here") = Instant::now();
    }

    /// False once nobody has watched it for a while; it has ended then. While the engine is away, what is known here is
    /// all there is to show.
    pub(super) fn is_wanted(&self, probe: &EngineProbe) -> bool {
        if self.members.any() || (*self.ready.borrow() && !probe.is_healthy()) {
            self.touch();
        }
        let wanted = self.used.lock().expect("nobody panics here").elapsed() < LINGER;
        if !wanted {
            self.stop.cancel();
        }
        wanted
    }

    /// All rows, the sums and the charts.
    pub(crate) fn initial(&self) -> Arc<Initial> {
        self.totals.lock().expect("nobody panics here").initial()
    }

    /// What is new since a place: nothing, an update, or, from another life of the overview, nothing that fits.
    pub(crate) fn update(&self, since: Cursor) -> Result<Option<(Packet, Cursor, Timestamp)>, OtherLife> {
        let mut totals = self.totals.lock().expect("nobody panics here");
        if since.epoch != totals.place.epoch || since.offset > totals.place.offset {
            return Err(OtherLife);
        }
        if since.offset == totals.place.offset {
            return Ok(None);
        }
        Ok(Some((totals.update(since.offset), totals.place, totals.at)))
    }

    /// All rows and the sums, as an update.
    pub(crate) fn everything(&self) -> (Packet, Cursor, Timestamp) {
        let mut totals = self.totals.lock().expect("nobody panics here");
        (totals.update(0), totals.place, totals.at)
    }

    async fn run(&self, hub: &Arc<Hub>, publish_every: Duration) {
        let mut watched = loop {
            match Watched::begin(hub, &self.tenant).await {
                Ok(watched) => break watched,
                Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
            }
        };
        let mut ticks = tokio::time::interval(publish_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut published = None;
        let mut looked = None;
        loop {
            ticks.tick().await;
            let many = watched.known.len() > MANY;
            // A point of a chart is there for a second: two looks in that time miss none.
            if many && looked.is_some_and(|at: Instant| at.elapsed() < AT_LEAST_EVERY - publish_every / 2) {
                continue;
            }
            looked = Some(Instant::now());
            let Ok(changed) = self.look(hub, &mut watched).await else { continue };
            let waited = published.map_or(Duration::MAX, |at: Instant| at.elapsed());
            let due = if many { waited >= SECOND } else { changed || waited >= AT_LEAST_EVERY - publish_every / 2 };
            if due {
                self.totals.lock().expect("nobody panics here").publish();
                published = Some(Instant::now());
                self.members.tell();
                if !*self.ready.borrow() {
                    self.ready.send_replace(true);
                }
            }
        }
    }

    /// Takes over what is new in the rooms; true where anything is.
    async fn look(&self, hub: &Arc<Hub>, watched: &mut Watched) -> Result<bool, Refusal> {
        let mut slots = Vec::new();
        watched.mailbox.marks().take(&mut slots);
        let mut changed = false;
        if slots.contains(&0)
            && let Some(listed) = watched.listed(&self.scope)
        {
            let gone: Vec<CampaignId> = watched.known.difference(&listed).cloned().collect();
            if !gone.is_empty() {
                watched.leave(&gone);
                self.totals.lock().expect("nobody panics here").forget(&gone);
                changed = true;
            }
            let new: Vec<CampaignId> = listed.into_iter().filter(|id| !watched.known.contains(id)).collect();
            let join = |id: CampaignId| {
                let (hub, tenant) = (hub.clone(), self.tenant.clone());
                async move {
                    let cell = hub.room(&tenant, &Room::Campaign(id.clone())).await?;
                    let initial = cell.initial(&Scope::All, PhoneMask::Hidden, None).await?;
                    Ok((id, cell, initial))
                }
            };
            let mut joining = stream::iter(new.into_iter().map(join)).buffer_unordered(JOINED_AT_ONCE);
            while let Some(joined) = joining.next().await {
                let (id, cell, initial) = match joined {
                    Ok(joined) => joined,
                    Err(refusal) => {
                        // Looked for again at the next tick, with all that was taken out of the mailbox.
                        slots.iter().for_each(|slot| watched.mailbox.mark(*slot));
                        return Err(refusal);
                    }
                };
                let charts: CampaignSnapshot = serde_json::from_slice(&initial.body).unwrap_or_default();
                self.totals.lock().expect("nobody panics here").summed.begin(&id, &charts.series);
                slots.push(watched.add(id, cell));
                changed = true;
            }
        }
        let mut totals = self.totals.lock().expect("nobody panics here");
        for slot in slots.into_iter().filter(|slot| *slot > 0) {
            let Some(Followed { id, cell, .. }) = &watched.campaigns[slot as usize - 1] else { continue };
            let row = cell.with_ring(|ring| ring.state().cloned()).flatten().and_then(|state| state.row());
            if let Some(row) = row {
                changed |= totals.take(id, row);
            }
        }
        Ok(changed)
    }
}

/// A place is of another life of the overview, and the watcher begins anew.
#[derive(Debug)]
pub(crate) struct OtherLife;

impl Watched {
    async fn begin(hub: &Arc<Hub>, tenant: &TenantId) -> Result<Self, Refusal> {
        let directory = hub.room(tenant, &Room::Directory).await?;
        let mailbox = Arc::new(Mailbox::default());
        let seat = directory.members.join(mailbox.clone(), 0);
        mailbox.mark(0);
        Ok(Self { mailbox, directory, campaigns: Vec::new(), known: BTreeSet::new(), _seat: seat })
    }

    /// Campaigns of the directory that are in scope. A directory that nobody has published yet says nothing.
    fn listed(&self, scope: &Scope) -> Option<BTreeSet<CampaignId>> {
        let state = self.directory.with_ring(|ring| ring.state().cloned()).flatten()?;
        let body: DirectoryBody = serde_json::from_slice(&state.body).ok()?;
        let ids = body.campaigns.iter().filter_map(|entry| CampaignId::parse(&entry.id).ok());
        Some(ids.filter(|id| scope.has(id)).collect())
    }

    fn add(&mut self, id: CampaignId, cell: Arc<RoomCell>) -> u32 {
        let slot = self.campaigns.len() as u32 + 1;
        let seat = cell.members.join(self.mailbox.clone(), slot);
        self.known.insert(id.clone());
        self.campaigns.push(Some(Followed { id, cell, _seat: seat }));
        slot
    }

    fn leave(&mut self, gone: &[CampaignId]) {
        self.known.retain(|id| !gone.contains(id));
        for followed in &mut self.campaigns {
            followed.take_if(|followed| gone.contains(&followed.id));
        }
    }
}

impl Totals {
    fn new() -> Self {
        Self {
            place: Cursor { epoch: Epoch(rand::random()), offset: 0 },
            rows: BTreeMap::new(),
            summed: Summed::default(),
            aggregate: String::new(),
            point: None,
            at: Timestamp::now(),
            initial: None,
            updates: Vec::new(),
            rows_gone: false,
        }
    }

    /// Campaigns are not there any more. What they had in the charts was true then, and stays.
    fn forget(&mut self, gone: &[CampaignId]) {
        for id in gone {
            self.rows.remove(id);
            self.summed.forget(id);
        }
        self.rows_gone = true;
    }

    /// Takes a campaign's newest numbers; true where they say something new.
    fn take(&mut self, id: &CampaignId, row: Arc<Row>) -> bool {
        if let Some(point) = &row.metrics.point {
            self.summed.add(id, point);
        }
        let next = self.place.offset + 1;
        match self.rows.get_mut(id) {
            Some((known, _)) if !row.differs(known) => {
                // The sums say how fresh they are; the row itself is as it was.
                *known = row;
                false
            }
            _ => {
                self.rows.insert(id.clone(), (row, next));
                true
            }
        }
    }

    fn publish(&mut self) {
        self.place.offset += 1;
        if std::mem::take(&mut self.rows_gone) {
            self.place.epoch = Epoch(rand::random());
        }
        self.at = Timestamp::now();
        let sum = Aggregate::of(self.rows.values().map(|(row, _)| &row.metrics));
        self.aggregate = serde_json::to_string(&AggregateJson::from(&sum)).expect("sums always serialise");
        self.point = self.summed.complete().and_then(|second| self.summed.second(second));
        self.initial = None;
        self.updates.clear();
    }

    fn members(&self, since: u64) -> String {
        let changed = self.rows.values().filter(|(_, at)| *at > since);
        let rows: Vec<&str> =
            changed.map(|(row, _)| str::from_utf8(&row.json).expect("it was read as JSON before")).collect();
        let point = serde_json::to_string(&self.point).expect("points always serialise");
        format!(r#""campaigns":[{}],"aggregate":{},"point":{point}"#, rows.join(","), self.aggregate)
    }

    fn update(&mut self, since: u64) -> Packet {
        if let Some((_, packet)) = self.updates.iter().find(|(from, _)| *from == since) {
            return packet.clone();
        }
        let body = format!("{{{}}}", self.members(since));
        let kind = frame_kind::METRICS_UPDATE;
        let packet = Packet::new(&compose_frame(kind, Some(&Room::Overview), None, self.at, body.as_bytes()));
        self.updates.push((since, packet.clone()));
        packet
    }

    fn initial(&mut self) -> Arc<Initial> {
        if let Some(initial) = &self.initial {
            return initial.clone();
        }
        let charts = serde_json::to_string(&self.summed.charts()).expect("charts always serialise");
        let initial = Arc::new(Initial {
            room: Room::Overview,
            cursor: None,
            at: self.at,
            body: format!(r#"{{{},"series":{charts}}}"#, self.members(0)).into(),
            place: self.place,
            packet: OnceLock::new(),
            masked: Masked::default(),
        });
        self.initial = Some(initial.clone());
        initial
    }
}
