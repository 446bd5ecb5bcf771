//! What really happened: the calls that are made up, fact by fact, and what they must be counted as.

use std::collections::{BTreeMap, BTreeSet};

use ringside_model::Timestamp;
use serde_json::{Value, json};

/// The counters that are compared, by their names on the wire.
pub(crate) const COUNTERS: [&str; 6] = ["attempts", "completed", "answered", "busy", "noAnswer", "converted"];

/// Counts of one campaign, in the order of [`COUNTERS`].
pub(crate) type Counts = [i64; COUNTERS.len()];

/// A fact as it is told in `calls:{id}`: the call, and when.
pub(crate) type Fact = (Box<str>, Box<str>);

/// Everything that was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Truth {
    /// What each campaign must count.
    pub(crate) counts: BTreeMap<String, Counts>,
    /// What each campaign's calls must tell, each once.
    pub(crate) facts: BTreeMap<String, BTreeSet<Fact>>,
    /// The titles of notifications, each to be told once.
    pub(crate) notifications: BTreeSet<Box<str>>,
    /// Events that were acknowledged.
    pub(crate) acknowledged: u64,
    /// Events that were refused although nothing is wrong with them.
    pub(crate) refused: u64,
}

impl Truth {
    /// Takes note of events that were acknowledged.
    pub(crate) fn acknowledge(&mut self, events: &[Value]) {
        for event in events {
            self.acknowledged += 1;
            let text = |name: &str| event[name].as_str().unwrap_or_default();
            if text("type") == "notification" {
                self.notifications.insert(text("title").into());
                continue;
            }
            let counts = self.counts.entry(text("campaign").to_owned()).or_default();
            for (count, more) in counts.iter_mut().zip(counted_as(event)) {
                *count += more;
            }
            let facts = self.facts.entry(text("campaign").to_owned()).or_default();
            facts.insert((text("callId").into(), text("at").into()));
        }
    }
}

/// What an event adds to the counters, when all of its call's events come in order and once.
fn counted_as(event: &Value) -> Counts {
    match (event["type"].as_str().unwrap_or_default(), event["cause"].as_i64()) {
        ("call.dialing", _) => [1, 0, 0, 0, 0, 0],
        ("call.answered", _) => [0, 0, 0, 0, 0, 0],
        ("call.ended", Some(17)) => [0, 1, 0, 1, 0, 0],
        ("call.ended", Some(19)) => [0, 1, 0, 0, 1, 0],
        ("call.ended", _) => [0, 1, 1, 0, 0, 0],
        ("call.disposition", _) => [0, 0, 0, 0, 0, 1],
        _ => [0; COUNTERS.len()],
    }
}

/// One made-up call: each step is one more fact.
#[derive(Debug)]
pub(crate) struct MadeUpCall {
    campaign: String,
    id: String,
    plot: &'static [(&'static str, Option<i64>)],
    step: usize,
}

const BUSY: &[(&str, Option<i64>)] = &[("call.dialing", None), ("call.ended", Some(17))];
const NO_ANSWER: &[(&str, Option<i64>)] = &[("call.dialing", None), ("call.ringing", None), ("call.ended", Some(19))];
const TALK: &[(&str, Option<i64>)] = &[
    ("call.dialing", None),
    ("call.ringing", None),
    ("call.answered", None),
    ("call.bridged", None),
    ("call.ended", Some(16)),
];
const SALE: &[(&str, Option<i64>)] = &[
    ("call.dialing", None),
    ("call.answered", None),
    ("call.bridged", None),
    ("call.ended", Some(16)),
    ("call.disposition", None),
];

/// Facts of an average call, of the four plots in turn.
pub(crate) const FACTS_PER_CALL: f64 = 3.75;

impl MadeUpCall {
    /// The `number`-th call of a campaign, as told by one `teller`.
    pub(crate) fn new(campaign: &str, teller: usize, number: u64) -> Self {
        let plot = [BUSY, NO_ANSWER, TALK, SALE][(number % 4) as usize];
        // Never seven digits in a row, which would be taken for a telephone number.
        let id = format!("t{teller}-{}-{}", number / 1_000_000, number % 1_000_000);
        Self { campaign: campaign.to_owned(), id, plot, step: 0 }
    }

    /// Its next fact; none once it has told all.
    pub(crate) fn next(&mut self, at: Timestamp) -> Option<Value> {
        let (kind, cause) = *self.plot.get(self.step)?;
        self.step += 1;
        let Self { campaign, id, step, .. } = self;
        let mut event = json!({
            "id": format!("{campaign}-{id}-{step}"), "type": kind, "at": at.to_string(),
            "campaign": campaign, "callId": id,
        });
        match kind {
            "call.ended" => {
                event["cause"] = json!(cause);
                event["by"] = json!("them");
            }
            "call.bridged" => event["agent"] = json!("a1"),
            "call.disposition" => event["outcome"] = json!("converted"),
            _ => {}
        }
        Some(event)
    }
}

/// A notification that can be told from all others by its title.
pub(crate) fn notification(teller: usize, number: u64, at: Timestamp) -> Value {
    json!({
        "id": format!("n{teller}-{number}"), "type": "notification", "at": at.to_string(), "category": "booking",
        "status": "confirmed", "severity": "info", "title": format!("Booking t{teller}n{number}"), "body": "",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_calls_tell_what_they_are_counted_as() {
        let mut truth = Truth::default();
        let mut facts = 0;
        for number in 0..4 {
            let mut call = MadeUpCall::new("alpha", 0, number);
            let mut at = 0;
            while let Some(event) = call.next(Timestamp::from_millis(at)) {
                truth.acknowledge(&[event]);
                facts += 1;
                at += 100;
            }
        }
        assert_eq!(truth.counts["alpha"], [4, 4, 2, 1, 1, 1]);
        assert_eq!(facts as f64 / 4.0, FACTS_PER_CALL);
        assert_eq!(truth.facts["alpha"].len(), facts);
        truth.acknowledge(&[notification(0, 1, Timestamp::from_millis(0))]);
        assert_eq!((truth.acknowledged, truth.notifications.len()), (facts as u64 + 1, 1));
    }
}
