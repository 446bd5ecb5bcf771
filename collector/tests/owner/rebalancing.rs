//! Several owners: each holds its quota; totals survive joins, leaves and crashes.

use std::time::Duration;

use crate::fixture::{Fixture, PARTITIONS, names, until};

const OFTEN: Duration = Duration::from_millis(100);

#[tokio::test]
async fn owners_rebalance_evenly_and_publish_everything_once() {
    let fixture = Fixture::open();
    let own = |holder: &str| fixture.own_through(fixture.engine.clone(), holder, OFTEN);
    let all = usize::from(PARTITIONS);

    let (first, first_task, stop_first) = own("b");
    fixture.dial(0..20).await;
    until("one owner holds all partitions", || first.held() == all && first.trouble().is_none()).await;

    let (second, second_task, stop_second) = own("a");
    fixture.dial(20..40).await;
    until("two owners hold half each", || first.held() == all / 2 && second.held() == all / 2).await;
    until("both owners are ready", || first.trouble().is_none() && second.trouble().is_none()).await;

    let (third, third_task, _stop_third) = own("c");
    fixture.dial(40..60).await;
    // Four partitions for three owners: the first by name holds one more.
    until("three owners hold their quotas", || (second.held(), first.held(), third.held()) == (2, 1, 1)).await;

    stop_first.cancel();
    first_task.await.unwrap();
    assert_eq!(first.held(), 0);
    fixture.dial(60..80).await;
    until("two owners hold half each again", || second.held() == 2 && third.held() == 2).await;

    // An abort hands nothing over: leases and membership expire.
    third_task.abort();
    fixture.dial(80..100).await;
    until("the last owner holds all partitions", || second.held() == all).await;
    fixture.until_attempts(100).await;
    stop_second.cancel();
    second_task.await.unwrap();
    assert_eq!(fixture.published_calls().await, names(0..100));
}

#[tokio::test]
async fn an_owner_within_its_quota_keeps_its_partitions() {
    // Long enough that no lease expires during this test.
    const LEASE: Duration = Duration::from_secs(30);
    let fixture = Fixture::open();
    let own = |holder: &str| fixture.own_with_lease(LEASE, fixture.engine.clone(), holder, OFTEN);
    let (first, _first_task, _stop_first) = own("a");
    fixture.dial(0..1).await;
    until("one owner holds all partitions", || first.held() == usize::from(PARTITIONS) && first.trouble().is_none())
        .await;
    let tokens = async || {
        let mut last = Vec::new();
        for partition in 0..PARTITIONS {
            // Rejected, because the partition is held. The point is that the holder's token stays the newest.
            let partition = ringside_engine::Partition(partition);
            last.push(fixture.engine.acquire(partition, "stranger", LEASE).await.unwrap());
        }
        last
    };
    assert_eq!(tokens().await, vec![None; usize::from(PARTITIONS)]);
    let (second, _second_task, _stop_second) = own("b");
    until("each owner holds half", || first.held() == 2 && second.held() == 2).await;
    // Further heartbeats of the same members change nothing.
    for _ in 0..20 {
        fixture.engine.heartbeat("collectors", "a", LEASE).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!((first.held(), second.held()), (2, 2));
    }
}
