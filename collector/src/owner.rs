//! The owner of a partition: reads its log, folds, publishes, then checkpoints.
//!
//! One task for each partition. It takes the lease, loads the last checkpoint, replays what came after it and goes on
//! live. Whatever goes wrong (the lease lost, the engine away, its memory not the engine's) ends the stint; the next
//! one starts from the checkpoint. Nothing is lost by that, because the log is the truth, and nothing is published
//! twice, because the engine knows which positions it has published.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ringside_shared::engine::{Batch, Engine, EngineError, Partition, Position, Publication, Token};
use ringside_shared::model::{Event, Timestamp};
use ringside_shared::wire::Record;
use tokio::task::JoinSet;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use crate::fold::{Changes, DamagedState, Fold, FoldSettings};
use crate::publish::{Due, Newsroom};

/// How far the owners of this process have come since it started: what readiness asks.
#[derive(Debug, Clone, Default)]
pub struct Progress(Arc<AtomicUsize>);

impl Progress {
    /// Partitions whose log has not been folded to its end yet.
    pub fn behind(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// How an owner works.
#[derive(Debug, Clone)]
pub struct OwnerSettings {
    /// The rules of the fold.
    pub fold: Arc<FoldSettings>,
    /// How often changed state is published.
    pub state_every: Duration,
    /// How long events may wait for more, once something was published just before.
    pub events_every: Duration,
    /// How often state and log position are written down together.
    pub checkpoint_every: Duration,
    /// How long a lease lasts; a dead owner's partition is free after it.
    pub lease: Duration,
    /// Who this is, for the lease.
    pub holder: String,
    /// Where it says how far it has come.
    pub progress: Progress,
}

impl OwnerSettings {
    /// The usual intervals.
    pub fn new(fold: Arc<FoldSettings>, holder: String) -> Self {
        Self {
            fold,
            state_every: Duration::from_millis(250),
            events_every: Duration::from_millis(10),
            checkpoint_every: Duration::from_secs(2),
            lease: Duration::from_secs(5),
            holder,
            progress: Progress::default(),
        }
    }
}

/// Entries that are folded before the owner looks up to publish.
const ENTRIES_PER_READ: usize = 1_000;
/// All state is published so often, changed or not. Watchers are promised 500 ms; the rest is for the way to them.
const ALL_STATES_EVERY: Duration = Duration::from_millis(450);
/// The owner's second, which the log carries as a tick.
const TICK_EVERY: Duration = Duration::from_secs(1);

/// Why a stint ended.
#[derive(Debug, thiserror::Error)]
enum StintError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Damaged(#[from] DamagedState),
}

/// Owns whichever partitions it can get, until `shutdown`; then publishes, checkpoints and gives them up.
///
/// Not ready from the call on, not only from the first poll of what it returns.
pub fn own_partitions(
    engine: Arc<dyn Engine>,
    settings: OwnerSettings,
    shutdown: CancellationToken,
) -> impl Future<Output = ()> + Send {
    settings.progress.0.store(usize::from(engine.partitions()), Ordering::Relaxed);
    async move {
        let mut owners = JoinSet::new();
        for partition in (0..engine.partitions()).map(Partition) {
            owners.spawn(own(engine.clone(), partition, settings.clone(), shutdown.clone()));
        }
        while owners.join_next().await.is_some() {}
    }
}

async fn own(engine: Arc<dyn Engine>, partition: Partition, settings: OwnerSettings, shutdown: CancellationToken) {
    let mut pause = Duration::from_millis(100);
    let mut behind = Behind(Some(settings.progress.clone()));
    while !shutdown.is_cancelled() {
        let began = Instant::now();
        match serve(&engine, partition, &settings, &mut behind, &shutdown).await {
            Ok(()) => {}
            Err(StintError::Engine(reason @ EngineError::Fenced(_))) => {
                info!(partition = partition.0, %reason, "gave up a partition that another collector took");
            }
            Err(StintError::Engine(reason)) => {
                warn!(partition = partition.0, %reason, "a partition's owner starts again from its checkpoint");
            }
            Err(StintError::Damaged(reason)) => {
                error!(partition = partition.0, %reason, "a partition's checkpoint can't be read; its campaigns stand still until it is restored");
            }
        }
        // A stint that lasted was healthy: begin the backoff anew.
        pause = if began.elapsed() > Duration::from_secs(10) { Duration::from_millis(100) } else { pause * 2 };
        pause = pause.min(Duration::from_secs(5));
        tokio::select! {
            () = sleep(pause) => {}
            () = shutdown.cancelled() => {}
        }
    }
}

/// One stint: from the lease to its end.
async fn serve(
    engine: &Arc<dyn Engine>,
    partition: Partition,
    settings: &OwnerSettings,
    behind: &mut Behind,
    shutdown: &CancellationToken,
) -> Result<(), StintError> {
    let Some(token) = engine.acquire(partition, &settings.holder, settings.lease).await? else {
        behind.end(); // It is another collector's to catch up with.
        return Ok(());
    };
    let result = match Stint::begin(engine.clone(), token, settings.clone()).await {
        Ok(mut stint) => stint.run(behind, shutdown).await,
        Err(failed) => Err(failed),
    };
    if let Err(reason) = engine.release(token).await {
        debug!(partition = partition.0, %reason, "could not give up the lease; it lapses by itself");
    }
    result
}

/// One partition's part in [`Progress`], until it has caught up for the first time.
struct Behind(Option<Progress>);

impl Behind {
    fn end(&mut self) {
        if let Some(progress) = self.0.take() {
            progress.0.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

struct Stint {
    engine: Arc<dyn Engine>,
    token: Token,
    settings: OwnerSettings,
    fold: Fold,
    newsroom: Newsroom,
    /// The log is folded up to here.
    folded: Position,
    /// The state of the last checkpoint has the log up to here.
    checkpointed: Position,
    /// Events up to here were published, by this owner or an earlier one.
    published: Position,
    /// Batches published, as far as this owner knows.
    seq: u64,
    /// Records for this or other partitions' logs that came out of the fold and are not appended yet.
    derived: Vec<(Partition, Bytes)>,
    changes: Changes,
    ticked: bool,
    states_at: Instant,
    all_states_at: Instant,
    events_at: Instant,
}

impl Stint {
    async fn begin(engine: Arc<dyn Engine>, token: Token, settings: OwnerSettings) -> Result<Self, StintError> {
        let checkpoint = engine.load(token.partition).await?;
        let fold = Fold::restore(settings.fold.clone(), &checkpoint.entries)?;
        let (now, partitions) = (Instant::now(), engine.partitions());
        Ok(Self {
            engine,
            token,
            settings,
            fold,
            newsroom: Newsroom::new(token.partition, partitions),
            folded: checkpoint.position,
            checkpointed: checkpoint.position,
            published: checkpoint.published,
            seq: checkpoint.seq,
            derived: Vec::new(),
            changes: Changes::default(),
            ticked: true,
            states_at: now,
            all_states_at: now,
            events_at: now,
        })
    }

    async fn run(&mut self, behind: &mut Behind, shutdown: &CancellationToken) -> Result<(), StintError> {
        while self.fold_more().await? {}
        self.publish_states(Due::All).await?;
        behind.end();

        let mut ticks = interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut checkpoints = later(self.settings.checkpoint_every);
        let mut renewals = later(self.settings.lease / 3);
        let engine = self.engine.clone();
        loop {
            let next_event = self.newsroom.has_events().then_some(self.events_at + self.settings.events_every);
            let next_states = (self.states_at + self.settings.state_every).min(self.all_states_at + ALL_STATES_EVERY);
            let next_states = (!self.is_idle()).then_some(next_states);
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = renewals.tick() => {
                    if !engine.renew(self.token, self.settings.lease).await? {
                        return Err(EngineError::Fenced(self.token).into());
                    }
                }
                () = until(next_event) => self.publish_events().await?,
                () = until(next_states) => self.publish_due_states().await?,
                _ = checkpoints.tick() => self.checkpoint().await?,
                _ = ticks.tick(), if !self.is_idle() => {
                    let tick = Record::Tick(Timestamp::now()).encode();
                    engine.append(vec![(self.token.partition, tick)]).await?;
                }
                grown = engine.wait_log(self.token.partition, self.folded, self.settings.lease) => {
                    grown?;
                    self.fold_more().await?;
                }
            }
        }
        self.finish().await
    }

    /// True where nothing ever happened here: no ticks and no frames for empty partitions.
    fn is_idle(&self) -> bool {
        self.fold.tenants().next().is_none() && self.fold.campaigns().next().is_none()
    }

    /// Folds what the log has next; true where there may be more. What is new goes out at once if nothing went out
    /// just before.
    async fn fold_more(&mut self) -> Result<bool, StintError> {
        let entries = self.engine.read_log(self.token.partition, self.folded, ENTRIES_PER_READ).await?;
        let more = entries.len() == ENTRIES_PER_READ;
        for entry in &entries {
            match Record::decode(&entry.record) {
                Ok(Record::Event(event)) => self.fold.apply(&event, &mut self.changes),
                Ok(Record::Tick(now)) => {
                    self.fold.tick(now, &mut self.changes);
                    self.ticked = true;
                }
                // Skipped, not fatal: one unreadable record must not stop a floor. It stays counted and logged.
                Err(reason) => {
                    metrics::counter!("ringside_log_unreadable_total").increment(1);
                    error!(partition = self.token.partition.0, position = entry.position.0, %reason, "skipped a record");
                }
            }
            let partitions = self.engine.partitions();
            self.derived.extend(self.changes.derived.drain(..).map(|event| addressed(event, partitions)));
            self.newsroom.take(&mut self.changes, entry.position <= self.published);
            self.folded = entry.position;
        }
        metrics::counter!("ringside_log_entries_folded_total").increment(entries.len() as u64);
        if !self.derived.is_empty() {
            self.engine.append(std::mem::take(&mut self.derived)).await?;
        }
        if self.newsroom.has_events() && self.events_at.elapsed() >= self.settings.events_every {
            self.publish_events().await?;
        }
        Ok(more)
    }

    async fn publish_events(&mut self) -> Result<(), StintError> {
        self.events_at = Instant::now();
        let publications = self.newsroom.events(&self.fold, self.folded, Timestamp::now());
        self.publish(publications).await
    }

    async fn publish_due_states(&mut self) -> Result<(), StintError> {
        let all = self.all_states_at.elapsed() >= ALL_STATES_EVERY;
        self.publish_states(if all { Due::All } else { Due::Changed }).await
    }

    async fn publish_states(&mut self, due: Due) -> Result<(), StintError> {
        self.states_at = Instant::now();
        if due == Due::All {
            self.all_states_at = self.states_at;
        }
        // Behind what was published in an earlier life the numbers would go back in time.
        if self.folded < self.published {
            return Ok(());
        }
        // Charts grow by a tick, and go with the full round, which carries every campaign.
        let with_charts = due == Due::All && std::mem::take(&mut self.ticked);
        // Events first: a state never tells of something whose event is still to come.
        let at = Timestamp::now();
        let mut publications = self.newsroom.events(&self.fold, self.folded, at);
        publications.extend(self.newsroom.states(&self.fold, due, with_charts, self.folded, at));
        self.publish(publications).await
    }

    async fn publish(&mut self, publications: Vec<Publication>) -> Result<(), StintError> {
        if publications.is_empty() {
            return Ok(());
        }
        metrics::counter!("ringside_publications_total").increment(publications.len() as u64);
        let position = self.folded.max(self.published);
        let batch = Batch { expected_seq: self.seq, position, publications };
        self.seq = self.engine.publish(self.token, batch).await?;
        self.published = position;
        Ok(())
    }

    /// Publish first, then checkpoint: what is in the state has been told.
    async fn checkpoint(&mut self) -> Result<(), StintError> {
        if self.folded == self.checkpointed {
            return Ok(());
        }
        if self.newsroom.has_events() {
            self.publish_events().await?;
        }
        let dirty = self.fold.take_dirty();
        self.engine.commit(self.token, self.folded, dirty.puts, dirty.deletes).await?;
        self.checkpointed = self.folded;
        Ok(())
    }

    /// The end of input: fold the rest, tell it, write it down.
    async fn finish(&mut self) -> Result<(), StintError> {
        while self.fold_more().await? {}
        if !self.is_idle() {
            self.publish_states(Due::All).await?;
        }
        self.checkpoint().await
    }
}

/// A derived event's record and the partition it is for.
fn addressed(event: Event, partitions: u16) -> (Partition, Bytes) {
    let partition = Partition::of(&event.tenant, event.campaign(), partitions);
    (partition, Record::Event(event).encode())
}

/// Ticks of which the first is a period away: the checkpoint was just read and the lease just taken.
fn later(period: Duration) -> Interval {
    interval_at(Instant::now() + period, period)
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
