//! Cases of [`Members`](crate::Members).

use std::time::{Duration, Instant};

use super::fixture::{Fixture, LONG, SOON};

/// Each group is separate.
pub async fn members_see_each_other_in_order<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    assert_eq!(engine.heartbeat("collectors", "two", LONG).await.unwrap(), ["two"]);
    assert_eq!(engine.heartbeat("collectors", "one", LONG).await.unwrap(), ["one", "two"]);
    assert_eq!(engine.heartbeat("collectors", "one", LONG).await.unwrap(), ["one", "two"]);
    assert_eq!(engine.heartbeat("gateways", "three", LONG).await.unwrap(), ["three"]);
    engine.close().await.unwrap();
}

/// It takes effect at once, and leaving twice is fine.
pub async fn a_member_that_leaves_is_not_counted<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.heartbeat("collectors", "two", LONG).await.unwrap();
    engine.leave("collectors", "two").await.unwrap();
    engine.leave("collectors", "two").await.unwrap();
    assert_eq!(engine.heartbeat("collectors", "one", LONG).await.unwrap(), ["one"]);
    engine.close().await.unwrap();
}

/// A killed process cannot leave its group.
pub async fn a_member_without_heartbeats_lapses<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.heartbeat("collectors", "two", Duration::from_millis(50)).await.unwrap();
    let started = Instant::now();
    while engine.heartbeat("collectors", "one", LONG).await.unwrap() != ["one"] {
        assert!(started.elapsed() < SOON, "the member does not lapse");
    }
    engine.close().await.unwrap();
}
