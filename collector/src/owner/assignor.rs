//! The assignor: decides how many partitions this process holds, and which.
//!
//! It joins the group of collectors, computes its quota from the members, acquires free partitions up to the quota and
//! stops workers above it. It rebalances every half second. Nothing else is negotiated: the leases alone decide who
//! owns a partition.

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
use super::error::WorkerError;
use super::lease::HeldLease;
use super::quota::quota_of;
use super::worker::run_worker;

/// The group whose members share the partitions.
const COLLECTORS: &str = "collectors";
/// First and longest pause before a failed partition is retried.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// The longest pause if the stored data is unreadable, which takes a human to fix.
const DAMAGED_BACKOFF: Duration = Duration::from_secs(5);
/// A worker that ran this long was healthy: the backoff starts over.
const HEALTHY_AFTER: Duration = Duration::from_secs(10);

type WorkerEnd = Result<(), WorkerError>;

/// The partition assignment of one process.
pub(super) struct Assignor {
    engine: Arc<dyn Engine>,
    settings: OwnerSettings,
    shutdown: CancellationToken,
    workers: JoinSet<WorkerEnd>,
    assigned: BTreeMap<Partition, Assignment>,
    backoffs: BTreeMap<Partition, Backoff>,
    /// Members and quota at the last rebalance, so that only changes are logged.
    logged: Option<(usize, usize)>,
    engine_answers: bool,
}

/// A partition with a running worker.
struct Assignment {
    task: Id,
    started_at: Instant,
    /// Cancelled to make the worker hand over.
    finish: CancellationToken,
}

/// The pause after a worker failed.
#[derive(Clone, Copy)]
struct Backoff {
    until: Instant,
    pause: Duration,
}

impl Assignor {
    pub(super) fn new(engine: Arc<dyn Engine>, settings: OwnerSettings, shutdown: CancellationToken) -> Self {
        Self {
            engine,
            settings,
            shutdown,
            workers: JoinSet::new(),
            assigned: BTreeMap::new(),
            backoffs: BTreeMap::new(),
            logged: None,
            engine_answers: true,
        }
    }

    /// Rebalances until shutdown, then waits for every worker to hand over.
    pub(super) async fn run(mut self) {
        let shutdown = self.shutdown.clone();
        loop {
            tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                () = self.rebalance() => {}
            }
            // Jitter, so that collectors that started together don't stay in step.
            let pause = self.settings.rebalance_every.mul_f64(rand::rng().random_range(0.8..1.0));
            let next_rebalance = Instant::now() + pause;
            loop {
                tokio::select! {
                    biased;
                    () = shutdown.cancelled() => break,
                    Some(ended) = self.workers.join_next_with_id() => self.worker_ended(ended),
                    () = sleep_until(next_rebalance) => break,
                }
            }
        }
        if let Err(error) = self.engine.leave(COLLECTORS, &self.settings.holder).await {
            warn!(collector.id = %self.settings.holder, %error, "leaving the group failed; the membership expires");
        }
        while let Some(ended) = self.workers.join_next_with_id().await {
            self.worker_ended(ended);
        }
    }

    /// Renews the group membership and adjusts the assignment to the quota.
    async fn rebalance(&mut self) {
        let members = self.engine.heartbeat(COLLECTORS, &self.settings.holder, self.settings.lease).await;
        let rebalanced = match members {
            Ok(members) => self.adjust_to(&members).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &rebalanced
            && self.engine_answers
        {
            warn!(collector.id = %self.settings.holder, %error, "rebalance failed; retrying");
        } else if rebalanced.is_ok() && !self.engine_answers {
            info!(collector.id = %self.settings.holder, "rebalance works again");
        }
        self.engine_answers = rebalanced.is_ok();
        let backing_off = self.backoffs.keys().filter(|partition| !self.assigned.contains_key(partition)).count();
        self.settings.progress.rebalanced(rebalanced.is_ok(), backing_off);
    }

    async fn adjust_to(&mut self, members: &[String]) -> Result<(), EngineError> {
        let partitions = self.engine.partitions();
        let quota = quota_of(&self.settings.holder, members, partitions);
        if self.logged != Some((members.len(), quota)) {
            self.logged = Some((members.len(), quota));
            let collectors = members.len();
            info!(collector.id = %self.settings.holder, collectors, quota, partitions, "partition quota changed");
        }
        let staying: Vec<_> = self.assigned.values().filter(|held| !held.finish.is_cancelled()).collect();
        let surplus = staying.len().saturating_sub(quota);
        staying.iter().rev().take(surplus).for_each(|held| held.finish.cancel());
        // A partition in backoff counts against the quota: it is retried here, and no other collector has room for it.
        let (now, holding) = (Instant::now(), staying.len());
        let backing_off = self.backoffs.values().filter(|backoff| backoff.until > now).count();
        let wanted = quota.saturating_sub(holding + backing_off);
        if wanted == 0 {
            // A partition past its backoff that exceeds the quota is left to another collector.
            self.backoffs.retain(|partition, backoff| backoff.until > now || self.assigned.contains_key(partition));
        }
        self.acquire(wanted).await
    }

    /// Acquires up to `wanted` free partitions.
    async fn acquire(&mut self, wanted: usize) -> Result<(), EngineError> {
        if wanted == 0 {
            return Ok(());
        }
        let now = Instant::now();
        let count = self.engine.partitions();
        // A random start, so that two collectors that rebalance at once try different partitions.
        let first = rand::rng().random_range(0..count);
        let mut candidates = (0..count)
            .map(|place| Partition((first + place) % count))
            .filter(|partition| !self.assigned.contains_key(partition))
            .filter(|partition| self.backoffs.get(partition).is_none_or(|backoff| backoff.until <= now))
            .collect::<Vec<_>>()
            .into_iter();
        let mut missing = wanted;
        while missing > 0 && candidates.len() > 0 {
            let requested_at = Instant::now();
            let (engine, settings) = (self.engine.clone(), self.settings.clone());
            let requested: Vec<_> = candidates.by_ref().take(missing).collect();
            let answers =
                join_all(requested.iter().map(|p| engine.acquire(*p, &settings.holder, settings.lease))).await;
            let mut failed = None;
            for (partition, answer) in requested.into_iter().zip(answers) {
                match answer {
                    Ok(Some(token)) => {
                        self.start_worker(HeldLease { token, requested_at });
                        missing -= 1;
                    }
                    Ok(None) => drop(self.backoffs.remove(&partition)),
                    Err(error) => failed = Some(error),
                }
            }
            if let Some(error) = failed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn start_worker(&mut self, lease: HeldLease) {
        let partition = lease.token.partition;
        let finish = self.shutdown.child_token();
        self.settings.progress.started(partition);
        let worker = run_worker(self.engine.clone(), lease, self.settings.clone(), finish.clone());
        let task = self.workers.spawn(worker).id();
        self.assigned.insert(partition, Assignment { task, started_at: Instant::now(), finish });
    }

    fn worker_ended(&mut self, ended: Result<(Id, WorkerEnd), JoinError>) {
        let (task, end) = match ended {
            Ok((task, end)) => (task, end),
            Err(failed) => (failed.id(), Err(WorkerError::Panicked)),
        };
        let assigned = self.assigned.iter().find(|(_, held)| held.task == task);
        let partition = *assigned.expect("every worker has an assignment").0;
        let assignment = self.assigned.remove(&partition).expect("the assignment was just found");
        let reason = end.as_ref().map_or_else(WorkerError::reason, |()| "handed_over");
        self.settings.progress.stopped(partition, reason);
        let Err(error) = end else {
            self.backoffs.remove(&partition);
            return;
        };
        match &error {
            WorkerError::Engine(EngineError::Fenced(_)) => {
                info!(partition.id = partition.0, reason, "lease lost to another collector");
            }
            WorkerError::Damaged(_) | WorkerError::Engine(EngineError::Damaged(_)) => {
                error!(partition.id = partition.0, reason, %error, "worker stopped: stored data unreadable; its campaigns stand still until it is restored");
            }
            WorkerError::LeaseExpired => {
                warn!(partition.id = partition.0, reason, %error, "lease lost; restarting from the checkpoint");
            }
            WorkerError::Engine(_) | WorkerError::Panicked => {
                warn!(partition.id = partition.0, reason, %error, "worker stopped; restarting from the checkpoint");
            }
        }
        let longest = if reason == "damaged" { DAMAGED_BACKOFF } else { LONGEST_BACKOFF };
        let before = self.backoffs.get(&partition).filter(|_| assignment.started_at.elapsed() < HEALTHY_AFTER);
        let pause = before.map_or(FIRST_BACKOFF, |backoff| backoff.pause * 2).min(longest);
        self.backoffs.insert(partition, Backoff { until: Instant::now() + pause, pause });
    }
}
