//! Leases: one owner at a time, and an end to what earlier ones may do.

use std::time::{Duration, Instant};

use super::arena::{Arena, LONG, SOON, batch, bytes, calls, event, home, own, view};
use crate::{Engine, EngineError, Partition, Position, Token};

/// Neither commit nor publish nor renew, and nothing of it is written.
pub async fn a_superseded_token_can_do_nothing<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
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
    // The new owner is not disturbed by what the old one tried.
    engine.commit(new, Position(0), put(), vec![]).await.unwrap();
    assert_eq!(engine.renew(new, LONG).await, Ok(true));
    engine.close().await.unwrap();
}

/// Others are refused; other partitions are free.
pub async fn only_one_holder_at_a_time<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    let token = engine.acquire(Partition(0), "one", LONG).await.unwrap().expect("it is free");
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

/// The owner before is fenced from then on.
pub async fn a_lapsed_lease_is_taken_over_with_a_greater_number<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    let old = engine.acquire(Partition(0), "one", Duration::from_millis(50)).await.unwrap().expect("it is free");
    let new = take_over(&*engine, "two").await;
    assert!(new.number > old.number, "{new:?} is not after {old:?}");
    assert_eq!(engine.commit(old, Position(0), vec![], vec![]).await, Err(EngineError::Fenced(old)));
    assert_eq!(engine.renew(old, LONG).await, Ok(false));
    engine.close().await.unwrap();
}

/// A pause of the owner costs nothing where nobody was waiting.
pub async fn a_lapsed_lease_that_nobody_took_can_be_renewed<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    let token = engine.acquire(Partition(0), "one", Duration::ZERO).await.unwrap().expect("it is free");
    assert_eq!(engine.renew(token, LONG).await, Ok(true));
    assert_eq!(engine.acquire(Partition(0), "two", LONG).await, Ok(None));
    engine.commit(token, Position(0), vec![], vec![]).await.unwrap();
    engine.close().await.unwrap();
}

/// A collector that shuts down leaves no gap.
pub async fn a_released_lease_is_free_at_once<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let engine = arena.open().await;
    let old = engine.acquire(Partition(0), "one", LONG).await.unwrap().expect("it is free");
    engine.release(old).await.unwrap();
    let new = engine.acquire(Partition(0), "two", LONG).await.unwrap().expect("it was given up");
    assert!(new.number > old.number);
    engine.close().await.unwrap();
}

/// A token of before a restart can't pass for one of after it.
pub async fn numbers_grow_over_restarts<A: Arena>(arena: impl Fn() -> A) {
    let arena = arena();
    let mut last = 0;
    for _ in 0..3 {
        let engine = arena.open().await;
        let token = own(&*engine, Partition(0)).await;
        assert!(token.number > last, "{} is not after {last}", token.number);
        last = token.number;
        engine.release(token).await.unwrap();
        engine.close().await.unwrap();
    }
}
