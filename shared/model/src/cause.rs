//! Maps hangup causes (Q.850 and FreeSWITCH's own) to call results.

/// The side that ended a call, as far as the source knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum EndedBy {
    /// Our side: the dialer or the agent.
    Us,
    /// The called person, or the network on their side.
    Them,
    /// The source does not say.
    #[default]
    Unknown,
}

/// The result of an ended call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallResult {
    /// A person or a machine picked up.
    Answered,
    /// The line was busy.
    Busy,
    /// The call rang and was not answered.
    NoAnswer,
    /// The dialer gave up before an answer, and no cause says otherwise.
    Canceled,
    /// The network or the number refused.
    Failed(FailureReason),
    /// No end was ever reported; excluded from every rate.
    Lost,
}

/// Why a call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureReason {
    /// The number does not exist or can't be dialed.
    InvalidNumber,
    /// The far end refused the call.
    Rejected,
    /// The network bars such calls.
    Blocked,
    /// No line, no circuit, a network failure.
    Congestion,
    /// Our own trunk or SIP gateway failed.
    Gateway,
    /// Anything else.
    Other,
}

impl CallResult {
    /// Returns the result of a call that was never answered.
    ///
    /// The cause decides. `by` counts only if the cause says no more than "cleared".
    pub fn of_unanswered(cause: Option<u16>, by: EndedBy) -> Self {
        use FailureReason::{Blocked, Congestion, Gateway, InvalidNumber, Other, Rejected};
        match cause {
            Some(17 | 815) => Self::Busy,
            Some(18 | 19 | 20 | 802 | 807 | 812) => Self::NoAnswer,
            Some(487 | 702) => Self::Canceled,
            Some(1 | 2 | 3 | 22 | 28 | 817) => Self::Failed(InvalidNumber),
            Some(21 | 816) => Self::Failed(Rejected),
            Some(50 | 52 | 57 | 819..=825) => Self::Failed(Blocked),
            Some(27 | 34 | 38 | 41 | 42 | 44) => Self::Failed(Congestion),
            Some(806 | 808 | 809) => Self::Failed(Gateway),
            None | Some(0 | 16 | 31) if by == EndedBy::Us => Self::Canceled,
            _ => Self::Failed(Other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cause_decides_and_by_breaks_the_tie_of_a_clearing() {
        let result = |cause, by| CallResult::of_unanswered(cause, by);
        assert_eq!(result(Some(17), EndedBy::Us), CallResult::Busy);
        assert_eq!(result(Some(19), EndedBy::Us), CallResult::NoAnswer);
        assert_eq!(result(Some(16), EndedBy::Us), CallResult::Canceled);
        assert_eq!(result(Some(16), EndedBy::Them), CallResult::Failed(FailureReason::Other));
        assert_eq!(result(Some(31), EndedBy::Us), CallResult::Canceled);
        assert_eq!(result(Some(1), EndedBy::Us), CallResult::Failed(FailureReason::InvalidNumber));
        assert_eq!(result(Some(34), EndedBy::Unknown), CallResult::Failed(FailureReason::Congestion));
        assert_eq!(result(None, EndedBy::Unknown), CallResult::Failed(FailureReason::Other));
    }
}
