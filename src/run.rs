//! A process from its start to its end: waits for the engine, opens its role, and owns the order in which it stops.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use ringside_http::{ServeSettings, serve_with};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::Config;
use crate::console::print_lines;
use crate::engine::{TRY_AGAIN_AFTER, is_away, open_engine};
use crate::listen::{certificate, listen};
use crate::open_files::raise_open_files;
use crate::role::Role;
use crate::roles::Node;
use crate::startup::StartupResponder;

/// Each step of a stop is given so long.
const STEP_WITHIN: Duration = Duration::from_secs(5);
/// With fewer open files there are fewer connections than anybody expects.
const ENOUGH_FILES: u64 = 10_000;
/// How often a process that waits for the engine says so.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// One process, until a signal ends it.
pub(crate) async fn run(config: &Config, role: Role) -> anyhow::Result<()> {
    if role != Role::Up && config.redis.is_none() {
        bail!(
            "a {0} needs a Redis that the others know too: `ringside {0} --redis redis://host:port` (or RINGSIDE_REDIS); \
             without Redis, `ringside up` runs everything in one process",
            role.name()
        );
    }
    if role == Role::Collector && config.bench {
        bail!(
            "a collector publishes what it folds, and no load run: --bench (or RINGSIDE_BENCH) is for up and gateway"
        );
    }
    allow_many_connections();
    let stop = stop_signal();
    let tls = certificate(config)?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let listener = listen(config.listen).await?;
    let address = listener.local_addr().context("the listening socket has no address")?;
    let startup = StartupResponder::default();
    let stop_server = CancellationToken::new();
    let speaking = ServeSettings { tls, ..ServeSettings::default() };
    let server = tokio::spawn(serve_with(speaking, listener, startup.router(), stop_server.clone()));
    let url = match role {
        Role::Up | Role::Gateway => format!("Ringside is on {scheme}://{address}/"),
        Role::Collector => format!("The collector is on {scheme}://{address}/ingest/events"),
    };
    let node = tokio::select! {
        opened = open(config, role, &startup, &url) => opened?,
        () = stop.cancelled() => return Ok(()),
    };
    info!(role = role.name(), %address, "running");
    run_until(stop, config, node, Server { task: server, stop: stop_server }).await
}

/// Raises the limit of open files, and says so where it stays low.
fn allow_many_connections() {
    match raise_open_files() {
        Ok(files) if files < ENOUGH_FILES => {
            warn!(files, "the limit of open files allows few connections; raise it (ulimit -n, LimitNOFILE=)");
        }
        Ok(_) => {}
        Err(reason) => warn!(%reason, "the limit of open files can't be raised"),
    }
}

struct Server {
    task: JoinHandle<()>,
    stop: CancellationToken,
}

/// Opens the role once its engine answers. What is wrong for good ends it, what is away is waited for.
async fn open(config: &Config, role: Role, startup: &StartupResponder, url: &str) -> anyhow::Result<Node> {
    let metrics = ringside_http::recorder().install_recorder().ok();
    let mut engine = None;
    let mut said: Option<Instant> = None;
    // What the one who started us should read.
    let (mut address, mut shown) = (Some(url.to_owned()), Vec::new());
    loop {
        let attempt = async {
            let engine = match &engine {
                Some(engine) => Arc::clone(engine),
                None => engine.insert(open_engine(config).await?).clone(),
            };
            Node::open(config, role, engine, startup, metrics.clone(), &mut shown).await
        };
        let opened = attempt.await.map_err(|reason| (config.redis.is_some() && is_away(&reason), reason));
        // Generated secrets are shown whatever comes next; the address only if the process will listen.
        let address = address.take_if(|_| !matches!(opened, Err((false, _))));
        print_lines(&address.into_iter().chain(std::mem::take(&mut shown)).collect::<Vec<_>>());
        match opened {
            Ok(node) => return Ok(node),
            Err((true, reason)) => {
                if said.is_none_or(|at| at.elapsed() >= SAY_EVERY) {
                    said = Some(Instant::now());
                    warn!(reason = format!("{reason:#}"), "waiting for Redis");
                }
                startup.wait_for("Redis does not answer yet".to_owned());
            }
            Err((false, reason)) => return Err(reason),
        }
        tokio::time::sleep(TRY_AGAIN_AFTER).await;
    }
}

/// Runs until `stop`, then stops at the top and lets the end of input travel down: sources, readiness, sockets, server,
/// owners, engine.
async fn run_until(stop: CancellationToken, config: &Config, node: Node, server: Server) -> anyhow::Result<()> {
    let Node { engine, gateway, stopping, keep, mut sources, stop_sources, owners, stop_owners, .. } = node;
    stop.cancelled().await;
    info!("stopping");
    keep.cancel();
    stop_sources.cancel();
    let sources_ended = async {
        while let Some(ended) = sources.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => warn!(%reason, "a source ended with an error"),
                Err(failed) => error!(%failed, "a source panicked"),
            }
        }
    };
    if timeout(STEP_WITHIN, sources_ended).await.is_err() {
        warn!("a source did not end in time");
    }
    // Red first, and then for a while as before: so the balancer sends nobody here whom it would have to send on.
    stopping.cancel();
    tokio::time::sleep(Duration::from_millis(config.drain_delay_ms)).await;
    if let Some(gateway) = gateway {
        gateway.drain().await;
    }
    server.stop.cancel();
    match timeout(STEP_WITHIN, server.task).await {
        Ok(ended) => ended.context("the server task")?,
        Err(_) => warn!("some connections did not end in time; the data is safe"),
    }
    stop_owners.cancel();
    if let Some(owners) = owners
        && timeout(STEP_WITHIN, owners).await.is_err()
    {
        warn!("some partitions could not be handed over in time; their leases lapse by themselves");
    }
    engine.close().await.context("closing the engine")?;
    info!("stopped");
    Ok(())
}

/// Cancelled at Ctrl-C or SIGTERM, which count from the call on: whoever reads our address may stop us at once. The
/// second one ends the process.
#[cfg(unix)]
fn stop_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let [mut interrupted, mut terminated] = [SignalKind::interrupt(), SignalKind::terminate()]
        .map(|kind| signal(kind).expect("the runtime can watch for signals"));
    let told = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        told.cancel();
        // A second signal skips the drain. Acknowledged events are safe.
        tokio::select! {
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        warn!("stopped at once, as was asked for twice");
        std::process::exit(1);
    });
    stop
}

/// Cancelled at Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let told = stop.clone();
    tokio::spawn(async move {
        // Where it can't be watched for, the process is ended by other means.
        let _ = tokio::signal::ctrl_c().await;
        told.cancel();
    });
    stop
}
