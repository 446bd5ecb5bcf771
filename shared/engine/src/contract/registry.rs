//! Cases of [`Registry`](crate::Registry).

use super::fixture::{Fixture, bytes, text};
use crate::EngineError;

/// Even if they run concurrently.
pub async fn all_creators_get_the_first_value<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let creators: Vec<_> = (0..32)
        .map(|n| {
            let engine = engine.clone();
            tokio::spawn(async move { engine.get_or_create("keys/signing", bytes(format!("{n}"))).await })
        })
        .collect();
    let mut values = Vec::new();
    for creator in creators {
        values.push(creator.await.expect("no creator panics").unwrap());
    }
    let stored = engine.get("keys/signing").await.unwrap().expect("it was created");
    assert!(values.iter().all(|value| *value == stored), "creators disagree: {values:?}");
    assert_eq!(engine.get_or_create("keys/signing", bytes("late")).await, Ok(stored));
    engine.close().await.unwrap();
}

/// A prefix is text, not a pattern, and selects from one shelf.
pub async fn values_are_set_listed_and_removed<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    assert_eq!(engine.get("users/ann").await, Ok(None));
    for (key, value) in [("users/bob", "2"), ("users/ann", "1"), ("user", "0"), ("users0", "3"), ("users/*", "4")] {
        engine.set(key, Some(bytes(value))).await.unwrap();
    }
    engine.set("users/bob", Some(bytes("5"))).await.unwrap();
    let pair = |key: &str, value: &str| (Box::from(key), bytes(value));
    let users = [pair("users/*", "4"), pair("users/ann", "1"), pair("users/bob", "5")];
    assert_eq!(engine.list("users/").await.unwrap(), users);
    assert_eq!(engine.list("users/*").await.unwrap(), [pair("users/*", "4")]);
    assert_eq!(engine.list("user").await.unwrap(), [pair("user", "0"), pair("users0", "3")]);
    assert_eq!(engine.list("").await.unwrap(), [pair("user", "0"), pair("users0", "3")], "the shelf without a name");
    engine.set("users/ann", None).await.unwrap();
    engine.set("users/never", None).await.unwrap();
    assert_eq!(engine.get("users/ann").await, Ok(None));
    assert_eq!(engine.list("users/").await.unwrap().len(), 2);
    engine.close().await.unwrap();
}

/// A removed value leaves no trace.
pub async fn a_removed_value_can_be_created_again<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    assert_eq!(engine.get_or_create("k", bytes("1")).await, Ok::<_, EngineError>(bytes("1")));
    engine.set("k", None).await.unwrap();
    assert_eq!(engine.get_or_create("k", bytes("2")).await, Ok::<_, EngineError>(bytes("2")));
    engine.close().await.unwrap();
}

/// Covers a value, no value and another value than the expected one.
pub async fn a_value_is_swapped_only_for_the_expected_one<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let some = |text: &str| Some(bytes(text));
    for (expected, value, is_swapped, after) in [
        (some("1"), some("2"), false, None),
        (some(""), some("2"), false, None),
        (None, None, true, None),
        (None, some("1"), true, some("1")),
        (None, some("2"), false, some("1")),
        (None, None, false, some("1")),
        (some("2"), None, false, some("1")),
        (some("1"), some("1"), true, some("1")),
        (some("1"), some(""), true, some("")),
        (None, some("3"), false, some("")),
        (some(""), some("3"), true, some("3")),
        (some("3"), None, true, None),
    ] {
        let step = format!("{expected:?} to {value:?}");
        assert_eq!(engine.compare_and_swap("k", expected, value).await, Ok(is_swapped), "{step}");
        assert_eq!(engine.get("k").await.unwrap(), after, "{step}");
    }
    engine.set("k", some("4")).await.unwrap();
    assert_eq!(engine.get_or_create("k", bytes("5")).await, Ok::<_, EngineError>(bytes("4")));
    assert_eq!(engine.compare_and_swap("k", some("4"), some("6")).await, Ok(true));
    engine.close().await.unwrap();
    let engine = fixture.open().await;
    assert_eq!(engine.get("k").await.unwrap(), some("6"), "it survives a restart");
    engine.close().await.unwrap();
}

/// Thirty-two concurrent increments add up to thirty-two.
pub async fn concurrent_swaps_lose_no_update<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let counters: Vec<_> = (0..32)
        .map(|_| {
            let engine = engine.clone();
            tokio::spawn(async move {
                loop {
                    let current = engine.get("count").await.unwrap();
                    let count: u32 = current.as_ref().map_or(0, |current| text(current).parse().unwrap());
                    if engine.compare_and_swap("count", current, Some(bytes(format!("{}", count + 1)))).await.unwrap() {
                        break;
                    }
                }
            })
        })
        .collect();
    for counter in counters {
        counter.await.expect("no counter panics");
    }
    assert_eq!(engine.get("count").await.unwrap(), Some(bytes("32")));
    engine.close().await.unwrap();
}
