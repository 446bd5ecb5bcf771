//! The event feed's rows: what happened to calls, newest first.

use std::collections::HashMap;

use ringside_wire::CallChangeJson;

use super::format;

/// Rows in the page before the feed is live.
pub(super) const SHOWN: usize = 10;

/// One row.
#[derive(Debug)]
pub(super) struct EventRow {
    /// The icon and colour: `answered`, `noanswer`…
    pub key: &'static str,
    /// The word.
    pub word: String,
    /// The time to the second.
    pub clock: String,
    /// The milliseconds.
    pub clock_ms: String,
    /// The whole moment, for machines.
    pub at: String,
    /// The masked number.
    pub to: String,
    /// Campaign, or the agent on a campaign's page.
    pub place: String,
    /// How long.
    pub took: String,
}

/// Icon and word of a change.
fn key_and_word(call: &CallChangeJson) -> (&'static str, String) {
    match (call.outcome.as_deref(), &*call.phase) {
        (Some("converted"), _) => ("converted", "Converted".into()),
        (Some("opt_out"), _) => ("optout", "Opt-out".into()),
        (Some("abandoned"), _) => ("abandoned", "Abandoned".into()),
        (Some("machine"), _) => ("machine", "Machine".into()),
        (Some("answered_other"), _) => ("ended", "Ended".into()),
        (Some("busy"), _) => ("busy", "Busy".into()),
        (Some("no_answer"), _) => ("noanswer", "No answer".into()),
        (Some("canceled"), _) => ("canceled", "Canceled".into()),
        (Some("failed"), _) => {
            ("failed", call.cause.map_or_else(|| "Failed".into(), |cause| format!("Failed {cause}")))
        }
        (Some("lost"), _) => ("lost", "Lost".into()),
        (_, "queued") => ("queued", "Queued".into()),
        (_, "dialing") => ("dialing", "Dialing".into()),
        (_, "ringing") => ("ringing", "Ringing".into()),
        (_, "answered") => ("answered", "Answered".into()),
        (_, "bridged") => ("bridged", "Joined".into()),
        _ => ("ended", "Ended".into()),
    }
}

/// The newest changes as rows. `names` gives the campaigns' names; without them a row says the agent.
pub(super) fn event_rows(calls: &[CallChangeJson], names: Option<&HashMap<&str, &str>>) -> Vec<EventRow> {
    let mut newest: Vec<&CallChangeJson> = calls.iter().collect();
    newest.sort_by(|a, b| b.at.cmp(&a.at));
    newest
        .into_iter()
        .take(SHOWN)
        .map(|call| {
            let (key, word) = key_and_word(call);
            EventRow {
                key,
                word,
                clock: format::clock(&call.at).into(),
                clock_ms: format::clock_ms(&call.at).into(),
                at: call.at.clone().into(),
                to: call.to.as_deref().unwrap_or(format::UNKNOWN).into(),
                place: match names {
                    Some(names) => names.get(&*call.campaign_id).copied().unwrap_or(&call.campaign_id).into(),
                    None => call.agent.as_deref().map_or_else(String::new, |agent| format!("Agent {agent}")),
                },
                took: format::duration(call.talk_ms.or(call.elapsed_ms)),
            }
        })
        .collect()
}

impl EventRow {
    /// The drawing for it; some words share one.
    pub(super) fn icon(&self) -> &'static str {
        match self.key {
            "queued" => "clock",
            "bridged" => "answered",
            "ended" => "checkc",
            key => key,
        }
    }
}
