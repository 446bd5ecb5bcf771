//! Events on disk while the intake can't take them: in order, bounded, and there after a crash.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ringside_collector::source::{Feed, Spools};
use ringside_intake::IncomingEvent;
use ringside_model::{EventId, EventKind, MetricSample, SourceId, TenantId};
use tempfile::TempDir;

use crate::intake_fixture::{IntakeFixture, Mood};

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

/// Sends until nothing waits.
async fn drain(feed: &mut Feed) {
    while feed.waiting() > 0 {
        feed.rested().await;
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
async fn what_the_door_did_not_take_is_spooled_and_sent_in_order_before_anything_newer() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&fixture, &spools);
    feed.push(samples(&fixture, 0..5));
    feed.flush().await;
    assert!(!data.path().join("spool").exists(), "nothing is made while all is well");

    fixture.engine.set(Mood::Away);
    for batch in 1..4 {
        feed.push(samples(&fixture, batch * 5..batch * 5 + 5));
        feed.flush().await;
    }
    assert_eq!((feed.waiting(), feed.dropped(), segments(data.path()).len()), (15, 0, 1));
    fixture.engine.set(Mood::Willing);
    feed.push(samples(&fixture, 20..25));
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..25));
    assert!(segments(data.path()).is_empty(), "what was sent is not kept");
}

#[tokio::test]
async fn a_spool_survives_its_process_and_a_line_without_an_end_is_cut() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set(Mood::Away);
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut first = feed(&fixture, &spools);
    first.push(samples(&fixture, 0..10));
    first.flush().await;
    // Gone without a word, in the middle of a write.
    drop((first, spools));
    let segment = segments(data.path()).remove(0);
    let mut torn = OpenOptions::new().append(true).open(&segment).unwrap();
    torn.write_all(br#"{"tenant":"acme","source":"pbx","recei"#).unwrap();

    let spools = Spools::open(data.path(), MB).unwrap();
    let mut second = feed(&fixture, &spools);
    assert_eq!(second.waiting(), 10);
    second.push(samples(&fixture, 10..12));
    second.flush().await;
    fixture.engine.set(Mood::Willing);
    drain(&mut second).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..12));
}

#[tokio::test]
async fn above_the_bound_the_oldest_go_and_are_counted() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set(Mood::Away);
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
    fixture.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(dropped..1_000), "the newest are there, in order");
}

#[tokio::test]
async fn where_the_disk_takes_nothing_the_newest_stay_in_memory() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set(Mood::Away);
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&fixture, &spools);
    // A file stands where the folder would be made.
    fs::write(data.path().join("spool"), b"").unwrap();
    feed.push(samples(&fixture, 0..60));
    feed.flush().await;
    feed.push(samples(&fixture, 60..120));
    feed.flush().await;
    assert_eq!((feed.waiting(), feed.dropped()), (100, 20));
    fixture.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(20..120));
}

#[tokio::test]
async fn processes_on_one_folder_don_t_share_a_spool_and_what_a_dead_one_left_is_taken_over() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set(Mood::Away);
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
    assert_eq!(feed.waiting(), 10, "both left theirs to this one");
    fixture.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..10));
}

#[tokio::test]
async fn what_a_process_left_is_taken_over_also_by_one_that_was_there_before_it_died() {
    let (fixture, data) = (IntakeFixture::new().await, TempDir::new().unwrap());
    fixture.engine.set(Mood::Away);
    let (spools, beside) = (Spools::open(data.path(), MB).unwrap(), Spools::open(data.path(), MB).unwrap());
    let (mut feed, mut dying) = (feed(&fixture, &spools), feed(&fixture, &beside));
    dying.push(samples(&fixture, 0..5));
    dying.flush().await;
    drop((dying, beside));
    feed.push(samples(&fixture, 5..10));
    feed.flush().await;
    assert_eq!(feed.waiting(), 10);
    fixture.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&fixture).await, ids(0..10));
}
