//! Membership: who shares the work.

use std::time::{Duration, Instant};

use super::arena::{Arena, LONG, SOON};

/// Each group apart, whoever asks.
pub async fn members_see_each_other_in_order<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    assert_eq!(engine.heartbeat("collectors", "two", LONG).await.unwrap(), ["two"]);
    assert_eq!(engine.heartbeat("collectors", "one", LONG).await.unwrap(), ["one", "two"]);
    assert_eq!(engine.heartbeat("collectors", "one", LONG).await.unwrap(), ["one", "two"]);
    assert_eq!(engine.heartbeat("gateways", "three", LONG).await.unwrap(), ["three"]);
    engine.close().await.unwrap();
}

/// At once, and leaving twice is fine.
pub async fn who_leaves_is_not_counted_any_more<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    engine.heartbeat("collectors", "two", LONG).await.unwrap();
    engine.leave("collectors", "two").await.unwrap();
    engine.leave("collectors", "two").await.unwrap();
    assert_eq!(engine.heartbeat("collectors", "one", LONG).await.unwrap(), ["one"]);
    engine.close().await.unwrap();
}

/// So a killed one need not say goodbye.
pub async fn who_is_silent_for_its_ttl_is_not_counted_any_more<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    engine.heartbeat("collectors", "two", Duration::from_millis(50)).await.unwrap();
    let started = Instant::now();
    while engine.heartbeat("collectors", "one", LONG).await.unwrap() != ["one"] {
        assert!(started.elapsed() < SOON, "a silent member stays for ever");
    }
    engine.close().await.unwrap();
}
