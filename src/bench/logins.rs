//! `ringside bench logins`: what somebody who tries passwords all the time costs those who know theirs.
//!
//! A server of its own; others log in once in a while, first alone and then beside the attacker. The owner of the attacked
//! account has a live connection all the time, and in the end logs in again from where they were before.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use reqwest::header::{COOKIE, SET_COOKIE};
use serde_json::{Value, json};

use super::process::resident_kib;
use super::server::Server;
use crate::socket::{Heard, Socket};

/// `ringside bench logins`
#[derive(Args)]
pub(crate) struct LoginsArgs {
    /// Wrong passwords a second, all for one account
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// How long, in seconds; and so long before that without
    #[arg(long, default_value_t = 20)]
    duration: u64,
}

/// Somebody else logs in so often, one after the other: nobody logs in all the time.
const OTHERS_EVERY: Duration = Duration::from_millis(250);
const OTHERS: [&str; 10] = ["ann", "bob", "cay", "dan", "eve", "fay", "gil", "hal", "ida", "jon"];
const OWNER: &str = "owner";
const PASSWORD: &str = "correct horse battery";

/// What attempts came to.
#[derive(Debug, Default)]
struct Tally {
    wrong: AtomicU64,
    locked: AtomicU64,
    other: AtomicU64,
}

/// Measures, and prints a table.
pub(crate) async fn run(args: &LoginsArgs) -> anyhow::Result<()> {
    let server = Server::start(&[]).await?;
    let http = reqwest::Client::new();
    let admin = server.token().await?;
    for name in OTHERS.iter().chain([&OWNER]) {
        let body = json!({ "name": name, "password": PASSWORD, "role": "viewer", "campaigns": "*" });
        let added = http.post(server.url("/admin/users")).bearer_auth(&admin).json(&body).send().await?;
        added.error_for_status().context("adding an account")?;
    }
    let (token, device) = log_in(&http, &server, OWNER, "").await?;
    let mut live = Socket::open(&server.url(""), &token).await?;

    let duration = Duration::from_secs(args.duration);
    let alone = others(&http, &server, duration).await?;
    let before_kib = server.id().and_then(resident_kib).unwrap_or(0);
    let tally = Arc::new(Tally::default());
    let attack = attack(&server, args.rate, duration, tally.clone());
    let (beside, ()) = tokio::try_join!(others(&http, &server, duration), attack)?;
    let after_kib = server.id().and_then(resident_kib).unwrap_or(0);

    live.say(&json!({ "action": "ping" })).await?;
    loop {
        match tokio::time::timeout(Duration::from_secs(10), live.hear()).await.context("the owner's connection")?? {
            Heard::Frame(frame) if frame.contains("\"pong\"") => break,
            Heard::Closed(code, reason) => bail!("the owner's connection was closed: {code} {reason}"),
            Heard::Frame(_) | Heard::Alive => {}
        }
    }
    let stranger = log_in(&http, &server, OWNER, "").await;
    log_in(&http, &server, OWNER, &device).await.context("the owner's own device")?;

    let mut out = std::io::stdout();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let sent = count(&tally.wrong) + count(&tally.locked) + count(&tally.other);
    writeln!(out, "attempts on one account      {sent} in {} s", args.duration)?;
    writeln!(out, "  looked at, and wrong       {}", count(&tally.wrong))?;
    writeln!(out, "  refused as locked          {}", count(&tally.locked))?;
    writeln!(out, "  anything else              {}", count(&tally.other))?;
    for (what, mut times) in [("alone", alone), ("beside it", beside)] {
        times.sort();
        let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e3;
        writeln!(
            out,
            "others' logins, {what:<12} {} of {}: p50 {:.0} ms, p95 {:.0} ms",
            times.len(),
            times.len(),
            at(0.5),
            at(0.95)
        )?;
    }
    writeln!(out, "resident memory              {before_kib} KiB before, {after_kib} KiB after")?;
    writeln!(out, "the owner's connection       goes on")?;
    let from_elsewhere = if stranger.is_ok() { "lets in" } else { "is locked" };
    writeln!(out, "the right password           {from_elsewhere} from elsewhere, lets in from the owner's own device")?;
    Ok(())
}

/// How long each login of somebody else took.
async fn others(http: &reqwest::Client, server: &Server, duration: Duration) -> anyhow::Result<Vec<Duration>> {
    let (began, mut times) = (Instant::now(), Vec::new());
    let mut clock = tokio::time::interval(OTHERS_EVERY);
    let mut names = OTHERS.iter().cycle();
    while began.elapsed() < duration {
        clock.tick().await;
        let asked = Instant::now();
        log_in(http, server, names.next().expect("it goes round"), "").await.context("another user was not let in")?;
        times.push(asked.elapsed());
    }
    Ok(times)
}

async fn attack(server: &Server, rate: u32, duration: Duration, tally: Arc<Tally>) -> anyhow::Result<()> {
    let http = reqwest::Client::new();
    let mut clock = tokio::time::interval(Duration::from_secs(1) / rate.max(1));
    let (began, mut attempts) = (Instant::now(), tokio::task::JoinSet::new());
    while began.elapsed() < duration {
        clock.tick().await;
        let body = json!({ "username": OWNER, "password": format!("{:x}", rand::random::<u64>()) });
        let (request, tally) = (http.post(server.url("/auth/login")).json(&body), tally.clone());
        attempts.spawn(async move {
            let status = request.send().await.map_or(0, |answer| answer.status().as_u16());
            let counted = match status {
                401 => &tally.wrong,
                429 => &tally.locked,
                _ => &tally.other,
            };
            counted.fetch_add(1, Ordering::Relaxed);
        });
    }
    attempts.join_all().await;
    Ok(())
}

/// A token, and what the device is known by from then on.
async fn log_in(http: &reqwest::Client, server: &Server, user: &str, device: &str) -> anyhow::Result<(String, String)> {
    let body = json!({ "username": user, "password": PASSWORD });
    let answer = http.post(server.url("/auth/login")).header(COOKIE, device).json(&body).send().await?;
    let cookies = answer.headers().get_all(SET_COOKIE).iter().filter_map(|cookie| cookie.to_str().ok());
    let device =
        cookies.filter(|cookie| cookie.starts_with("ringside_device=")).find_map(|cookie| cookie.split(';').next());
    let device = device.unwrap_or_default().to_owned();
    let body: Value = answer.json().await?;
    let token = body["token"].as_str().with_context(|| body["detail"].as_str().unwrap_or("refused").to_owned())?;
    Ok((token.to_owned(), device))
}
