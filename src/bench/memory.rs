//! `ringside bench redis`: how much memory Redis needs, on a server of its own.
//!
//! A generated day is folded here and written through the engine as its owner would write it: state, ledger, room
//! histories with their newest state and charts. Between the steps the server is asked for its `used_memory`.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use ringside_collector::fold::day::Day;
use ringside_collector::fold::{Changes, Fold, FoldSettings};
use ringside_engine::redis::{Redis, RedisSettings};
use ringside_engine::{
    Batch, EventLog, Lane, Leases, Partition, PartitionState, Position, Publication, RoomId, Rooms, Token,
};
use ringside_model::{CampaignId, Room, TenantId, Timestamp};
use ringside_rig::{RedisOptions, RedisServer, redis_server_installed};
use ringside_wire::{
    CallChangeJson, CallsBody, CampaignBody, CampaignJson, CampaignSnapshot, SeriesJson, SeriesPointJson, body_bytes,
    frame_kind,
};

/// `ringside bench redis`
#[derive(Args)]
pub(crate) struct MemoryArgs {
    /// Calls of the folded day
    #[arg(long, default_value_t = 1_000_000)]
    calls: u64,
    /// Campaigns whose rooms are filled
    #[arg(long, default_value_t = 20)]
    rooms: u64,
    /// Frames in each `calls` room; at the design point (1,000 campaigns, 2,000 events/s) half an hour has 3,600
    #[arg(long, default_value_t = 3_600)]
    history: u64,
}

/// Frames in one publication.
const FRAMES: usize = 200;
/// Values in one checkpoint.
const VALUES: usize = 500;

struct Bench {
    server: RedisServer,
    engine: Redis,
    /// Of the partitions that were written to.
    tokens: Mutex<BTreeMap<Partition, Token>>,
}

/// Measures, and prints a table.
pub(crate) async fn run(args: &MemoryArgs) -> anyhow::Result<()> {
    if !redis_server_installed() {
        bail!(
            "this measures a redis-server of its own, and there is none on the PATH; on Debian: apt install redis-server"
        );
    }
    let (fold, call_bodies) = fold_day(args);
    let campaigns = fold.0.campaigns().count();
    let server = RedisServer::start(RedisOptions::default()).await?;
    let engine = Redis::connect(RedisSettings::new(server.url())).await?;
    let bench = Bench { server, engine, tokens: Mutex::default() };

    let (ledger, state): (Vec<_>, Vec<_>) = fold.1.iter().cloned().partition(|(key, _)| key.contains("/l/"));
    let size = |values: &[(Box<str>, Bytes)]| values.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>();
    let closed = fold.0.call_counts().0.max(1) as f64;
    let mut out = std::io::stdout();
    writeln!(out, "{:<66} {:>12} {:>12}", "Redis memory", "as bytes", "in Redis")?;
    let mut row = |what: String, bytes: f64, memory: f64| {
        writeln!(out, "{what:<66} {:>9.1} MB {:>9.1} MB", bytes / 1e6, memory / 1e6)
    };

    let of_ledger = bench.grown_by(bench.commit(&ledger)).await?;
    row(
        "closed-call ledger, per million calls".to_owned(),
        size(&ledger) as f64 / closed * 1e6,
        of_ledger / closed * 1e6,
    )?;
    let of_state = bench.grown_by(bench.commit(&state)).await?;
    let thousand = 1_000.0 / campaigns.max(1) as f64;
    row("state of 1,000 campaigns after a whole day".to_owned(), size(&state) as f64 * thousand, of_state * thousand)?;

    let rooms = args.rooms.max(1);
    let thousand = 1_000.0 / rooms as f64;
    let states = newest_states(&fold.0, rooms)?;
    let bytes: usize =
        states.iter().map(|state| state.body.len() + state.snapshot.as_ref().map_or(0, Bytes::len)).sum();
    let of_states = bench.grown_by(bench.publish(states)).await?;
    row("newest state and charts of 1,000 campaigns".to_owned(), bytes as f64 * thousand, of_states * thousand)?;
    let events = histories(&call_bodies, rooms, args.history)?;
    let bytes: usize = events.iter().map(|event| event.body.len()).sum();
    let of_events = bench.grown_by(bench.publish(events)).await?;
    let what = format!("call histories of 1,000 campaigns, {} frames each", args.history);
    row(what, bytes as f64 * thousand, of_events * thousand)?;
    let per_frame = of_events / (rooms * args.history) as f64;
    writeln!(
        out,
        "a frame of a call history: {per_frame:.0} bytes in Redis; a full one of 10,000: {:.1} MB",
        per_frame / 100.0
    )?;
    Ok(())
}

impl Bench {
    /// By how many bytes `used_memory` grows by some work.
    async fn grown_by(&self, work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<f64> {
        let before = self.used_memory().await?;
        work.await?;
        Ok(self.used_memory().await? - before)
    }

    async fn used_memory(&self) -> anyhow::Result<f64> {
        Ok(self.server.info("used_memory").await?.trim().parse()?)
    }

    async fn token(&self, partition: Partition) -> anyhow::Result<Token> {
        let held = self.tokens.lock().expect("nobody panics with it").get(&partition).copied();
        if let Some(token) = held {
            return Ok(token);
        }
        let token = self.engine.acquire(partition, "bench", Duration::from_secs(3_600)).await?;
        let token = token.context("a new Redis has an owner already")?;
        self.tokens.lock().expect("nobody panics with it").insert(partition, token);
        Ok(token)
    }

    async fn commit(&self, values: &[(Box<str>, Bytes)]) -> anyhow::Result<()> {
        let token = self.token(Partition(0)).await?;
        for values in values.chunks(VALUES) {
            self.engine.commit(token, Position(0), values.to_vec(), Vec::new()).await?;
        }
        Ok(())
    }

    /// Publishes in each room's own partition.
    async fn publish(&self, publications: Vec<Publication>) -> anyhow::Result<()> {
        let mut by_partition = BTreeMap::<Partition, Vec<Publication>>::new();
        for publication in publications {
            by_partition.entry(publication.room.home(self.engine.partitions())).or_default().push(publication);
        }
        for (partition, publications) in by_partition {
            let token = self.token(partition).await?;
            let there = self.engine.load(partition).await?;
            let (mut expected_seq, mut position) = (there.seq, there.published);
            for frames in publications.chunks(FRAMES) {
                position = Position(position.0 + 1);
                let publications = frames.iter().cloned().map(|frame| Publication { position, ..frame }).collect();
                expected_seq = self.engine.publish(token, Batch { expected_seq, position, publications }).await?;
            }
        }
        Ok(())
    }
}

type Stored = Vec<(Box<str>, Bytes)>;

/// The day, folded: the fold with what it stores, and what its first campaign's calls tell.
fn fold_day(args: &MemoryArgs) -> ((Fold, Stored), Vec<Bytes>) {
    let mut fold = Fold::new(Arc::new(FoldSettings::default()));
    let (mut changes, mut bodies) = (Changes::default(), Vec::new());
    let mut next_tick = ringside_collector::fold::day::START_MS;
    for event in (Day { seed: 1, calls: args.calls }).events() {
        while next_tick <= event.received_at.millis() {
            fold.tick(Timestamp::from_millis(next_tick), &mut changes);
            next_tick += 1_000;
        }
        fold.apply(&event, &mut changes);
        if (bodies.len() as u64) < args.history {
            let calls = changes.calls.drain(..).map(|(_, call)| CallsBody { calls: vec![CallChangeJson::from(&call)] });
            bodies.extend(calls.map(|body| body_bytes(&body)));
        }
        changes.clear();
    }
    // Three quiet minutes, in which the last calls are packed.
    for _ in 0..180 {
        fold.tick(Timestamp::from_millis(next_tick), &mut changes);
        next_tick += 1_000;
    }
    let stored = fold.take_dirty().puts;
    ((fold, stored), bodies)
}

fn room_of(number: u64, room: impl FnOnce(CampaignId) -> Room) -> anyhow::Result<RoomId> {
    let id = CampaignId::parse(&format!("bench-{number}"))?;
    Ok(RoomId::new(TenantId::parse("bench")?, room(id)))
}

fn newest_states(fold: &Fold, rooms: u64) -> anyhow::Result<Vec<Publication>> {
    let (tenant, id) = (Day::tenant(), Day::campaign(0));
    let metrics = fold.campaign_metrics(&tenant, &id).context("the day has too few calls")?;
    let series = fold.campaign_series(&tenant, &id).context("the day has too few calls")?;
    let points = |points: &[_]| points.iter().map(SeriesPointJson::from).collect();
    let series = SeriesJson { seconds: points(&series.seconds), minutes: points(&series.minutes) };
    let body = body_bytes(&CampaignBody { campaign: CampaignJson::from(&metrics) });
    let snapshot = Some(body_bytes(&CampaignSnapshot { series }));
    (0..rooms)
        .map(|number| {
            let room = room_of(number, Room::Campaign)?;
            let (lane, kind, at) = (Lane::State, frame_kind::METRICS_UPDATE, Timestamp::now());
            Ok(Publication {
                room,
                position: Position(1),
                lane,
                kind,
                at,
                body: body.clone(),
                snapshot: snapshot.clone(),
            })
        })
        .collect()
}

fn histories(bodies: &[Bytes], rooms: u64, history: u64) -> anyhow::Result<Vec<Publication>> {
    let mut publications = Vec::new();
    for number in 0..rooms {
        let room = room_of(number, Room::Calls)?;
        for body in bodies.iter().cycle().take(history as usize) {
            let (lane, kind, at) = (Lane::Event, frame_kind::CALL_EVENT, Timestamp::now());
            let (room, body) = (room.clone(), body.clone());
            publications.push(Publication { room, position: Position(1), lane, kind, at, body, snapshot: None });
        }
    }
    Ok(publications)
}
