//! The steward: how many partitions this process holds, and which.
//!
//! It attends among the collectors, works out its share from who is there, takes free partitions up to it and lets
//! stints above it finish. It looks again every half second; nothing else is agreed upon, and the leases alone decide
//! who owns what.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rand::RngExt;
use ringside_engine::{Engine, EngineError, Partition};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::OwnerSettings;
use super::lease::HeldLease;
use super::quota::quota_of;
use super::worker::{WorkerError, serve};

/// The group of those who share the partitions.
const COLLECTORS: &str = "collectors";
/// A partition whose stint failed rests so long at first, and at most, before it is tried again.
const FIRST_REST: Duration = Duration::from_millis(100);
const LONGEST_REST: Duration = Duration::from_secs(1);
/// The same for one whose data can't be read: that takes a human.
const DAMAGED_REST: Duration = Duration::from_secs(5);
/// A stint that lasted so long was healthy: the rests begin anew.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

type WorkerEnd = Result<(), WorkerError>;

pub(super) struct Assignor {
    engine: Arc<dyn Engine>,
    settings: OwnerSettings,
    shutdown: CancellationToken,
    stints: JoinSet<WorkerEnd>,
    held: BTreeMap<Partition, Held>,
    resting: BTreeMap<Partition, Rest>,
    /// Members and share of the last look, to tell when they change.
    told: Option<(usize, usize)>,
    engine_answers: bool,
}

/// A stint that runs.
struct Held {
    task: Id,
    began: Instant,
    /// Cancelled when it has to finish.
    finish: CancellationToken,
}

/// What follows a stint that failed.
#[derive(Clone, Copy)]
struct Rest {
    until: Instant,
    pause: Duration,
}

impl Assignor {
    pub(super) fn new(engine: Arc<dyn Engine>, settings: OwnerSettings, shutdown: CancellationToken) -> Self {
        Self {
            engine,
            settings,
            shutdown,
            stints: JoinSet::new(),
            held: BTreeMap::new(),
            resting: BTreeMap::new(),
            told: None,
            engine_answers: true,
        }
    }

    pub(super) async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.look() => {}
            }
            // Spread, so that collectors that started together don't ask together for ever.
            let next_look = Instant::now() + self.settings.look_every.mul_f64(rand::rng().random_range(0.8..1.0));
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => break,
                    Some(ended) = self.stints.join_next_with_id() => self.note_end(ended),
                    () = sleep_until(next_look) => break,
                }
            }
        }
        if let Err(reason) = self.engine.leave(COLLECTORS, &self.settings.holder).await {
            warn!(collector.id = %self.settings.holder, %reason, "could not leave; the others notice by themselves");
        }
        while let Some(ended) = self.stints.join_next_with_id().await {
            self.note_end(ended);
        }
    }

    /// Who is there, and what follows from it.
    async fn look(&mut self) {
        let attended = self.engine.heartbeat(COLLECTORS, &self.settings.holder, self.settings.lease).await;
        let looked = match attended {
            Ok(members) => self.take_share(&members).await,
            Err(reason) => Err(reason),
        };
        if let Err(reason) = &looked
            && self.engine_answers
        {
            warn!(collector.id = %self.settings.holder, %reason, "the engine does not answer; trying on");
        } else if looked.is_ok() && !self.engine_answers {
            info!(collector.id = %self.settings.holder, "the engine answers again");
        }
        self.engine_answers = looked.is_ok();
        let resting = self.resting.keys().filter(|partition| !self.held.contains_key(partition)).count();
        self.settings.progress.looked(looked.is_ok(), resting);
    }

    async fn take_share(&mut self, members: &[String]) -> Result<(), EngineError> {
        let share = quota_of(&self.settings.holder, members, self.engine.partitions());
        if self.told != Some((members.len(), share)) {
            self.told = Some((members.len(), share));
            let of = self.engine.partitions();
            info!(collector.id = %self.settings.holder, collectors = members.len(), share, of, "counted its share");
        }
        let staying: Vec<_> = self.held.values().filter(|held| !held.finish.is_cancelled()).collect();
        let above = staying.len().saturating_sub(share);
        staying.iter().rev().take(above).for_each(|held| held.finish.cancel());
        // Those that rest have their place: they are tried again here, as nobody else has a right to them.
        let (now, holding) = (Instant::now(), staying.len());
        let resting = self.resting.values().filter(|rest| rest.until > now).count();
        let wanted = share.saturating_sub(holding + resting);
        if wanted == 0 {
            // What rested long enough and is above the share is another's to take.
            self.resting.retain(|partition, rest| rest.until > now || self.held.contains_key(partition));
        }
        self.take(wanted).await
    }

    /// Takes so many partitions, if so many are free.
    async fn take(&mut self, wanted: usize) -> Result<(), EngineError> {
        if wanted == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let count = self.engine.partitions();
        // Each begins elsewhere: two that look at once want different ones.
        let first = rand::rng().random_range(0..count);
        let mut candidates = (0..count)
            .map(|place| Partition((first + place) % count))
            .filter(|partition| !self.held.contains_key(partition))
            .filter(|partition| self.resting.get(partition).is_none_or(|rest| rest.until <= now))
            .collect::<Vec<_>>()
            .into_iter();
        let mut missing = wanted;
        while missing > 0 && candidates.len() > 0 {
            let asked_at = Instant::now();
            let (engine, settings) = (self.engine.clone(), self.settings.clone());
            let asked: Vec<_> = candidates.by_ref().take(missing).collect();
            let answers = join_all(asked.iter().map(|p| engine.acquire(*p, &settings.holder, settings.lease))).await;
            let mut failed = None;
            for (partition, answer) in asked.into_iter().zip(answers) {
                match answer {
                    Ok(Some(token)) => {
                        self.begin(HeldLease { token, asked_at });
                        missing -= 1;
                    }
                    Ok(None) => drop(self.resting.remove(&partition)),
                    Err(reason) => failed = Some(reason),
                }
            }
            if let Some(reason) = failed {
                return Err(reason);
            }
        }
        Ok(())
    }

    fn begin(&mut self, tenure: HeldLease) {
        let partition = tenure.token.partition;
        let finish = self.shutdown.child_token();
        self.settings.progress.begin(partition);
        let stint = serve(self.engine.clone(), tenure, self.settings.clone(), finish.clone());
        let task = self.stints.spawn(stint).id();
        self.held.insert(partition, Held { task, began: Instant::now(), finish });
    }

    fn note_end(&mut self, ended: Result<(Id, WorkerEnd), JoinError>) {
        let (task, end) = match ended {
            Ok((task, end)) => (task, end),
            Err(failed) => (failed.id(), Err(WorkerError::Panicked)),
        };
        let partition = *self.held.iter().find(|(_, held)| held.task == task).expect("each stint is held").0;
        let held = self.held.remove(&partition).expect("it was just found");
        let reason = end.as_ref().map_or_else(WorkerError::name, |()| "handed_over");
        self.settings.progress.end(partition, reason);
        let Err(error) = end else {
            self.resting.remove(&partition);
            return;
        };
        match &error {
            WorkerError::Engine(EngineError::Fenced(_)) => {
                info!(partition.id = partition.0, stint.reason = reason, "gave up a partition that is another's now");
            }
            WorkerError::Damaged(_) | WorkerError::Engine(EngineError::Damaged(_)) => {
                error!(partition.id = partition.0, stint.reason = reason, %error, "a partition can't be read; its campaigns stand still until it is restored");
            }
            WorkerError::Engine(_) | WorkerError::Lapsed | WorkerError::Panicked => {
                warn!(partition.id = partition.0, stint.reason = reason, %error, "a partition's owner starts again from its checkpoint");
            }
        }
        let longest = if reason == "damaged" { DAMAGED_REST } else { LONGEST_REST };
        let before = self.resting.get(&partition).filter(|_| held.began.elapsed() < HEALTHY_AFTER);
        let pause = before.map_or(FIRST_REST, |rest| rest.pause * 2).min(longest);
        self.resting.insert(partition, Rest { until: Instant::now() + pause, pause });
    }
}
