//! Cases of [`Rooms`](crate::Rooms).

use ringside_model::{Room, Timestamp};

use super::fixture::{
    Fixture, HISTORIES, SOON, batch, bytes, calls, event, home, own, places, state, tenant, text, view,
};
use crate::{Batch, EngineError, Lane, Position, Publication, ReadFrom, RoomFrame, RoomId, Signal, Subscription};

/// A client may subscribe before anything was published, and resume from there.
pub async fn an_unused_room_is_empty_and_has_a_stable_epoch<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let first = view(&*engine, &room).await;
    assert_eq!((first.head, first.trimmed, first.more), (0, 0, false));
    assert_eq!((&first.events, &first.state, &first.snapshot), (&vec![], &None, &None));
    assert_eq!(view(&*engine, &room).await, first);
    let token = own(&*engine, home(&room)).await;
    engine.publish(token, batch(0, vec![event(&room, 1, "{}")])).await.unwrap();
    assert_eq!(view(&*engine, &room).await.epoch, first.epoch);
    engine.close().await.unwrap();
}

/// Each room counts its own publications, over batches.
pub async fn offsets_are_contiguous_in_each_room<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let calls = calls("alpha");
    let Room::Calls(campaign) = calls.room.clone() else { unreachable!("`calls` names a room of calls") };
    let campaign = RoomId::new(tenant(), Room::Campaign(campaign));
    let token = own(&*engine, home(&calls)).await;
    let first = vec![event(&calls, 1, "a"), event(&campaign, 1, "x"), event(&calls, 2, "b")];
    assert_eq!(engine.publish(token, batch(0, first)).await, Ok(1));
    let second = vec![event(&calls, 3, "c"), event(&campaign, 4, "y")];
    assert_eq!(engine.publish(token, batch(1, second)).await, Ok(2));
    let place = |offset, text: &str| (offset, text.to_owned());
    assert_eq!(places(&view(&*engine, &calls).await), [place(1, "a"), place(2, "b"), place(3, "c")]);
    assert_eq!(places(&view(&*engine, &campaign).await), [place(1, "x"), place(2, "y")]);
    engine.close().await.unwrap();
}

/// State takes offsets too, so that a client detects a gap.
pub async fn the_newest_state_replaces_and_events_stay<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let publications = vec![state(&room, 1, "old"), event(&room, 1, "a"), state(&room, 2, "new"), event(&room, 3, "b")];
    engine.publish(token, batch(0, publications)).await.unwrap();
    let view = view(&*engine, &room).await;
    assert_eq!(view.head, 4);
    assert_eq!(places(&view), [(2, "a".to_owned()), (4, "b".to_owned())]);
    let frame = RoomFrame {
        room,
        epoch: view.epoch,
        offset: 3,
        lane: Lane::State,
        kind: "metrics_update".into(),
        at: Timestamp::from_millis(1_000),
        body: bytes("new"),
    };
    assert_eq!(view.state, Some(frame));
    assert!(view.events.iter().all(|e| e.lane == Lane::Event && &*e.kind == "call_event" && e.epoch == view.epoch));
    engine.close().await.unwrap();
}

/// Either lane can carry a snapshot; publications without one leave it as it is.
pub async fn a_snapshot_replaces_and_is_not_delivered<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let mut subscription = engine.subscribe(home(&room)).await.unwrap();
    let with =
        |publication: Publication, snapshot: &str| Publication { snapshot: Some(bytes(snapshot)), ..publication };
    engine.publish(token, batch(0, vec![with(event(&room, 1, "a"), "one"), event(&room, 2, "b")])).await.unwrap();
    assert_eq!(view(&*engine, &room).await.snapshot, Some(bytes("one")));
    engine.publish(token, batch(1, vec![with(state(&room, 3, "s"), "two")])).await.unwrap();
    assert_eq!(view(&*engine, &room).await.snapshot, Some(bytes("two")));
    let mut delivered = Vec::new();
    for _ in 0..3 {
        delivered.push(text(&frame(&mut *subscription).await.body));
    }
    assert_eq!(delivered, ["a", "b", "s"]);
    engine.close().await.unwrap();
}

/// After a takeover the new owner folds and publishes from the checkpoint.
///
/// An omitted event takes its snapshot with it, because a newer snapshot is there.
pub async fn a_replay_publishes_no_event_twice_but_replaces_state<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let with =
        |publication: Publication, snapshot: &str| Publication { snapshot: Some(bytes(snapshot)), ..publication };
    let publications = vec![event(&room, 1, "a"), state(&room, 1, "1"), with(event(&room, 3, "b"), "newer")];
    engine.publish(token, Batch { position: Position(5), ..batch(0, publications) }).await.unwrap();
    assert_eq!(engine.load(home(&room)).await.unwrap().published, Position(5));
    let mut subscription = engine.subscribe(home(&room)).await.unwrap();
    let replayed = vec![
        event(&room, 1, "a"),
        with(event(&room, 3, "b"), "older"),
        event(&room, 5, "never again"),
        state(&room, 5, "2"),
        event(&room, 6, "c"),
    ];
    assert_eq!(engine.publish(token, batch(1, replayed)).await, Ok(2));
    let seen = view(&*engine, &room).await;
    assert_eq!(places(&seen), [(1, "a".to_owned()), (3, "b".to_owned()), (5, "c".to_owned())]);
    assert_eq!(seen.state.map(|state| (state.offset, text(&state.body))), Some((4, "2".to_owned())));
    assert_eq!((seen.head, seen.snapshot), (5, Some(bytes("newer"))));
    let delivered = (frame(&mut *subscription).await, frame(&mut *subscription).await);
    assert_eq!((text(&delivered.0.body), text(&delivered.1.body)), ("2".to_owned(), "c".to_owned()));
    // A batch of a lower position does not lower the published position.
    assert_eq!(engine.publish(token, batch(2, vec![event(&room, 2, "late")])).await, Ok(3));
    assert_eq!(engine.load(home(&room)).await.unwrap().published, Position(6));
    assert_eq!(view(&*engine, &room).await.head, 5);
    engine.close().await.unwrap();
}

/// Whether the owner expects more or fewer batches.
pub async fn an_unexpected_batch_number_writes_nothing<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    engine.publish(token, batch(0, vec![event(&room, 1, "a")])).await.unwrap();
    let before = (view(&*engine, &room).await, engine.load(home(&room)).await.unwrap());
    for expected in [0, 2] {
        let refused = engine.publish(token, batch(expected, vec![event(&room, 2, "b"), state(&room, 2, "s")])).await;
        assert_eq!(refused, Err(EngineError::Diverged { partition: home(&room).0, expected, actual: 1 }));
    }
    assert_eq!((view(&*engine, &room).await, engine.load(home(&room)).await.unwrap()), before);
    assert_eq!(engine.publish(token, batch(1, vec![])).await, Ok(2), "an empty batch counts too");
    engine.close().await.unwrap();
}

async fn frame(subscription: &mut dyn Subscription) -> RoomFrame {
    match tokio::time::timeout(SOON, subscription.next()).await.expect("published frames are delivered") {
        Some(Signal::Frame(frame)) => frame,
        other => panic!("{other:?} instead of a frame"),
    }
}

/// A delivered frame can be read from its room at once.
pub async fn frames_are_delivered_in_order_and_readable_at_once<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    engine.publish(token, batch(0, vec![event(&room, 1, "before")])).await.unwrap();
    let mut subscription = engine.subscribe(home(&room)).await.unwrap();
    let publisher = async {
        for n in 1..=30 {
            let publications = vec![event(&room, n * 2, "a"), event(&room, n * 2 + 1, "b")];
            engine.publish(token, batch(n, publications)).await.unwrap();
        }
    };
    let subscriber = async {
        for offset in 2..=61 {
            let frame = frame(&mut *subscription).await;
            assert_eq!(frame.offset, offset);
            let from = ReadFrom::After { offset: offset - 1, limit: 1 };
            assert_eq!(engine.read_room(&room, from).await.unwrap().events, [frame]);
        }
    };
    tokio::join!(publisher, subscriber);
    engine.close().await.unwrap();
}

/// Each one reads at its own pace.
pub async fn two_subscriptions_both_get_each_frame<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let mut one = engine.subscribe(home(&room)).await.unwrap();
    engine.publish(token, batch(0, vec![event(&room, 1, "a")])).await.unwrap();
    let mut two = engine.subscribe(home(&room)).await.unwrap();
    engine.publish(token, batch(1, vec![event(&room, 2, "b")])).await.unwrap();
    assert_eq!((frame(&mut *one).await.offset, frame(&mut *one).await.offset), (1, 2));
    // Frames that were in flight may be delivered too; a subscriber reads the room first and knows them.
    let first = frame(&mut *two).await.offset;
    assert!(first == 2 || first == 1 && frame(&mut *two).await.offset == 2, "it begins with {first}");
    drop(one);
    engine.publish(token, batch(2, vec![event(&room, 3, "c")])).await.unwrap();
    assert_eq!(frame(&mut *two).await.offset, 3);
    engine.close().await.unwrap();
}

/// Subscriptions are per partition, not per room.
pub async fn a_subscription_gets_frames_of_its_partition_only<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let here = calls("alpha");
    let names = ["beta", "gamma", "delta", "epsilon", "zeta", "eta"];
    let elsewhere = names
        .map(calls)
        .into_iter()
        .find(|room| home(room) != home(&here))
        .expect("six names hash to more than one partition");
    let mut subscription = engine.subscribe(home(&here)).await.unwrap();
    for room in [&elsewhere, &here] {
        let token = own(&*engine, home(room)).await;
        engine.publish(token, batch(0, vec![event(room, 1, "a")])).await.unwrap();
    }
    assert_eq!(frame(&mut *subscription).await.room, here);
    engine.close().await.unwrap();
}

/// A client catches up this way, page by page.
pub async fn reading_after_an_offset_is_limited_and_reports_more<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let events = (1..=10).map(|n| event(&room, n, &format!("{n}"))).collect();
    engine.publish(token, batch(0, events)).await.unwrap();
    for (offset, limit, offsets, more) in [
        (0, 4, vec![1, 2, 3, 4], true),
        (6, 4, vec![7, 8, 9, 10], false),
        (6, 3, vec![7, 8, 9], true),
        (9, 100, vec![10], false),
        (10, 100, vec![], false),
        (99, 100, vec![], false),
        (u64::MAX, usize::MAX, vec![], false),
        (3, 0, vec![], true),
    ] {
        let view = engine.read_room(&room, ReadFrom::After { offset, limit }).await.unwrap();
        let read: Vec<_> = view.events.iter().map(|event| event.offset).collect();
        assert_eq!((read, view.more, view.head), (offsets, more, 10), "{limit} after {offset}");
    }
    engine.close().await.unwrap();
}

/// A new subscriber reads this.
pub async fn the_newest_events_are_read_oldest_first<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let events = (1..=10).map(|n| event(&room, n, &format!("{n}"))).collect();
    engine.publish(token, batch(0, events)).await.unwrap();
    for (limit, offsets) in [(3, vec![8, 9, 10]), (100, (1..=10).collect()), (0, vec![])] {
        let view = engine.read_room(&room, ReadFrom::Newest(limit)).await.unwrap();
        assert_eq!(view.events.iter().map(|event| event.offset).collect::<Vec<_>>(), offsets);
        assert!(!view.more);
    }
    engine.close().await.unwrap();
}

/// At least the promised number of events stays, and not many more.
///
/// `trimmed` tells the newest removed event.
pub async fn history_is_trimmed_by_number<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let keeps = HISTORIES.calls.events;
    for n in 0..keeps {
        let publications = (1..=3).map(|m| event(&room, n * 3 + m, "e")).chain([state(&room, n * 3 + 3, "s")]);
        engine.publish(token, batch(n, publications.collect())).await.unwrap();
        let kept = view(&*engine, &room).await.events.len() as u64;
        assert!(kept >= keeps.min(n * 3 + 3), "only {kept} of {keeps} events are kept");
    }
    let check = async |engine: &dyn super::super::Engine| {
        let seen = view(engine, &room).await;
        assert_eq!(seen.head, keeps * 4);
        let kept = seen.events.len() as u64;
        assert!((keeps..=keeps * 2).contains(&kept), "{kept} events are kept and not about {keeps}");
        // Every fourth offset is that of a state.
        let expected: Vec<_> = (seen.trimmed + 1..=keeps * 4).filter(|offset| offset % 4 != 0).collect();
        assert_eq!(seen.events.iter().map(|event| event.offset).collect::<Vec<_>>(), expected);
        assert_ne!(seen.trimmed % 4, 0, "a state is not an event that was trimmed");
        seen
    };
    let before = check(&*engine).await;
    engine.close().await.unwrap();
    let engine = fixture.open().await;
    assert!(check(&*engine).await.trimmed >= before.trimmed);
    engine.close().await.unwrap();
}

/// Age is measured against the room's newest publication.
///
/// Engines have no clock for it. States count as publications too.
pub async fn history_is_trimmed_by_age<F: Fixture>(fixture: impl Fn() -> F) {
    let fixture = fixture();
    let engine = fixture.open().await;
    let room = calls("alpha");
    let token = own(&*engine, home(&room)).await;
    let keeps_ms = i64::try_from(HISTORIES.calls.age.as_millis()).expect("the age fits into an i64");
    let at = |publication, at_ms| Publication { at: Timestamp::from_millis(at_ms), ..publication };
    let young = vec![at(event(&room, 1, "old"), 0), at(event(&room, 2, "young"), keeps_ms * 3 / 2)];
    engine.publish(token, batch(0, young)).await.unwrap();
    // Trimming may be done with a later publication.
    engine.publish(token, batch(1, vec![at(state(&room, 3, "s"), keeps_ms * 2)])).await.unwrap();
    engine.publish(token, batch(2, vec![at(state(&room, 4, "s"), keeps_ms * 2)])).await.unwrap();
    let seen = view(&*engine, &room).await;
    assert_eq!((places(&seen), seen.trimmed), (vec![(2, "young".to_owned())], 1));
    for (seq, position) in [(3, 5), (4, 6)] {
        engine.publish(token, batch(seq, vec![at(state(&room, position, "s"), keeps_ms * 9)])).await.unwrap();
    }
    let seen = view(&*engine, &room).await;
    assert_eq!((places(&seen), seen.trimmed, seen.head), (vec![], 2, 6));
    engine.publish(token, batch(5, vec![at(event(&room, 7, "on"), keeps_ms * 9)])).await.unwrap();
    assert_eq!(places(&view(&*engine, &room).await), [(7, "on".to_owned())]);
    engine.close().await.unwrap();
}
