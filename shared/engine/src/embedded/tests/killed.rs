//! What is there after the process was killed, and after the system went down with it.

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

/// Appends numbered records to all partitions, notes the number and publishes numbered events, and says each once it
/// knows of it.
async fn work_until_killed(folder: &Path) {
    let engine = Embedded::open(folder, roomy()).unwrap();
    let token = engine.acquire(room().home(8), "child", Duration::from_secs(600)).await.unwrap().unwrap();
    let mut seq = engine.load(token.partition).await.unwrap().seq;
    let mut number = engine.read_log(Partition(0), Position(0), usize::MAX).await.unwrap().len() as u64 / 2;
    let mut told = engine.subscribe(token.partition).await.unwrap();
    let say = |line: String| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{line}").and_then(|()| out.flush()).expect("the parent reads");
    };
    loop {
        number += 1;
        let records = (0..8).flat_map(|p| [format!("{number} a"), format!("{number} b")].map(|r| (Partition(p), r)));
        engine.append(records.map(|(p, record)| (p, Bytes::from(record))).collect()).await.unwrap();
        say(format!("appended {number}"));
        engine.append_journal("audit", vec![Bytes::from(format!("{number}"))], Duration::MAX).await.unwrap();
        say(format!("noted {number}"));
        for _ in 0..3 {
            seq = publish(&engine, token, seq).await;
            let signal = tokio::time::timeout(Duration::from_secs(20), told.next()).await;
            let Ok(Some(Signal::Frame(frame))) = signal else { panic!("{signal:?} instead of a frame") };
            say(format!("told {} {}", frame.offset, frame.epoch.0));
        }
    }
}

/// What a child said before it was killed.
#[derive(Default)]
struct Said {
    appended: u64,
    noted: u64,
    told: BTreeMap<u64, u32>,
}

/// Lets a child work and kills it once it has said so many lines; what it said until it was dead counts too.
fn kill_after(lines: usize, test: &str, folder: &Path) -> Said {
    let mut child = start_child(test, FOLDER, folder);
    let mut said = Said::default();
    let mut heard = 0;
    for line in BufReader::new(child.stdout.take().expect("is piped")).lines().map_while(Result::ok) {
        let words: Vec<_> = line.split(' ').collect();
        match words.as_slice() {
            ["appended", number] => said.appended = number.parse().unwrap(),
            ["noted", number] => said.noted = number.parse().unwrap(),
            ["told", offset, epoch] => drop(said.told.insert(offset.parse().unwrap(), epoch.parse().unwrap())),
            _ => continue,
        }
        heard += 1;
        if heard == lines {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(heard >= lines, "the child ended by itself after {heard} lines");
    said
}

async fn events(engine: &Embedded) -> (Epoch, Vec<RoomFrame>) {
    let view = engine.read_room(&room(), ReadFrom::After { offset: 0, limit: usize::MAX }).await.unwrap();
    for (offset, event) in (1..=view.head).zip(&view.events) {
        assert_eq!((event.offset, &event.body), (offset, &Bytes::from(offset.to_string())));
    }
    assert_eq!(view.events.len() as u64, view.head);
    (view.epoch, view.events)
}

/// Every partition's log is whole: two records of each number, in order.
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
async fn a_killed_process_loses_nothing_that_was_acknowledged_or_told() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work_until_killed(Path::new(&folder)).await;
    }
    let data = Data::fresh();
    let mut epochs = Vec::new();
    let mut before = 0;
    for _ in 0..ROUNDS {
        let lines = rand::random_range(1..600);
        let test = "killed::a_killed_process_loses_nothing_that_was_acknowledged_or_told";
        let said = kill_after(lines, test, data.path());
        let engine = Embedded::open(data.path(), roomy()).unwrap();
        let numbers = numbers(&engine).await;
        assert!(numbers >= said.appended.max(before), "{numbers} of {} appends are there", said.appended);
        let notes = engine.read_journal("audit", None, LONGEST_PAGE).await.unwrap();
        let noted: Vec<u64> = notes.iter().rev().map(|n| str::from_utf8(&n.record).unwrap().parse().unwrap()).collect();
        assert!(noted.is_sorted() && noted.last().copied().unwrap_or_default() >= said.noted, "{noted:?}");
        let (epoch, events) = events(&engine).await;
        for (offset, told) in said.told {
            assert_eq!(told, epoch.0, "what was told in one epoch is in another");
            assert!(offset <= events.len() as u64, "{offset} was told, {} are there", events.len());
        }
        let checkpoint = engine.load(room().home(8)).await.unwrap();
        assert_eq!((checkpoint.seq, checkpoint.published.0), (events.len() as u64, events.len() as u64));
        epochs.push(epoch);
        before = numbers;
        engine.close().await.unwrap();
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

/// The journal's file and how much of it is written; the rest is room for more.
fn journal(folder: &Path) -> (fs::File, u64) {
    let mut journals = fs::read_dir(folder.join("store")).unwrap().map(|entry| entry.unwrap().path());
    let journal = journals.find(|path| path.extension().is_some_and(|e| e == "jnl")).unwrap();
    let mut begin = vec![0; 1 << 20];
    let read = fs::File::open(&journal).unwrap().read(&mut begin).unwrap();
    let written = begin[..read].iter().rposition(|byte| *byte != 0).unwrap() + 1;
    (fs::File::options().write(true).open(journal).unwrap(), written as u64)
}

/// As if the system had gone down: it is another boot now, and the newest writes, which had no fsync, are cut off.
#[tokio::test]
async fn a_crash_of_the_system_takes_unsynced_publications_as_a_whole_and_gives_a_new_epoch() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        let engine = Embedded::open(Path::new(&folder), roomy()).unwrap();
        let token = engine.acquire(room().home(8), "child", Duration::from_secs(600)).await.unwrap().unwrap();
        engine.append(vec![(token.partition, Bytes::from_static(b"kept"))]).await.unwrap();
        for seq in 0..10 {
            publish(&engine, token, seq).await;
        }
        println!("\ntold 10 {}", engine.read_room(&room(), ReadFrom::Newest(0)).await.unwrap().epoch.0);
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let test = "killed::a_crash_of_the_system_takes_unsynced_publications_as_a_whole_and_gives_a_new_epoch";
    for cut_bytes in [0, 1, 100, 700] {
        let data = Data::fresh();
        let said = kill_after(1, test, data.path());
        let session = fs::read_to_string(data.path().join("session")).unwrap();
        let boot = session.lines().next().unwrap();
        fs::write(data.path().join("session"), session.replace(boot, "boot = another")).unwrap();
        let (file, written) = journal(data.path());
        file.set_len(written - cut_bytes).unwrap();
        let engine = Embedded::open(data.path(), roomy()).unwrap();
        let (epoch, events) = events(&engine).await;
        assert_ne!(epoch.0, said.told[&10], "places may be given again that were told before");
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
