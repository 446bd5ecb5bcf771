//! A stint: one partition, from the lease to its end. It reads the log, folds, publishes, then checkpoints.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::{Batch, Engine, EngineError, LogEntry, Partition, Position, Publication, Token};
use ringside_model::Timestamp;
use ringside_wire::Record;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::OwnerSettings;
use super::lease::HeldLease;
use super::outbox::Outbox;
use crate::fold::{Changes, DamagedState, Fold};
use crate::publish::{Due, Publisher};

/// Entries that are folded before the owner looks up to publish.
const ENTRIES_PER_READ: usize = 1_000;
/// All state is published so often, changed or not. Watchers are promised 500 ms; the rest is for the way to them.
const ALL_STATES_EVERY: Duration = Duration::from_millis(450);
/// The owner's second, which the log carries as a tick.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// Who hands over folds the rest for so long at most; what comes after it is the next owner's.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
/// Giving up a lease may take so long; after it, it lapses by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);

/// Why a stint ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub(super) enum WorkerError {
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Damaged(#[from] DamagedState),
    #[error("its lease could not be renewed in time")]
    Lapsed,
    #[error("it panicked")]
    Panicked,
}

impl WorkerError {
    /// What metrics and log lines call it.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Engine(EngineError::Fenced(_)) => "fenced",
            Self::Engine(EngineError::Diverged { .. }) => "diverged",
            Self::Engine(EngineError::LogFull(_)) => "log_full",
            Self::Engine(EngineError::Unavailable(_)) => "unavailable",
            Self::Damaged(_) | Self::Engine(EngineError::Damaged(_)) => "damaged",
            Self::Lapsed => "lapsed",
            Self::Panicked => "panicked",
        }
    }
}

/// Serves a partition until `finish`, or until something goes wrong; then gives up its lease.
pub(super) async fn serve(
    engine: Arc<dyn Engine>,
    tenure: HeldLease,
    settings: OwnerSettings,
    finish: CancellationToken,
) -> Result<(), WorkerError> {
    let (token, lease) = (tenure.token, settings.lease);
    let work = async {
        let begun = tokio::select! {
            biased;
            () = finish.cancelled() => return Ok(()),
            begun = PartitionWorker::begin(engine.clone(), token, settings) => begun,
        };
        begun?.run(&finish).await
    };
    // Beside the work, so that a long replay does not keep the lease from being renewed.
    let end = tokio::select! {
        biased;
        gone = tenure.keep_renewed(engine.as_ref(), lease) => Err(gone),
        end = work => end,
    };
    match timeout(RELEASE_WITHIN, engine.release(token)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => {
            debug!(partition.id = token.partition.0, "could not give up a lease; it lapses by itself")
        }
    }
    end
}

/// One partition and everything that is known of it here.
struct PartitionWorker {
    began: Instant,
    engine: Arc<dyn Engine>,
    token: Token,
    settings: OwnerSettings,
    fold: Fold,
    newsroom: Publisher,
    /// The log is folded up to here.
    folded: Position,
    /// The state of the last checkpoint has the log up to here.
    checkpointed: Position,
    /// Events up to here were published, by this owner or an earlier one.
    published: Position,
    /// Batches published, as far as this owner knows.
    seq: u64,
    outbox: Outbox,
    changes: Changes,
    ticked: bool,
    states_at: Instant,
    all_states_at: Instant,
    events_at: Instant,
}

impl PartitionWorker {
    async fn begin(engine: Arc<dyn Engine>, token: Token, settings: OwnerSettings) -> Result<Self, WorkerError> {
        let began = Instant::now();
        let checkpoint = engine.load(token.partition).await?;
        let fold = Fold::restore(settings.fold.clone(), &checkpoint.entries)?;
        let partitions = engine.partitions();
        Ok(Self {
            began,
            outbox: Outbox::restore(partitions, &checkpoint.entries),
            engine,
            token,
            settings,
            fold,
            newsroom: Publisher::new(token.partition, partitions),
            folded: checkpoint.position,
            checkpointed: checkpoint.position,
            published: checkpoint.published,
            seq: checkpoint.seq,
            changes: Changes::default(),
            ticked: true,
            states_at: began,
            all_states_at: began,
            events_at: began,
        })
    }

    async fn run(&mut self, finish: &CancellationToken) -> Result<(), WorkerError> {
        if !self.replay(finish).await? {
            return self.hand_over().await;
        }
        let mut ticks = interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut checkpoints = later(self.settings.checkpoint_every);
        let mut grown = Box::pin(grown(self.engine.clone(), self.token.partition, self.folded, self.settings.lease));
        loop {
            let next_event = self.newsroom.has_events().then_some(self.events_at + self.settings.events_every);
            let next_states = (self.states_at + self.settings.state_every).min(self.all_states_at + ALL_STATES_EVERY);
            let next_states = (!self.is_idle()).then_some(next_states);
            tokio::select! {
                biased;
                () = finish.cancelled() => break,
                () = until(next_event) => self.publish_events().await?,
                () = until(next_states) => self.publish_due_states().await?,
                _ = checkpoints.tick() => self.checkpoint().await?,
                _ = ticks.tick(), if !self.is_idle() => self.tick().await?,
                () = until(self.outbox.next_try()) => self.outbox.send(self.engine.as_ref()).await?,
                entries = &mut grown => {
                    self.fold(&entries?).await?;
                    let (engine, partition) = (self.engine.clone(), self.token.partition);
                    grown.set(self::grown(engine, partition, self.folded, self.settings.lease));
                }
            }
        }
        self.hand_over().await
    }

    /// Folds what the log has above the checkpoint; false where it was asked to finish before it had caught up.
    async fn replay(&mut self, finish: &CancellationToken) -> Result<bool, WorkerError> {
        let from = self.folded;
        let mut checkpoint_at = Instant::now() + self.settings.checkpoint_every;
        while self.fold_more().await? {
            if finish.is_cancelled() {
                return Ok(false);
            }
            if Instant::now() >= checkpoint_at {
                self.checkpoint().await?;
                checkpoint_at = Instant::now() + self.settings.checkpoint_every;
            }
        }
        let silent_ms = self.fold.last_tick().map(|tick| Timestamp::now().since(tick).max(0));
        self.publish_states(Due::All).await?;
        self.settings.progress.caught_up(self.token.partition, silent_ms);
        if let Some(silent_ms) = silent_ms {
            info!(
                partition.id = self.token.partition.0,
                collector.id = %self.settings.holder,
                takeover.silent_ms = silent_ms,
                replay.entries = self.folded.0 - from.0,
                replay.duration_ms = self.began.elapsed().as_millis() as u64,
                "took a partition"
            );
        }
        Ok(true)
    }

    /// True where nothing ever happened here: no ticks and no frames for empty partitions.
    fn is_idle(&self) -> bool {
        self.fold.tenants().next().is_none() && self.fold.campaigns().next().is_none()
    }

    /// Folds what the log has next; true where there may be more.
    async fn fold_more(&mut self) -> Result<bool, WorkerError> {
        let entries = self.engine.read_log(self.token.partition, self.folded, ENTRIES_PER_READ).await?;
        self.fold(&entries).await?;
        Ok(entries.len() == ENTRIES_PER_READ)
    }

    /// Folds entries. What is new goes out at once if nothing went out just before.
    async fn fold(&mut self, entries: &[LogEntry]) -> Result<(), WorkerError> {
        let mut stamp = None;
        // An entry that can't be read changes nothing.
        let mut received = Timestamp::now();
        for entry in entries {
            match Record::decode(&entry.record) {
                Ok(Record::Event(event)) => {
                    received = event.received_at;
                    stamp = Some(received);
                    self.fold.apply(&event, &mut self.changes);
                }
                Ok(Record::Tick(now)) => {
                    received = now;
                    stamp = Some(now);
                    self.fold.tick(now, &mut self.changes);
                    self.ticked = true;
                }
                // Skipped, not fatal: one unreadable record must not stop a floor. It stays counted and logged.
                Err(reason) => {
                    metrics::counter!("ringside_log_unreadable_total").increment(1);
                    let (partition, position) = (self.token.partition.0, entry.position.0);
                    error!(partition.id = partition, log.position = position, %reason, "skipped a record");
                }
            }
            self.changes.derived.drain(..).for_each(|event| self.outbox.push(event));
            self.newsroom.take(&mut self.changes, received, entry.position <= self.published);
            self.folded = entry.position;
        }
        metrics::counter!("ringside_log_entries_folded_total").increment(entries.len() as u64);
        if let Some(stamp) = stamp {
            self.settings.progress.folded(self.token.partition, stamp);
        }
        // Before any checkpoint: one that has what made them has them, or they are in their log.
        self.outbox.send(self.engine.as_ref()).await?;
        if self.newsroom.has_events() && self.events_at.elapsed() >= self.settings.events_every {
            self.publish_events().await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), WorkerError> {
        let tick = Record::Tick(Timestamp::now()).encode();
        match self.engine.append(vec![(self.token.partition, tick)]).await {
            Ok(()) => Ok(()),
            // The next checkpoint makes room; until then time stands still here, as events do.
            Err(EngineError::LogFull(_)) => {
                warn!(partition.id = self.token.partition.0, "a full log did not take a tick");
                self.checkpoint().await
            }
            Err(reason) => Err(reason.into()),
        }
    }

    async fn publish_events(&mut self) -> Result<(), WorkerError> {
        self.events_at = Instant::now();
        let publications = self.newsroom.events(&self.fold, self.folded);
        self.publish(publications).await
    }

    async fn publish_due_states(&mut self) -> Result<(), WorkerError> {
        let all = self.all_states_at.elapsed() >= ALL_STATES_EVERY;
        self.publish_states(if all { Due::All } else { Due::Changed }).await
    }

    async fn publish_states(&mut self, due: Due) -> Result<(), WorkerError> {
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
        let mut publications = self.newsroom.events(&self.fold, self.folded);
        publications.extend(self.newsroom.states(&self.fold, due, with_charts, self.folded, Timestamp::now()));
        self.publish(publications).await
    }

    async fn publish(&mut self, publications: Vec<Publication>) -> Result<(), WorkerError> {
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
    async fn checkpoint(&mut self) -> Result<(), WorkerError> {
        if self.folded == self.checkpointed {
            return Ok(());
        }
        if self.newsroom.has_events() {
            self.publish_events().await?;
        }
        let mut dirty = self.fold.take_dirty();
        self.outbox.store(&mut dirty.puts, &mut dirty.deletes);
        self.engine.commit(self.token, self.folded, dirty.puts, dirty.deletes).await?;
        self.checkpointed = self.folded;
        Ok(())
    }

    /// The end: folds the rest, tells it, writes it down.
    async fn hand_over(&mut self) -> Result<(), WorkerError> {
        let by = Instant::now() + FINISH_WITHIN;
        while self.fold_more().await? && Instant::now() < by {}
        if !self.is_idle() {
            self.publish_states(Due::All).await?;
        }
        self.checkpoint().await
    }
}

/// The next entries of a log, once there are some, or none after `patience`.
async fn grown(
    engine: Arc<dyn Engine>,
    partition: Partition,
    after: Position,
    patience: Duration,
) -> Result<Vec<LogEntry>, EngineError> {
    engine.wait_log(partition, after, patience).await?;
    engine.read_log(partition, after, ENTRIES_PER_READ).await
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
