//! `ringside torture`: the scaled-out system under faults that are drawn from a seed, and a verdict.
//!
//! ```text
//! schedule (seed) ─▶ site: Redis, links, collectors, gateways   load ─▶ truth ┐
//!                      │ faults, one after the other             viewers ─▶ tracks ┴▶ judge ─▶ table, exit code
//! ```
//!
//! When the faults are over, it waits until all that was acknowledged is counted and every client has what its rooms
//! have, or until nothing moves any more; then it judges. Nothing is explained away: the exit code is 0 only where
//! nothing was lost, doubled, silently missed or received twice.

mod judge;
mod load;
mod report;
mod schedule;
mod site;
mod track;
mod truth;
mod viewer;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use judge::{Evidence, Kept, Verdict, judge};
use load::{Gate, Load, TELLERS};
use report::Happened;
use ringside_engine::redis::{Redis, RedisSettings};
use ringside_engine::{Engine, ReadFrom, RoomId};
use ringside_model::{TenantId, Timestamp};
use schedule::{Schedule, Single, Topology};
use serde_json::Value;
use site::{PASSWORD, Site};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use truth::{COUNTERS, Counts, Truth};
use viewer::{Tracks, Viewer};

use crate::socket::log_in;

/// All must have settled so long after the last fault.
const SETTLE_WITHIN: Duration = Duration::from_secs(60);
/// Frames in one reading of a room.
const PAGE: usize = 1_000;

/// `ringside torture`
#[derive(Args)]
pub(crate) struct TortureArgs {
    /// What the schedule is drawn from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds to run, beginning with that one
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// How Redis stands there [default: drawn from the seed]
    #[arg(long, value_enum)]
    topology: Option<Topology>,
    /// How long the load and the faults last, in seconds
    #[arg(long, default_value_t = 60)]
    duration: u64,
    /// Only this fault, 5 s after the start, on a stand-alone Redis, two collectors and three gateways
    #[arg(long, value_enum, conflicts_with_all = ["topology", "seeds"])]
    only: Option<Single>,
    /// How long that one lasts, in seconds
    #[arg(long, default_value_t = 3, requires = "only")]
    lasts: u64,
    /// Events a second
    #[arg(long, default_value_t = 2_000)]
    rate: u64,
    /// Clients that watch
    #[arg(long, default_value_t = 50)]
    clients: usize,
    /// Campaigns
    #[arg(long, default_value_t = 12)]
    campaigns: usize,
}

/// Runs the seeds, prints a table for each, and fails where one is not clean.
pub(crate) async fn run(args: &TortureArgs) -> anyhow::Result<()> {
    let mut bad = Vec::new();
    for seed in args.seed..args.seed + args.seeds.max(1) {
        let schedule = match args.only {
            Some(fault) => Schedule::single(seed, fault.into(), args.lasts * 1000),
            None => Schedule::draw(seed, args.topology, args.duration * 1000),
        };
        report::print_schedule(&schedule)?;
        let (verdict, happened, settled) = torture(args, &schedule).await.with_context(|| format!("seed {seed}"))?;
        report::print_verdict(&schedule, &verdict, &happened, settled)?;
        if !verdict.is_clean() || settled.is_none() {
            bad.push(seed.to_string());
        }
    }
    if !bad.is_empty() {
        bail!(
            "not clean: seed {}. The same --seed with the same options breaks the same things again.",
            bad.join(", ")
        );
    }
    Ok(())
}

/// One run: its verdict, what happened when, and after how long all had settled.
async fn torture(
    args: &TortureArgs,
    schedule: &Schedule,
) -> anyhow::Result<(Verdict, Vec<Happened>, Option<Duration>)> {
    let mut site = Site::start(schedule).await?;
    let http = reqwest::Client::new();
    let token = log_in(&site.gateways()[0], "admin", PASSWORD).await?;
    let campaigns: Vec<String> = (0..args.campaigns.max(1)).map(|n| format!("c{n}")).collect();
    let truth = Arc::new(Mutex::new(Truth::default()));
    let gate = Arc::new(Gate::default());
    let (stop_load, stop_viewers) = (CancellationToken::new(), CancellationToken::new());

    let mut viewers = JoinSet::new();
    let mut watched: Vec<Tracks> = Vec::new();
    for number in 0..args.clients.max(1) {
        let campaign = &campaigns[number % campaigns.len()];
        let rooms = [format!("calls:{campaign}"), format!("campaign:{campaign}"), "notifications".to_owned()];
        let seed = schedule.seed ^ ((number as u64 + 1) << 32);
        let viewer = Viewer::new(site.gateways(), token.clone(), &rooms, seed);
        watched.push(viewer.tracks.clone());
        viewers.spawn(viewer.watch(stop_viewers.clone()));
    }
    let load = Load {
        collectors: site.collectors(),
        campaigns: campaigns.clone(),
        rate: args.rate,
        gate: gate.clone(),
        truth: truth.clone(),
    };
    let mut tellers = JoinSet::new();
    for teller in 0..TELLERS {
        tellers.spawn(load.clone().tell(teller, schedule.seed, stop_load.clone()));
    }

    let mut happened = break_things(&mut site, schedule, &gate, args.duration).await?;
    stop_load.cancel();
    let faults_over = Instant::now();
    while let Some(told) = tokio::time::timeout(SETTLE_WITHIN, tellers.join_next()).await.with_context(|| {
        format!(
            "events are still not acknowledged a minute after the last fault; the roles said\n{}",
            site.last_words()
        )
    })? {
        told??;
    }
    site.wait_until_ready().await?;

    let truth = std::mem::take(&mut *truth.lock().expect("nobody panics with it"));
    let engine = Redis::connect(RedisSettings::new(site.redis_url())).await.context("the judge's own connection")?;
    let gateway = site.gateways()[0].clone();
    let mut settled = false;
    let mut evidence = Evidence { truth, ..Evidence::default() };
    while !settled && faults_over.elapsed() < SETTLE_WITHIN + SETTLE_WITHIN {
        evidence.counted = read_counts(&http, &gateway, &token, &campaigns).await.unwrap_or_default();
        settled = evidence.counted == evidence.truth.counts;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    evidence.kept = read_rooms(&engine, &campaigns).await?;
    settled &= everybody_is_there(&watched, &evidence.kept).await;
    let settled_after = settled.then(|| faults_over.elapsed());
    stop_viewers.cancel();
    while let Some(ended) = viewers.join_next().await {
        ended?;
    }
    let mut states_at: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
    for tracks in watched {
        for (room, track) in std::mem::take(&mut *tracks.lock().expect("nobody panics with it")) {
            if room.starts_with("campaign:") {
                states_at.entry(room.clone()).or_default().extend(&track.states_at);
            }
            evidence.tracks.push((room, track));
        }
    }
    happened.iter_mut().for_each(|fault| fault.find_recovery(&states_at));
    let verdict = judge(&evidence);
    if !verdict.is_clean() {
        tracing::warn!("the roles' last words:\n{}", site.last_words());
    }
    // The judge's connection goes; nothing depends on it.
    let _ = engine.close().await;
    Ok((verdict, happened, settled_after))
}

/// Lets the faults come and go.
async fn break_things(
    site: &mut Site,
    schedule: &Schedule,
    gate: &Gate,
    duration_s: u64,
) -> anyhow::Result<Vec<Happened>> {
    let begun = Instant::now();
    let mut happened = Vec::new();
    for planned in &schedule.faults {
        tokio::time::sleep_until(begun + Duration::from_millis(planned.at_ms)).await;
        // A fault that takes longer than it was planned to (a failover, a clean stop) moves those after it.
        let began_ms = Timestamp::now().millis();
        site.apply(planned.fault, gate).await.with_context(|| planned.fault.to_string())?;
        tokio::time::sleep(Duration::from_millis(planned.lasts_ms)).await;
        site.undo(planned.fault).await.with_context(|| format!("after {}", planned.fault))?;
        happened.push(Happened::new(planned, began_ms, Timestamp::now().millis()));
    }
    tokio::time::sleep_until(begun + Duration::from_secs(duration_s)).await;
    Ok(happened)
}

/// What each campaign says, as a stranger would ask it.
async fn read_counts(
    http: &reqwest::Client,
    gateway: &str,
    token: &str,
    campaigns: &[String],
) -> anyhow::Result<BTreeMap<String, Counts>> {
    let mut counted = BTreeMap::new();
    for campaign in campaigns {
        let url = format!("{gateway}/analytics/campaigns/{campaign}/metrics");
        let answer = http.get(url).bearer_auth(token).timeout(Duration::from_secs(5)).send().await?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            continue;
        }
        let metrics: Value = answer.error_for_status()?.json().await?;
        let counts = COUNTERS.map(|name| metrics["counters"][name].as_i64().unwrap_or(0));
        if counts != [0; COUNTERS.len()] {
            counted.insert(campaign.clone(), counts);
        }
    }
    Ok(counted)
}

/// The rooms with their whole histories, past every gateway.
async fn read_rooms(engine: &dyn Engine, campaigns: &[String]) -> anyhow::Result<BTreeMap<String, Kept>> {
    let tenant = TenantId::parse("default").expect("a plain name");
    let mut rooms: Vec<String> =
        campaigns.iter().flat_map(|id| [format!("calls:{id}"), format!("campaign:{id}")]).collect();
    rooms.push("notifications".to_owned());
    let mut all = BTreeMap::new();
    for name in rooms {
        let room = RoomId::new(tenant.clone(), name.parse().expect("a room"));
        let mut kept = Kept::default();
        let mut after = 0;
        loop {
            let view = engine.read_room(&room, ReadFrom::After { offset: after, limit: PAGE }).await?;
            if after == 0 {
                kept.epoch = view.epoch.to_string().into();
                (kept.head, kept.trimmed) = (view.head, view.trimmed);
            }
            for frame in &view.events {
                after = frame.offset;
                kept.events.insert(frame.offset);
                let body: Value = serde_json::from_slice(&frame.body).context("a body that is no JSON")?;
                let text = |value: &Value| Box::<str>::from(value.as_str().unwrap_or_default());
                for call in body["calls"].as_array().into_iter().flatten() {
                    *kept.facts.entry((text(&call["callId"]), text(&call["at"]))).or_default() += 1;
                }
                if let Some(title) = body["notification"]["title"].as_str() {
                    *kept.facts.entry((title.into(), "".into())).or_default() += 1;
                }
            }
            if !view.more || view.events.is_empty() {
                break;
            }
        }
        all.insert(name, kept);
    }
    Ok(all)
}

/// Waits until every client has reached what its rooms had; false where one does not.
async fn everybody_is_there(watched: &[Tracks], kept: &BTreeMap<String, Kept>) -> bool {
    let is_there = || {
        watched.iter().all(|tracks| {
            tracks.lock().expect("nobody panics with it").iter().all(|(room, track)| {
                let Some(kept) = kept.get(room) else { return true };
                track.place().is_some_and(|span| span.epoch == kept.epoch && span.to >= kept.head)
            })
        })
    };
    ringside_rig::until("every client has what its rooms have", SETTLE_WITHIN, async || is_there()).await.is_ok()
}
