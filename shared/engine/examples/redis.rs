//! Measures the engine on a Redis of its own.
//!
//! `docs/decisions/0002-redis-engine.md` says why it is built so.
//!
//! `cargo run --release -p ringside-engine --example redis`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringside_engine::redis::{Redis, RedisSettings};
use ringside_engine::{
    Batch, EventLog, Lane, Leases, Partition, PartitionState, Position, Publication, ReadFrom, RoomId, Rooms, Signal,
    Token,
};
use ringside_model::{CampaignId, Room, TenantId, Timestamp};
use ringside_rig::{AppendFsync, RedisOptions, RedisServer};

const RUN: Duration = Duration::from_secs(4);
const CALLERS: u16 = 16;
const LONG: Duration = Duration::from_secs(3600);

fn text(length: usize) -> Bytes {
    Bytes::from(vec![b'x'; length])
}

/// Returns a room of each of the first partitions, with its owner's token.
async fn rooms(engine: &Redis) -> Vec<(Token, RoomId)> {
    let tenant = TenantId::parse("acme").expect("is a valid name");
    let mut rooms = Vec::new();
    for partition in (0..CALLERS).map(Partition) {
        let named = |n: u32| {
            let campaign = CampaignId::parse(&format!("campaign-{n}")).expect("is a valid name");
            RoomId::new(tenant.clone(), Room::Calls(campaign))
        };
        let room = (0..)
            .map(named)
            .find(|room| room.home(engine.partitions()) == partition)
            .expect("some name hashes to each partition");
        let token =
            engine.acquire(partition, "bench", LONG).await.expect("Redis answers").expect("no other holder has it");
        rooms.push((token, room));
    }
    rooms
}

/// Runs one caller per room until the time is up.
///
/// Prints the throughput and the latency.
async fn measure<F>(
    what: &str,
    rooms: &[(Token, RoomId)],
    each: u64,
    call: impl Fn(Token, RoomId, u64) -> F + Send + Sync + Clone + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let began = Instant::now();
    let callers = rooms.iter().cloned().map(|(token, room)| {
        let call = call.clone();
        tokio::spawn(async move {
            let mut taken = Vec::new();
            while began.elapsed() < RUN {
                let asked = Instant::now();
                call(token, room.clone(), taken.len() as u64).await;
                taken.push(asked.elapsed());
            }
            taken
        })
    });
    let mut taken = Vec::new();
    for caller in callers.collect::<Vec<_>>() {
        taken.extend(caller.await.expect("no caller panics"));
    }
    taken.sort();
    let count = taken.len() as u64 * each;
    let per_second = count as f64 / began.elapsed().as_secs_f64();
    let (half, most) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("{what}: {per_second:.0} per second; a call takes {half:.2?} (median), {most:.2?} (99 %)");
}

#[tokio::main]
async fn main() {
    let options = RedisOptions::append_only(AppendFsync::EverySecond);
    let server = RedisServer::start(options).await.expect("redis-server is installed");
    let settings = RedisSettings { log_bytes: 1 << 40, ..RedisSettings::new(server.url()) };
    let engine = Arc::new(Redis::connect(settings).await.expect("the server was just started"));
    let rooms = rooms(&engine).await;
    let memory = async || server.info("used_memory_human").await.expect("Redis answers");
    println!("16 callers, a partition each; Redis with appendfsync everysec; empty it has {}", memory().await);

    let batch = |token: Token, room: RoomId, seq: u64, events: u64| {
        let publication = |n: u64| Publication {
            room: room.clone(),
            position: Position(seq * events + n + 1),
            lane: Lane::Event,
            kind: "call_event",
            at: Timestamp::now(),
            body: text(300),
            snapshot: None,
        };
        (
            token,
            Batch {
                expected_seq: seq,
                position: Position((seq + 1) * events),
                publications: (0..events).map(publication).collect(),
            },
        )
    };
    let publisher = engine.clone();
    measure("frames of 300 bytes published, ten a batch", &rooms, 10, move |token, room, seq| {
        let (engine, (token, batch)) = (publisher.clone(), batch(token, room, seq, 10));
        async move {
            engine.publish(token, batch).await.expect("the caller is the owner");
        }
    })
    .await;
    println!("with 16 histories of 10,000 events Redis has {}", memory().await);

    let appender = engine.clone();
    measure("records of 300 bytes appended, one a call", &rooms, 1, move |token, _, _| {
        let engine = appender.clone();
        async move { engine.append(vec![(token.partition, text(300))]).await.expect("the log is not full") }
    })
    .await;
    let appender = engine.clone();
    measure("records of 300 bytes appended, a hundred a call over all 64 partitions", &rooms, 100, move |_, _, _| {
        let engine = appender.clone();
        async move {
            engine
                .append((0..100).map(|n| (Partition(n % 64), text(300))).collect())
                .await
                .expect("the log is not full");
        }
    })
    .await;
    for newest in [50, 512] {
        let reader = engine.clone();
        measure(&format!("rooms read, newest {newest}"), &rooms, 1, move |_, room, _| {
            let engine = reader.clone();
            async move { drop(engine.read_room(&room, ReadFrom::Newest(newest)).await.expect("rooms can be read")) }
        })
        .await;
    }

    let (token, room) = rooms[0].clone();
    let mut subscription = engine.subscribe(token.partition).await.expect("Redis answers");
    let before = engine.load(token.partition).await.expect("Redis answers");
    let mut taken = Vec::new();
    for n in 0..2_000 {
        let position = Position(before.published.0 + n + 1);
        let publications = vec![Publication {
            room: room.clone(),
            position,
            lane: Lane::Event,
            kind: "call_event",
            at: Timestamp::now(),
            body: text(300),
            snapshot: None,
        }];
        let asked = Instant::now();
        engine
            .publish(token, Batch { expected_seq: before.seq + n, position, publications })
            .await
            .expect("the caller is the owner");
        while !matches!(subscription.next().await.expect("the engine is open"), Signal::Frame(_)) {}
        taken.push(asked.elapsed());
    }
    taken.sort();
    println!("from publishing to delivery: {:.2?} (median), {:.2?} (99 %)", taken[1_000], taken[1_980]);
}
