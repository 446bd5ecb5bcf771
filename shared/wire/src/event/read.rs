//! Reads events from JSON. Each member is checked; each error says what to do.

use std::borrow::Cow;

use ringside_model::{
    AgentCounts, AgentId, Amd, BadId, CallEvent, CallFact, CallId, CampaignEvent, CampaignId, CampaignStatus,
    Disposition, EndedBy, EventId, EventKind, Gauges, MetricSample, Notification, Severity, Timestamp,
    mask_phone_number, mask_phone_numbers,
};

use super::EventJson;
use crate::notification::severity_from_text;
use crate::status::status_from_text;

/// The reason why an event was rejected, for its sender.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct BadEvent {
    /// The stable code, for programs.
    pub code: &'static str,
    /// A sentence that says what to do.
    pub message: String,
}

impl BadEvent {
    /// Creates an error from its code and sentence.
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

/// Shortens a value for an error text: a hostile one may be long.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().filter(|c| !c.is_control()).take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The most characters kept of a text, such as a notification's title or a reason.
const LONGEST_TEXT: usize = 500;

/// Truncates a text and masks its telephone numbers.
fn text(value: &str) -> Box<str> {
    match mask_phone_numbers(&truncated(value)) {
        Cow::Borrowed(text) => text.into(),
        Cow::Owned(masked) => masked.into(),
    }
}

fn truncated(value: &str) -> String {
    value.chars().filter(|c| !c.is_control() || *c == '\n').take(LONGEST_TEXT).collect()
}

impl EventJson<'_> {
    /// Reads the sender's id.
    pub fn event_id(&self) -> Result<EventId, BadEvent> {
        Ok(EventId::parse(&self.id)?)
    }

    /// Reads the time it happened.
    pub fn happened_at(&self) -> Result<Timestamp, BadEvent> {
        Timestamp::parse_rfc3339(&self.at).ok_or_else(|| {
            BadEvent::new(
                "bad_time",
                format!("\"at\" is \"{}\"; it must be RFC 3339, such as 2026-11-20T12:00:00.000Z", shortened(&self.at)),
            )
        })
    }

    /// Reads the content.
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
            // Truncated first: a mask character beyond the limit isn't one. A masked number from the log stays the
            // same.
            to_masked: self.to.as_deref().map(truncated).map(|to| mask_phone_number(&to)),
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
                "\"labels\" has too many or too long entries; it may have 16, with names up to 100 and values up to 200 bytes",
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
            kind: self.notification_kind.as_deref().map(text),
            status: self.status.as_deref().map(text),
            severity,
            title: text(title),
            body: self.body.as_deref().map(text),
        })
    }
}

fn parse_status(status: &str) -> Result<CampaignStatus, BadEvent> {
    status_from_text(status).ok_or_else(|| {
        let allowed = "draft, running, pausing, paused, draining, completed, stopped, failed or unknown";
        BadEvent::value("status", status, allowed)
    })
}
