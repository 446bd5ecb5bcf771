//! A partition as this gateway follows it: subscribed while somebody here watches one of its rooms.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringside_engine::{Engine, EngineProbe, Partition, RoomId, Signal, Subscription};
use ringside_pacing::Backoff;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Refusal;
use super::room::RoomCell;

/// How long a room stays after its last watcher left: who reloads a page finds it as it was.
const LINGER: Duration = Duration::from_secs(15);
/// A room that was silent for so long is compared with the engine.
const SILENT: Duration = Duration::from_secs(10);
/// How long the engine may take to take a subscription.
const SUBSCRIBE_WITHIN: Duration = Duration::from_secs(2);
/// Who waited for a subscription that was refused so lately is not made to wait for another one.
const REFUSED_LATELY: Duration = Duration::from_millis(500);

/// One partition.
pub(crate) struct Link {
    partition: Partition,
    engine: Arc<dyn Engine>,
    probe: Arc<EngineProbe>,
    /// Short and never across an await.
    rooms: Mutex<Rooms>,
    /// What ends the running subscription's task.
    following: tokio::sync::Mutex<Following>,
    up: AtomicBool,
}

#[derive(Default)]
struct Following {
    running: Option<CancellationToken>,
    refused: Option<Instant>,
}

struct Rooms {
    cells: HashMap<RoomId, Arc<RoomCell>>,
    empty_since: Instant,
}

impl Link {
    pub(crate) fn new(partition: Partition, engine: Arc<dyn Engine>, probe: Arc<EngineProbe>) -> Self {
        Self {
            partition,
            engine,
            probe,
            rooms: Mutex::new(Rooms { cells: HashMap::new(), empty_since: Instant::now() }),
            following: tokio::sync::Mutex::default(),
            up: AtomicBool::new(true),
        }
    }

    /// The room, known to this link from now on: its frames reach it and it can be read.
    pub(crate) async fn room(self: &Arc<Self>, id: &RoomId) -> Result<Arc<RoomCell>, Refusal> {
        let cell = {
            let mut rooms = self.rooms.lock().expect("nobody panics in a link");
            let made = || Arc::new(RoomCell::new(id.clone(), self.engine.clone(), self.probe.clone()));
            rooms.cells.entry(id.clone()).or_insert_with(made).clone()
        };
        cell.touch();
        self.follow().await?;
        // Subscribed first, read second: nothing can fall between the two.
        cell.fill().await?;
        Ok(cell)
    }

    /// True unless the subscription is broken.
    pub(crate) fn is_up(&self) -> bool {
        self.up.load(Ordering::Acquire)
    }

    async fn follow(self: &Arc<Self>) -> Result<(), Refusal> {
        let mut following = self.following.lock().await;
        if following.running.is_some() {
            return Ok(());
        }
        if following.refused.is_some_and(|at| at.elapsed() < REFUSED_LATELY) {
            return Err(Refusal::Unavailable);
        }
        let subscription = match self.subscribe().await {
            Ok(subscription) => subscription,
            Err(refusal) => {
                following.refused = Some(Instant::now());
                return Err(refusal);
            }
        };
        let stop = CancellationToken::new();
        *following = Following { running: Some(stop.clone()), refused: None };
        tokio::spawn(self.clone().run(subscription, stop));
        Ok(())
    }

    async fn subscribe(&self) -> Result<Box<dyn Subscription>, Refusal> {
        match self.probe.within(SUBSCRIBE_WITHIN, self.engine.subscribe(self.partition)).await {
            Some(Ok(subscription)) => return Ok(subscription),
            // Of an engine that is away the operator has been told.
            Some(Err(error)) if self.probe.is_healthy() => {
                warn!(partition = self.partition.0, %error, "a partition can't be followed");
            }
            None if self.probe.is_healthy() => {
                warn!(partition = self.partition.0, "the engine took too long to take a subscription");
            }
            Some(Err(_)) | None => {}
        }
        Err(Refusal::Unavailable)
    }

    async fn run(self: Arc<Self>, mut subscription: Box<dyn Subscription>, stop: CancellationToken) {
        debug!(partition = self.partition.0, "following");
        while let Some(signal) = stop.run_until_cancelled(subscription.next()).await {
            match signal {
                Some(Signal::Frame(frame)) => {
                    let cell = self.rooms.lock().expect("nobody panics in a link").cells.get(&frame.room).cloned();
                    if let Some(cell) = cell {
                        cell.accept(frame);
                    }
                }
                Some(Signal::Missed) => self.repair_all(),
                None => {
                    self.up.store(false, Ordering::Release);
                    let Some(again) = stop.run_until_cancelled(self.subscribe_again()).await else { break };
                    subscription = again;
                    self.up.store(true, Ordering::Release);
                    self.repair_all();
                }
            }
        }
        debug!(partition = self.partition.0, "not following any more");
    }

    async fn subscribe_again(&self) -> Box<dyn Subscription> {
        let mut backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));
        loop {
            backoff.wait().await;
            if let Ok(subscription) = self.subscribe().await {
                return subscription;
            }
        }
    }

    fn repair_all(&self) {
        for cell in self.rooms.lock().expect("nobody panics in a link").cells.values() {
            cell.repair();
        }
    }

    /// Lets go of rooms that nobody needs, of the subscription once there are none, and looks after the silent ones.
    pub(crate) fn sweep(&self) {
        // Whoever is about to follow holds it; there is nothing to let go of then.
        let Ok(mut following) = self.following.try_lock() else { return };
        let mut rooms = self.rooms.lock().expect("nobody panics in a link");
        let before = rooms.cells.len();
        // While the engine is away, what is known here is all there is to show.
        let away = !self.probe.is_healthy();
        rooms
            .cells
            .retain(|_, cell| Arc::strong_count(cell) > 1 || cell.unused() < LINGER || (away && cell.is_filled()));
        for cell in rooms.cells.values() {
            if cell.silent() > SILENT {
                cell.repair();
            }
        }
        if before > 0 {
            rooms.empty_since = Instant::now();
        } else if rooms.empty_since.elapsed() > LINGER
            && let Some(stop) = following.running.take()
        {
            stop.cancel();
        }
    }

    /// Ends it.
    pub(crate) async fn stop(&self) {
        if let Some(stop) = self.following.lock().await.running.take() {
            stop.cancel();
        }
        self.rooms.lock().expect("nobody panics in a link").cells.clear();
    }
}
