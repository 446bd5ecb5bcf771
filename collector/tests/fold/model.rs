//! A reference model of the rules: evaluates all facts of a call at the end.

use std::collections::BTreeMap;

use ringside_model::{
    Amd, CallFact, CallResult, CampaignId, Counter, Counters, Disposition, EndedBy, Event, EventKind,
};

const WAIT_MS: i64 = 2_000;

/// Returns the expected totals of events, in any order and with any duplicates.
pub(crate) fn totals<'a>(events: impl IntoIterator<Item = &'a Event>) -> Counters {
    let mut calls: BTreeMap<(CampaignId, String), Vec<(i64, CallFact)>> = BTreeMap::new();
    for event in events {
        let EventKind::Call(call) = &event.kind else { continue };
        let key = (call.campaign.clone(), call.call.to_string());
        calls.entry(key).or_default().push((event.at.millis(), call.fact));
    }
    let mut totals = Counters::default();
    for facts in calls.values() {
        count(facts, &mut totals);
    }
    totals
}

fn count(facts: &[(i64, CallFact)], totals: &mut Counters) {
    use Counter as C;
    let first = |wanted: CallFact| facts.iter().filter(|(_, fact)| *fact == wanted).map(|(at, _)| *at).min();
    let mut ends = Vec::new();
    let mut dispositions = Vec::new();
    let mut amd: Option<Amd> = None;
    for (at, fact) in facts {
        match fact {
            CallFact::Ended { cause, by } => ends.push((*at, *cause, *by)),
            CallFact::Disposition(disposition) => dispositions.push((*at, *disposition)),
            CallFact::Amd(detected) => amd = amd.max(Some(*detected)),
            _ => {}
        }
    }
    let end = ends.iter().min().copied();
    let last = dispositions.iter().max().map(|(_, disposition)| *disposition);
    let ringing = first(CallFact::Ringing);
    let answered = first(CallFact::Answered);
    let bridged = first(CallFact::Bridged);
    if first(CallFact::Dialing).or(ringing).or(answered).or(bridged).is_some() || end.is_some() {
        totals[C::Attempts] += 1;
    }
    let mut outcome = None;
    if let Some(answered) = answered {
        let human = !matches!(amd, Some(Amd::Machine | Amd::Fax));
        totals[C::Answered] += 1;
        totals[if human { C::Human } else { C::Machine }] += 1;
        totals[C::Classified] += i64::from(amd.is_some());
        totals[C::Unsure] += i64::from(amd == Some(Amd::Unsure));
        totals[C::Bridged] += i64::from(bridged.is_some());
        totals[C::MachineBridged] += i64::from(bridged.is_some() && !human);
        totals[C::BridgedInTime] += i64::from(human && bridged.is_some_and(|bridged| bridged - answered <= WAIT_MS));
        let abandoned = human
            && match (bridged, end) {
                (Some(bridged), _) => bridged - answered > WAIT_MS,
                (None, Some((over, _, by))) => by == EndedBy::Us || over - answered > WAIT_MS,
                (None, None) => false,
            };
        totals[C::Abandoned] += i64::from(abandoned);
        totals[C::EarlyHangup] += i64::from(human && bridged.is_none() && end.is_some() && !abandoned);
        let converted = last == Some(Disposition::Converted);
        let opted_out = dispositions.iter().any(|(_, disposition)| *disposition == Disposition::OptOut);
        totals[C::Converted] += i64::from(converted);
        totals[C::OptOut] += i64::from(opted_out);
        outcome = Some(match (converted, opted_out, abandoned, human) {
            (true, ..) => C::OutcomeConverted,
            (_, true, ..) => C::OutcomeOptOut,
            (_, _, true, _) => C::OutcomeAbandoned,
            (.., true) => C::OutcomeAnsweredOther,
            (.., false) => C::OutcomeMachine,
        });
    }
    let Some((over, cause, by)) = end else { return };
    totals[C::Completed] += 1;
    if let Some(answered) = answered {
        totals[C::TalkMs] += (over - bridged.unwrap_or(answered)).max(0);
        totals[outcome.expect("an answered call has an outcome")] += 1;
        return;
    }
    let (counter, tile) = match CallResult::of_unanswered(cause, by) {
        CallResult::Busy => (C::Busy, C::OutcomeBusy),
        CallResult::NoAnswer => (C::NoAnswer, C::OutcomeNoAnswer),
        CallResult::Canceled => (C::Canceled, C::OutcomeCanceled),
        _ => (C::Failed, C::OutcomeFailed),
    };
    totals[counter] += 1;
    totals[tile] += 1;
    if by == EndedBy::Us && ringing.is_some_and(|ringing| over - ringing < 15_000) {
        totals[C::MinRingBreach] += 1;
    }
}
