//! Cases of [`PartitionState`](crate::PartitionState).

use super::fixture::{Fixture, batch, bytes, calls, event, home, logged, own};
use crate::{Checkpoint, Partition, Position};

/// Before the first commit it is empty.
pub async fn committed_state_is_loaded<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let partition = home(&room);
    let nothing = Checkpoint { position: Position(0), published: Position(0), seq: 0, entries: vec![] };
    assert_eq!(engine.load(partition).await.unwrap(), nothing);
    let token = own(&*engine, partition).await;
    engine.append((0..5).map(|n| (partition, bytes(format!("{n}")))).collect()).await.unwrap();
    engine.publish(token, batch(0, vec![event(&room, 5, "{}")])).await.unwrap();
    engine.commit(token, Position(3), vec![("a".into(), bytes("1"))], vec![]).await.unwrap();
    let entries = vec![("a".into(), bytes("1"))];
    let expected = Checkpoint { position: Position(3), published: Position(5), seq: 1, entries };
    assert_eq!(engine.load(partition).await.unwrap(), expected);
    engine.close().await.unwrap();
}

/// Keys that are not named stay as they are.
pub async fn puts_replace_and_deletes_remove<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let token = own(&*engine, Partition(0)).await;
    let put = |key: &str, value: &str| (key.into(), bytes(value));
    engine.commit(token, Position(0), vec![put("a", "1"), put("b", "2"), put("c", "3")], vec![]).await.unwrap();
    engine.commit(token, Position(0), vec![put("a", "4")], vec!["b".into(), "never".into()]).await.unwrap();
    assert_eq!(engine.load(Partition(0)).await.unwrap().entries, [put("a", "4"), put("c", "3")]);
    engine.close().await.unwrap();
}

/// By their bytes, so that all engines and the owner's own map agree.
pub async fn entries_come_in_the_order_of_their_keys<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let token = own(&*engine, Partition(0)).await;
    let mut keys: Vec<Box<str>> = ["b", "a/10", "a/9", "ä", "A", "a", "", "z\u{1f4de}"].map(Into::into).to_vec();
    let puts = keys.iter().map(|key| (key.clone(), bytes("v"))).collect();
    engine.commit(token, Position(0), puts, vec![]).await.unwrap();
    keys.sort();
    let loaded = engine.load(Partition(0)).await.unwrap().entries;
    assert_eq!(loaded.into_iter().map(|(key, _)| key).collect::<Vec<_>>(), keys);
    engine.close().await.unwrap();
}

/// The same key in two partitions has two values.
pub async fn partitions_keep_their_states_apart<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    for partition in [Partition(0), Partition(1)] {
        let token = own(&*engine, partition).await;
        engine.commit(token, Position(0), vec![("k".into(), bytes(format!("{partition:?}")))], vec![]).await.unwrap();
    }
    for partition in [Partition(0), Partition(1)] {
        let entries = engine.load(partition).await.unwrap().entries;
        assert_eq!(entries, [("k".into(), bytes(format!("{partition:?}")))]);
    }
    engine.close().await.unwrap();
}

/// Trimming removes no entry above the commit, and positions continue.
pub async fn entries_above_the_commit_stay_in_the_log<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let token = own(&*engine, Partition(0)).await;
    let mut appended = 0;
    for round in 1..=20 {
        engine
            .append((0..100).map(|n| (Partition(0), bytes(format!("{}", appended + n + 1)))).collect())
            .await
            .unwrap();
        appended += 100;
        let position = appended - round;
        engine.commit(token, Position(position), vec![], vec![]).await.unwrap();
        let expected: Vec<_> = (position + 1..=appended).map(|n| (n, n.to_string())).collect();
        assert_eq!(logged(&*engine, Partition(0), position).await, expected);
    }
    engine.close().await.unwrap();
    let engine = fixture.open().await;
    engine.append(vec![(Partition(0), bytes("on"))]).await.unwrap();
    assert_eq!(logged(&*engine, Partition(0), appended).await, [(appended + 1, "on".to_owned())]);
    engine.close().await.unwrap();
}
