//! Cases of [`Journals`](crate::Journals).

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use super::fixture::{Fixture, SOON, bytes, text};
use crate::{Engine, JournalEntry, JournalEntryId};

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn read(engine: &dyn Engine, journal: &str) -> Vec<JournalEntry> {
    engine.read_journal(journal, None, 1_000).await.unwrap()
}

fn texts(entries: &[JournalEntry]) -> Vec<String> {
    entries.iter().map(|entry| text(&entry.record)).collect()
}

/// Each page continues where the previous one ended.
pub async fn entries_are_read_newest_first_in_pages<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    assert_eq!(engine.read_journal("audit/acme", None, 10).await, Ok(vec![]));
    engine.append_journal("audit/acme", vec![], DAY).await.unwrap();
    assert_eq!(read(&*engine, "audit/acme").await, []);
    for first in (0..20).step_by(4) {
        let records = (first..first + 4).map(|n| bytes(format!("{n}"))).collect();
        engine.append_journal("audit/acme", records, DAY).await.unwrap();
    }
    let (mut pages, mut before) = (Vec::new(), None);
    loop {
        let page = engine.read_journal("audit/acme", before, 7).await.unwrap();
        let Some(last) = page.last() else { break };
        // A client sends the id back as text.
        before = JournalEntryId::parse(&last.id.to_string());
        pages.push(texts(&page));
    }
    let newest_first = |from: u32, to: u32| (to..=from).rev().map(|n| n.to_string()).collect::<Vec<_>>();
    assert_eq!(pages, [newest_first(19, 13), newest_first(12, 6), newest_first(5, 0)]);
    let entries = read(&*engine, "audit/acme").await;
    assert!(entries.is_sorted_by(|newer, older| newer.id > older.id), "{entries:?}");
    assert_eq!(engine.read_journal("audit/acme", None, 0).await, Ok(vec![]));
    assert_eq!(engine.read_journal("audit/acme", None, usize::MAX).await.unwrap().len(), 20);
    assert_eq!(engine.read_journal("audit/acme", Some(JournalEntryId::default()), 5).await, Ok(vec![]));
    engine.close().await.unwrap();
}

/// Even if the name of one is a prefix of another's.
pub async fn journals_do_not_mix<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let names = ["audit/a", "audit/ab", "audit", "audit/a}b", "audit/{a}", "audit/ä"];
    for name in names {
        engine.append_journal(name, vec![bytes(name)], DAY).await.unwrap();
    }
    engine.set("audit/a", Some(bytes("registry"))).await.unwrap();
    for name in names {
        assert_eq!(texts(&read(&*engine, name).await), [name]);
    }
    assert_eq!(engine.list("audit/").await.unwrap().len(), 1, "entries are not in the registry");
    engine.close().await.unwrap();
}

/// Age is measured by the engine's clock.
///
/// An entry kept for no time outlives only its own millisecond.
pub async fn only_expired_entries_are_trimmed<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.append_journal("short", vec![bytes("old"), bytes("as old")], DAY).await.unwrap();
    engine.append_journal("long", vec![bytes("old")], DAY).await.unwrap();
    let deadline = Instant::now() + SOON;
    loop {
        engine.append_journal("short", vec![bytes("new")], Duration::ZERO).await.unwrap();
        let entries = texts(&read(&*engine, "short").await);
        assert_eq!(entries[0], "new");
        if !entries.iter().any(|entry| entry.ends_with("old")) {
            break;
        }
        assert!(Instant::now() < deadline, "still there: {entries:?}");
    }
    engine.append_journal("long", vec![bytes("new")], DAY).await.unwrap();
    engine.append_journal("long", vec![bytes("newer")], Duration::MAX).await.unwrap();
    assert_eq!(texts(&read(&*engine, "long").await), ["newer", "new", "old"]);
    engine.close().await.unwrap();
}

/// Each entry has its own place, and the entries of one writer are in order.
pub async fn concurrent_writers_lose_no_entry<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let writers: Vec<_> = (0..16)
        .map(|writer| {
            let engine = engine.clone();
            tokio::spawn(async move {
                for n in (0..10).step_by(2) {
                    let records = vec![bytes(format!("{writer} {n}")), bytes(format!("{writer} {}", n + 1))];
                    engine.append_journal("audit/acme", records, DAY).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no writer panics");
    }
    let mut entries = read(&*engine, "audit/acme").await;
    entries.reverse();
    assert_eq!(entries.iter().map(|entry| entry.id).collect::<BTreeSet<_>>().len(), 160);
    for writer in 0..16 {
        let prefix = format!("{writer} ");
        let own = texts(&entries).into_iter().filter_map(|entry| entry.strip_prefix(&prefix).map(str::to_owned));
        assert!(own.eq((0..10).map(|n| n.to_string())), "{writer}: {entries:?}");
    }
    engine.close().await.unwrap();
}

/// An entry after it has a greater id than any before.
pub async fn entries_and_their_order_survive_a_restart<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.append_journal("audit/acme", (0..5).map(|n| bytes(format!("{n}"))).collect(), DAY).await.unwrap();
    let before = read(&*engine, "audit/acme").await;
    engine.close().await.unwrap();
    let engine = fixture.open().await;
    assert_eq!(read(&*engine, "audit/acme").await, before);
    engine.append_journal("audit/acme", vec![bytes("5")], DAY).await.unwrap();
    let after = read(&*engine, "audit/acme").await;
    assert_eq!(texts(&after), ["5", "4", "3", "2", "1", "0"]);
    assert!(after[0].id > before[0].id);
    assert_eq!(after[1..], before);
    engine.close().await.unwrap();
}
