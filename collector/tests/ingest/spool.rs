//! Events on disk while the door can't take them: in order, bounded, and there after a crash.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use ringside_collector::door::Candidate;
use ringside_collector::source::{Feed, Spools};
use ringside_model::{EventId, EventKind, MetricSample, SourceId, TenantId};
use tempfile::TempDir;

use crate::house::{House, Mood};

const MB: u64 = 1 << 20;

fn feed(house: &House, spools: &Spools) -> Feed {
    let (tenant, source) = (TenantId::parse("acme").unwrap(), SourceId::parse("pbx").unwrap());
    Feed::new(house.door.clone(), tenant, source, 100, spools)
}

fn samples(house: &House, numbers: std::ops::Range<usize>) -> Vec<Candidate> {
    let at = house.door.now();
    let sample = || MetricSample { name: "m".into(), unit: "".into(), value: 1.0, labels: Default::default() };
    let id = |number| EventId::parse(&format!("e{number}")).unwrap();
    numbers.map(|number| Candidate { id: id(number), at, kind: EventKind::Metric(sample()) }).collect()
}

fn ids(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("e{number}")).collect()
}

async fn logged_ids(house: &House) -> Vec<String> {
    house.logged().await.iter().map(|event| event.id.as_str().to_owned()).collect()
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
    let (house, data) = (House::new().await, TempDir::new().unwrap());
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&house, &spools);
    feed.push(samples(&house, 0..5));
    feed.flush().await;
    assert!(!data.path().join("spool").exists(), "nothing is made while all is well");

    house.engine.set(Mood::Away);
    for batch in 1..4 {
        feed.push(samples(&house, batch * 5..batch * 5 + 5));
        feed.flush().await;
    }
    assert_eq!((feed.waiting(), feed.dropped(), segments(data.path()).len()), (15, 0, 1));
    house.engine.set(Mood::Willing);
    feed.push(samples(&house, 20..25));
    drain(&mut feed).await;
    assert_eq!(logged_ids(&house).await, ids(0..25));
    assert!(segments(data.path()).is_empty(), "what was sent is not kept");
}

#[tokio::test]
async fn a_spool_survives_its_process_and_a_line_without_an_end_is_cut() {
    let (house, data) = (House::new().await, TempDir::new().unwrap());
    house.engine.set(Mood::Away);
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut first = feed(&house, &spools);
    first.push(samples(&house, 0..10));
    first.flush().await;
    // Gone without a word, in the middle of a write.
    drop((first, spools));
    let segment = segments(data.path()).remove(0);
    let mut torn = OpenOptions::new().append(true).open(&segment).unwrap();
    torn.write_all(br#"{"tenant":"acme","source":"pbx","recei"#).unwrap();

    let spools = Spools::open(data.path(), MB).unwrap();
    let mut second = feed(&house, &spools);
    assert_eq!(second.waiting(), 10);
    second.push(samples(&house, 10..12));
    second.flush().await;
    house.engine.set(Mood::Willing);
    drain(&mut second).await;
    assert_eq!(logged_ids(&house).await, ids(0..12));
}

#[tokio::test]
async fn above_the_bound_the_oldest_go_and_are_counted() {
    let (house, data) = (House::new().await, TempDir::new().unwrap());
    house.engine.set(Mood::Away);
    let bound = 16 << 10;
    let spools = Spools::open(data.path(), bound).unwrap();
    let mut feed = feed(&house, &spools);
    for batch in 0..100 {
        feed.push(samples(&house, batch * 10..batch * 10 + 10));
        feed.flush().await;
    }
    let kept: u64 = segments(data.path()).iter().map(|path| fs::metadata(path).unwrap().len()).sum();
    assert!(kept <= bound, "{kept} bytes");
    let dropped = usize::try_from(feed.dropped()).unwrap();
    assert!(dropped > 0 && dropped + feed.waiting() == 1_000, "{dropped} and {}", feed.waiting());
    house.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&house).await, ids(dropped..1_000), "the newest are there, in order");
}

#[tokio::test]
async fn where_the_disk_takes_nothing_the_newest_stay_in_memory() {
    let (house, data) = (House::new().await, TempDir::new().unwrap());
    house.engine.set(Mood::Away);
    let spools = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&house, &spools);
    // A file stands where the folder would be made.
    fs::write(data.path().join("spool"), b"").unwrap();
    feed.push(samples(&house, 0..60));
    feed.flush().await;
    feed.push(samples(&house, 60..120));
    feed.flush().await;
    assert_eq!((feed.waiting(), feed.dropped()), (100, 20));
    house.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&house).await, ids(20..120));
}

#[tokio::test]
async fn processes_on_one_folder_don_t_share_a_spool_and_what_a_dead_one_left_is_taken_over() {
    let (house, data) = (House::new().await, TempDir::new().unwrap());
    house.engine.set(Mood::Away);
    let [one, two] = [(); 2].map(|()| Spools::open(data.path(), MB).unwrap());
    let (mut first, mut second) = (feed(&house, &one), feed(&house, &two));
    first.push(samples(&house, 0..5));
    first.flush().await;
    second.push(samples(&house, 5..10));
    second.flush().await;
    assert!(data.path().join("spool/0").exists() && data.path().join("spool/1").exists());
    drop((first, second, one, two));
    let alone = Spools::open(data.path(), MB).unwrap();
    let mut feed = feed(&house, &alone);
    assert_eq!(feed.waiting(), 10, "both left theirs to this one");
    house.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&house).await, ids(0..10));
}

#[tokio::test]
async fn what_a_process_left_is_taken_over_also_by_one_that_was_there_before_it_died() {
    let (house, data) = (House::new().await, TempDir::new().unwrap());
    house.engine.set(Mood::Away);
    let (spools, beside) = (Spools::open(data.path(), MB).unwrap(), Spools::open(data.path(), MB).unwrap());
    let (mut feed, mut dying) = (feed(&house, &spools), feed(&house, &beside));
    dying.push(samples(&house, 0..5));
    dying.flush().await;
    drop((dying, beside));
    feed.push(samples(&house, 5..10));
    feed.flush().await;
    assert_eq!(feed.waiting(), 10);
    house.engine.set(Mood::Willing);
    drain(&mut feed).await;
    assert_eq!(logged_ids(&house).await, ids(0..10));
}
