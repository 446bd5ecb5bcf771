//! The words for one call's life. The merge of its facts is in the collector's fold.

use super::{AgentId, CallId, CallResult, CampaignId, Timestamp};

/// What became of a call by one fact: what the event feed shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    /// Its campaign.
    pub campaign: CampaignId,
    /// Which call.
    pub call: CallId,
    /// When the fact happened.
    pub at: Timestamp,
    /// How far the call has come with it.
    pub phase: CallPhase,
    /// How it ended, once it has.
    pub result: Option<CallResult>,
    /// Under which tile it is counted, once it has ended.
    pub outcome: Option<Outcome>,
    /// What answered, once a detector spoke.
    pub amd: Option<Amd>,
    /// The hangup cause, where one is known.
    pub cause: Option<u16>,
    /// The dialed number, masked.
    pub to_masked: Option<Box<str>>,
    /// Who took it.
    pub agent: Option<AgentId>,
    /// From dialing to this fact.
    pub elapsed_ms: Option<i64>,
    /// Talk time, once it has ended and was answered.
    pub talk_ms: Option<i64>,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallPhase {
    /// In the list, not dialed yet.
    Queued,
    /// Being dialed.
    Dialing,
    /// The far end rings.
    Ringing,
    /// Somebody or something picked up.
    Answered,
    /// Joined with an agent.
    Bridged,
    /// Over.
    Ended,
}

/// What answered, as answering-machine detection says. In the order of trust: a later word beats an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Amd {
    /// The detector can't tell. It counts as a person, because a dropped person is what regulators mind.
    Unsure,
    /// A person.
    Human,
    /// A fax.
    Fax,
    /// An answering machine.
    Machine,
}

impl Amd {
    /// True for everything that may be a person.
    pub fn may_be_human(self) -> bool {
        matches!(self, Self::Human | Self::Unsure)
    }
}

/// Who ended a call, as far as the source knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum EndedBy {
    /// The dialer or the agent.
    Us,
    /// The person called, or the network on their side.
    Them,
    /// The source does not say.
    #[default]
    Unknown,
}

/// What an agent (or a bot) wrote down about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// The goal was reached.
    Converted,
    /// Asked not to be called again. It sticks.
    OptOut,
    /// Asked to be called later.
    Callback,
    /// Not interested.
    NotInterested,
    /// Anything else.
    Other,
}

/// Where an ended call is counted for display: exactly one of these, the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The goal was reached.
    Converted,
    /// Asked not to be called again.
    OptOut,
    /// A person answered and waited for us in vain.
    Abandoned,
    /// A machine or a fax answered.
    Machine,
    /// Answered, and none of the above.
    AnsweredOther,
    /// The line was busy.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// We gave up before an answer.
    Canceled,
    /// The network or the number refused.
    Failed,
    /// Its end was never seen.
    Lost,
}

impl Outcome {
    /// All of them, in the order of display.
    pub const ALL: [Self; 10] = [
        Self::Converted,
        Self::OptOut,
        Self::Abandoned,
        Self::Machine,
        Self::AnsweredOther,
        Self::Busy,
        Self::NoAnswer,
        Self::Canceled,
        Self::Failed,
        Self::Lost,
    ];
}
