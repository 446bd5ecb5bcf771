//! The registry: what an installation has one of.

use super::super::EngineError;
use super::arena::{Arena, bytes};

/// Also where they ask at the same time.
pub async fn all_creators_get_the_first_value<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    let creators: Vec<_> = (0..32)
        .map(|n| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.create("keys/signing", bytes(format!("{n}"))).await })
        })
        .collect();
    let mut values = Vec::new();
    for creator in creators {
        values.push(creator.await.expect("no creator panics").unwrap());
    }
    let stored = engine.get("keys/signing").await.unwrap().expect("it was created");
    assert!(values.iter().all(|value| *value == stored), "creators disagree: {values:?}");
    assert_eq!(engine.create("keys/signing", bytes("late")).await, Ok(stored));
    engine.close().await.unwrap();
}

/// A prefix is a text, not a folder, and no pattern.
pub async fn values_are_set_listed_and_removed<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    assert_eq!(engine.get("users/ann").await, Ok(None));
    for (key, value) in [("users/bob", "2"), ("users/ann", "1"), ("user", "0"), ("users0", "3"), ("users/*", "4")] {
        engine.set(key, Some(bytes(value))).await.unwrap();
    }
    engine.set("users/bob", Some(bytes("5"))).await.unwrap();
    let pair = |key: &str, value: &str| (Box::from(key), bytes(value));
    let users = [pair("users/*", "4"), pair("users/ann", "1"), pair("users/bob", "5")];
    assert_eq!(engine.list("users/").await.unwrap(), users);
    assert_eq!(engine.list("users/*").await.unwrap(), [pair("users/*", "4")]);
    assert_eq!(engine.list("").await.unwrap().len(), 5);
    engine.set("users/ann", None).await.unwrap();
    engine.set("users/never", None).await.unwrap();
    assert_eq!(engine.get("users/ann").await, Ok(None));
    assert_eq!(engine.list("users/").await.unwrap().len(), 2);
    engine.close().await.unwrap();
}

/// Removing leaves nothing behind that would count as there.
pub async fn a_removed_value_can_be_created_again<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    assert_eq!(engine.create("k", bytes("1")).await, Ok::<_, EngineError>(bytes("1")));
    engine.set("k", None).await.unwrap();
    assert_eq!(engine.create("k", bytes("2")).await, Ok::<_, EngineError>(bytes("2")));
    engine.close().await.unwrap();
}
