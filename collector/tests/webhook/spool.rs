//! The spool keeps events while the log is unavailable, and across a crash.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ringside_collector::source::{Feed, Spools};
use ringside_intake::IncomingEvent;
use ringside_model::{EventId, EventKind, MetricSample, SourceId, TenantId};
use tempfile::TempDir;

use crate::intake_fixture::{AppendFault, IntakeFixture};

const MB: u64 = 1 << 20;

fn feed(fixture: &IntakeFixture, spools: &Spools) -> Feed {
    let (tenant, source) = (TenantId::parse("acme").unwrap(), SourceId::parse("pbx").unwrap());
    Feed::new(fixture.intake.clone(), tenant, source, 100, spools)
}

fn samples(fixture: &IntakeFixture, numbers: std::ops::Range<usize>) -> Vec<IncomingEvent> {
    let at = fixture.intake.now();
    let sample = || MetricSample { name: "m".into(), unit: "".into(), value: 1.0, labels: Default::default() };
    let id = |number| EventId::parse(&format!("e{number}")).unwrap();
    numbers.map(|number| IncomingEvent { id: id(number), at, kind: EventKind::Metric(sample()) }).collect()
}

fn ids(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("e{number}")).collect()
}

async fn logged_ids(fixture: &IntakeFixture) -> Vec<String> {
    fixture.logged().await.iter().map(|event| event.id.as_str().to_owned()).collect()
}

/// Flushes until no event waits.
async fn drain(feed: &mut Feed) {
    while feed.waiting() > 0 {
        feed.until_retry().await;
        feed.flush().await;
    }
}

fn segments(data: &Path) -> Vec<PathBuf> {
    let Ok(listed) = fs::read_dir(data.join("spool/0/acme@pbx")) else { return Vec::new() };
    let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[tokio::test]
async fn failed_events_are_spooled_and_sent_before_newer_ones() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&fixture, &spools);
    feed.push(samples(&fixture, 0..5));
    feed.flush().await;
    assert!(!data.path().join("spool").exists(), "no folder is created while the log accepts events");

    fixture.engine.set_fault(AppendFault::Unavailable);
    for batch in 1..4 {
        feed.push(samples(&fixture, batch * 5..batch * 5 + 5));
        feed.flush().await;
    }
    assert_eq!((feed.waiting(), feed.dropped(), segments(data.path()).len()), (15, 0, 1));
    fixture.engine.set_fault(AppendFault::None);
    feed.push(samples(&fixture, 20..25));
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..25));
    assert!(segments(data.path()).is_empty(), "a delivered segment is removed");
}

#[tokio::test]
async fn a_spool_survives_a_crash_and_cuts_a_torn_line() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set_fault(AppendFault::Unavailable);
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut first = feed(&fixture, &spools);
    first.push(samples(&fixture, 0..10));
    first.flush().await;
    // The process dies in the middle of a write.
    drop((first, spools));
    let segment = segments(data.path()).remove(0);
    let mut torn = OpenOptions::new().append(true).open(&segment).unwrap();
    torn.write_all(br#"{"tenant":"acme","source":"pbx","recei"#).unwrap();

    let spools = Spools::open(data.path(), MB).unwrap();
    let mut second = feed(&fixture, &spools);
    assert_eq!(second.waiting(), 10);
    second.push(samples(&fixture, 10..12));
    second.flush().await;
    fixture.engine.set_fault(AppendFault::None);
    drain(&mut second).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..12));
}

#[tokio::test]
async fn above_the_limit_the_oldest_are_dropped_and_counted() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set_fault(AppendFault::Unavailable);
    let bound = 16 << 10;
    let spools = Spools::open(data.path(), bound).unwrap();
    let mut feed = feed(&fixture, &spools);
    for batch in 0..100 {
        feed.push(samples(&fixture, batch * 10..batch * 10 + 10));
        feed.flush().await;
    }
    let kept: u64 = segments(data.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(kept <= bound, "{kept} bytes");
    let dropped = usize::try_from(feed.dropped()).unwrap();
    assert!(dropped > 0 && dropped + feed.waiting() == 1_000, "{dropped} and {}", feed.waiting());
    fixture.engine.set_fault(AppendFault::None);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(dropped..1_000), "the newest are kept, in order");
}

#[tokio::test]
async fn without_a_disk_the_newest_stay_in_memory() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set_fault(AppendFault::Unavailable);
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&fixture, &spools);
    // A file has the folder's name, so the folder can't be created.
    fs::write(data.path().join("spool"), b"").unwrap();
    feed.push(samples(&fixture, 0..60));
    feed.flush().await;
    feed.push(samples(&fixture, 60..120));
    feed.flush().await;
    assert_eq!((feed.waiting(), feed.dropped()), (100, 20));
    fixture.engine.set_fault(AppendFault::None);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(20..120));
}

#[tokio::test]
async fn processes_on_one_folder_have_separate_spools() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set_fault(AppendFault::Unavailable);
    let [one, two] = [(); 2].map(|()| Spools::open(data.path(), MB).unwrap());
    let (mut first, mut second) = (feed(&fixture, &one), feed(&fixture, &two));
    first.push(samples(&fixture, 0..5));
    first.flush().await;
    second.push(samples(&fixture, 5..10));
    second.flush().await;
    assert!(data.path().join("spool/0").exists() && data.path().join("spool/1").exists());
    drop((first, second, one, two));
    let alone = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&fixture, &alone);
    assert_eq!(feed.waiting(), 10, "it adopts the spools of both");
    fixture.engine.set_fault(AppendFault::None);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..10));
}

#[tokio::test]
async fn a_running_process_adopts_the_spool_of_a_dead_one() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set_fault(AppendFault::Unavailable);
    let (spools, other) = (Spools::open(data.path(), MB).unwrap(), Spools::open(data.path(), MB).unwrap());
    let (mut feed, mut dying) = (feed(&fixture, &spools), feed(&fixture, &other));
    dying.push(samples(&fixture, 0..5));
    dying.flush().await;
    drop((dying, other));
    feed.push(samples(&fixture, 5..10));
    feed.flush().await;
    assert_eq!(feed.waiting(), 10);
    fixture.engine.set_fault(AppendFault::None);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..10));
}
