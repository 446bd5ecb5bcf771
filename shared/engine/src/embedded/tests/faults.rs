//! Folders that are in use, foreign, damaged, copied or incomplete.

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use bytes::Bytes;
use ringside_model::{Epoch, Room, TenantId, Timestamp};

use super::{Data, settings};
use crate::embedded::{Embedded, EmbeddedSettings, OpenError};
use crate::{
    Batch, Engine, EngineError, EventLog, Lane, Leases, Partition, PartitionState, Position, Publication, ReadFrom,
    Registry, RoomId, Rooms,
};

fn refusal(folder: &Path, settings: EmbeddedSettings) -> OpenError {
    match Embedded::open(folder, settings) {
        Ok(_) => panic!("the folder could be opened"),
        Err(refusal) => refusal,
    }
}

#[tokio::test]
async fn a_folder_in_use_is_refused_with_the_id_of_its_process() {
    let data = Data::fresh();
    let engine = Embedded::open(data.path(), settings()).unwrap();
    let refused = refusal(data.path(), settings());
    assert!(matches!(refused, OpenError::InUse { .. }));
    let sentence = refused.to_string();
    assert!(sentence.contains(&format!("in use by process {}; stop", std::process::id())), "{sentence}");
    engine.ping().await.unwrap();
    drop(engine);
    Embedded::open(data.path(), settings()).expect("a dropped engine frees its folder");
}

const HOLDER: &str = "RINGSIDE_TEST_HOLD";

/// Runs a test in a child process, with the folder in a variable.
pub(super) fn start_child(test: &str, variable: &str, folder: &Path) -> Child {
    let me = std::env::current_exe().expect("tests run from a file");
    let test = format!("embedded::tests::{test}");
    let mut child = Command::new(me);
    child.args(["--exact", &test, "--nocapture"]).env(variable, folder).stdin(Stdio::piped()).stdout(Stdio::piped());
    child.spawn().expect("tests can start themselves")
}

#[test]
fn a_folder_in_use_by_another_process_is_refused_with_its_id() {
    if let Some(folder) = std::env::var_os(HOLDER) {
        let _engine = Embedded::open(Path::new(&folder), settings()).unwrap();
        println!("\nopen");
        // Holds it until it is killed.
        std::io::stdin().read_line(&mut String::new()).unwrap();
        return;
    }
    let data = Data::fresh();
    let test = "faults::a_folder_in_use_by_another_process_is_refused_with_its_id";
    let mut child = start_child(test, HOLDER, data.path());
    let mut lines = BufReader::new(child.stdout.take().expect("its pipes are set up")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line == "open"), "the child didn't open the folder");
    let sentence = refusal(data.path(), settings()).to_string();
    assert!(sentence.contains(&format!("in use by process {}; stop", child.id())), "{sentence}");
    child.kill().unwrap();
    child.wait().unwrap();
    Embedded::open(data.path(), settings()).expect("a killed process frees its folder");
}

#[test]
fn another_number_of_partitions_is_refused() {
    let data = Data::fresh();
    drop(Embedded::open(data.path(), settings()).unwrap());
    let refused = refusal(data.path(), EmbeddedSettings { partitions: 9, ..settings() });
    assert!(matches!(refused, OpenError::Partitions { actual: 8, wanted: 9, .. }), "{refused}");
    assert!(refused.to_string().contains("has 8 partitions and 9 are configured"));
    let refused = refusal(data.path(), EmbeddedSettings { partitions: 0, ..settings() });
    assert!(matches!(refused, OpenError::NoPartitions), "{refused}");
}

#[test]
fn a_folder_of_a_newer_version_is_refused() {
    let data = Data::fresh();
    drop(Embedded::open(data.path(), settings()).unwrap());
    fs::write(data.path().join("format"), "format = 2\npartitions = 8\n").unwrap();
    let refused = refusal(data.path(), settings());
    assert!(matches!(refused, OpenError::Newer { actual: 2, .. }), "{refused}");
}

#[test]
fn a_folder_that_cannot_be_created_is_refused_with_advice() {
    let data = Data::fresh();
    fs::write(data.path().join("file"), "").unwrap();
    let refused = refusal(&data.path().join("file/data"), settings());
    assert!(matches!(refused, OpenError::Folder { .. }), "{refused}");
    assert!(refused.to_string().contains("name another one, or give this user the right"), "{refused}");
}

#[test]
fn a_new_folder_is_private_to_its_owner() {
    let data = Data::fresh();
    let folder = data.path().join("some/where");
    drop(Embedded::open(&folder, settings()).unwrap());
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn an_interrupted_creation_is_restarted() {
    let data = Data::fresh();
    fs::write(data.path().join("creating"), "").unwrap();
    fs::write(data.path().join("format"), "format = 1\npartitions = 8\n").unwrap();
    fs::create_dir(data.path().join("store")).unwrap();
    fs::write(data.path().join("store/0.jnl"), "half").unwrap();
    let engine = Embedded::open(data.path(), settings()).unwrap();
    engine.set("k", Some(Bytes::from_static(b"v"))).await.unwrap();
    drop(engine);
    let engine = Embedded::open(data.path(), settings()).unwrap();
    assert_eq!(engine.get("k").await, Ok(Some(Bytes::from_static(b"v"))));
}

fn room() -> RoomId {
    RoomId::new(TenantId::parse("acme").unwrap(), Room::Alerts)
}

/// Writes to everything, enough to flush some of it from the journal.
async fn fill(engine: &Embedded) {
    let partition = room().home(engine.partitions());
    for n in 0..120_u8 {
        engine.append(vec![(Partition(0), Bytes::from(vec![n; 64 << 10]))]).await.unwrap();
    }
    let token = engine.acquire(partition, "owner", std::time::Duration::from_secs(60)).await.unwrap().unwrap();
    let publication = |n: u64| Publication {
        room: room(),
        position: Position(n),
        lane: Lane::Event,
        kind: "alert",
        at: Timestamp::from_millis(0),
        body: Bytes::from(format!("{n}")),
        snapshot: None,
    };
    for seq in 0..10 {
        let publications = vec![publication(seq + 1)];
        engine.publish(token, Batch { expected_seq: seq, position: Position(seq + 1), publications }).await.unwrap();
    }
    engine.set("k", Some(Bytes::from_static(b"v"))).await.unwrap();
}

/// Reads back everything that `fill` wrote, or returns the engine's error.
///
/// Panics on any other content.
async fn everything(engine: &Embedded) -> Result<Epoch, EngineError> {
    let entries = engine.read_log(Partition(0), Position(0), 1000).await?;
    assert_eq!(entries.len(), 120);
    for (n, entry) in (0..120_u8).zip(entries) {
        assert_eq!(entry.record, vec![n; 64 << 10]);
    }
    let view = engine.read_room(&room(), ReadFrom::Newest(100)).await?;
    let places: Vec<_> = view.events.iter().map(|e| (e.offset, e.body.clone())).collect();
    assert_eq!(places, (1..=10).map(|n| (n, Bytes::from(format!("{n}")))).collect::<Vec<_>>());
    assert_eq!(engine.get("k").await?, Some(Bytes::from_static(b"v")));
    assert_eq!(engine.load(room().home(engine.partitions())).await?.seq, 10);
    Ok(view.epoch)
}

fn big() -> EmbeddedSettings {
    EmbeddedSettings { log_bytes: 64 << 20, ..settings() }
}

async fn filled() -> Data {
    let data = Data::fresh();
    let engine = Embedded::open(data.path(), big()).unwrap();
    fill(&engine).await;
    engine.close().await.unwrap();
    drop(engine);
    // Reopening truncates the journal to its content, so that damage hits data.
    drop(Embedded::open(data.path(), big()).unwrap());
    data
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn copy(from: &Path, to: &Path) {
    for file in files(from) {
        let copied = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copied.parent().unwrap()).unwrap();
        fs::copy(file, copied).unwrap();
    }
}

#[tokio::test]
async fn damage_is_reported_or_harmless() {
    let data = filled().await;
    let intact = tempfile::tempdir().unwrap();
    copy(data.path(), intact.path());
    type Damage = fn(&Path);
    let ways: [(&str, Damage); 4] = [
        ("gone", |file| fs::remove_file(file).unwrap()),
        ("empty", |file| fs::write(file, "").unwrap()),
        ("cut in half", |file| {
            let length = fs::metadata(file).unwrap().len();
            fs::File::options().write(true).open(file).unwrap().set_len(length / 2).unwrap();
        }),
        ("scribbled over", |file| {
            let mut bytes = fs::read(file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle..].iter_mut().take(64).for_each(|byte| *byte ^= 0xa5);
            fs::write(file, bytes).unwrap();
        }),
    ];
    let (mut reported, mut harmless) = (0, 0);
    for file in files(intact.path()) {
        let name = file.strip_prefix(intact.path()).unwrap();
        if name == Path::new("lock") {
            // Only names the process; another lock file would make the folder a copy.
            continue;
        }
        for (way, damage) in ways {
            // In the original folder, with its lock file: a copy would be taken for a restored backup.
            fs::remove_dir_all(data.path().join("store")).unwrap();
            copy(intact.path(), data.path());
            damage(&data.path().join(name));
            match Embedded::open(data.path(), big()) {
                Ok(engine) => match everything(&engine).await {
                    Ok(_) => harmless += 1,
                    Err(EngineError::Damaged(_) | EngineError::Unavailable(_)) => reported += 1,
                    Err(other) => panic!("{} {way}: {other}", name.display()),
                },
                Err(OpenError::Damaged { detail, .. }) => {
                    assert!(!detail.is_empty());
                    reported += 1;
                }
                Err(other) => panic!("{} {way}: {other}", name.display()),
            }
        }
    }
    assert!(reported >= 10 && harmless >= 4, "{reported} damages were reported, {harmless} were harmless");
}

#[tokio::test]
async fn a_copied_folder_opens_with_another_epoch() {
    let data = filled().await;
    let engine = Embedded::open(data.path(), big()).unwrap();
    let epoch = everything(&engine).await.unwrap();
    engine.close().await.unwrap();
    let backup = tempfile::tempdir().unwrap();
    copy(data.path(), backup.path());
    // Restored elsewhere, and over the original.
    let restored = tempfile::tempdir().unwrap();
    for folder in [restored.path(), data.path()] {
        fs::remove_dir_all(folder).unwrap();
        copy(backup.path(), folder);
        let engine = Embedded::open(folder, big()).unwrap();
        assert_ne!(everything(&engine).await.unwrap(), epoch);
        engine.close().await.unwrap();
    }
}
