//! Events, as sources report them.

use std::collections::BTreeMap;

use crate::{
    AgentCounts, AgentId, Alert, Amd, CallId, CampaignId, CampaignStatus, Disposition, EndedBy, EventId, Notification,
    SourceId, TenantId, Timestamp,
};

/// An event, as the intake accepted it.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The tenant, from the sender's credentials.
    pub tenant: TenantId,
    /// The configured source it came from.
    pub source: SourceId,
    /// The sender's id of it.
    pub id: EventId,
    /// When it happened, by the sender's clock.
    pub at: Timestamp,
    /// When the intake accepted it, by our clock.
    pub received_at: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// The kinds of events.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A fact about a call.
    Call(CallEvent),
    /// Something about a campaign as a whole.
    Campaign(CampaignId, CampaignEvent),
    /// A sample of a metric.
    Metric(MetricSample),
    /// A message for people.
    Notification(Notification),
    /// An event from another partition of the same tenant; never from a source.
    Derived(DerivedEvent),
}

impl Event {
    /// The campaign it belongs to; `None` if it belongs to the whole tenant.
    pub fn campaign(&self) -> Option<&CampaignId> {
        match &self.kind {
            EventKind::Call(call) => Some(&call.campaign),
            EventKind::Campaign(campaign, _) => Some(campaign),
            EventKind::Metric(_) | EventKind::Notification(_) | EventKind::Derived(_) => None,
        }
    }
}

/// A fact about a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEvent {
    /// The campaign; `unassigned` if the source named none.
    pub campaign: CampaignId,
    /// The call within it.
    pub call: CallId,
    /// The fact.
    pub fact: CallFact,
    /// The dialed number, already masked. A full number never enters the log.
    pub to_masked: Option<Box<str>>,
    /// The lead in the source's list.
    pub lead: Option<Box<str>>,
    /// The agent on the call.
    pub agent: Option<AgentId>,
}

/// One fact about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallFact {
    /// It waits in the list.
    Queued,
    /// It is being dialed.
    Dialing,
    /// The far end rings.
    Ringing,
    /// It was picked up.
    Answered,
    /// A detector gave its verdict on the answer.
    Amd(Amd),
    /// It was joined with an agent.
    Bridged,
    /// It is over.
    Ended {
        /// Q.850, or FreeSWITCH's own above 127.
        cause: Option<u16>,
        /// The side that ended it.
        by: EndedBy,
    },
    /// An agent or a bot recorded its disposition.
    Disposition(Disposition),
}

/// Something about a campaign as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum CampaignEvent {
    /// Its name or its status, or both.
    State {
        /// Its display name.
        name: Option<Box<str>>,
        /// Its status.
        status: Option<CampaignStatus>,
        /// The reason, in the source's words.
        reason: Option<Box<str>>,
    },
    /// Gauges that only the source knows. A gauge that is left out keeps its value.
    Gauges(Gauges),
}

/// A source's gauges of a campaign. `None` means "not reported", never zero.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gauges {
    /// Leads waiting to be dialed.
    pub queue_depth: Option<i64>,
    /// Calls per second that are wanted.
    pub target_rate: Option<f64>,
    /// Lines it may use at most.
    pub max_lines: Option<i64>,
    /// Leads in the list.
    pub list_total: Option<i64>,
    /// Leads tried at least once.
    pub list_attempted: Option<i64>,
    /// Its agents, by state.
    pub agents: Option<AgentCounts>,
}

/// One sample of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// Its name, such as `cpu_usage`.
    pub name: Box<str>,
    /// Its unit, such as `%`, `EUR`, `ms`; empty for plain counts.
    pub unit: Box<str>,
    /// The value; reading the event ensures that it is finite.
    pub value: f64,
    /// The labels that distinguish it from others of its name.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// An event from another partition of the same tenant.
///
/// A replay derives the same event with the same id.
#[derive(Debug, Clone, PartialEq)]
pub enum DerivedEvent {
    /// A campaign is new, or has a new name or status.
    ///
    /// The tenant's directory stores it.
    Campaign {
        /// The campaign.
        campaign: CampaignId,
        /// Its display name.
        name: Box<str>,
        /// Its status.
        status: CampaignStatus,
    },
    /// An alert of a campaign changed its state.
    Alert(Box<Alert>),
}
