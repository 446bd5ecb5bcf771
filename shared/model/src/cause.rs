//! From a hangup cause to a result: Q.850 numbers and FreeSWITCH's own, in one vocabulary.

use super::EndedBy;

/// How an ended call counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CallResult {
    /// Somebody or something picked up.
    Answered,
    /// The line was busy.
    Busy,
    /// Nobody picked up.
    NoAnswer,
    /// We gave up before an answer, and no cause says otherwise.
    Canceled,
    /// The network or the number refused.
    Failed(FailureReason),
    /// Its end was never seen; excluded from every rate.
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
    /// No line, no circuit, a network in trouble.
    Congestion,
    /// Our own trunk or gateway is the trouble.
    Gateway,
    /// Anything else.
    Other,
}

impl CallResult {
    /// The result of a call that was never answered.
    ///
    /// The cause decides; who ended it decides only where the cause says no more than "it was cleared".
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
    fn the_cause_decides_and_by_only_breaks_the_tie_of_a_plain_clearing() {
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
