//! The vocabulary of a call. The collector's fold merges its facts.

use crate::{AgentId, CallId, CallResult, CampaignId, Timestamp};

/// The effect of one fact on a call, as the event feed shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallChange {
    /// The campaign.
    pub campaign: CampaignId,
    /// The call within it.
    pub call: CallId,
    /// When the fact happened.
    pub at: Timestamp,
    /// The call's phase after it.
    pub phase: CallPhase,
    /// The result, once the call has ended.
    pub result: Option<CallResult>,
    /// The outcome tile that counts it, once it has ended.
    pub outcome: Option<Outcome>,
    /// The detector's verdict on the answer, if there is one.
    pub amd: Option<Amd>,
    /// The hangup cause, if known.
    pub cause: Option<u16>,
    /// The dialed number, masked.
    pub to_masked: Option<Box<str>>,
    /// The agent on the call.
    pub agent: Option<AgentId>,
    /// Time from dialing to this fact.
    pub elapsed_ms: Option<i64>,
    /// Talk time of an answered call, once it has ended.
    pub talk_ms: Option<i64>,
}

/// The phase of a call, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CallPhase {
    /// In the list, not dialed yet.
    Queued,
    /// Being dialed.
    Dialing,
    /// The far end rings.
    Ringing,
    /// A person or a machine picked up.
    Answered,
    /// Joined with an agent.
    Bridged,
    /// Over.
    Ended,
}

/// The verdict of answering-machine detection. A greater one is trusted more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Amd {
    /// The detector can't tell.
    ///
    /// It counts as a person, because regulators count dropped persons.
    Unsure,
    /// A person.
    Human,
    /// A fax.
    Fax,
    /// An answering machine.
    Machine,
}

impl Amd {
    /// Whether a person may have answered.
    pub fn may_be_human(self) -> bool {
        matches!(self, Self::Human | Self::Unsure)
    }
}

/// The disposition that an agent or a bot recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// The goal was reached.
    Converted,
    /// Asked not to be called again. A later disposition doesn't undo it.
    OptOut,
    /// Asked to be called later.
    Callback,
    /// Not interested.
    NotInterested,
    /// Anything else.
    Other,
}

/// The outcome tile of an ended call: exactly one, the first that fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Outcome {
    /// The goal was reached.
    Converted,
    /// Asked not to be called again.
    OptOut,
    /// A person answered, and no agent was joined in time.
    Abandoned,
    /// A machine or a fax answered.
    Machine,
    /// Answered, and none of the above.
    AnsweredOther,
    /// The line was busy.
    Busy,
    /// The call rang and was not answered.
    NoAnswer,
    /// The dialer gave up before an answer.
    Canceled,
    /// The network or the number refused.
    Failed,
    /// No end was ever reported.
    Lost,
}

impl Outcome {
    /// All outcomes, in the order of display.
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
