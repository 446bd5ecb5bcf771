//! Cases of [`EventLog`](crate::EventLog): order, positions, waiting, full logs.

use std::time::{Duration, Instant};

use super::fixture::{Fixture, LOG_BYTES, SOON, bytes, logged, own};
use crate::{EngineError, Partition, Position};

/// Positions begin with 1 and have the order of the call.
pub async fn records_are_read_back_in_order_of_their_partition<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let [one, two] = [Partition(1), Partition(2)];
    engine.append(vec![(one, bytes("a")), (two, bytes("x")), (one, bytes("b"))]).await.unwrap();
    engine.append(vec![(one, bytes("c"))]).await.unwrap();
    let text = |n, text: &str| (n, text.to_owned());
    assert_eq!(logged(&*engine, one, 0).await, [text(1, "a"), text(2, "b"), text(3, "c")]);
    assert_eq!(logged(&*engine, two, 0).await, [text(1, "x")]);
    assert_eq!(logged(&*engine, Partition(3), 0).await, []);
    engine.close().await.unwrap();
}

/// One request of a sender may contain events of many campaigns.
pub async fn one_call_appends_to_many_partitions<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let partitions = (0..engine.partitions()).map(Partition);
    let records = (0..100).flat_map(|n| partitions.clone().map(move |p| (p, bytes(format!("{n}")))));
    engine.append(records.collect()).await.unwrap();
    for partition in partitions {
        let expected: Vec<_> = (0..100).map(|n| (n + 1, n.to_string())).collect();
        assert_eq!(logged(&*engine, partition, 0).await, expected, "{partition:?}");
    }
    engine.close().await.unwrap();
}

/// No position is left out or given twice, and each appender's own order is kept.
pub async fn positions_are_contiguous_under_concurrent_appends<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let appender = |name: usize| {
        let engine = engine.clone();
        async move {
            for n in 0..20 {
                let records = (0..3).map(|m| (Partition(0), bytes(format!("{name} {:02}", n * 3 + m))));
                engine.append(records.collect()).await.unwrap();
            }
        }
    };
    tokio::join!(appender(0), appender(1), appender(2), appender(3));
    let entries = logged(&*engine, Partition(0), 0).await;
    assert_eq!(entries.iter().map(|(position, _)| *position).collect::<Vec<_>>(), (1..=240).collect::<Vec<_>>());
    for name in ["0", "1", "2", "3"] {
        let own: Vec<_> = entries.iter().filter(|(_, text)| text.starts_with(name)).collect();
        assert_eq!(own.len(), 60);
        assert!(own.is_sorted_by_key(|(_, text)| text), "the order of appender {name} was not kept");
    }
    engine.close().await.unwrap();
}

/// An owner reads its log this way in a loop.
pub async fn reading_begins_after_a_position_and_ends_at_the_limit<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.append((1..=10).map(|n| (Partition(0), bytes(format!("{n}")))).collect()).await.unwrap();
    let entries = engine.read_log(Partition(0), Position(4), 3).await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.position.0).collect::<Vec<_>>(), [5, 6, 7]);
    assert_eq!(engine.read_log(Partition(0), Position(10), 3).await.unwrap(), []);
    assert_eq!(engine.read_log(Partition(0), Position(99), 3).await.unwrap(), []);
    assert_eq!(engine.read_log(Partition(0), Position(0), 0).await.unwrap(), []);
    engine.close().await.unwrap();
}

/// Even if the entry was there before the wait began.
pub async fn waiting_ends_with_an_entry<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let started = Instant::now();
    let entry = async {
        // It may return early, so an owner repeats it until there is an entry.
        while engine.read_log(Partition(0), Position(0), 1).await.unwrap().is_empty() {
            engine.wait_log(Partition(0), Position(0), SOON).await.unwrap();
        }
    };
    let append = async { engine.append(vec![(Partition(0), bytes("a"))]).await.unwrap() };
    tokio::join!(entry, append);
    engine.wait_log(Partition(0), Position(0), SOON).await.unwrap();
    assert!(started.elapsed() < SOON / 2, "waiting took {:?}", started.elapsed());
    engine.close().await.unwrap();
}

/// Entries of other partitions and before the position do not end the wait.
pub async fn waiting_ends_at_the_timeout<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.append(vec![(Partition(0), bytes("a")), (Partition(1), bytes("b"))]).await.unwrap();
    let wait = engine.wait_log(Partition(0), Position(1), Duration::from_millis(20));
    tokio::time::timeout(SOON, wait).await.expect("the wait ends at its timeout").unwrap();
    engine.close().await.unwrap();
}

/// Refused records are not appended; other partitions are not affected.
pub async fn a_full_log_takes_more_once_its_owner_has_caught_up<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let record = || bytes("x".repeat(1024));
    let mut taken = 0;
    let refused = loop {
        match engine.append(vec![(Partition(0), record())]).await {
            Ok(()) => taken += 1,
            Err(refused) => break refused,
        }
        assert!(taken * 1024 < LOG_BYTES * 3, "the log takes far more than its limit");
    };
    assert_eq!(refused, EngineError::LogFull(0));
    assert!(taken * 1024 >= LOG_BYTES / 2, "the log took {taken} KiB only");
    assert_eq!(logged(&*engine, Partition(0), 0).await.len() as u64, taken);
    engine.append(vec![(Partition(1), record())]).await.unwrap();
    let token = own(&*engine, Partition(0)).await;
    engine.commit(token, Position(taken), vec![], vec![]).await.unwrap();
    engine.append(vec![(Partition(0), record())]).await.unwrap();
    let next = engine.read_log(Partition(0), Position(taken), 10).await.unwrap();
    assert_eq!(next.iter().map(|entry| entry.position.0).collect::<Vec<_>>(), [taken + 1]);
    engine.close().await.unwrap();
}

/// Collectors only assign used partitions.
pub async fn a_partition_is_used_once_it_has_log_or_state<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    assert_eq!(engine.used_partitions().await.unwrap(), []);
    engine.append(vec![(Partition(5), bytes("a"))]).await.unwrap();
    assert_eq!(engine.used_partitions().await.unwrap(), [Partition(5)]);
    let token = own(&*engine, Partition(2)).await;
    engine.commit(token, Position(0), vec![("k".into(), bytes("v"))], vec![]).await.unwrap();
    assert_eq!(engine.used_partitions().await.unwrap(), [Partition(2), Partition(5)]);
    engine.close().await.unwrap();
    let engine = fixture.open().await;
    assert_eq!(engine.used_partitions().await.unwrap(), [Partition(2), Partition(5)]);
    engine.close().await.unwrap();
}
