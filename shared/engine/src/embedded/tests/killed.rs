//! Recovery after the process was killed, and after the machine crashed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use ringside_model::{Epoch, Room, TenantId, Timestamp};

use super::faults::start_child;
use super::{Data, settings};
use crate::embedded::{Embedded, EmbeddedSettings};
use crate::{
    Batch, Engine, EventLog, Journals, LONGEST_PAGE, Lane, Leases, Partition, PartitionState, Position, Publication,
    ReadFrom, RoomFrame, RoomId, Rooms, Signal, Token,
};

const FOLDER: &str = "RINGSIDE_TEST_KILL";
const ROUNDS: usize = 6;

fn roomy() -> EmbeddedSettings {
    EmbeddedSettings { histories: Default::default(), log_bytes: 64 << 20, ..settings() }
}

fn room() -> RoomId {
    RoomId::new(TenantId::parse("acme").unwrap(), Room::Notifications)
}

async fn publish(engine: &Embedded, token: Token, seq: u64) -> u64 {
    let publication = Publication {
        room: room(),
        position: Position(seq + 1),
        lane: Lane::Event,
        kind: "notification",
        at: Timestamp::from_millis(0),
        body: Bytes::from(format!("{}", seq + 1)),
        snapshot: None,
    };
    let batch = Batch { expected_seq: seq, position: Position(seq + 1), publications: vec![publication] };
    engine.publish(token, batch).await.unwrap()
}

/// Appends, journals and publishes numbered records, forever.
///
/// Prints each step once it is acknowledged or delivered.
async fn work_until_killed(folder: &Path) {
    let engine = Embedded::open(folder, roomy()).unwrap();
    let token = engine.acquire(room().home(8), "child", Duration::from_secs(600)).await.unwrap().unwrap();
    let mut seq = engine.load(token.partition).await.unwrap().seq;
    let mut number = engine.read_log(Partition(0), Position(0), usize::MAX).await.unwrap().len() as u64 / 2;
    let mut subscription = engine.subscribe(token.partition).await.unwrap();
    let print = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("the parent reads");
    };
    loop {
        number += 1;
        let records = (0..8).flat_map(|p| [format!("{number} a"), format!("{number} b")].map(|r| (Partition(p), r)));
        engine.append(records.map(|(p, record)| (p, Bytes::from(record))).collect()).await.unwrap();
        print(format!("appended {number}"));
        engine.append_journal("audit", vec![Bytes::from(format!("{number}"))], Duration::MAX).await.unwrap();
        print(format!("journaled {number}"));
        for _ in 0..3 {
            seq = publish(&engine, token, seq).await;
            let signal = tokio::time::timeout(Duration::from_secs(20), subscription.next()).await;
            let Ok(Some(Signal::Frame(frame))) = signal else { panic!("{signal:?} instead of a frame") };
            print(format!("delivered {} {}", frame.offset, frame.epoch.0));
        }
    }
}

/// The lines that a child printed before it was killed.
#[derive(Default)]
struct Printed {
    appended: u64,
    journaled: u64,
    delivered: BTreeMap<u64, u32>,
}

/// Lets a child work and kills it after a number of lines.
///
/// Lines until it is dead count too.
fn kill_after(lines: usize, test: &str, folder: &Path) -> Printed {
    let mut child = start_child(test, FOLDER, folder);
    let mut printed = Printed::default();
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().expect("its pipes are set up")).lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["appended", number] => printed.appended = number.parse().unwrap(),
            ["journaled", number] => printed.journaled = number.parse().unwrap(),
            ["delivered", offset, epoch] => {
                printed.delivered.insert(offset.parse().unwrap(), epoch.parse().unwrap());
            }
            _ => continue,
        }
        count += 1;
        if count == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(count >= lines, "the child ended by itself after {count} lines");
    printed
}

async fn events(engine: &Embedded) -> (Epoch, Vec<RoomFrame>) {
    let view = engine.read_room(&room(), ReadFrom::After { offset: 0, limit: usize::MAX }).await.unwrap();
    for (offset, event) in (1..=view.head).zip(&view.events) {
        assert_eq!((event.offset, &event.body), (offset, &Bytes::from(offset.to_string())));
    }
    assert_eq!(view.events.len() as u64, view.head);
    (view.epoch, view.events)
}

/// Checks that every partition's log has two records of each number, in order.
///
/// Returns the newest number.
async fn numbers(engine: &Embedded) -> u64 {
    let mut numbers = None;
    for partition in 0..8 {
        let entries = engine.read_log(Partition(partition), Position(0), usize::MAX).await.unwrap();
        for (n, entry) in (0_u64..).zip(&entries) {
            let expected = format!("{} {}", n / 2 + 1, if n % 2 == 0 { "a" } else { "b" });
            assert_eq!((entry.position.0, &entry.record), (n + 1, &Bytes::from(expected)));
        }
        let count = entries.len() as u64;
        assert_eq!(count % 2, 0, "half of a group is there");
        assert_eq!(*numbers.get_or_insert(count / 2), count / 2, "a group is there in some partitions only");
    }
    numbers.expect("there are partitions")
}

#[tokio::test]
async fn a_killed_process_loses_nothing_acknowledged_or_delivered() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work_until_killed(Path::new(&folder)).await;
    }
    let data = Data::fresh();
    let mut epochs = Vec::new();
    let mut before = 0;
    for _ in 0..ROUNDS {
        let lines = rand::random_range(1..600);
        let test = "killed::a_killed_process_loses_nothing_acknowledged_or_delivered";
        let printed = kill_after(lines, test, data.path());
        let engine = Embedded::open(data.path(), roomy()).unwrap();
        let numbers = numbers(&engine).await;
        assert!(numbers >= printed.appended.max(before), "{numbers} of {} appends are there", printed.appended);
        let entries = engine.read_journal("audit", None, LONGEST_PAGE).await.unwrap();
        let journaled: Vec<u64> =
            entries.iter().rev().map(|n| str::from_utf8(&n.record).unwrap().parse().unwrap()).collect();
        assert!(
            journaled.is_sorted() && journaled.last().copied().unwrap_or_default() >= printed.journaled,
            "{journaled:?}"
        );
        let (epoch, events) = events(&engine).await;
        for (offset, delivered_in) in printed.delivered {
            assert_eq!(delivered_in, epoch.0, "a frame of one epoch is in another");
            assert!(offset <= events.len() as u64, "{offset} was delivered, {} are there", events.len());
        }
        let checkpoint = engine.load(room().home(8)).await.unwrap();
        assert_eq!((checkpoint.seq, checkpoint.published.0), (events.len() as u64, events.len() as u64));
        epochs.push(epoch);
        before = numbers;
        engine.close().await.unwrap();
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

/// Returns the journal's file and its written length; the rest is preallocated.
fn journal(folder: &Path) -> (fs::File, u64) {
    let mut journals = fs::read_dir(folder.join("store")).unwrap().map(|entry| entry.unwrap().path());
    let journal = journals.find(|path| path.extension().is_some_and(|e| e == "jnl")).unwrap();
    let mut begin = vec![0; 1 << 20];
    let read = fs::File::open(&journal).unwrap().read(&mut begin).unwrap();
    let written = begin[..read].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (fs::File::options().write(true).open(journal).unwrap(), written as u64)
}

/// Simulates a crash of the machine.
///
/// The boot id changes, and the newest writes, which had no fsync, are cut off.
#[tokio::test]
async fn a_machine_crash_loses_whole_batches_and_changes_the_epoch() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let engine = Embedded::open(Path::new(&folder), roomy()).unwrap();
        let token = engine.acquire(room().home(8), "child", Duration::from_secs(600)).await.unwrap().unwrap();
        engine.append(vec![(token.partition, Bytes::from_static(b"kept"))]).await.unwrap();
        for seq in 0..10 {
            publish(&engine, token, seq).await;
        }
        println!("\ndelivered 10 {}", engine.read_room(&room(), ReadFrom::Newest(0)).await.unwrap().epoch.0);
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let test = "killed::a_machine_crash_loses_whole_batches_and_changes_the_epoch";
    for cut_bytes in [0, 1, 100, 700] {
        let data = Data::fresh();
        let printed = kill_after(1, test, data.path());
        let session = fs::read_to_string(data.path().join("session")).unwrap();
        let boot = session.lines().next().unwrap();
        fs::write(data.path().join("session"), session.replace(boot, "boot = another")).unwrap();
        let (file, written) = journal(data.path());
        file.set_len(written - cut_bytes).unwrap();
        let engine = Embedded::open(data.path(), roomy()).unwrap();
        let (epoch, events) = events(&engine).await;
        assert_ne!(epoch.0, printed.delivered[&10], "offsets may be reused that were delivered before");
        assert_eq!(events.len() == 10, cut_bytes == 0, "{} events after cutting {cut_bytes} bytes", events.len());
        let partition = room().home(8);
        let checkpoint = engine.load(partition).await.unwrap();
        assert_eq!((checkpoint.seq, checkpoint.published.0), (events.len() as u64, events.len() as u64));
        assert_eq!(engine.read_log(partition, Position(0), 10).await.unwrap().len(), 1);
        let token = engine.acquire(partition, "next", Duration::from_secs(600)).await.unwrap().unwrap();
        publish(&engine, token, checkpoint.seq).await;
        engine.close().await.unwrap();
    }
}
