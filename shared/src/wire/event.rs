//! Events as sources send them, and as the log keeps them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::campaign::{status_from_text, status_text};
use super::mask_number;
use super::notification::{severity_from_text, severity_text};
use crate::model::{
    AgentCounts, AgentId, Amd, BadId, CallEvent, CallFact, CallId, CampaignEvent, CampaignId, Disposition, EndedBy,
    EventId, EventKind, Gauges, MetricSample, Notification, Severity, Timestamp,
};

/// One event as JSON: the union of what the types need. Unknown members are ignored, as senders add their own.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventJson<'a> {
    /// The idempotency key within the source.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// Such as `call.answered`.
    #[serde(rename = "type", borrow)]
    pub kind: Cow<'a, str>,
    /// RFC 3339.
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
    /// The agent who took the call.
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
    /// `campaign.state`: why.
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
    /// `campaign.gauges`: what the agents do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agents: Option<AgentsJson>,
    /// `metric`: its unit.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<Cow<'a, str>>,
    /// `metric`: the sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// `metric`: what tells it from others of its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<Box<str>, Box<str>>>,
    /// `notification`: its area.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub category: Option<Cow<'a, str>>,
    /// `notification`: which kind within the area.
    #[serde(rename = "kind", borrow, default, skip_serializing_if = "Option::is_none")]
    pub sort: Option<Cow<'a, str>>,
    /// `notification`: info, warning, critical.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Cow<'a, str>>,
    /// `notification`: one line.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Cow<'a, str>>,
    /// `notification`: more.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Cow<'a, str>>,
}

/// What a campaign's agents do, as JSON. What is left out is zero.
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

/// Why an event was not taken, for the one who sent it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadEvent {
    /// Stable, for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

impl BadEvent {
    /// A refusal with its code and sentence.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    fn missing(kind: &str, member: &str) -> Self {
        Self::new("missing_member", format!("{kind} needs \"{member}\""))
    }

    fn value(member: &str, got: &str, allowed: &str) -> Self {
        Self::new("bad_value", format!("\"{member}\" is \"{}\"; it must be {allowed}", shortened(got)))
    }
}

impl From<BadId> for BadEvent {
    fn from(bad: BadId) -> Self {
        Self::new("bad_id", bad.to_string())
    }
}

/// What is said back of a value: never all of a hostile one.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The longest texts that are kept of a notification's title and body, a name, a reason.
const LONGEST_TEXT: usize = 500;

fn text(value: &str) -> Box<str> {
    value.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_TEXT).collect::<String>().into()
}

impl EventJson<'_> {
    /// The sender's id, checked.
    pub fn event_id(&self) -> Result<EventId, BadEvent> {
        Ok(EventId::parse(&self.id)?)
    }

    /// When it happened, checked.
    pub fn happened_at(&self) -> Result<Timestamp, BadEvent> {
        Timestamp::parse_rfc3339(&self.at).ok_or_else(|| {
            BadEvent::new(
                "bad_time",
                format!("\"at\" is \"{}\"; it must be RFC 3339, such as 2026-11-20T12:00:00.000Z", shortened(&self.at)),
            )
        })
    }

    /// What happened, checked.
    pub fn event_kind(&self) -> Result<EventKind, BadEvent> {
        match self.kind.as_ref() {
            "metric" => self.metric().map(EventKind::Metric),
            "notification" => self.notification().map(EventKind::Notification),
            "campaign.state" => {
                let event = CampaignEvent::State {
                    name: self.name.as_deref().map(text),
                    status: self.status.as_deref().map(parse_status).transpose()?,
                    reason: self.reason.as_deref().map(text),
                };
                Ok(EventKind::Campaign(self.named_campaign()?, event))
            }
            "campaign.gauges" => Ok(EventKind::Campaign(self.named_campaign()?, CampaignEvent::Gauges(self.gauges()?))),
            call => match call.strip_prefix("call.") {
                Some(fact) => self.call(fact).map(EventKind::Call),
                None => Err(self.unknown_type()),
            },
        }
    }

    fn unknown_type(&self) -> BadEvent {
        BadEvent::new(
            "unknown_type",
            format!(
                "\"type\" is \"{}\"; it must be call.queued, call.dialing, call.ringing, call.answered, call.amd, call.bridged, \
                 call.ended, call.disposition, campaign.state, campaign.gauges, metric or notification",
                shortened(&self.kind)
            ),
        )
    }

    fn named_campaign(&self) -> Result<CampaignId, BadEvent> {
        let id = self.campaign.as_deref().ok_or_else(|| BadEvent::missing(&self.kind, "campaign"))?;
        Ok(CampaignId::parse(id)?)
    }

    fn call(&self, fact: &str) -> Result<CallEvent, BadEvent> {
        let fact = match fact {
            "queued" => CallFact::Queued,
            "dialing" => CallFact::Dialing,
            "ringing" => CallFact::Ringing,
            "answered" => CallFact::Answered,
            "bridged" => CallFact::Bridged,
            "amd" => CallFact::Amd(match self.result.as_deref() {
                Some("human") => Amd::Human,
                Some("machine") => Amd::Machine,
                Some("fax") => Amd::Fax,
                Some("unsure" | "unknown") => Amd::Unsure,
                Some(other) => return Err(BadEvent::value("result", other, "human, machine, fax or unsure")),
                None => return Err(BadEvent::missing(&self.kind, "result")),
            }),
            "ended" => CallFact::Ended {
                cause: self.cause,
                by: match self.by.as_deref() {
                    None | Some("unknown") => EndedBy::Unknown,
                    Some("us") => EndedBy::Us,
                    Some("them") => EndedBy::Them,
                    Some(other) => return Err(BadEvent::value("by", other, "us or them, or left out")),
                },
            },
            "disposition" => CallFact::Disposition(match self.outcome.as_deref() {
                Some("converted") => Disposition::Converted,
                Some("opt_out") => Disposition::OptOut,
                Some("callback") => Disposition::Callback,
                Some("not_interested") => Disposition::NotInterested,
                Some("other") => Disposition::Other,
                Some(other) => {
                    return Err(BadEvent::value(
                        "outcome",
                        other,
                        "converted, opt_out, callback, not_interested or other",
                    ));
                }
                None => return Err(BadEvent::missing(&self.kind, "outcome")),
            }),
            _ => return Err(self.unknown_type()),
        };
        let call = self.call_id.as_deref().ok_or_else(|| BadEvent::missing(&self.kind, "callId"))?;
        Ok(CallEvent {
            campaign: self.campaign.as_deref().map_or_else(|| Ok(CampaignId::unassigned()), CampaignId::parse)?,
            call: CallId::parse(call)?,
            fact,
            // Numbers that are masked already (as the log has them) hold a bullet and stay as they are.
            to_masked: self.to.as_deref().map(|to| if to.contains('•') { text(to) } else { mask_number(to) }),
            lead: self.lead.as_deref().map(text),
            agent: self.agent.as_deref().map(AgentId::parse).transpose()?,
        })
    }

    fn gauges(&self) -> Result<Gauges, BadEvent> {
        let count = |member: &str, value: Option<i64>| match value {
            Some(value) if !(0..=1_000_000_000_000).contains(&value) => {
                Err(BadEvent::value(member, &value.to_string(), "a count of zero or more"))
            }
            value => Ok(value),
        };
        if let Some(rate) = self.target_rate
            && !(rate.is_finite() && rate >= 0.0)
        {
            return Err(BadEvent::value("targetRate", &rate.to_string(), "calls per second, zero or more"));
        }
        Ok(Gauges {
            queue_depth: count("queueDepth", self.queue_depth)?,
            target_rate: self.target_rate,
            max_lines: count("maxLines", self.max_lines)?,
            list_total: count("listTotal", self.list_total)?,
            list_attempted: count("listAttempted", self.list_attempted)?,
            agents: self.agents.map(AgentCounts::from),
        })
    }

    fn metric(&self) -> Result<MetricSample, BadEvent> {
        let name = self.name.as_deref().ok_or_else(|| BadEvent::missing("metric", "name"))?;
        let is_name = (1..=100).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b':' | b'/'));
        if !is_name {
            return Err(BadEvent::value("name", name, "1 to 100 letters, digits, '.', '_', '-', ':' or '/'"));
        }
        let value = self.value.ok_or_else(|| BadEvent::missing("metric", "value"))?;
        if !value.is_finite() {
            return Err(BadEvent::value("value", &value.to_string(), "a finite number"));
        }
        let labels = self.labels.clone().unwrap_or_default();
        if labels.len() > 16 || labels.iter().any(|(key, value)| key.len() > 100 || value.len() > 200) {
            return Err(BadEvent::new(
                "bad_value",
                "\"labels\" must be at most 16, names up to 100 and values up to 200 bytes",
            ));
        }
        Ok(MetricSample { name: name.into(), unit: text(self.unit.as_deref().unwrap_or("")), value, labels })
    }

    fn notification(&self) -> Result<Notification, BadEvent> {
        let title = self.title.as_deref().ok_or_else(|| BadEvent::missing("notification", "title"))?;
        let severity = match self.severity.as_deref() {
            None => Severity::Info,
            Some(severity) => severity_from_text(severity)
                .ok_or_else(|| BadEvent::value("severity", severity, "info, warning or critical"))?,
        };
        Ok(Notification {
            id: self.event_id()?.as_str().into(),
            at: self.happened_at()?,
            category: text(self.category.as_deref().unwrap_or("other")),
            kind: self.sort.as_deref().map(text),
            status: self.status.as_deref().map(text),
            severity,
            title: text(title),
            body: self.body.as_deref().map(text),
        })
    }
}

fn parse_status(status: &str) -> Result<crate::model::CampaignStatus, BadEvent> {
    status_from_text(status).ok_or_else(|| {
        let allowed = "draft, running, pausing, paused, draining, completed, stopped, failed or unknown";
        BadEvent::value("status", status, allowed)
    })
}

/// An event's JSON, as the log keeps it. Derived events have their own records.
pub(super) fn event_json<'a>(id: &'a EventId, at: Timestamp, kind: &'a EventKind) -> Option<EventJson<'a>> {
    let mut json = EventJson { id: id.as_str().into(), at: at.to_string().into(), ..EventJson::default() };
    match kind {
        EventKind::Call(call) => {
            json.kind = call_type(call.fact).into();
            json.campaign = Some(call.campaign.as_str().into());
            json.call_id = Some(call.call.as_str().into());
            json.to = call.to_masked.as_deref().map(Cow::from);
            json.lead = call.lead.as_deref().map(Cow::from);
            json.agent = call.agent.as_ref().map(|agent| agent.as_str().into());
            match call.fact {
                CallFact::Amd(amd) => json.result = Some(amd_text(amd).into()),
                CallFact::Ended { cause, by } => {
                    json.cause = cause;
                    json.by = Some(by_text(by).into());
                }
                CallFact::Disposition(disposition) => json.outcome = Some(disposition_text(disposition).into()),
                CallFact::Queued | CallFact::Dialing | CallFact::Ringing | CallFact::Answered | CallFact::Bridged => {}
            }
        }
        EventKind::Campaign(campaign, event) => {
            json.campaign = Some(campaign.as_str().into());
            match event {
                CampaignEvent::State { name, status, reason } => {
                    json.kind = "campaign.state".into();
                    json.name = name.as_deref().map(Cow::from);
                    json.status = status.map(|status| status_text(status).into());
                    json.reason = reason.as_deref().map(Cow::from);
                }
                CampaignEvent::Gauges(gauges) => {
                    json.kind = "campaign.gauges".into();
                    json.queue_depth = gauges.queue_depth;
                    json.target_rate = gauges.target_rate;
                    json.max_lines = gauges.max_lines;
                    json.list_total = gauges.list_total;
                    json.list_attempted = gauges.list_attempted;
                    json.agents = gauges.agents.map(AgentsJson::from);
                }
            }
        }
        EventKind::Metric(sample) => {
            json.kind = "metric".into();
            json.name = Some(sample.name.as_ref().into());
            json.unit = Some(sample.unit.as_ref().into());
            json.value = Some(sample.value);
            json.labels = (!sample.labels.is_empty()).then(|| sample.labels.clone());
        }
        EventKind::Notification(notification) => {
            json.kind = "notification".into();
            json.category = Some(notification.category.as_ref().into());
            json.sort = notification.kind.as_deref().map(Cow::from);
            json.status = notification.status.as_deref().map(Cow::from);
            json.severity = Some(severity_text(notification.severity).into());
            json.title = Some(notification.title.as_ref().into());
            json.body = notification.body.as_deref().map(Cow::from);
        }
        EventKind::Derived(_) => return None,
    }
    Some(json)
}

fn call_type(fact: CallFact) -> &'static str {
    match fact {
        CallFact::Queued => "call.queued",
        CallFact::Dialing => "call.dialing",
        CallFact::Ringing => "call.ringing",
        CallFact::Answered => "call.answered",
        CallFact::Amd(_) => "call.amd",
        CallFact::Bridged => "call.bridged",
        CallFact::Ended { .. } => "call.ended",
        CallFact::Disposition(_) => "call.disposition",
    }
}

pub(super) fn amd_text(amd: Amd) -> &'static str {
    match amd {
        Amd::Human => "human",
        Amd::Machine => "machine",
        Amd::Fax => "fax",
        Amd::Unsure => "unsure",
    }
}

fn by_text(by: EndedBy) -> &'static str {
    match by {
        EndedBy::Us => "us",
        EndedBy::Them => "them",
        EndedBy::Unknown => "unknown",
    }
}

fn disposition_text(disposition: Disposition) -> &'static str {
    match disposition {
        Disposition::Converted => "converted",
        Disposition::OptOut => "opt_out",
        Disposition::Callback => "callback",
        Disposition::NotInterested => "not_interested",
        Disposition::Other => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(json: &str) -> Result<EventKind, BadEvent> {
        serde_json::from_str::<EventJson<'_>>(json).unwrap().event_kind()
    }

    #[test]
    fn every_type_of_the_protocol_is_read() {
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
    fn a_refusal_names_the_member_and_what_it_must_be() {
        for (rest, code, says) in [
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
            assert!(bad.message.contains(says), "{bad}");
        }
    }

    #[test]
    fn the_full_number_does_not_get_past_the_door() {
        let EventKind::Call(call) =
            kind(r#"{"id":"e","at":"2026-11-20T12:00:00Z","type":"call.dialing","callId":"c","to":"+441632960123"}"#)
                .unwrap()
        else {
            panic!("a call event");
        };
        assert_eq!(call.to_masked.as_deref(), Some("+44 ••• 0 123"));
    }
}
