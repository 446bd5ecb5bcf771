//! The load: tellers post the facts of made-up calls to any collector, again and again until they are acknowledged.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use ringside_model::Timestamp;
use serde_json::Value;
use tokio::sync::{RwLock, RwLockWriteGuard};
use tokio_util::sync::CancellationToken;

use super::truth::{FACTS_PER_CALL, MadeUpCall, Truth, notification};

pub(super) const KEY: &str = "torture-key-that-lives-as-long-as-the-torture";
/// How many tellers there are.
pub(super) const TELLERS: usize = 4;
/// Each teller's beat.
const BEAT: Duration = Duration::from_millis(100);
/// A collector that does not answer is given up for the next one.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Holds the load for an instant.
#[derive(Default)]
pub(crate) struct Gate(RwLock<()>);

impl Gate {
    /// Waits until nothing is under way, and lets nothing begin while it is held.
    pub(crate) async fn hold(&self) -> RwLockWriteGuard<'_, ()> {
        self.0.write().await
    }
}

/// What a teller needs to know.
#[derive(Clone)]
pub(crate) struct Load {
    /// Where events are taken.
    pub(crate) collectors: Vec<String>,
    /// The campaigns' ids.
    pub(crate) campaigns: Vec<String>,
    /// Events a second of all tellers together.
    pub(crate) rate: u64,
    /// Holds it.
    pub(crate) gate: Arc<Gate>,
    /// The acknowledged events.
    pub(crate) truth: Arc<Mutex<Truth>>,
}

impl Load {
    /// One teller: begins calls until `stop`, tells each to its end, and returns when all of it is acknowledged.
    pub(crate) async fn tell(self, teller: usize, seed: u64, stop: CancellationToken) -> anyhow::Result<()> {
        let mut dice = ChaCha8Rng::seed_from_u64(seed ^ teller as u64);
        let http = reqwest::Client::builder().timeout(ANSWER_WITHIN).build()?;
        let calls_per_beat = self.rate as f64 / TELLERS as f64 * BEAT.as_secs_f64() / FACTS_PER_CALL;
        let (mut calls, mut begun, mut owed) = (Vec::<MadeUpCall>::new(), 0_u64, 0.0);
        let mut beat = tokio::time::interval(BEAT);
        beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        for number in 0_u64.. {
            beat.tick().await;
            let stopping = stop.is_cancelled();
            owed += if stopping { 0.0 } else { calls_per_beat };
            while owed >= 1.0 {
                owed -= 1.0;
                let campaign = &self.campaigns[dice.random_range(0..self.campaigns.len())];
                calls.push(MadeUpCall::new(campaign, teller, begun));
                begun += 1;
            }
            let now = Timestamp::now();
            let mut events = Vec::with_capacity(calls.len());
            calls.retain_mut(|call| call.next(now).map(|event| events.push(event)).is_some());
            if number % 10 == 0 && !stopping {
                events.push(notification(teller, number, now));
            }
            if events.is_empty() && stopping {
                return Ok(());
            }
            if !events.is_empty() {
                self.post(&http, &events, &mut dice).await;
            }
        }
        unreachable!("the beats don't end")
    }

    /// Posts until somebody acknowledges.
    async fn post(&self, http: &reqwest::Client, events: &[Value], dice: &mut ChaCha8Rng) {
        loop {
            let passed = self.gate.0.read().await;
            let collector = &self.collectors[dice.random_range(0..self.collectors.len())];
            let url = format!("{collector}/ingest/events");
            let answer = http.post(url).bearer_auth(KEY).json(events).send().await;
            // Whatever is not a whole 200 may or may not be in the log; the same ids once more do no harm.
            if let Ok(answer) = answer
                && answer.status().is_success()
                && let Ok(receipt) = answer.json::<Value>().await
            {
                let mut truth = self.truth.lock().expect("nobody panics with it");
                truth.acknowledge(events);
                truth.refused += receipt["rejected"].as_array().map_or(0, Vec::len) as u64;
                return;
            }
            drop(passed);
            tokio::time::sleep(Duration::from_millis(dice.random_range(50..250))).await;
        }
    }
}
