//! One partition's worker: reads the log, folds, publishes, then checkpoints.

use std::sync::Arc;
use std::time::Duration;

use ringside_engine::{Batch, Engine, EngineError, LogEntry, Partition, Position, Publication, Token};
use ringside_model::Timestamp;
use ringside_wire::Record;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval, interval_at, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::OwnerSettings;
use super::error::WorkerError;
use super::lease::HeldLease;
use super::outbox::Outbox;
use crate::fold::{Changes, Fold};
use crate::publish::{Due, Publisher};

/// Entries folded at most before the worker can publish.
const ENTRIES_PER_READ: usize = 1_000;
/// Interval at which all state is published, changed or not.
/// Viewers are promised 500 ms; the rest is for the way there.
const ALL_STATES_EVERY: Duration = Duration::from_millis(450);
/// Interval of the ticks that the worker appends to the log.
const TICK_EVERY: Duration = Duration::from_secs(1);
/// Time to fold the rest of the log at a hand-over.
/// The next owner folds whatever remains.
const FINISH_WITHIN: Duration = Duration::from_secs(1);
/// Time to release the lease; after that it expires by itself.
const RELEASE_WITHIN: Duration = Duration::from_secs(1);

/// Works on a partition until `finish` or an error, then releases its lease.
pub(super) async fn run_worker(
    engine: Arc<dyn Engine>,
    lease: HeldLease,
    settings: OwnerSettings,
    finish: CancellationToken,
) -> Result<(), WorkerError> {
    let (token, lease_length) = (lease.token, settings.lease);
    let work = async {
        let worker = tokio::select! {
            biased;
            () = finish.cancelled() => return Ok(()),
            worker = PartitionWorker::load(engine.clone(), token, settings) => worker,
        };
        worker?.run(&finish).await
    };
    // Concurrent with the work, so that a long replay does not delay the renewals.
    let end = tokio::select! {
        biased;
        lost = lease.keep_renewed(engine.as_ref(), lease_length) => Err(lost),
        end = work => end,
    };
    match timeout(RELEASE_WITHIN, engine.release(token)).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) | Err(_) => debug!(partition.id = token.partition.0, "lease release failed; it expires by itself"),
    }
    end
}

/// A partition's state in memory, from its checkpoint on.
struct PartitionWorker {
    started_at: Instant,
    engine: Arc<dyn Engine>,
    token: Token,
    settings: OwnerSettings,
    fold: Fold,
    publisher: Publisher,
    /// The log is folded up to this position.
    folded: Position,
    /// The last checkpoint contains the log up to this position.
    checkpointed: Position,
    /// Events up to this position were published, by this worker or an earlier owner.
    published: Position,
    /// Batches published, as far as this worker knows.
    seq: u64,
    outbox: Outbox,
    changes: Changes,
    ticked: bool,
    states_at: Instant,
    all_states_at: Instant,
    events_at: Instant,
}

impl PartitionWorker {
    /// Loads the checkpoint.
    async fn load(engine: Arc<dyn Engine>, token: Token, settings: OwnerSettings) -> Result<Self, WorkerError> {
        let started_at = Instant::now();
        let checkpoint = engine.load(token.partition).await?;
        let fold = Fold::restore(settings.fold.clone(), &checkpoint.entries)?;
        let partitions = engine.partitions();
        Ok(Self {
            started_at,
            outbox: Outbox::restore(partitions, &checkpoint.entries),
            engine,
            token,
            settings,
            fold,
            publisher: Publisher::new(token.partition, partitions),
            folded: checkpoint.position,
            checkpointed: checkpoint.position,
            published: checkpoint.published,
            seq: checkpoint.seq,
            changes: Changes::default(),
            ticked: true,
            states_at: started_at,
            all_states_at: started_at,
            events_at: started_at,
        })
    }

    async fn run(&mut self, finish: &CancellationToken) -> Result<(), WorkerError> {
        if !self.replay(finish).await? {
            return self.hand_over().await;
        }
        let mut ticks = interval(TICK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut checkpoints = interval_after(self.settings.checkpoint_every);
        let mut next_entries =
            Box::pin(next_entries(self.engine.clone(), self.token.partition, self.folded, self.settings.lease));
        loop {
            let next_event = self.publisher.has_events().then_some(self.events_at + self.settings.events_every);
            let next_states = (self.states_at + self.settings.state_every).min(self.all_states_at + ALL_STATES_EVERY);
            let next_states = (!self.is_idle()).then_some(next_states);
            tokio::select! {
                biased;
                () = finish.cancelled() => break,
                () = sleep_until_some(next_event) => self.publish_events().await?,
                () = sleep_until_some(next_states) => self.publish_due_states().await?,
                _ = checkpoints.tick() => self.checkpoint().await?,
                _ = ticks.tick(), if !self.is_idle() => self.tick().await?,
                () = sleep_until_some(self.outbox.next_try()) => self.outbox.send(self.engine.as_ref()).await?,
                entries = &mut next_entries => {
                    self.fold_entries(&entries?).await?;
                    let (engine, partition) = (self.engine.clone(), self.token.partition);
                    next_entries.set(self::next_entries(engine, partition, self.folded, self.settings.lease));
                }
            }
        }
        self.hand_over().await
    }

    /// Folds the log above the checkpoint; returns false if `finish` came first.
    async fn replay(&mut self, finish: &CancellationToken) -> Result<bool, WorkerError> {
        let from = self.folded;
        let mut checkpoint_at = Instant::now() + self.settings.checkpoint_every;
        while self.fold_next().await? {
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
                replay.duration_ms = self.started_at.elapsed().as_millis() as u64,
                "partition assigned; log replayed"
            );
        }
        Ok(true)
    }

    /// Whether the partition never had an event.
    /// An empty partition gets no ticks and no frames.
    fn is_idle(&self) -> bool {
        self.fold.tenants().next().is_none() && self.fold.campaigns().next().is_none()
    }

    /// Folds the next page of the log; returns whether there may be more.
    async fn fold_next(&mut self) -> Result<bool, WorkerError> {
        let entries = self.engine.read_log(self.token.partition, self.folded, ENTRIES_PER_READ).await?;
        self.fold_entries(&entries).await?;
        Ok(entries.len() == ENTRIES_PER_READ)
    }

    /// Folds entries.
    /// Publishes new events at once, unless a publication just preceded them.
    async fn fold_entries(&mut self, entries: &[LogEntry]) -> Result<(), WorkerError> {
        let mut newest = None;
        // Used only until the first readable entry: an unreadable one changes nothing.
        let mut received = Timestamp::now();
        for entry in entries {
            match Record::decode(&entry.record) {
                Ok(Record::Event(event)) => {
                    received = event.received_at;
                    newest = Some(received);
                    self.fold.apply(&event, &mut self.changes);
                }
                Ok(Record::Tick(now)) => {
                    received = now;
                    newest = Some(now);
                    self.fold.tick(now, &mut self.changes);
                    self.ticked = true;
                }
                // Skipped, not fatal: one unreadable record must not stop all campaigns. It is counted and logged.
                Err(error) => {
                    metrics::counter!("ringside_log_unreadable_total").increment(1);
                    let (partition, position) = (self.token.partition.0, entry.position.0);
                    error!(partition.id = partition, log.position = position, %error, "log record unreadable; skipped");
                }
            }
            self.changes.derived.drain(..).for_each(|event| self.outbox.push(event));
            self.publisher.collect(&mut self.changes, received, entry.position <= self.published);
            self.folded = entry.position;
        }
        metrics::counter!("ringside_log_entries_folded_total").increment(entries.len() as u64);
        if let Some(newest) = newest {
            self.settings.progress.folded(self.token.partition, newest);
        }
        // Before any checkpoint: derived events are either in their log or stored with the state that produced them.
        self.outbox.send(self.engine.as_ref()).await?;
        if self.publisher.has_events() && self.events_at.elapsed() >= self.settings.events_every {
            self.publish_events().await?;
        }
        Ok(())
    }

    async fn tick(&mut self) -> Result<(), WorkerError> {
        let tick = Record::Tick(Timestamp::now()).encode();
        match self.engine.append(vec![(self.token.partition, tick)]).await {
            Ok(()) => Ok(()),
            // The next checkpoint makes room. Until then time stands still in this partition, and so do its events.
            Err(EngineError::LogFull(_)) => {
                warn!(partition.id = self.token.partition.0, "tick rejected by a full log; writing a checkpoint");
                self.checkpoint().await
            }
            Err(error) => Err(error.into()),
        }
    }

    async fn publish_events(&mut self) -> Result<(), WorkerError> {
        self.events_at = Instant::now();
        let publications = self.publisher.take_events(&self.fold, self.folded);
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
        // During a replay, state older than what an earlier owner published would go back in time.
        if self.folded < self.published {
            return Ok(());
        }
        // Charts grow with each tick. They go with the full round, which contains every campaign.
        let with_charts = due == Due::All && std::mem::take(&mut self.ticked);
        // Events first: a state must not include an event that is still unpublished.
        let mut publications = self.publisher.take_events(&self.fold, self.folded);
        publications.extend(self.publisher.take_states(&self.fold, due, with_charts, self.folded, Timestamp::now()));
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

    /// Publishes, then checkpoints.
    /// So every event in the stored state has been published.
    async fn checkpoint(&mut self) -> Result<(), WorkerError> {
        if self.folded == self.checkpointed {
            return Ok(());
        }
        if self.publisher.has_events() {
            self.publish_events().await?;
        }
        let mut dirty = self.fold.take_dirty();
        self.outbox.store(&mut dirty.puts, &mut dirty.deletes);
        self.engine.commit(self.token, self.folded, dirty.puts, dirty.deletes).await?;
        self.checkpointed = self.folded;
        Ok(())
    }

    /// Folds the rest of the log, publishes and checkpoints it.
    async fn hand_over(&mut self) -> Result<(), WorkerError> {
        let deadline = Instant::now() + FINISH_WITHIN;
        while self.fold_next().await? && Instant::now() < deadline {}
        if !self.is_idle() {
            self.publish_states(Due::All).await?;
        }
        self.checkpoint().await
    }
}

/// Waits for new log entries and reads them; returns none after `patience`.
async fn next_entries(
    engine: Arc<dyn Engine>,
    partition: Partition,
    after: Position,
    patience: Duration,
) -> Result<Vec<LogEntry>, EngineError> {
    engine.wait_log(partition, after, patience).await?;
    engine.read_log(partition, after, ENTRIES_PER_READ).await
}

/// Returns an interval whose first tick is a period away.
fn interval_after(period: Duration) -> Interval {
    interval_at(Instant::now() + period, period)
}

/// Sleeps until `deadline`, or forever if there is none.
async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
