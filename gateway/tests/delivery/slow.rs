//! A slow reader beside many fast ones: it delays none, uses little memory, is told, and catches up.

use futures_util::future::join_all;
use ringside_rig::until;
use ringside_wire::frame_kind;
use serde_json::{Value, json};

use crate::delivery::metrics::{measured_floor, samples};
use crate::support::client::{Client, PATIENCE, calls};
use crate::support::test_gateway::TestGateway;

/// What everybody here watches.
const SHARED: [&str; 2] = ["calls:alpha", "campaign:alpha"];
/// What only the slow one and one other watch: so much that reading it takes everything a test machine has.
const LARGE: &str = "calls:large";

async fn watching(floor: &TestGateway, rooms: &[&str]) -> Client {
    let mut client = floor.client().await;
    for room in rooms {
        client.subscribe(room).await;
        client.until_that(|frame| frame["type"] == "initial" && frame["room"] == *room).await;
    }
    client
}

/// A call with so much in it.
async fn long_call(floor: &TestGateway, n: u64, filler: &str) {
    let body = json!({ "calls": [{ "callId": format!("c{n}"), "to": filler }] });
    floor.event(LARGE, frame_kind::CALL_EVENT, body).await;
}

/// Reads up to this call of each of these rooms; panics where events are left out.
async fn gets_call(client: &mut Client, rooms: &[&str], n: u64) {
    for _ in rooms {
        let counts = |frame: &Value| ["call_event", "skipped"].contains(&frame["type"].as_str().unwrap());
        let frame = client.until_that(counts).await;
        assert_eq!(calls(&frame), [format!("c{n}")], "each call comes, none is skipped");
    }
}

/// What somebody got who was behind.
#[derive(Default)]
struct Caught {
    calls: u64,
    large: u64,
    skipped: u64,
    state: u64,
}

impl Caught {
    /// True once it was sent or told all calls, and has the newest state.
    fn has(&self, calls: u64, state: u64) -> bool {
        self.calls + self.skipped >= calls && self.state >= state
    }

    fn take(&mut self, frame: &Value) {
        match frame["type"].as_str().unwrap() {
            "call_event" => {
                self.calls += 1;
                self.large += u64::from(frame["room"] == LARGE);
            }
            "skipped" => self.skipped += frame["count"].as_u64().unwrap(),
            "metrics_update" => self.state = frame["campaign"]["activeCalls"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_reads_nothing_delays_nobody_and_is_back_at_full_rate_once_it_reads() {
    const CALLS: u64 = 60;
    let floor = TestGateway::start().await;
    let all = [SHARED[0], SHARED[1], LARGE];
    let mut slow = watching(&floor, &all).await;
    let mut as_much = watching(&floor, &all).await;
    let mut fast = Vec::new();
    for _ in 0..20 {
        fast.push(watching(&floor, &SHARED).await);
    }
    // More than sockets hold on their way: 6 MB.
    let filler = "x".repeat(100_000);
    for n in 1..=CALLS {
        long_call(&floor, n, &filler).await;
        floor.call("alpha", n).await;
        if n % 10 == 0 {
            floor.numbers("alpha", n as i64, n as i64).await;
        }
        // The next is published when all who read have got this one, while the slow one has not read anything.
        gets_call(&mut as_much, &["calls:alpha", LARGE], n).await;
        join_all(fast.iter_mut().map(|client| gets_call(client, &["calls:alpha"], n))).await;
    }
    for client in fast.iter_mut().chain([&mut as_much]) {
        assert_eq!(client.checker.reached("calls:alpha"), Some(floor.head("calls:alpha").await));
        if client.checker.reached("campaign:alpha") != Some(floor.head("campaign:alpha").await) {
            client.until_that(|frame| frame["campaign"]["activeCalls"] == CALLS).await;
        }
    }

    let mut caught = Caught::default();
    while !caught.has(2 * CALLS, CALLS) {
        caught.take(&slow.next().await.expect("who reads again is not sent away"));
    }
    assert_eq!(caught.calls + caught.skipped, 2 * CALLS, "each call was sent or counted");
    assert!(caught.skipped > 0, "what waits for it is bounded");
    assert!(caught.large * 100_000 < 3 << 20, "{} large calls waited for it", caught.large);

    // Now it gets each as it comes, and each state.
    for n in CALLS + 1..=CALLS + 20 {
        floor.call("alpha", n).await;
        long_call(&floor, n, "").await;
        gets_call(&mut slow, &["calls:alpha", LARGE], n).await;
        floor.numbers("alpha", n as i64, n as i64).await;
        slow.until_that(|frame| frame["campaign"]["activeCalls"] == n).await;
    }
}

#[tokio::test]
async fn one_who_sips_is_told_what_it_skips_again_and_again_and_stays() {
    const ROUNDS: u64 = 4;
    const EACH: u64 = 60;
    let floor = TestGateway::start().await;
    let mut client = watching(&floor, &[LARGE, "campaign:alpha"]).await;
    let filler = "x".repeat(100_000);
    let mut caught = Caught::default();
    for round in 0..ROUNDS {
        for n in 1..=EACH {
            long_call(&floor, round * EACH + n, &filler).await;
        }
        floor.numbers("alpha", (round + 1) as i64, (round + 1) as i64).await;
        let mut sips = 20;
        while sips > 0 && !caught.has((round + 1) * EACH, round + 1) {
            caught.take(&client.next().await.expect("it reads something from time to time"));
            sips -= 1;
        }
    }
    while !caught.has(ROUNDS * EACH, ROUNDS) {
        caught.take(&client.next().await.expect("it reads something from time to time"));
    }
    assert!(caught.skipped > 0 && caught.calls + caught.skipped == ROUNDS * EACH, "each call was sent or counted");
}

#[tokio::test]
async fn one_who_never_reads_is_closed_with_4508_and_counted() {
    let floor = measured_floor().await;
    let slow_closes = async || {
        let samples = samples(&floor).await;
        samples.iter().find(|(name, ..)| name == "ringside_gateway_slow_closes_total").expect("it is there").2
    };
    let before = slow_closes().await;
    let mut slow = watching(&floor, &[LARGE]).await;
    let mut fast = watching(&floor, &[LARGE]).await;
    let filler = "x".repeat(100_000);
    for n in 1..=120 {
        long_call(&floor, n, &filler).await;
        gets_call(&mut fast, &[LARGE], n).await;
    }
    until("it is given up", 3 * PATIENCE, async || slow_closes().await > before).await.unwrap();
    let code = loop {
        match slow.next().await {
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    // A late reader may find the close behind its unread frames, or a closed connection.
    assert!([4508, 1006].contains(&code), "{code}");
    long_call(&floor, 121, "").await;
    gets_call(&mut fast, &[LARGE], 121).await;
}
