//! The JSON of events, from senders and in the log.

mod read;
mod write;

use std::borrow::Cow;
use std::collections::BTreeMap;

use ringside_model::AgentCounts;
use serde::{Deserialize, Serialize};

pub use read::BadEvent;
pub(super) use write::{amd_text, event_json};

/// An event as JSON: the union of the members of all types.
///
/// Unknown members are ignored: senders add their own.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventJson<'a> {
    /// The idempotency key within the source.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// The type, such as `call.answered`.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// The time it happened, in RFC 3339.
    #[serde(borrow)]
    pub at: Cow<'a, str>,
    /// The campaign.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub campaign: Option<Cow<'a, str>>,
    /// The call within the campaign.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub call_id: Option<Cow<'a, str>>,
    /// The lead in the sender's list.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub lead: Option<Cow<'a, str>>,
    /// The dialed number.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Cow<'a, str>>,
    /// The agent on the call.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Cow<'a, str>>,
    /// `call.amd`: human, machine, fax, unsure.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Cow<'a, str>>,
    /// `call.ended`: the hangup cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<u16>,
    /// `call.ended`: us, them.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
    /// `call.disposition`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Cow<'a, str>>,
    /// `campaign.state`: the campaign's name. `metric`: the metric's.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Cow<'a, str>>,
    /// `campaign.state` and `notification`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Cow<'a, str>>,
    /// `campaign.state`: the reason.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// `campaign.gauges`: leads waiting.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue_depth: Option<i64>,
    /// `campaign.gauges`: calls per second wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_rate: Option<f64>,
    /// `campaign.gauges`: lines at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_lines: Option<i64>,
    /// `campaign.gauges`: leads in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_total: Option<i64>,
    /// `campaign.gauges`: leads tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list_attempted: Option<i64>,
    /// `campaign.gauges`: the agents by state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<AgentsJson>,
    /// `metric`: its unit.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Cow<'a, str>>,
    /// `metric`: the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// `metric`: the labels that distinguish it from others of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<Box<str>, Box<str>>>,
    /// `notification`: its area.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Cow<'a, str>>,
    /// `notification`: the kind within the area.
    #[serde(rename = "kind", borrow, default, skip_serializing_if = "Option::is_none")]
    pub notification_kind: Option<Cow<'a, str>>,
    /// `notification`: info, warning, critical.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Cow<'a, str>>,
    /// `notification`: one line of text.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'a, str>>,
    /// `notification`: further text.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
}

/// A campaign's agents by state, as JSON. Members left out are zero.
#[derive(Debug, Default, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AgentsJson {
    /// Waiting for a call.
    pub ready: i64,
    /// Their phone rings.
    pub ringing: i64,
    /// Talking.
    pub incall: i64,
    /// Writing up a call.
    pub wrap: i64,
    /// On a break.
    pub paused: i64,
    /// Logged out.
    pub offline: i64,
}

impl From<AgentsJson> for AgentCounts {
    fn from(json: AgentsJson) -> Self {
        let AgentsJson { ready, ringing, incall, wrap, paused, offline } = json;
        Self { ready, ringing, incall, wrap, paused, offline }
    }
}

impl From<AgentCounts> for AgentsJson {
    fn from(counts: AgentCounts) -> Self {
        let AgentCounts { ready, ringing, incall, wrap, paused, offline } = counts;
        Self { ready, ringing, incall, wrap, paused, offline }
    }
}

#[cfg(test)]
mod tests {
    use ringside_model::EventKind;

    use super::*;

    fn kind(json: &str) -> Result<EventKind, BadEvent> {
        serde_json::from_str::<EventJson<'_>>(json).unwrap().event_kind()
    }

    #[test]
    fn every_type_of_the_protocol_round_trips() {
        for rest in [
            r#""type":"call.queued","campaign":"alpha","callId":"c1""#,
            r#""type":"call.dialing","campaign":"alpha","callId":"c1","lead":"l9","to":"+441632960123","agent":null"#,
            r#""type":"call.ringing","callId":"c1""#,
            r#""type":"call.answered","campaign":"alpha","callId":"c1""#,
            r#""type":"call.amd","campaign":"alpha","callId":"c1","result":"human""#,
            r#""type":"call.bridged","campaign":"alpha","callId":"c1","agent":"a7""#,
            r#""type":"call.ended","campaign":"alpha","callId":"c1","cause":16,"by":"them""#,
            r#""type":"call.disposition","campaign":"alpha","callId":"c1","outcome":"converted""#,
            r#""type":"campaign.state","campaign":"alpha","name":"Alpha","status":"running""#,
            r#""type":"campaign.gauges","campaign":"alpha","queueDepth":5240,"targetRate":16.0,"agents":{"ready":4,"incall":31}"#,
            r#""type":"metric","name":"revenue","unit":"EUR","value":1250.5,"labels":{"shop":"north"}"#,
            r#""type":"notification","category":"booking","kind":"car","status":"confirmed","severity":"info","title":"Booking 8812 confirmed","body":"7 days""#,
        ] {
            let json = format!(r#"{{"id":"e1","at":"2026-11-20T12:00:00.000Z",{rest}}}"#);
            let read = kind(&json).unwrap_or_else(|bad| panic!("{json}: {bad}"));
            let event: EventJson<'_> = serde_json::from_str(&json).unwrap();
            let (id, at) = (event.event_id().unwrap(), event.happened_at().unwrap());
            let written = serde_json::to_string(&event_json(&id, at, &read).unwrap()).unwrap();
            assert_eq!(kind(&written), Ok(read), "{written}");
        }
    }

    #[test]
    fn an_error_names_the_member_and_the_allowed_values() {
        for (rest, code, hint) in [
            (r#""type":"call.exploded","callId":"c""#, "unknown_type", "call.exploded"),
            (r#""type":"call.dialing""#, "missing_member", "callId"),
            (r#""type":"call.dialing","callId":"c/1""#, "bad_id", "call id"),
            (r#""type":"call.amd","callId":"c","result":"dog""#, "bad_value", "human, machine"),
            (r#""type":"campaign.state","status":"running""#, "missing_member", "campaign"),
            (r#""type":"campaign.gauges","campaign":"a","queueDepth":-1"#, "bad_value", "queueDepth"),
            (r#""type":"metric","name":"x"#, "", ""),
        ] {
            let json = format!(r#"{{"id":"e","at":"2026-11-20T12:00:00Z",{rest}}}"#);
            let Ok(event) = serde_json::from_str::<EventJson<'_>>(&json) else { continue };
            let bad = event.event_kind().unwrap_err();
            assert_eq!(bad.code, code, "{json}");
            assert!(bad.message.contains(hint), "{bad}");
        }
    }

    #[test]
    fn a_dialed_number_is_masked_on_reading() {
        let EventKind::Call(call) =
            kind(r#"{"id":"e","at":"2026-11-20T12:00:00Z","type":"call.dialing","callId":"c","to":"+441632960123"}"#)
                .unwrap()
        else {
            panic!("a call event");
        };
        assert_eq!(call.to_masked.as_deref(), Some("+44 ••• 0 123"));
    }

    #[test]
    fn a_mask_character_beyond_the_longest_text_is_ignored() {
        let to = format!("{}•", "x".repeat(500));
        let json =
            format!(r#"{{"id":"e","at":"2026-11-20T12:00:00Z","type":"call.dialing","callId":"c","to":"{to}"}}"#);
        let EventKind::Call(call) = kind(&json).unwrap() else { panic!("a call event") };
        assert_eq!(call.to_masked.as_deref(), Some("•••"));
    }
}
