//! A disk that is full for a while.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use bytes::Bytes;
use ringside_model::{Room, TenantId};

use super::{Data, settings};
use crate::embedded::Embedded;
use crate::{Engine, EngineError, EventLog, Partition, Position, ReadFrom, RoomId, Rooms, Signal};

const FOLDER: &str = "RINGSIDE_TEST_FULL";

/// Prints a word and waits for the parent's answer.
fn print_and_wait(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "\n{word}").and_then(|()| out.flush()).expect("the parent reads");
    std::io::stdin().lock().read_line(&mut String::new()).expect("the parent answers");
}

async fn work(folder: &Path) {
    let engine = Embedded::open(folder, settings()).unwrap();
    let room = RoomId::new(TenantId::parse("acme").unwrap(), Room::Alerts);
    let append = |text: &'static str| engine.append(vec![(Partition(0), Bytes::from_static(text.as_bytes()))]);
    let mut subscription = engine.subscribe(room.home(8)).await.unwrap();
    let epoch = engine.read_room(&room, ReadFrom::Newest(0)).await.unwrap().epoch;
    // More than the later limit, in records that are too small to be compressed.
    engine.append(vec![(Partition(0), Bytes::from_static(&[0; 2048])); 4]).await.unwrap();
    append("before").await.unwrap();
    print_and_wait("shut");
    let refused = append("refused").await.unwrap_err();
    assert!(matches!(refused, EngineError::Unavailable(_)), "{refused}");
    let sentence = engine.ping().await.unwrap_err().to_string();
    assert!(sentence.contains("the data folder takes no writes"), "{sentence}");
    print_and_wait("open");
    let started = Instant::now();
    while let Err(refused) = append("after").await {
        assert!(started.elapsed() < Duration::from_secs(20), "writes do not resume: {refused}");
        tokio::task::yield_now().await;
    }
    let entries = engine.read_log(Partition(0), Position(4), 10).await.unwrap();
    let mut texts = entries.iter().map(|entry| &entry.record[..]).filter(|text| text != b"refused");
    assert_eq!((texts.next(), texts.next()), (Some(&b"before"[..]), Some(&b"after"[..])));
    assert_ne!(engine.read_room(&room, ReadFrom::Newest(0)).await.unwrap().epoch, epoch);
    assert_eq!(subscription.next().await, Some(Signal::Missed));
    engine.close().await.unwrap();
    print_and_wait("done");
}

#[tokio::test]
async fn writes_resume_after_the_disk_was_full() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return work(Path::new(&folder)).await;
    }
    let data = Data::fresh();
    let me = std::env::current_exe().expect("tests run from a file");
    // A file size limit looks like a full disk to the process.
    let mut child = Command::new("sh")
        .args(["-c", r#"trap "" XFSZ; exec "$0" "$@""#])
        .arg(me)
        .args(["--exact", "embedded::tests::full::writes_resume_after_the_disk_was_full"])
        .arg("--nocapture")
        .env(FOLDER, data.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("tests can start themselves");
    let pid = child.id().to_string();
    let limit = |soft: &str| {
        let set = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={soft}:unlimited")]).status();
        assert!(set.expect("util-linux is installed").success());
    };
    let mut lines = BufReader::new(child.stdout.take().expect("its pipes are set up")).lines().map_while(Result::ok);
    let mut stdin = child.stdin.take().expect("its pipes are set up");
    for (word, soft) in [("shut", "4096"), ("open", "unlimited"), ("done", "unlimited")] {
        assert!(lines.any(|line| line == word), "the child ended before it printed {word}");
        limit(soft);
        writeln!(stdin).unwrap();
    }
    assert!(child.wait().unwrap().success());
    let engine = Embedded::open(data.path(), settings()).unwrap();
    assert!(engine.read_log(Partition(0), Position(0), 10).await.unwrap().len() >= 6);
}
