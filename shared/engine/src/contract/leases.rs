//! Cases of [`Leases`](crate::Leases).

use std::time::{Duration, Instant};

use super::fixture::{Fixture, LONG, SOON, batch, bytes, calls, event, home, own, view};
use crate::{Engine, EngineError, Partition, Position, Token};

/// It can neither commit nor publish nor renew, and it writes nothing.
pub async fn a_superseded_token_can_do_nothing<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let old = own(&*engine, home(&room)).await;
    engine.release(old).await.unwrap();
    let new = own(&*engine, home(&room)).await;
    let put = || vec![("k".into(), bytes("old"))];
    assert_eq!(engine.commit(old, Position(0), put(), vec![]).await, Err(EngineError::Fenced(old)));
    let publish = engine.publish(old, batch(0, vec![event(&room, 1, "{}")])).await;
    assert_eq!(publish, Err(EngineError::Fenced(old)));
    assert_eq!(engine.renew(old, LONG).await, Ok(false));
    engine.release(old).await.unwrap();
    let loaded = engine.load(home(&room)).await.unwrap();
    assert_eq!((loaded.seq, loaded.entries), (0, vec![]));
    assert_eq!(view(&*engine, &room).await.head, 0);
    // The attempts of the old owner do not affect the new one.
    engine.commit(new, Position(0), put(), vec![]).await.unwrap();
    assert_eq!(engine.renew(new, LONG).await, Ok(true));
    engine.close().await.unwrap();
}

/// Other holders are refused; other partitions stay free.
pub async fn only_one_holder_at_a_time<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let token = engine.acquire(Partition(0), "one", LONG).await.unwrap().expect("the partition is free");
    assert_eq!(token.partition, Partition(0));
    assert_eq!(engine.acquire(Partition(0), "two", LONG).await, Ok(None));
    assert!(engine.acquire(Partition(1), "two", LONG).await.unwrap().is_some());
    engine.close().await.unwrap();
}

async fn take_over(engine: &dyn Engine, holder: &str) -> Token {
    let started = Instant::now();
    loop {
        if let Some(token) = engine.acquire(Partition(0), holder, LONG).await.unwrap() {
            return token;
        }
        assert!(started.elapsed() < SOON, "the lease doesn't lapse");
    }
}

/// The former owner is fenced from then on.
pub async fn a_lapsed_lease_is_taken_over_with_a_greater_number<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let old =
        engine.acquire(Partition(0), "one", Duration::from_millis(50)).await.unwrap().expect("the partition is free");
    let new = take_over(&*engine, "two").await;
    assert!(new.number > old.number, "{new:?} is not after {old:?}");
    assert_eq!(engine.commit(old, Position(0), vec![], vec![]).await, Err(EngineError::Fenced(old)));
    assert_eq!(engine.renew(old, LONG).await, Ok(false));
    engine.close().await.unwrap();
}

/// A paused owner keeps its partition if no other holder wanted it.
pub async fn a_lapsed_lease_that_was_not_taken_can_be_renewed<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let token = engine.acquire(Partition(0), "one", Duration::ZERO).await.unwrap().expect("the partition is free");
    assert_eq!(engine.renew(token, LONG).await, Ok(true));
    assert_eq!(engine.acquire(Partition(0), "two", LONG).await, Ok(None));
    engine.commit(token, Position(0), vec![], vec![]).await.unwrap();
    engine.close().await.unwrap();
}

/// A collector that shuts down hands its partitions over without a gap.
pub async fn a_released_lease_is_free_at_once<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let old = engine.acquire(Partition(0), "one", LONG).await.unwrap().expect("the partition is free");
    engine.release(old).await.unwrap();
    let new = engine.acquire(Partition(0), "two", LONG).await.unwrap().expect("the partition was released");
    assert!(new.number > old.number);
    engine.close().await.unwrap();
}

/// A token from before a restart is never valid after it.
pub async fn token_numbers_grow_over_restarts<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let mut last = 0;
    for _ in 0..3 {
        let engine = fixture.open().await;
        let token = own(&*engine, Partition(0)).await;
        assert!(token.number > last, "{} is not after {last}", token.number);
        last = token.number;
        engine.release(token).await.unwrap();
        engine.close().await.unwrap();
    }
}
