//! Writes events as JSON, for the log.

use std::borrow::Cow;

use ringside_model::{Amd, CallFact, CampaignEvent, Disposition, EndedBy, EventId, EventKind, Timestamp};

use super::{AgentsJson, EventJson};
use crate::notification::severity_text;
use crate::status::status_text;

/// Returns an event's JSON for the log; `None` for derived events.
pub(crate) fn event_json<'a>(id: &'a EventId, at: Timestamp, kind: &'a EventKind) -> Option<EventJson<'a>> {
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
            json.notification_kind = notification.kind.as_deref().map(Cow::from);
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

pub(crate) fn amd_text(amd: Amd) -> &'static str {
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
