//! Wires the roles together and owns the order in which they stop.

use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use axum::Router;
use axum::serve::ListenerExt;
use ringside_collector::door::{Door, DoorSettings, system_clock};
use ringside_collector::fold::{FoldSettings, Rule, RuleTarget, Statistic, WatchedRatio};
use ringside_collector::ingest::{Ingest, Limits, ingest_routes};
use ringside_collector::keys::Keys;
use ringside_collector::owner::{OwnerSettings, own_partitions};
use ringside_collector::source::{host, simulator};
use ringside_gateway::{Accounts, Gateway, GatewaySettings};
use ringside_shared::engine::Engine;
use ringside_shared::engine::embedded::{Embedded, EmbeddedSettings};
use ringside_shared::model::{Comparison, SourceId, TenantId};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::{Config, Loaded, RuleConfig, Side};

/// All roles together are given so long to stop.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Everything in this process, until a signal ends it.
pub(crate) async fn up(config: &Config) -> anyhow::Result<()> {
    let stop = stop_signal();
    let floor = Floor::open(config).await?;
    let mut out = std::io::stdout();
    for line in &floor.welcome {
        // Whoever closed our stdout does not want to read it.
        let _ = writeln!(out, "{line}");
    }
    let _ = out.flush();
    floor.run(stop).await
}

/// One process with all its roles, ready to run.
pub(crate) struct Floor {
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// What the one who started it should read.
    pub(crate) welcome: Vec<String>,
    listener: TcpListener,
    engine: Arc<dyn Engine>,
    gateway: Gateway,
    router: Router,
    door: Door,
    owners: OwnerSettings,
    simulator: Option<simulator::SimulatorConfig>,
    host: Option<host::HostConfig>,
    tenant: TenantId,
}

impl Floor {
    /// Takes the port and the data folder, and makes sure that somebody can log in.
    pub(crate) async fn open(config: &Config) -> anyhow::Result<Self> {
        let tenant = TenantId::parse(&config.tenant).context("configuration key \"tenant\"")?;
        let fold = Arc::new(fold_settings(config)?);
        let listener = listen(config.listen).await?;
        let address = listener.local_addr().context("the listening socket has no address")?;
        let engine = open_engine(config)?;

        let password = Accounts::ensure_admin(engine.as_ref(), &tenant, config.admin_password.as_deref()).await?;
        let keys = Keys::new(engine.clone(), system_clock());
        let source = |name| SourceId::parse(name).expect("a plain name");
        let generated_key = match &config.ingest_key {
            Some(key) => {
                keys.ensure(&tenant, &source("ingest"), key).await?;
                None
            }
            None if keys.list(None).await?.is_empty() => {
                Some(keys.issue(&tenant, &source("ingest"), "first key", Vec::new()).await?.key)
            }
            None => None,
        };

        let simulate = config.simulate.unwrap_or(true);
        let door_settings = DoorSettings { dedupe_horizon_ms: fold.dedupe_horizon_ms, ..DoorSettings::default() };
        let door = Door::new(engine.clone(), door_settings, system_clock());
        let metrics = ringside_gateway::recorder().install_recorder().ok();
        let owners = OwnerSettings {
            state_every: Duration::from_millis(config.state_interval_ms),
            ..OwnerSettings::new(fold, format!("process {}", std::process::id()))
        };
        let progress = owners.progress.clone();
        let settings = GatewaySettings {
            allowed_origins: config.allowed_origins.clone(),
            secure_cookies: config.secure_cookies,
            demo: simulate,
            readiness: vec![Arc::new(move || {
                let behind = progress.behind();
                (behind > 0).then(|| format!("{behind} partitions are being replayed"))
            })],
            token_ttl: Duration::from_secs(config.login_minutes * 60),
            metrics,
            ..GatewaySettings::default()
        };
        let gateway = Gateway::start(engine.clone(), settings).await?;
        let ingest = Ingest { door: door.clone(), keys, limits: Limits::default() };
        let router = gateway.router().merge(ingest_routes(ingest));

        let mut welcome = vec![format!("Ringside is on http://{address}/")];
        if let Some(password) = password {
            welcome.push(format!("Log in as admin with the password {password}"));
            welcome.push(
                "It is shown once; set your own with RINGSIDE_ADMIN_PASSWORD or `ringside user passwd admin`.".into(),
            );
        }
        if let Some(key) = generated_key {
            welcome.push(format!("Send events to http://{address}/ingest/events with the API key {key}"));
        }
        if simulate {
            welcome.push("No source is configured: a simulated floor is running (campaigns demo-…).".into());
        }
        Ok(Self {
            address,
            welcome,
            listener,
            engine,
            gateway,
            router,
            door,
            owners,
            simulator: simulate.then(|| simulator::SimulatorConfig {
                seed: config.simulator_seed,
                rate: config.simulator_rate,
                ..simulator::SimulatorConfig::new(tenant.clone(), source("simulator"))
            }),
            host: config.host.then(|| host::HostConfig {
                tenant: tenant.clone(),
                source: source("host"),
                interval_ms: config.metric_interval_ms,
            }),
            tenant,
        })
    }

    /// Runs until `stop` resolves, then stops at the top and lets the end of input travel down: sources, fold, rooms,
    /// sockets, store.
    pub(crate) async fn run(self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        let [stop_sources, stop_owners, stop_server] = [(); 3].map(|()| CancellationToken::new());
        info!(tenant = %self.tenant, address = %self.address, "running");

        let mut sources = JoinSet::new();
        if let Some(config) = self.simulator {
            sources.spawn(simulator::run(config, self.door.clone(), stop_sources.clone()));
        }
        if let Some(config) = self.host {
            sources.spawn(host::run(config, self.door.clone(), stop_sources.clone()));
        }
        let owners = tokio::spawn(own_partitions(self.engine.clone(), self.owners, stop_owners.clone()));
        let server = {
            let listener = self.listener.tap_io(|socket| {
                // Without it a small frame may wait 40 ms for the one before it to be acknowledged.
                if let Err(reason) = socket.set_nodelay(true) {
                    warn!(%reason, "could not turn off Nagle's algorithm on a connection");
                }
            });
            let service = self.router.into_make_service_with_connect_info::<SocketAddr>();
            let stopped = stop_server.clone().cancelled_owned();
            tokio::spawn(async move { axum::serve(listener, service).with_graceful_shutdown(stopped).await })
        };

        stop.await;
        info!("stopping");
        let gateway = self.gateway;
        let in_order = async {
            stop_sources.cancel();
            while let Some(ended) = sources.join_next().await {
                if let Ok(Err(reason)) = ended {
                    warn!(%reason, "a source ended with an error");
                }
            }
            stop_server.cancel();
            gateway.drain().await;
            server.await.context("the server task")?.context("the server")?;
            stop_owners.cancel();
            owners.await.context("the owners' task")
        };
        match tokio::time::timeout(STOP_WITHIN, in_order).await {
            Ok(stopped) => stopped?,
            Err(_) => warn!("some connections did not end in time; the data is safe"),
        }
        self.engine.close().await.context("closing the data folder")?;
        info!("stopped");
        Ok(())
    }
}

/// Reads the configuration and tries what it names, and says how each came out.
pub(crate) async fn check(loaded: &Loaded) -> anyhow::Result<()> {
    let config = &loaded.config;
    let rows = loaded.rows();
    let width = rows.iter().map(|(key, ..)| key.len()).max().unwrap_or(0);
    let mut out = std::io::stdout();
    for (key, value, origin) in rows {
        writeln!(out, "{key:width$}  {value}  ({origin})")?;
    }
    fold_settings(config)?;
    TenantId::parse(&config.tenant).context("configuration key \"tenant\"")?;
    listen(config.listen).await?;
    writeln!(out, "ok  {} is free to listen on", config.listen)?;
    if config.data.exists() {
        let engine = open_engine(config)?;
        engine.ping().await?;
        engine.close().await?;
        writeln!(out, "ok  the data folder {} can be used", config.data.display())?;
    } else {
        writeln!(out, "ok  the data folder {} is not there yet; the first start makes it", config.data.display())?;
    }
    Ok(())
}

/// Opens the data folder, or says in one sentence why not.
pub(crate) fn open_engine(config: &Config) -> anyhow::Result<Arc<dyn Engine>> {
    let settings = EmbeddedSettings { partitions: config.partitions, ..EmbeddedSettings::default() };
    Ok(Arc::new(Embedded::open(&config.data, settings)?))
}

async fn listen(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => {
            anyhow!("another program listens on {address} already; stop it, or choose another address with --listen")
        }
        ErrorKind::PermissionDenied => {
            anyhow!("not allowed to listen on {address}; choose a port above 1023 with --listen")
        }
        ErrorKind::AddrNotAvailable => {
            anyhow!("{} is not an address of this machine; choose another with --listen", address.ip())
        }
        _ => anyhow!("can't listen on {address}: {error}"),
    })
}

fn fold_settings(config: &Config) -> anyhow::Result<FoldSettings> {
    let time_zone = jiff::tz::TimeZone::get(&config.time_zone).map_err(|_| {
        anyhow!(
            "configuration key \"time_zone\" is \"{}\"; it must be an IANA name such as Europe/London",
            config.time_zone
        )
    })?;
    let mut settings = FoldSettings {
        time_zone,
        dedupe_horizon_ms: config.dedupe_hours as i64 * 3_600_000,
        window_points: config.window_size,
        alert_check_ms: config.alert_check_sec as i64 * 1000,
        ..FoldSettings::default()
    };
    if let Some(rules) = &config.rules {
        settings.rules = rules.iter().map(rule).collect::<Result<_, _>>()?;
    }
    Ok(settings)
}

fn rule(config: &RuleConfig) -> anyhow::Result<Rule> {
    let name = &config.id;
    if config.warning.is_none() && config.critical.is_none() {
        bail!("alert rule \"{name}\" needs \"warning\" or \"critical\", or both");
    }
    let ratio = match config.metric.as_str() {
        "abandon_rate" => Some(WatchedRatio::AbandonLive),
        "abandon_rate_hour" => Some(WatchedRatio::AbandonHour),
        "answer_rate" => Some(WatchedRatio::AnswerHour),
        "failed_rate" => Some(WatchedRatio::FailedHour),
        "service_level" => Some(WatchedRatio::ServiceLevelHour),
        _ => None,
    };
    let comparison = match config.bad.unwrap_or(Side::Above) {
        Side::Above => Comparison::Above,
        Side::Below => Comparison::Below,
    };
    let side = if comparison == Comparison::Above { "above" } else { "below" };
    let target = match ratio {
        Some(ratio) => RuleTarget::CampaignRatio(ratio),
        None => RuleTarget::Metric { name: config.metric.as_str().into(), statistic: Statistic::Last },
    };
    Ok(Rule {
        id: name.as_str().into(),
        title: format!("{} of {{subject}} is {{value}}, {side} {{limit}}", config.metric).into(),
        target,
        comparison,
        warning: config.warning,
        critical: config.critical,
        for_ms: config.for_sec.unwrap_or(10) as i64 * 1000,
        clear_margin: config.clear_margin.unwrap_or(0.0),
        keep_firing_ms: 30_000,
        min_samples: config.min_samples.unwrap_or(if ratio.is_some() { 30 } else { 1 }),
    })
}

/// Resolves at Ctrl-C or SIGTERM, which count from the call on: whoever reads our address may stop us at once.
#[cfg(unix)]
fn stop_signal() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let [mut interrupted, mut terminated] = [SignalKind::interrupt(), SignalKind::terminate()]
        .map(|kind| signal(kind).expect("the runtime can watch for signals"));
    async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
    }
}

/// Resolves at Ctrl-C.
#[cfg(not(unix))]
async fn stop_signal() {
    // Where it can't be watched for, the process is ended by other means.
    let _ = tokio::signal::ctrl_c().await;
}
