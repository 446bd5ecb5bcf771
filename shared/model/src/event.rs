//! What sources say happened.

use std::collections::BTreeMap;

use super::{
    AgentCounts, AgentId, Alert, Amd, CallId, CampaignId, CampaignStatus, Disposition, EndedBy, EventId, Notification,
    SourceId, TenantId, Timestamp,
};

/// One thing that happened, as it went through the door.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Whose it is: from the credentials it came with.
    pub tenant: TenantId,
    /// Which connection it came over.
    pub source: SourceId,
    /// The sender's name for it.
    pub id: EventId,
    /// When it happened, by the sender's clock.
    pub at: Timestamp,
    /// When the door took it, by ours.
    pub received_at: Timestamp,
    /// What it was.
    pub kind: EventKind,
}

/// The families of events.
#[derive(Debug, Clone, PartialEq)]
pub enum EventKind {
    /// A fact of one call's life.
    Call(CallEvent),
    /// Something about a campaign as a whole.
    Campaign(CampaignId, CampaignEvent),
    /// A sample of a named number.
    Metric(MetricSample),
    /// Something a person should hear about.
    Notification(Notification),
    /// Word from another partition of the same tenant; never from a source.
    Derived(DerivedEvent),
}

impl Event {
    /// The campaign it belongs to; none for what belongs to the tenant as a whole.
    pub fn campaign(&self) -> Option<&CampaignId> {
        match &self.kind {
            EventKind::Call(call) => Some(&call.campaign),
            EventKind::Campaign(campaign, _) => Some(campaign),
            EventKind::Metric(_) | EventKind::Notification(_) | EventKind::Derived(_) => None,
        }
    }
}

/// A fact of one call's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallEvent {
    /// The campaign; `unassigned` where the source named none.
    pub campaign: CampaignId,
    /// The call within it.
    pub call: CallId,
    /// What is now known.
    pub fact: CallFact,
    /// The dialed number, already masked: a full number never enters the log.
    pub to_masked: Option<Box<str>>,
    /// The lead in the source's list.
    pub lead: Option<Box<str>>,
    /// Who took it.
    pub agent: Option<AgentId>,
}

/// What one event says about a call.
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
    /// A detector said what picked up.
    Amd(Amd),
    /// It was joined with an agent.
    Bridged,
    /// It is over.
    Ended {
        /// Q.850, or FreeSWITCH's own above 127.
        cause: Option<u16>,
        /// Who ended it.
        by: EndedBy,
    },
    /// What it came to.
    Disposition(Disposition),
}

/// Something about a campaign as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum CampaignEvent {
    /// Its name or its status, or both.
    State {
        /// The name people know it by.
        name: Option<Box<str>>,
        /// What it does.
        status: Option<CampaignStatus>,
        /// Why, in the source's words.
        reason: Option<Box<str>>,
    },
    /// Gauges that only the source can know. What an event leaves out stays as it was.
    Gauges(Gauges),
}

/// A source's gauges of a campaign. Nothing means "not said", never zero.
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
    /// What its agents are doing.
    pub agents: Option<AgentCounts>,
}

/// One sample of a named number.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricSample {
    /// Its name, such as `cpu_usage`.
    pub name: Box<str>,
    /// Its unit, such as `%`, `EUR`, `ms`; empty for plain counts.
    pub unit: Box<str>,
    /// The value; finite, the door sees to it.
    pub value: f64,
    /// What tells it from others of its name.
    pub labels: BTreeMap<Box<str>, Box<str>>,
}

/// Word from another partition of the same tenant, under an id that a replay makes again.
#[derive(Debug, Clone, PartialEq)]
pub enum DerivedEvent {
    /// A campaign exists, or has a new name or status: the tenant's directory keeps it.
    Campaign {
        /// Which one.
        campaign: CampaignId,
        /// What it is called.
        name: Box<str>,
        /// What it does.
        status: CampaignStatus,
    },
    /// An alert of a campaign changed its state.
    Alert(Box<Alert>),
}
