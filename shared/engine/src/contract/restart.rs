//! Cases that restart an engine.

use super::fixture::{Fixture, SOON, batch, bytes, calls, event, home, logged, own, places, state, view};
use crate::{Partition, Position};

/// Covers log, state, rooms and registry.
pub async fn everything_is_there_after_a_restart<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    engine.append(vec![(home(&room), bytes("a")), (home(&room), bytes("b"))]).await.unwrap();
    let mut last = state(&room, 2, "state");
    last.snapshot = Some(bytes("snapshot"));
    engine.publish(token, batch(0, vec![event(&room, 1, "event"), last])).await.unwrap();
    engine.commit(token, Position(1), vec![("k".into(), bytes("v"))], vec![]).await.unwrap();
    engine.set("name", Some(bytes("value"))).await.unwrap();
    let before = (engine.load(home(&room)).await.unwrap(), view(&*engine, &room).await);
    engine.close().await.unwrap();
    let engine = fixture.open().await;
    assert_eq!((engine.load(home(&room)).await.unwrap(), view(&*engine, &room).await), before);
    assert_eq!(logged(&*engine, home(&room), 1).await, [(2, "b".to_owned())]);
    assert_eq!(engine.get("name").await.unwrap(), Some(bytes("value")));
    engine.close().await.unwrap();
}

/// A cursor from before the restart is valid after it.
pub async fn epochs_stay_and_offsets_continue<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let room = calls("alpha");
    let mut epochs = Vec::new();
    for seq in 0..3 {
        let engine = fixture.open().await;
        let token = own(&*engine, home(&room)).await;
        engine.publish(token, batch(seq, vec![event(&room, seq + 1, &format!("{seq}"))])).await.unwrap();
        let view = view(&*engine, &room).await;
        assert_eq!(view.head, seq + 1);
        assert_eq!(places(&view), (0..=seq).map(|n| (n + 1, n.to_string())).collect::<Vec<_>>());
        epochs.push(view.epoch);
        engine.release(token).await.unwrap();
        engine.close().await.unwrap();
    }
    assert!(epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

/// A subscription learns that the engine has closed.
pub async fn closing_twice_is_fine_and_ends_subscriptions<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    engine.ping().await.unwrap();
    let mut subscription = engine.subscribe(Partition(0)).await.unwrap();
    engine.close().await.unwrap();
    engine.close().await.unwrap();
    let end = tokio::time::timeout(SOON, subscription.next()).await.expect("a closed engine ends its subscriptions");
    assert_eq!(end, None);
    assert!(engine.ping().await.is_err());
}
