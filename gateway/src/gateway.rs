//! The gateway as a whole: what it is made of, how it starts and how it ends.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::FromRef;
use ringside_access::{Access, AccessStartError, Viewer};
use ringside_engine::{Engine, EngineProbe};
use ringside_http::{Health, HttpSettings, Readiness, RenderMetrics};
use ringside_model::Room;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::bench::Bench;
use crate::delivery::{Admission, Goodbye, Ledger, Shard};
use crate::hub::{Hub, Initial, Refusal};
use crate::memory::Memory;
use crate::routes::CORS_PATHS;
use crate::settings::GatewaySettings;
use crate::{data_age, observe};

/// How long the last connections get to read their goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(3);

/// A gateway. Cloning it makes another handle to the same one.
#[derive(Clone)]
pub struct Gateway(Arc<Inside>);

struct Inside {
    engine: Arc<dyn Engine>,
    settings: GatewaySettings,
    http: Arc<HttpSettings>,
    hub: Arc<Hub>,
    probe: Arc<EngineProbe>,
    access: Access,
    bench: Option<Bench>,
    goodbye: Arc<Goodbye>,
    admission: Admission,
    ledger: Arc<Ledger>,
    memory: Arc<Memory>,
    shards: Vec<Arc<Shard>>,
    sockets: AtomicUsize,
    /// Cancelled when everything has to end.
    stop: CancellationToken,
    connections: TaskTracker,
}

impl Gateway {
    /// Reads (or makes) the installation's keys and begins to look after rooms and accounts.
    pub async fn start(engine: Arc<dyn Engine>, settings: GatewaySettings) -> Result<Self, AccessStartError> {
        observe::begin();
        let stop = CancellationToken::new();
        let access = Access::start(engine.clone(), settings.access.clone(), &stop).await?;
        let probe = EngineProbe::new();
        tokio::spawn(probe.clone().run(engine.clone(), stop.clone()));
        let hub = Hub::new(engine.clone(), probe.clone(), settings.publish_every, stop.clone());
        tokio::spawn(hub.clone().run());
        let bench = settings.bench.then(|| Bench::new(engine.clone(), stop.clone()));
        let memory = Memory::new(settings.memory_limit, settings.memory_reading.clone());
        tokio::spawn(memory.clone().run(stop.clone()));
        let goodbye = Arc::new(Goodbye::default());
        let admission = Admission::new(settings.connects_per_second, goodbye.clone(), memory.clone());
        Ok(Self(Arc::new(Inside {
            access,
            hub,
            probe,
            engine,
            http: Arc::new(HttpSettings { cors_paths: &CORS_PATHS, ..settings.http.clone() }),
            settings,
            bench,
            goodbye,
            admission,
            ledger: Arc::default(),
            memory,
            shards: Shard::start_all(&stop),
            sockets: AtomicUsize::new(0),
            stop,
            connections: TaskTracker::new(),
        })))
    }

    /// A room's full snapshot for a viewer: the very frame that a socket would be sent first.
    pub async fn initial(&self, viewer: &Viewer, room: &Room) -> Result<Initial, Refusal> {
        if !self.may_watch(viewer, room) {
            return Err(Refusal::Forbidden(room.clone()));
        }
        self.0.hub.initial(viewer, room).await
    }

    /// Turns readiness red, tells connections to come back elsewhere, a few at a time, and ends what runs here. Whoever
    /// still comes is sent elsewhere; so keep listening until it returns.
    pub async fn drain(&self) {
        let over = self.0.settings.drain_over;
        let connections = self.0.connections.len();
        self.0.goodbye.begin(connections, over);
        self.0.connections.close();
        info!(connections, "saying goodbye");
        if tokio::time::timeout(over + GOODBYE_WITHIN, self.0.connections.wait()).await.is_err() {
            warn!(connections = self.0.connections.len(), "some connections did not take their goodbye");
        }
        self.0.stop.cancel();
        if let Some(bench) = &self.0.bench {
            bench.ended().await;
        }
    }

    /// What an operator has set.
    pub fn settings(&self) -> &GatewaySettings {
        &self.0.settings
    }

    /// What this gateway reports about itself to probes and Prometheus.
    pub(crate) fn health(&self) -> Health {
        let check = |check: fn(&Inside) -> Option<String>| -> Readiness {
            let gateway = self.0.clone();
            Arc::new(move || check(&gateway))
        };
        let mut readiness = vec![
            check(|gateway| gateway.probe.trouble()),
            check(|gateway| gateway.hub.trouble()),
            check(|gateway| gateway.memory.trouble()),
        ];
        readiness.extend(self.0.settings.readiness.iter().cloned());
        readiness.push(check(|gateway| gateway.goodbye.has_begun().then(|| "draining".to_owned())));
        let metrics = self.0.settings.metrics.clone().map(|handle| -> RenderMetrics {
            let ledger = self.0.ledger.clone();
            Arc::new(move || {
                observe::queues(ledger.queued_bytes());
                handle.run_upkeep();
                handle.render() + &data_age::render()
            })
        });
        Health { readiness, metrics, version: self.0.settings.version }
    }

    /// What the port believes about its clients.
    pub(crate) fn http(&self) -> &Arc<HttpSettings> {
        &self.0.http
    }

    /// Who may do and see what.
    pub(crate) fn access(&self) -> &Access {
        &self.0.access
    }

    /// True if the viewer may watch the room; rooms of load runs only exist while one is switched on.
    pub(crate) fn may_watch(&self, viewer: &Viewer, room: &Room) -> bool {
        (self.0.bench.is_some() || !matches!(room, Room::Bench(_))) && self.0.access.may_watch(viewer, room)
    }

    /// What publishes a load run; none where no operator has switched it on.
    pub(crate) fn bench(&self) -> Option<&Bench> {
        self.0.bench.as_ref()
    }

    pub(crate) fn engine(&self) -> &dyn Engine {
        self.0.engine.as_ref()
    }

    pub(crate) fn hub(&self) -> &Arc<Hub> {
        &self.0.hub
    }

    pub(crate) fn goodbye(&self) -> &Goodbye {
        &self.0.goodbye
    }

    pub(crate) fn admission(&self) -> &Admission {
        &self.0.admission
    }

    pub(crate) fn ledger(&self) -> &Arc<Ledger> {
        &self.0.ledger
    }

    /// Who writes for the next socket.
    pub(crate) fn next_shard(&self) -> Arc<Shard> {
        let number = self.0.sockets.fetch_add(1, Ordering::Relaxed);
        self.0.shards[number % self.0.shards.len()].clone()
    }

    pub(crate) fn connections(&self) -> &TaskTracker {
        &self.0.connections
    }
}

impl FromRef<Gateway> for Access {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.access().clone()
    }
}

impl FromRef<Gateway> for Arc<HttpSettings> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.http().clone()
    }
}

/// Without what it holds.
impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
