//! Who reads too slowly, beside many who do not: nobody waits for it, it holds little, it is told, and it comes back.

use futures_util::future::join_all;
use ringside_rig::until;
use ringside_shared::wire::frame_kind;
use serde_json::{Value, json};

use crate::client::{Client, PATIENCE, calls};
use crate::floor::Floor;
use crate::observed::{measured_floor, samples};

const FAST: usize = 20;

async fn watching(floor: &Floor) -> Client {
    let mut client = floor.client().await;
    for room in ["calls:alpha", "campaign:alpha"] {
        client.subscribe(room).await;
        client.until_that(|frame| frame["type"] == "initial" && frame["room"] == room).await;
    }
    client
}

/// A call of so many bytes.
async fn long_call(floor: &Floor, n: u64, filler: &str) {
    let body = json!({ "calls": [{ "callId": format!("c{n}"), "to": filler }] });
    floor.event("calls:alpha", frame_kind::CALL_EVENT, body).await;
}

/// Reads up to this call; panics where events are left out.
async fn gets_call(client: &mut Client, n: u64) {
    let frame = client.until_that(|frame| ["call_event", "skipped"].contains(&frame["type"].as_str().unwrap())).await;
    assert_eq!(calls(&frame), [format!("c{n}")], "each call comes, none is skipped");
}

/// What somebody got who was behind.
#[derive(Default)]
struct Caught {
    calls: u64,
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
            "call_event" => self.calls += 1,
            "skipped" => self.skipped += frame["count"].as_u64().unwrap(),
            "metrics_update" => self.state = frame["campaign"]["activeCalls"].as_u64().unwrap(),
            other => panic!("{other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_who_reads_nothing_delays_nobody_and_is_back_at_full_rate_once_it_reads() {
    const CALLS: u64 = 240;
    let floor = Floor::start().await;
    let mut slow = watching(&floor).await;
    let mut fast = Vec::new();
    for _ in 0..FAST {
        fast.push(watching(&floor).await);
    }
    // More than sockets hold on their way: 12 MB.
    let filler = "x".repeat(50_000);
    for n in 1..=CALLS {
        long_call(&floor, n, &filler).await;
        if n % 10 == 0 {
            floor.numbers("alpha", n as i64, n as i64).await;
        }
        // The next is published when all who read have got this one, while the slow one has not read anything.
        join_all(fast.iter_mut().map(|client| gets_call(client, n))).await;
    }
    for client in &mut fast {
        let places = ["calls:alpha", "campaign:alpha"].map(|room| client.checker.reached(room));
        assert_eq!(places[0], Some(floor.head("calls:alpha").await));
        if places[1] != Some(floor.head("campaign:alpha").await) {
            client.until_that(|frame| frame["campaign"]["activeCalls"] == CALLS).await;
        }
    }

    let mut caught = Caught::default();
    while !caught.has(CALLS, CALLS) {
        caught.take(&slow.next().await.expect("who reads again is not sent away"));
    }
    assert_eq!(caught.calls + caught.skipped, CALLS, "each call was sent or counted");
    assert!(caught.skipped > 0, "what waits for it is bounded");
    assert!(caught.calls * 50_000 < 8 << 20, "{} calls waited for it", caught.calls);

    // Now it gets each as it comes, and each state.
    for n in CALLS + 1..=CALLS + 20 {
        long_call(&floor, n, "").await;
        gets_call(&mut slow, n).await;
        floor.numbers("alpha", n as i64, n as i64).await;
        slow.until_that(|frame| frame["campaign"]["activeCalls"] == n).await;
    }
}

#[tokio::test]
async fn one_who_sips_is_told_what_it_skips_again_and_again_and_stays() {
    const ROUNDS: u64 = 4;
    const EACH: u64 = 60;
    let floor = Floor::start().await;
    let mut client = watching(&floor).await;
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
    let mut slow = watching(&floor).await;
    let mut fast = watching(&floor).await;
    let filler = "x".repeat(100_000);
    for n in 1..=120 {
        long_call(&floor, n, &filler).await;
        gets_call(&mut fast, n).await;
    }
    until("it is given up", 3 * PATIENCE, async || slow_closes().await > before).await.unwrap();
    let code = loop {
        match slow.next().await {
            Ok(_) => {}
            Err(code) => break code,
        }
    };
    // Who reads at last may find the goodbye behind what it had not read, or that it was not waited for.
    assert!([4508, 1006].contains(&code), "{code}");
    floor.call("alpha", 121).await;
    gets_call(&mut fast, 121).await;
}
