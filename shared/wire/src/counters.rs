//! Counters with their ratios and outcome tiles, as JSON.

use ringside_model::{Counter, Counters, Outcome, Ratio};
use serde::{Deserialize, Serialize};

/// A ratio with its counts. `value` is a fraction, or null without a denominator.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RatioJson {
    /// The fraction: 0.03 is three percent.
    pub value: Option<f64>,
    /// The count of the part.
    pub numerator: i64,
    /// The count of the whole.
    pub denominator: i64,
}

impl From<Ratio> for RatioJson {
    fn from(ratio: Ratio) -> Self {
        Self { value: ratio.value(), numerator: ratio.numerator, denominator: ratio.denominator }
    }
}

impl From<RatioJson> for Ratio {
    fn from(json: RatioJson) -> Self {
        Self::new(json.numerator, json.denominator)
    }
}

/// Counts of calls.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is named after its Counter, which says what it counts")]
pub struct CountersJson {
    pub attempts: i64,
    pub completed: i64,
    pub answered: i64,
    pub busy: i64,
    pub no_answer: i64,
    pub failed: i64,
    pub canceled: i64,
    pub lost: i64,
    pub human: i64,
    pub machine: i64,
    pub unsure: i64,
    pub classified: i64,
    pub bridged: i64,
    pub bridged_in_time: i64,
    pub machine_bridged: i64,
    pub converted: i64,
    pub opt_out: i64,
    pub abandoned: i64,
    pub early_hangup: i64,
    pub min_ring_breach: i64,
    pub talk_ms: i64,
}

/// The disjoint outcome tiles of ended calls. Their sum is `completed + lost`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "each is named after its Outcome, which says what it means")]
pub struct OutcomesJson {
    pub converted: i64,
    pub opt_out: i64,
    pub abandoned: i64,
    pub machine: i64,
    pub answered_other: i64,
    pub busy: i64,
    pub no_answer: i64,
    pub canceled: i64,
    pub failed: i64,
    pub lost: i64,
}

impl From<&Counters> for CountersJson {
    fn from(counters: &Counters) -> Self {
        let c = |counter| counters[counter];
        Self {
            attempts: c(Counter::Attempts),
            completed: c(Counter::Completed),
            answered: c(Counter::Answered),
            busy: c(Counter::Busy),
            no_answer: c(Counter::NoAnswer),
            failed: c(Counter::Failed),
            canceled: c(Counter::Canceled),
            lost: c(Counter::Lost),
            human: c(Counter::Human),
            machine: c(Counter::Machine),
            unsure: c(Counter::Unsure),
            classified: c(Counter::Classified),
            bridged: c(Counter::Bridged),
            bridged_in_time: c(Counter::BridgedInTime),
            machine_bridged: c(Counter::MachineBridged),
            converted: c(Counter::Converted),
            opt_out: c(Counter::OptOut),
            abandoned: c(Counter::Abandoned),
            early_hangup: c(Counter::EarlyHangup),
            min_ring_breach: c(Counter::MinRingBreach),
            talk_ms: c(Counter::TalkMs),
        }
    }
}

impl From<&Counters> for OutcomesJson {
    fn from(counters: &Counters) -> Self {
        Self {
            converted: counters.outcome(Outcome::Converted),
            opt_out: counters.outcome(Outcome::OptOut),
            abandoned: counters.outcome(Outcome::Abandoned),
            machine: counters.outcome(Outcome::Machine),
            answered_other: counters.outcome(Outcome::AnsweredOther),
            busy: counters.outcome(Outcome::Busy),
            no_answer: counters.outcome(Outcome::NoAnswer),
            canceled: counters.outcome(Outcome::Canceled),
            failed: counters.outcome(Outcome::Failed),
            lost: counters.outcome(Outcome::Lost),
        }
    }
}

fn counters_from(counters: &CountersJson, outcomes: &OutcomesJson) -> Counters {
    let mut all = Counters::default();
    all[Counter::Attempts] = counters.attempts;
    all[Counter::Completed] = counters.completed;
    all[Counter::Answered] = counters.answered;
    all[Counter::Busy] = counters.busy;
    all[Counter::NoAnswer] = counters.no_answer;
    all[Counter::Failed] = counters.failed;
    all[Counter::Canceled] = counters.canceled;
    all[Counter::Lost] = counters.lost;
    all[Counter::Human] = counters.human;
    all[Counter::Machine] = counters.machine;
    all[Counter::Unsure] = counters.unsure;
    all[Counter::Classified] = counters.classified;
    all[Counter::Bridged] = counters.bridged;
    all[Counter::BridgedInTime] = counters.bridged_in_time;
    all[Counter::MachineBridged] = counters.machine_bridged;
    all[Counter::Converted] = counters.converted;
    all[Counter::OptOut] = counters.opt_out;
    all[Counter::Abandoned] = counters.abandoned;
    all[Counter::EarlyHangup] = counters.early_hangup;
    all[Counter::MinRingBreach] = counters.min_ring_breach;
    all[Counter::TalkMs] = counters.talk_ms;
    let tiles = [
        (Outcome::Converted, outcomes.converted),
        (Outcome::OptOut, outcomes.opt_out),
        (Outcome::Abandoned, outcomes.abandoned),
        (Outcome::Machine, outcomes.machine),
        (Outcome::AnsweredOther, outcomes.answered_other),
        (Outcome::Busy, outcomes.busy),
        (Outcome::NoAnswer, outcomes.no_answer),
        (Outcome::Canceled, outcomes.canceled),
        (Outcome::Failed, outcomes.failed),
        (Outcome::Lost, outcomes.lost),
    ];
    for (outcome, count) in tiles {
        all[Counter::of_outcome(outcome)] = count;
    }
    all
}

/// The ratios of a set of counters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RatiosJson {
    /// Answered ÷ (answered + busy + no answer + failed).
    pub answer_rate: RatioJson,
    /// Converted ÷ answered by a person.
    pub conversion_rate: RatioJson,
    /// Abandoned ÷ answered by a person.
    pub abandon_rate: RatioJson,
    /// Opted out ÷ answered by a person.
    pub opt_out_rate: RatioJson,
    /// Failed ÷ (answered + busy + no answer + failed).
    pub failed_rate: RatioJson,
    /// Joined with an agent in time ÷ answered by a person.
    pub service_level: RatioJson,
}

impl From<&Counters> for RatiosJson {
    fn from(counters: &Counters) -> Self {
        Self {
            answer_rate: counters.answer_ratio().into(),
            conversion_rate: counters.conversion_ratio().into(),
            abandon_rate: counters.abandon_ratio().into(),
            opt_out_rate: counters.opt_out_ratio().into(),
            failed_rate: counters.failed_ratio().into(),
            service_level: counters.service_level_ratio().into(),
        }
    }
}

/// Counters of a span of time with their ratios and outcome tiles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpanJson {
    /// The counters.
    pub counters: CountersJson,
    /// The ratios.
    pub ratios: RatiosJson,
    /// The outcome tiles.
    pub outcomes: OutcomesJson,
}

impl From<&Counters> for SpanJson {
    fn from(counters: &Counters) -> Self {
        Self { counters: counters.into(), ratios: counters.into(), outcomes: counters.into() }
    }
}

impl From<&SpanJson> for Counters {
    fn from(span: &SpanJson) -> Self {
        counters_from(&span.counters, &span.outcomes)
    }
}
