//! The gateway as a whole: its parts, how they start and how they end.

use std::sync::Arc;

use axum::extract::FromRef;
use ringside_access::{Access, AccessSettings, AccessStartError};
use ringside_engine::{Engine, EngineProbe};
use ringside_http::{Health, HttpSettings, Readiness, RenderMetrics};
use tokio_util::sync::CancellationToken;

use crate::bench::Bench;
use crate::delivery::Delivery;
use crate::hub::{Hub, RoomReader};
use crate::memory::Memory;
use crate::pages::PageContext;
use crate::settings::{CORS_PATHS, GatewaySettings};
use crate::{data_age, observe};

/// A gateway. Cheap to clone; clones are the same one.
///
/// It only puts the parts together: handlers take the part they need from it, as `State<Access>` or `State<Delivery>`.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    settings: GatewaySettings,
    http: Arc<HttpSettings>,
    access: Access,
    hub: Arc<Hub>,
    reader: RoomReader,
    probe: Arc<EngineProbe>,
    memory: Arc<Memory>,
    delivery: Delivery,
    bench: Option<Arc<Bench>>,
    /// Cancelled when everything has to end.
    stop: CancellationToken,
}

impl Gateway {
    /// Reads (or makes) the installation's keys and starts all parts.
    pub async fn start(engine: Arc<dyn Engine>, settings: GatewaySettings) -> Result<Self, AccessStartError> {
        observe::begin();
        let stop = CancellationToken::new();
        let access = AccessSettings { load_runs: settings.bench, ..settings.access.clone() };
        let access = Access::start(engine.clone(), access, &stop).await?;
        let http = Arc::new(HttpSettings { cors_paths: &CORS_PATHS, ..settings.http.clone() });
        let probe = EngineProbe::new();
        tokio::spawn(probe.clone().run(engine.clone(), stop.clone()));
        let hub = Hub::new(engine.clone(), probe.clone(), settings.publish_every, stop.clone());
        tokio::spawn(hub.clone().run());
        let memory = Memory::new(settings.memory_limit, settings.memory_reading.clone());
        tokio::spawn(memory.clone().run(stop.clone()));
        let delivery = Delivery::start(
            settings.delivery.clone(),
            access.clone(),
            hub.clone(),
            http.clone(),
            memory.clone(),
            &stop,
        );
        Ok(Self(Arc::new(Inner {
            reader: RoomReader::new(access.clone(), hub.clone(), engine.clone()),
            bench: settings.bench.then(|| Arc::new(Bench::new(engine, stop.clone()))),
            http,
            access,
            hub,
            probe,
            memory,
            delivery,
            settings,
            stop,
        })))
    }

    /// Turns readiness red, asks connections to go elsewhere and ends all parts.
    ///
    /// New connections are sent elsewhere meanwhile, so keep listening until it returns.
    pub async fn drain(&self) {
        self.0.delivery.drain().await;
        self.0.stop.cancel();
        if let Some(bench) = &self.0.bench {
            bench.ended().await;
        }
    }

    /// What this gateway reports about itself to probes and Prometheus.
    pub(crate) fn health(&self) -> Health {
        let check = |check: fn(&Inner) -> Option<String>| -> Readiness {
            let gateway = self.0.clone();
            Arc::new(move || check(&gateway))
        };
        let mut readiness = vec![
            check(|gateway| gateway.probe.trouble()),
            check(|gateway| gateway.hub.trouble()),
            check(|gateway| gateway.memory.trouble()),
        ];
        readiness.extend(self.0.settings.readiness.iter().cloned());
        readiness.push(check(|gateway| gateway.delivery.goodbye().has_begun().then(|| "draining".to_owned())));
        let metrics = self.0.settings.metrics.clone().map(|handle| -> RenderMetrics {
            let ledger = self.0.delivery.ledger().clone();
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

    /// True if load runs may be made here.
    pub(crate) fn has_bench(&self) -> bool {
        self.0.bench.is_some()
    }
}

impl FromRef<Gateway> for Access {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.0.access.clone()
    }
}

impl FromRef<Gateway> for Arc<HttpSettings> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.0.http.clone()
    }
}

impl FromRef<Gateway> for Delivery {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.0.delivery.clone()
    }
}

impl FromRef<Gateway> for RoomReader {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.0.reader.clone()
    }
}

impl FromRef<Gateway> for PageContext {
    fn from_ref(gateway: &Gateway) -> Self {
        let Inner { reader, access, settings, .. } = &*gateway.0;
        Self { reader: reader.clone(), access: access.clone(), demo: settings.demo.clone() }
    }
}

impl FromRef<Gateway> for Option<Arc<Bench>> {
    fn from_ref(gateway: &Gateway) -> Self {
        gateway.0.bench.clone()
    }
}

/// Without what it holds.
impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("settings", &self.0.settings).finish_non_exhaustive()
    }
}
