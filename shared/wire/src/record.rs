//! Records of the log: an event with its tenant, source and receipt, or a tick.

use std::borrow::Cow;

use bytes::Bytes;
use ringside_model::{CampaignId, DerivedEvent, Event, EventId, EventKind, SourceId, TenantId, Timestamp};
use serde::{Deserialize, Serialize};

use super::event::{EventJson, event_json};
use super::status::{status_from_text, status_text};
use super::{AlertJson, BadEvent};

/// A record of the log.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all records are events; boxing them would cost an allocation each"
)]
pub enum Record {
    /// An event.
    Event(Event),
    /// The owner's clock, logged each second.
    Tick(Timestamp),
}

/// The error of a record that is damaged, or that a newer version wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a record of the log can't be read: {0}")]
pub struct BadRecord(String);

impl From<BadEvent> for BadRecord {
    fn from(bad: BadEvent) -> Self {
        Self(bad.message)
    }
}

#[derive(Serialize, Deserialize)]
struct RecordJson<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tick: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    tenant: Option<Cow<'a, str>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    source: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    received: Option<i64>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    event: Option<EventJson<'a>>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    derived: Option<DerivedJson<'a>>,
}

#[derive(Serialize, Deserialize)]
struct DerivedJson<'a> {
    id: Cow<'a, str>,
    at: i64,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    campaign: Option<DerivedCampaignJson<'a>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alert: Option<Box<AlertJson>>,
}

#[derive(Serialize, Deserialize)]
struct DerivedCampaignJson<'a> {
    id: Cow<'a, str>,
    name: Cow<'a, str>,
    status: Cow<'a, str>,
}

impl Record {
    /// Encodes the record.
    pub fn encode(&self) -> Bytes {
        let mut json =
            RecordJson { tick: None, tenant: None, source: None, received: None, event: None, derived: None };
        match self {
            Self::Tick(at) => json.tick = Some(at.millis()),
            Self::Event(event) => {
                json.tenant = Some(event.tenant.as_str().into());
                json.source = Some(event.source.as_str().into());
                json.received = Some(event.received_at.millis());
                json.event = event_json(&event.id, event.at, &event.kind);
                if let EventKind::Derived(derived) = &event.kind {
                    json.derived = Some(derived_json(event, derived));
                }
            }
        }
        serde_json::to_vec(&json).expect("a record is plain JSON, which always serialises").into()
    }

    /// Decodes a record.
    pub fn decode(bytes: &[u8]) -> Result<Self, BadRecord> {
        let json: RecordJson<'_> = serde_json::from_slice(bytes).map_err(|error| BadRecord(error.to_string()))?;
        if let Some(tick) = json.tick {
            return Ok(Self::Tick(Timestamp::from_millis(tick)));
        }
        let lacking = |member: &str| BadRecord(format!("it lacks \"{member}\""));
        let tenant = TenantId::parse(&json.tenant.ok_or_else(|| lacking("tenant"))?).map_err(BadEvent::from)?;
        let source = SourceId::parse(&json.source.ok_or_else(|| lacking("source"))?).map_err(BadEvent::from)?;
        let received_at = Timestamp::from_millis(json.received.ok_or_else(|| lacking("received"))?);
        let (id, at, kind) = match (json.event, json.derived) {
            (Some(event), _) => (event.event_id()?, event.happened_at()?, event.event_kind()?),
            (None, Some(derived)) => {
                let id = EventId::parse(&derived.id).map_err(BadEvent::from)?;
                (id, Timestamp::from_millis(derived.at), EventKind::Derived(read_derived(derived)?))
            }
            (None, None) => return Err(lacking("event")),
        };
        Ok(Self::Event(Event { tenant, source, id, at, received_at, kind }))
    }
}

fn derived_json<'a>(event: &'a Event, derived: &'a DerivedEvent) -> DerivedJson<'a> {
    let mut json = DerivedJson { id: event.id.as_str().into(), at: event.at.millis(), campaign: None, alert: None };
    match derived {
        DerivedEvent::Campaign { campaign, name, status } => {
            json.campaign = Some(DerivedCampaignJson {
                id: campaign.as_str().into(),
                name: name.as_ref().into(),
                status: status_text(*status).into(),
            });
        }
        DerivedEvent::Alert(alert) => json.alert = Some(Box::new(AlertJson::from(alert.as_ref()))),
    }
    json
}

fn read_derived(json: DerivedJson<'_>) -> Result<DerivedEvent, BadRecord> {
    if let Some(alert) = json.alert {
        return Ok(DerivedEvent::Alert(Box::new(
            alert.to_model().ok_or_else(|| BadRecord("the alert is invalid".into()))?,
        )));
    }
    let campaign = json.campaign.ok_or_else(|| BadRecord("the derived event is of an unknown kind".into()))?;
    Ok(DerivedEvent::Campaign {
        campaign: CampaignId::parse(&campaign.id).map_err(BadEvent::from)?,
        name: campaign.name.into(),
        status: status_from_text(&campaign.status).ok_or_else(|| BadRecord("the status is invalid".into()))?,
    })
}

#[cfg(test)]
mod tests {
    use ringside_model::{Alert, AlertState, CampaignStatus, Comparison, Severity};

    use super::*;

    fn event(kind: EventKind) -> Record {
        Record::Event(Event {
            tenant: TenantId::parse("acme").unwrap(),
            source: SourceId::parse("ringside").unwrap(),
            id: EventId::parse("x/1").unwrap(),
            at: Timestamp::from_millis(1_763_640_000_123),
            received_at: Timestamp::from_millis(1_763_640_000_456),
            kind,
        })
    }

    #[test]
    fn records_round_trip() {
        let campaign = CampaignId::parse("alpha").unwrap();
        let alert = Alert {
            fingerprint: "abandon/alpha".into(),
            transition: 3,
            rule: "abandon".into(),
            severity: Severity::Critical,
            state: AlertState::Firing,
            title: "Abandon rate 4.2% on Alpha".into(),
            campaign: Some(campaign.clone()),
            metric: "abandonRate".into(),
            unit: "%".into(),
            comparison: Comparison::Above,
            threshold: 3.0,
            value: 4.2,
            n: Some(97),
            since: Timestamp::from_millis(1),
            at: Timestamp::from_millis(2),
        };
        for record in [
            Record::Tick(Timestamp::from_millis(7)),
            event(EventKind::Derived(DerivedEvent::Campaign {
                campaign,
                name: "Älpha \"one\"".into(),
                status: CampaignStatus::Running,
            })),
            event(EventKind::Derived(DerivedEvent::Alert(Box::new(alert)))),
        ] {
            assert_eq!(Record::decode(&record.encode()), Ok(record));
        }
    }

    #[test]
    fn a_bad_record_is_an_error_and_no_panic() {
        for bytes in [&b""[..], b"{}", b"null", b"{\"tenant\":\"a\"}", b"\xff\xff", b"{\"tick\":\"x\"}"] {
            assert!(Record::decode(bytes).is_err());
        }
    }
}
