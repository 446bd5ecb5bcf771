//! The whole way: event in to frame out, ingest with acknowledgement; and the fold alone, here on one thread.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use futures_util::{StreamExt, TryStreamExt, stream};
use hdrhistogram::Histogram;
use ringside_collector::fold::day::Day;
use ringside_collector::fold::{self, FoldSettings};
use ringside_model::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::process;
use super::server::{KEY, Server};
use crate::socket::{Heard, Socket};

/// What of it can be chosen.
#[derive(Args)]
pub(crate) struct FlowArgs {
    /// How long the latency run lasts, in seconds
    #[arg(long, default_value_t = 20)]
    seconds: u64,
    /// Events a second in the latency run
    #[arg(long, default_value_t = 500)]
    rate: u64,
    /// Others who watch the same room in the latency run
    #[arg(long, default_value_t = 0)]
    watchers: usize,
    /// Calls in the folded day
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Batches in the ingest run
    #[arg(long, default_value_t = 500)]
    batches: usize,
    /// Events in each of them
    #[arg(long, default_value_t = 100)]
    batch: usize,
}

/// Runs the three measurements, on the embedded engine or on a Redis, and prints a table.
pub(super) async fn run(args: &FlowArgs, redis: Option<&str>) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "{:<60} {:>14}", "measured", "figure")?;
    let fold = fold::measure(Day { seed: 1, calls: args.calls }, FoldSettings::default());
    let what = format!("fold alone, one thread, {} events and {} ticks", fold.events, fold.ticks);
    writeln!(out, "{what:<60} {:>14}", per_second(fold.events_per_s()))?;
    writeln!(out, "{:<60} {:>8.1} bytes", "closed call at rest, keys included", fold.ledger_bytes_per_call())?;

    let server = Server::start(&redis.map_or_else(Vec::new, |redis| vec!["--redis", redis])).await?;
    for clients in [1, 4] {
        let rate = ingest(&server, args, clients).await?;
        let what = format!("ingest, fsync'd answers, {} an array, {clients} client(s)", args.batch);
        writeln!(out, "{what:<60} {:>14}", per_second(rate))?;
    }
    let latency = latency(&server, args).await?;
    for (name, quantile) in [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)] {
        let what = format!("event in to frame out at {}/s, {name}", args.rate);
        writeln!(out, "{what:<60} {:>11.2} ms", latency.value_at_quantile(quantile) as f64 / 1000.0)?;
    }
    writeln!(out, "{:<60} {:>14}", "events sent and seen in that run", latency.len())?;
    let memory = server
        .id()
        .and_then(process::resident_kib)
        .map_or_else(|| "–".to_owned(), |kib| format!("{:.1} MB", kib as f64 / 1000.0));
    writeln!(out, "{:<60} {:>14}", "resident memory of the server after it", memory)?;
    Ok(())
}

fn per_second(rate: f64) -> String {
    format!("{rate:.0}/s")
}

/// Events a second with `clients` that each wait for an answer before they send the next array.
async fn ingest(server: &Server, args: &FlowArgs, clients: usize) -> anyhow::Result<f64> {
    let began = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for client in 0..clients {
        let (url, batches, batch) = (server.url("/ingest/events"), args.batches / clients, args.batch);
        tasks.spawn(async move {
            let http = reqwest::Client::new();
            for number in 0..batches {
                let ids = (0..batch).map(|index| format!("in-{clients}-{client}-{number}-{index}"));
                let events: Vec<Value> = ids.map(|id| dialing(&id, "bench-ingest")).collect();
                post(&http, &url, &events).await?;
            }
            anyhow::Ok(batches * batch)
        });
    }
    let mut sent = 0;
    while let Some(done) = tasks.join_next().await {
        sent += done??;
    }
    Ok(sent as f64 / began.elapsed().as_secs_f64())
}

/// From just before an event is posted until the frame that has it was read from a socket, in microseconds.
async fn latency(server: &Server, args: &FlowArgs) -> anyhow::Result<Histogram<u64>> {
    let http = reqwest::Client::new();
    let token = server.token().await?;
    let mut socket = Socket::open(&server.url(""), &token).await.context("the WebSocket")?;
    socket.subscribe("calls:bench-latency", None).await?;

    let watchers = stream::iter((0..args.watchers).map(|_| watch(server, &token))).buffer_unordered(32);
    let _watchers: JoinSet<()> = watchers
        .try_fold(JoinSet::new(), async |mut all, stream| {
            all.spawn(discard(stream));
            Ok(all)
        })
        .await?;
    let posted: Arc<Mutex<HashMap<String, Instant>>> = Arc::default();
    let total = args.rate * args.seconds;
    let sender = {
        let (posted, url, rate) = (posted.clone(), server.url("/ingest/events"), args.rate);
        tokio::spawn(async move {
            let mut due = tokio::time::interval(Duration::from_millis(10));
            let mut sent = 0;
            let begin = Instant::now();
            let mut posts = tokio::task::JoinSet::new();
            while sent < total {
                due.tick().await;
                let until = ((begin.elapsed().as_secs_f64() * rate as f64) as u64).min(total);
                if until == sent {
                    continue;
                }
                let ids: Vec<String> = (sent..until).map(|number| format!("lat-{number}")).collect();
                sent = until;
                let events: Vec<Value> = ids.iter().map(|id| dialing(id, "bench-latency")).collect();
                let now = Instant::now();
                posted.lock().expect("no holder panics").extend(ids.into_iter().map(|id| (id, now)));
                let (http, url) = (http.clone(), url.clone());
                posts.spawn(async move { post(&http, &url, &events).await });
            }
            while let Some(done) = posts.join_next().await {
                done??;
            }
            anyhow::Ok(())
        })
    };

    let mut latency = Histogram::new(3).expect("three digits are allowed");
    while latency.len() < total {
        let Ok(heard) = tokio::time::timeout(Duration::from_secs(10), socket.hear()).await else {
            bail!("frames stopped coming: {} of {total} events seen", latency.len())
        };
        let Heard::Frame(text) = heard? else { continue };
        let frame: Value = serde_json::from_str(&text)?;
        let now = Instant::now();
        let mut posted = posted.lock().expect("no holder panics");
        for call in frame["calls"].as_array().into_iter().flatten() {
            if let Some(at) = call["callId"].as_str().and_then(|id| posted.remove(id)) {
                latency += (now - at).as_micros() as u64;
            }
        }
    }
    sender.await??;
    Ok(latency)
}

/// Somebody else who watches the room: bare, so that a thousand of them leave the processor to the server.
async fn watch(server: &Server, token: &str) -> anyhow::Result<TcpStream> {
    let url = server.url("");
    let host = url.strip_prefix("http://").unwrap_or(&url);
    let mut stream = TcpStream::connect(host).await.context("a watcher")?;
    let head = format!(
        "GET /ws HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    let subscribe = br#"{"action":"subscribe","room":"calls:bench-latency"}"#;
    // Masked with zeros, which leaves the text as it is.
    let frame = [&[0x81, 0x80 | subscribe.len() as u8, 0, 0, 0, 0][..], subscribe].concat();
    stream.write_all(&[head.as_bytes(), &frame].concat()).await?;
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.context("a watcher was not let in")?;
    anyhow::ensure!(&answer == b"HTTP/1.1 101", "a watcher was answered {}", String::from_utf8_lossy(&answer));
    Ok(stream)
}

async fn discard(mut stream: TcpStream) {
    let mut bytes = vec![0; 16 << 10];
    while stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
}

fn dialing(id: &str, campaign: &str) -> Value {
    json!({"id": id, "type": "call.dialing", "at": Timestamp::now().to_string(), "campaign": campaign, "callId": id})
}

async fn post(http: &reqwest::Client, url: &str, events: &[Value]) -> anyhow::Result<()> {
    let answer = http.post(url).bearer_auth(KEY).json(events).send().await?;
    let status = answer.status();
    let body: Value = answer.json().await?;
    if !status.is_success() || body["accepted"].as_u64() != Some(events.len() as u64) {
        bail!("the server answered {status}: {body}");
    }
    Ok(())
}
