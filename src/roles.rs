//! What each role is made of: which parts a process has, wired and running.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use metrics_exporter_prometheus::PrometheusHandle;
use ringside_access::AccessSettings;
use ringside_collector::fold::FoldSettings;
use ringside_collector::owner::{OwnerSettings, holder_name, own_partitions};
use ringside_collector::source::{SourceError, Spools, host, simulator, stand_by};
use ringside_collector::webhook::{Limits, Webhook, webhook_routes};
use ringside_engine::{Engine, EngineProbe};
use ringside_gateway::{DeliverySettings, Gateway, GatewaySettings};
use ringside_http::{Health, HttpSettings, Origins, Readiness, RenderMetrics, TrustedProxies};
use ringside_intake::{Intake, IntakeSettings};
use ringside_model::{SourceId, TenantId, system_clock};
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::config::{Config, days};
use crate::installation::Installation;
use crate::issuers;
use crate::role::Role;
use crate::rules::fold_settings;
use crate::startup::StartupResponder;

/// How often it is looked whether somebody simulates.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// A process with its role, running.
pub(crate) struct Node {
    pub(crate) engine: Arc<dyn Engine>,
    /// None in a collector.
    pub(crate) gateway: Option<Gateway>,
    /// Cancelled, it turns readiness red.
    pub(crate) stopping: CancellationToken,
    /// Ends what looks after accounts.
    pub(crate) keep: CancellationToken,
    pub(crate) sources: JoinSet<Result<(), SourceError>>,
    pub(crate) stop_sources: CancellationToken,
    /// None in a gateway.
    pub(crate) owners: Option<JoinHandle<()>>,
    pub(crate) stop_owners: CancellationToken,
}

impl Node {
    /// Makes sure that somebody can log in, starts the role's parts and opens the port to them. Pushes to `shown` what
    /// the one who started the process should read, besides the address, also where it fails.
    pub(crate) async fn open(
        config: &Config,
        role: Role,
        engine: Arc<dyn Engine>,
        startup: &StartupResponder,
        metrics: Option<PrometheusHandle>,
        shown: &mut Vec<String>,
    ) -> anyhow::Result<Self> {
        // A load run publishes where a collector would: there is none beside it.
        let role = if role == Role::Up && config.bench { Role::Gateway } else { role };
        let tenant = TenantId::parse(&config.tenant).context("configuration key \"tenant\"")?;
        let fold = Arc::new(fold_settings(config)?);
        let trusted_proxies =
            TrustedProxies::parse(&config.trusted_proxies).context("configuration key \"trusted_proxies\"")?;
        let allowed_origins =
            Origins::parse(&config.allowed_origins).context("configuration key \"allowed_origins\"")?;
        let cors_origins = Origins::parse(&config.cors_origins).context("configuration key \"cors_origins\"")?;
        let installation = Installation::new(engine.clone(), config, role, tenant.clone());
        installation.ensure(shown).await?;
        let stopping = CancellationToken::new();
        let owner_settings = OwnerSettings {
            state_every: Duration::from_millis(config.state_interval_ms),
            ..OwnerSettings::new(fold.clone(), holder_name())
        };
        let readiness = readiness(role, &stopping, &owner_settings);
        let simulate = simulates(config, role);
        let demo = Arc::new(AtomicBool::new(simulate));
        let settings = GatewaySettings {
            access: AccessSettings {
                token_ttl: Duration::from_secs(config.token_minutes * 60),
                session_ttl: Duration::from_secs(config.login_minutes * 60),
                key_rotation: days(config.signing_key_days),
                audit_kept: days(config.audit_days),
                tenant: tenant.clone(),
                issuers: issuers::read(&config.issuers)?,
                public_url: config.public_url.clone(),
                ..AccessSettings::default()
            },
            http: HttpSettings {
                allowed_origins,
                cors_origins,
                secure_cookies: config.secure_cookies,
                trusted_proxies,
                ..HttpSettings::default()
            },
            delivery: DeliverySettings {
                drain_over: Duration::from_millis(config.drain_ms),
                connects_per_second: config.connects_per_second,
                max_age: Duration::from_secs(config.connection_max_minutes * 60),
                ..DeliverySettings::default()
            },
            demo: demo.clone(),
            readiness: readiness.clone(),
            memory_limit: config.memory_limit_mb.map(|mb| mb << 20),
            metrics: metrics.clone(),
            bench: config.bench,
            ..GatewaySettings::default()
        };
        let gateway = match role {
            Role::Up | Role::Gateway => Some(Gateway::start(engine.clone(), settings).await?),
            Role::Collector => None,
        };

        let keep = CancellationToken::new();
        let mut router = match &gateway {
            Some(gateway) => gateway.router(),
            None => collector_health(&engine, readiness, metrics, &keep).routes(),
        };
        let mut node = Self {
            engine: engine.clone(),
            gateway,
            stopping,
            keep,
            sources: JoinSet::new(),
            stop_sources: CancellationToken::new(),
            owners: None,
            stop_owners: CancellationToken::new(),
        };
        if role != Role::Gateway {
            let intake = intake(engine.clone(), &fold);
            let keys = installation.keys().clone();
            router = router.merge(webhook_routes(Webhook { intake: intake.clone(), keys, limits: Limits::default() }));
            node.start_sources(config, simulate, &intake, &tenant, &owner_settings.holder)?;
            let owners = own_partitions(engine, owner_settings, node.stop_owners.clone());
            node.owners = Some(tokio::spawn(owners));
        }
        if simulate && config.simulate.is_none() {
            shown.push("No source is configured: a simulated node is running (campaigns demo-…).".into());
        }
        if config.redis.is_some() {
            tokio::spawn(installation.keep(node.keep.clone()));
            tokio::spawn(look_for_simulators(node.engine.clone(), demo, node.keep.clone()));
        }
        startup.open(router);
        Ok(node)
    }

    fn start_sources(
        &mut self,
        config: &Config,
        simulate: bool,
        intake: &Intake,
        tenant: &TenantId,
        holder: &str,
    ) -> anyhow::Result<()> {
        let source = |name| SourceId::parse(name).expect("a plain name");
        // The embedded engine is on the same disk and dies with the process: a spool would add nothing.
        let spools = match &config.redis {
            Some(_) => Spools::open(&config.data, config.spool_mb << 20)
                .with_context(|| format!("the spool in {} can't be used", config.data.display()))?,
            None => Spools::none(),
        };
        if simulate {
            let simulator = simulator::SimulatorConfig {
                seed: config.simulator_seed,
                rate: config.simulator_rate,
                ..simulator::SimulatorConfig::new(tenant.clone(), source("simulator"))
            };
            let (engine, holder) = (self.engine.clone(), holder.to_owned());
            let (intake, spools, shutdown) = (intake.clone(), spools.clone(), self.stop_sources.clone());
            self.sources.spawn(async move {
                let run = |stop| simulator::run(simulator.clone(), intake.clone(), spools.clone(), stop);
                stand_by(engine, "simulators", &holder, shutdown, run).await
            });
        }
        if config.host {
            let host = host::HostConfig {
                tenant: tenant.clone(),
                source: source("host"),
                interval_ms: config.metric_interval_ms,
            };
            self.sources.spawn(host::run(host, intake.clone(), spools, self.stop_sources.clone()));
        }
        Ok(())
    }
}

/// What a collector reports about itself to probes and Prometheus.
fn collector_health(
    engine: &Arc<dyn Engine>,
    mut readiness: Vec<Readiness>,
    metrics: Option<PrometheusHandle>,
    keep: &CancellationToken,
) -> Health {
    let probe = EngineProbe::new();
    tokio::spawn(probe.clone().run(engine.clone(), keep.clone()));
    readiness.insert(0, Arc::new(move || probe.trouble()));
    let metrics = metrics.map(|handle| -> RenderMetrics {
        Arc::new(move || {
            handle.run_upkeep();
            handle.render()
        })
    });
    Health { readiness, metrics, version: env!("CARGO_PKG_VERSION") }
}

/// Says that data is made up once any collector has noted that it simulates, or did, until `shutdown`.
async fn look_for_simulators(engine: Arc<dyn Engine>, demo: Arc<AtomicBool>, shutdown: CancellationToken) {
    while !demo.load(Ordering::Relaxed) {
        // While the engine is away nothing new is shown either.
        if engine.list("simulator/").await.is_ok_and(|notes| !notes.is_empty()) {
            demo.store(true, Ordering::Relaxed);
        }
        if shutdown.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_none() {
            return;
        }
    }
}

fn simulates(config: &Config, role: Role) -> bool {
    match role {
        Role::Up => config.simulate.unwrap_or(true),
        Role::Collector => config.simulate == Some(true),
        Role::Gateway => false,
    }
}

/// What must be well besides the engine: the partitions of whoever has some, and that it is not about to stop.
fn readiness(role: Role, stopping: &CancellationToken, owners: &OwnerSettings) -> Vec<Readiness> {
    let stopping = stopping.clone();
    let mut readiness: Vec<Readiness> = vec![Arc::new(move || stopping.is_cancelled().then(|| "stopping".to_owned()))];
    if role != Role::Gateway {
        let progress = owners.progress.clone();
        readiness.push(Arc::new(move || progress.trouble()));
    }
    readiness
}

fn intake(engine: Arc<dyn Engine>, fold: &FoldSettings) -> Intake {
    let settings = IntakeSettings { dedupe_horizon_ms: fold.dedupe_horizon_ms, ..IntakeSettings::default() };
    Intake::new(engine, settings, system_clock())
}
