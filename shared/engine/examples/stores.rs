//! Measures candidate stores of the embedded engine.
//!
//! `docs/decisions/0001-embedded-store.md` has the figures.
//!
//! `cargo run --release -p ringside-engine --example stores -- fjall` (or `redb`). Each run is its own process, so that
//! the printed memory is the store's. A killed child process shows how many writes without fsync survive.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

const RECORD: [u8; 300] = [b'x'; 300];
const GROUP: u64 = 100;
const RUN: Duration = Duration::from_secs(3);

/// The engine's needs of a store: atomic batches, with or without fsync.
trait Store: Send {
    fn write(&self, keys: &[u64], durable: bool);
    fn has(&self, key: u64) -> bool;
}

struct Fjall(fjall::Database, fjall::Keyspace);

impl Store for Fjall {
    fn write(&self, keys: &[u64], durable: bool) {
        let mut batch = self.0.batch();
        for key in keys {
            batch.insert(&self.1, key.to_be_bytes(), RECORD);
        }
        let mode = if durable { fjall::PersistMode::SyncData } else { fjall::PersistMode::Buffer };
        batch.durability(Some(mode)).commit().expect("a store in a fresh folder takes writes");
    }

    fn has(&self, key: u64) -> bool {
        self.1.contains_key(key.to_be_bytes()).expect("a store in a fresh folder can be read")
    }
}

struct Redb(redb::Database);

const TABLE: redb::TableDefinition<'_, u64, &[u8]> = redb::TableDefinition::new("records");

impl Store for Redb {
    fn write(&self, keys: &[u64], durable: bool) {
        let mut transaction = self.0.begin_write().expect("one writer at a time");
        if !durable {
            transaction.set_durability(redb::Durability::None).expect("no savepoints are in use");
        }
        let mut table = transaction.open_table(TABLE).expect("the table has one type");
        for key in keys {
            table.insert(key, RECORD.as_slice()).expect("a store in a fresh folder takes writes");
        }
        drop(table);
        transaction.commit().expect("a store in a fresh folder takes writes");
    }

    fn has(&self, key: u64) -> bool {
        use redb::ReadableDatabase;
        let transaction = self.0.begin_read().expect("reads need no lock");
        let table = transaction.open_table(TABLE).expect("the table has one type");
        table.get(key).expect("a store in a fresh folder can be read").is_some()
    }
}

fn open(name: &str, folder: &Path) -> Box<dyn Store> {
    match name {
        "fjall" => {
            let store = fjall::Database::builder(folder.join("fjall")).cache_size(8 << 20).worker_threads(2);
            let store = store.open().expect("a fresh folder can be opened");
            let options = || fjall::KeyspaceCreateOptions::default().max_memtable_size(8 << 20);
            let records = store.keyspace("records", options).expect("a fresh folder can be opened");
            Box::new(Fjall(store, records))
        }
        "redb" => {
            let store = redb::Database::builder().set_cache_size(16 << 20).create(folder.join("redb"));
            Box::new(Redb(store.expect("a fresh folder can be opened")))
        }
        _ => panic!("name a store: fjall or redb"),
    }
}

/// Runs appenders that each wait for their group.
///
/// One writer writes all waiting groups at once.
fn append(store: Box<dyn Store>, appenders: u64) -> Box<dyn Store> {
    type Waiting = (Vec<u64>, SyncSender<()>);
    let (queue, waiting) = sync_channel::<Waiting>(64);
    let writer = thread::spawn(move || {
        while let Ok(first) = waiting.recv() {
            let groups: Vec<Waiting> = std::iter::once(first).chain(waiting.try_iter()).collect();
            let keys: Vec<u64> = groups.iter().flat_map(|(keys, _)| keys.iter().copied()).collect();
            store.write(&keys, true);
            groups.iter().for_each(|(_, done)| done.send(()).expect("its appender waits"));
        }
        store
    });
    let threads: Vec<_> = (0..appenders)
        .map(|appender| {
            let queue = queue.clone();
            thread::spawn(move || {
                let (started, mut taken) = (Instant::now(), Vec::new());
                let mut next = (appenders << 48) + (appender << 40);
                while started.elapsed() < RUN {
                    let (done, wait) = sync_channel(1);
                    let asked = Instant::now();
                    queue.send(((next..next + GROUP).collect(), done)).expect("the writer runs");
                    wait.recv().expect("the writer answers");
                    taken.push(asked.elapsed());
                    next += GROUP;
                }
                taken
            })
        })
        .collect();
    drop(queue);
    let mut taken: Vec<Duration> = threads.into_iter().flat_map(|t| t.join().expect("no appender panics")).collect();
    taken.sort();
    let rate = taken.len() as f64 * GROUP as f64 / RUN.as_secs_f64();
    let (median, p99) = (taken[taken.len() / 2], taken[taken.len() * 99 / 100]);
    println!("{appenders} appenders, fsync: {rate:.0} records/s, group p50 {median:?}, p99 {p99:?}");
    writer.join().expect("the writer doesn't panic")
}

fn publish(store: &dyn Store) {
    let (started, mut batches) = (Instant::now(), 0_u64);
    while started.elapsed() < RUN {
        // Ten frames and the heads of their rooms.
        let keys: Vec<u64> = (0..10).map(|n| (1 << 60) + batches * 10 + n).chain(0..10).collect();
        store.write(&keys, false);
        batches += 1;
    }
    println!("publish without fsync: {:.0} frames/s", batches as f64 * 10.0 / RUN.as_secs_f64());
}

fn resident() -> String {
    let status = std::fs::read_to_string("/proc/self/status").expect("this runs on Linux");
    status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or("VmRSS: unknown").replace('\t', " ")
}

/// Writes until it is killed, and prints each number after its write.
///
/// One write in a thousand has an fsync.
fn write_until_killed(store: &dyn Store) {
    let mut said = std::io::stdout().lock();
    for n in 0_u64.. {
        store.write(&[n], n.is_multiple_of(1000));
        writeln!(said, "{n}").and_then(|()| said.flush()).expect("the parent reads");
    }
}

fn killed(name: &str) {
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let me = std::env::current_exe().expect("the program runs from a file");
    let mut child = Command::new(me).args([name, "child"]).arg(folder.path()).stdout(Stdio::piped()).spawn();
    let child = child.as_mut().expect("the program can start itself");
    let said = BufReader::new(child.stdout.take().expect("its output is piped"));
    let started = Instant::now();
    let mut last = 0;
    for line in said.lines().map_while(Result::ok) {
        last = line.parse().unwrap_or(last);
        if started.elapsed() > RUN {
            child.kill().expect("the child runs");
        }
    }
    child.wait().expect("the child was started");
    let reopened = Instant::now();
    let store = open(name, folder.path());
    let took = reopened.elapsed();
    let lost = (0..=last).filter(|n| !store.has(*n)).count();
    println!("kill -9 after {last} writes, one in a thousand with fsync: reopened in {took:?}, {lost} lost");
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let name = arguments.first().map_or("", String::as_str);
    if let [_, _, folder] = arguments.as_slice() {
        return write_until_killed(open(name, Path::new(folder)).as_ref());
    }
    let folder = tempfile::tempdir().expect("a temporary folder can be created");
    let store = open(name, folder.path());
    println!("{name}, fresh: {}", resident());
    let store = append(append(store, 1), 8);
    publish(store.as_ref());
    println!("{name}, idle afterwards: {}", resident());
    drop(store);
    let reopened = Instant::now();
    let store = open(name, folder.path());
    println!("reopened in {:?}: {}", reopened.elapsed(), resident());
    drop(store);
    killed(name);
}
