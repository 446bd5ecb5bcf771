//! `ringside bench relay`: from a publication to many clients, under load.
//!
//! Connects the clients ([`client`]), posts to `/bench/{n}` at a fixed rate ([`publisher`]), waits until what was posted has
//! come, and prints what arrived ([`tally`], [`report`]). The clients look at three members of a frame and parse nothing
//! ([`wire`], [`frame`]), so that one core of them is a match for one of the server.

mod client;
mod frame;
mod publisher;
mod report;
mod tally;
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use self::client::{Outcome, Seat, Site, Transport};
use self::publisher::Plan;
use self::report::{Connects, Report};
use self::tally::Run;
use super::process;
use super::server::Server;
use crate::open_files::raise_open_files;
use crate::socket::log_in;

/// Without a rate, so many connect at once.
const CONNECTING: usize = 64;
/// Before memory is read, so long nothing happens.
const SETTLE: Duration = Duration::from_secs(1);
/// What has not come for so long will not come.
const NOTHING_FOR: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Files that are no clients'.
const OTHER_FILES: u64 = 100;

/// `ringside bench relay`
#[derive(Args)]
pub(crate) struct RelayArgs {
    /// A gateway with --bench, such as http://127.0.0.1:8080 [default: one of its own on a fresh folder, or on --redis]
    #[arg(long)]
    url: Option<String>,
    /// Clients that are connected
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Rooms that they are spread over
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rooms: u16,
    /// Frames a second in each room
    #[arg(long, default_value_t = 20.0)]
    rate: f64,
    /// Bytes of each frame's own members
    #[arg(long, default_value_t = 300)]
    payload: usize,
    /// The door that they come through
    #[arg(long, value_enum, default_value = "ws")]
    transport: Transport,
    /// Clients besides that read 1 KB a second
    #[arg(long, default_value_t = 0)]
    slow: usize,
    /// How long it is measured
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// How long it is posted before that
    #[arg(long, default_value_t = 2)]
    warmup: u64,
    /// Connects a second [default: as fast as they are let in, 64 at once]
    #[arg(long)]
    connect_rate: Option<f64>,
    /// The user that signs in at --url
    #[arg(long, default_value = "admin")]
    user: String,
    /// Their password
    #[arg(long)]
    password: Option<String>,
    /// A token, in place of a login
    #[arg(long)]
    token: Option<String>,
    /// With --url: the gateway's process, whose processor time and memory are measured
    #[arg(long)]
    server_pid: Option<u32>,
    /// Processes whose processor time counts as the server's too, such as redis-server's
    #[arg(long)]
    also_pid: Vec<u32>,
}

/// Runs it and prints a table; an error where anything was lost.
pub(super) async fn run(args: &RelayArgs, redis: Option<&str>) -> anyhow::Result<()> {
    let files = raise_open_files()?;
    let clients = args.connections + args.slow;
    if clients as u64 + OTHER_FILES > files {
        bail!(
            "{clients} connections need as many open files, and only {files} are allowed: raise the limit (ulimit -n)"
        );
    }
    if args.slow > 0 && args.transport == Transport::Poll {
        bail!("a poll has no pace of its own: slow clients need --transport ws or sse");
    }
    if !(args.rate > 0.0 && args.rate.is_finite()) || args.connect_rate.is_some_and(|rate| rate <= 0.0) {
        bail!("rates must be above 0");
    }
    let own = match (&args.url, redis) {
        (Some(_), _) => None,
        (None, None) => Some(Server::start(&["--bench"]).await?),
        (None, Some(redis)) => Some(Server::start(&["gateway", "--bench", "--redis", redis]).await?),
    };
    let site = Arc::new(site(args, own.as_ref()).await?);
    let server_pid = own.as_ref().and_then(Server::id).or(args.server_pid);
    let pids: Vec<u32> = server_pid.into_iter().chain(args.also_pid.iter().copied()).collect();

    let memory_before = server_pid.and_then(process::resident_kib);
    let (clients, connects) = connect(&site, args).await;
    if connects.let_in.is_empty() {
        bail!("nobody was let in: {}", connects.reason.as_deref().unwrap_or("no connections were asked for"));
    }
    sleep(SETTLE).await;
    let memory_after = server_pid.and_then(process::resident_kib);

    let (warmup, seconds) = (Duration::from_secs(args.warmup), Duration::from_secs(args.seconds));
    let plan = Plan { rooms: args.rooms, rate: args.rate, lasts: warmup + seconds, payload_bytes: args.payload };
    let publishing = tokio::spawn({
        let site = site.clone();
        async move { publisher::publish(&site, plan).await }
    });
    sleep(warmup).await;
    let (measured_from_us, cpu_before) = (site.run.measure(), process::cpu(&pids));
    let posted = publishing.await??;
    let published_until_us = site.run.now_us();
    drain(&site.run, &posted, args).await;
    let cpu = process::cpu(&pids).saturating_sub(cpu_before);
    let memory_at_the_end = server_pid.and_then(process::resident_kib);
    site.stop.cancel();
    let outcomes = clients.join_all().await;

    let report = Report {
        sums: site.run.sums(),
        connects,
        posted: &posted,
        outcomes: &outcomes,
        measured_from_us,
        published_until_us,
        cpu: (!pids.is_empty()).then_some(cpu),
        resident_kib: memory_at_the_end,
        grown_kib: memory_before.zip(memory_after).map(|(before, after)| after.saturating_sub(before)),
    };
    report.print()?;
    report.judge()
}

/// Where to connect, and as whom.
async fn site(args: &RelayArgs, own: Option<&Server>) -> anyhow::Result<Site> {
    let url = match own {
        Some(server) => server.url(""),
        None => args.url.as_deref().unwrap_or_default().trim_end_matches('/').to_owned(),
    };
    let host = url.strip_prefix("http://").filter(|host| !host.is_empty() && !host.contains('/'));
    let host = host.with_context(|| format!("\"{url}\" is no http://host:port; load is run without TLS and path"))?;
    let port = if host.contains(':') { "" } else { ":80" };
    let mut addresses =
        tokio::net::lookup_host(format!("{host}{port}")).await.with_context(|| format!("{host} is not known"))?;
    let address = addresses.next().with_context(|| format!("{host} has no address"))?;
    let token = match (&args.token, own, &args.password) {
        (Some(token), _, _) => token.clone(),
        (None, Some(server), _) => server.token().await?,
        (None, None, Some(password)) => {
            log_in(&url, &args.user, password).await.with_context(|| format!("logging in at {url} as {}", args.user))?
        }
        (None, None, None) => bail!("--url needs --password or --token of an operator, a supervisor or an admin"),
    };
    Ok(Site {
        address,
        host: host.to_owned(),
        token,
        transport: args.transport,
        run: Run::begin(),
        stop: CancellationToken::new(),
    })
}

/// Starts all clients; returns once each is there or was refused.
async fn connect(site: &Arc<Site>, args: &RelayArgs) -> (JoinSet<Outcome>, Connects) {
    let (told, mut telling) = mpsc::unbounded_channel();
    let (mut clients, mut connects) = (JoinSet::new(), Connects::default());
    let began = Instant::now();
    for number in 0..args.connections + args.slow {
        if let Some(rate) = args.connect_rate {
            sleep(Duration::from_secs_f64(number as f64 / rate).saturating_sub(began.elapsed())).await;
        }
        while args.connect_rate.is_none() && number - connects.count() >= CONNECTING {
            connects.note(telling.recv().await.expect("a sender is held here"));
        }
        let seat = Seat { number, room: (number % usize::from(args.rooms)) as u16, slow: number >= args.connections };
        clients.spawn(client::run(site.clone(), seat, told.clone()));
    }
    while connects.count() < args.connections + args.slow {
        connects.note(telling.recv().await.expect("a sender is held here"));
    }
    connects.took = began.elapsed();
    (clients, connects)
}

/// Waits until all has come that was posted, or nothing comes any more.
async fn drain(run: &Run, posted: &publisher::Posted, args: &RelayArgs) {
    let (clients, rooms) = (args.connections as u64, u64::from(args.rooms));
    let watchers = |room: u64| clients / rooms + u64::from(room < clients % rooms);
    let expected: u64 = (0..rooms).zip(&posted.taken).map(|(room, taken)| watchers(room) * report::count(taken)).sum();
    let (mut received, mut since) = (0, Instant::now());
    while received < expected && since.elapsed() < NOTHING_FOR {
        sleep(LOOK_EVERY).await;
        let now = run.sums().received;
        if now > received {
            (received, since) = (now, Instant::now());
        }
    }
}
