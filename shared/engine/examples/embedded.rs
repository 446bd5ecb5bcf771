//! Measures the embedded engine.
//!
//! `docs/decisions/0001-embedded-store.md` has the figures.
//!
//! `cargo run --release -p ringside-engine --example embedded`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringside_engine::embedded::{Embedded, EmbeddedSettings};
use ringside_engine::{
    Batch, Engine, EngineError, EventLog, Lane, Leases, Partition, PartitionState, Position, Publication, ReadFrom,
    RoomId, Rooms, Token,
};
use ringside_model::{CampaignId, Room, TenantId, Timestamp};

const RUN: Duration = Duration::from_secs(5);
const RECORDS: u16 = 100;
const AT_ONCE: Duration = Duration::from_nanos(1);
const LONG: Duration = Duration::from_secs(3600);

fn record() -> Bytes {
    Bytes::from_static(&[b'x'; 300])
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("this runs on Linux");
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: unknown").replace('\t', " ")
}

/// Appends groups over all partitions until the time is up.
///
/// Appends at most one in each `pace`. Returns their durations.
async fn append(engine: Arc<Embedded>, pace: Duration) -> Vec<Duration> {
    let (started, mut taken) = (Instant::now(), Vec::new());
    let mut beat = tokio::time::interval(pace);
    while started.elapsed() < RUN {
        if pace > AT_ONCE {
            beat.tick().await;
        }
        let asked = Instant::now();
        match engine.append((0..RECORDS).map(|n| (Partition(n % 64), record())).collect()).await {
            Ok(()) => taken.push(asked.elapsed()),
            Err(EngineError::LogFull(_)) => tokio::task::yield_now().await,
            Err(e) => panic!("{e}"),
        }
    }
    taken
}

/// Commits each partition's log repeatedly, as its owner would.
async fn catch_up(engine: Arc<Embedded>, tokens: Vec<Token>) {
    loop {
        for token in &tokens {
            let mut position = Position(0);
            while let Some(last) =
                engine.read_log(token.partition, position, 1000).await.expect("the engine can be read").last()
            {
                position = last.position;
            }
            if position > Position(0) {
                engine
                    .commit(*token, position, vec![("k".into(), record())], vec![])
                    .await
                    .expect("the caller is the owner");
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn measure_appends(engine: &Arc<Embedded>, appenders: u32, pace: Duration) {
    let tasks: Vec<_> = (0..appenders).map(|_| tokio::spawn(append(Arc::clone(engine), pace))).collect();
    let mut taken = Vec::new();
    for task in tasks {
        taken.extend(task.await.expect("no appender panics"));
    }
    taken.sort();
    let rate = taken.len() as f64 * f64::from(RECORDS) / RUN.as_secs_f64();
    let (median, p99) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("{appenders} appenders: {rate:.0} records/s, call p50 {median:?}, p99 {p99:?}; {}", resident());
}

/// Publishes batches of ten frames to the rooms of a hundred campaigns.
async fn measure_publishing(engine: &Embedded, tokens: &[Token]) {
    let tenant = TenantId::parse("acme").expect("is a valid name");
    let rooms: Vec<_> = (0..100)
        .map(|n| Room::Calls(CampaignId::parse(&format!("campaign-{n}")).expect("is a valid name")))
        .map(|room| RoomId::new(tenant.clone(), room))
        .collect();
    let (started, mut taken, mut seqs) = (Instant::now(), Vec::new(), [0_u64; 64]);
    while started.elapsed() < RUN {
        let room = &rooms[taken.len() % rooms.len()];
        let home = usize::from(room.home(64).0);
        let publication = |n| Publication {
            room: room.clone(),
            position: Position(seqs[home] + 1),
            lane: if n == 0 { Lane::State } else { Lane::Event },
            kind: "call_event",
            at: Timestamp::from_millis(0),
            body: record(),
            snapshot: None,
        };
        let publications = (0..10).map(publication).collect();
        let batch = Batch { expected_seq: seqs[home], position: Position(seqs[home] + 1), publications };
        let asked = Instant::now();
        seqs[home] = engine.publish(tokens[home], batch).await.expect("the caller is the owner");
        taken.push(asked.elapsed());
    }
    taken.sort();
    let rate = taken.len() as f64 * 10.0 / RUN.as_secs_f64();
    let (median, p99) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("publishing: {rate:.0} frames/s, batch of ten p50 {median:?}, p99 {p99:?}; {}", resident());
    let asked = Instant::now();
    let view = engine.read_room(&rooms[0], ReadFrom::Newest(100)).await.expect("the engine can be read");
    println!("reading the newest {} events of a room: {:?}", view.events.len(), asked.elapsed());
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let open = || Embedded::open(folder.path(), EmbeddedSettings::default()).expect("the folder is free");
    let engine = Arc::new(open());
    println!("fresh: {}", resident());
    let mut tokens = Vec::new();
    for partition in 0..64 {
        tokens.push(
            engine
                .acquire(Partition(partition), "example", LONG)
                .await
                .expect("the engine answers")
                .expect("no other holder has it"),
        );
    }
    let owner = tokio::spawn(catch_up(Arc::clone(&engine), tokens.clone()));
    // The design point: 2,000 events a second.
    measure_appends(&engine, 1, Duration::from_millis(50)).await;
    measure_appends(&engine, 1, AT_ONCE).await;
    measure_appends(&engine, 8, AT_ONCE).await;
    owner.abort();
    measure_publishing(&engine, &tokens).await;
    engine.close().await.expect("the disk has space");
    drop(engine);
    let asked = Instant::now();
    let engine = open();
    println!("opened again in {:?}: {}", asked.elapsed(), resident());
    engine.close().await.expect("the disk has space");
}
