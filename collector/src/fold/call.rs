//! One call as a merge of facts.
//!
//! Each event carries one fact about a call, and a call's state is the merge of its facts. Merging is commutative,
//! associative and idempotent (a CRDT), so duplicates and reordering do not change the state:
//!
//! - a phase began at the smallest time that any fact gives for it;
//! - of two answering machine detections the larger [`Amd`] holds;
//! - the disposition is a last-write-wins register over `(at, disposition)`; an opt-out sticks;
//! - a reported end beats a synthetic one; among equals the smaller `(at, cause, by)` holds.
//!
//! Ties are broken by content and never by event ids. So the same facts from another source, under other ids, merge to
//! the same state.

use ringside_model::{AgentId, Amd, CallFact, CallId, CallPhase, CallResult, Disposition, EndedBy, Outcome};

use super::FoldSettings;

/// An unknown time.
/// It is the greatest, so that the smaller of two times is always a known one.
pub(super) const UNKNOWN: i64 = i64::MAX;

const QUEUED: usize = 0;
const DIALING: usize = 1;
const RINGING: usize = 2;
const ANSWERED: usize = 3;
const BRIDGED: usize = 4;

/// How a call ended.
/// Of two ends the smaller holds: reported before synthetic, then earlier, then by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// No source reported the end: the call timed out.
    pub(super) lost: bool,
    pub(super) at: i64,
    pub(super) cause: Option<u16>,
    pub(super) by: EndedBy,
}

/// The merged facts of one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Facts {
    /// When each phase before the end began, in the order of [`CallPhase`].
    pub(super) times: [i64; 5],
    pub(super) end: Option<End>,
    pub(super) amd: Option<Amd>,
    pub(super) disposition: Option<(i64, Disposition)>,
    pub(super) opt_out: bool,
}

impl Facts {
    pub(super) const NONE: Self = Self { times: [UNKNOWN; 5], end: None, amd: None, disposition: None, opt_out: false };

    /// Returns the facts of a single event.
    pub(super) fn of(fact: CallFact, at: i64) -> Self {
        let mut facts = Self::NONE;
        match fact {
            CallFact::Queued => facts.times[QUEUED] = at,
            CallFact::Dialing => facts.times[DIALING] = at,
            CallFact::Ringing => facts.times[RINGING] = at,
            CallFact::Answered => facts.times[ANSWERED] = at,
            CallFact::Bridged => facts.times[BRIDGED] = at,
            CallFact::Amd(amd) => facts.amd = Some(amd),
            CallFact::Ended { cause, by } => facts.end = Some(End { lost: false, at, cause, by }),
            CallFact::Disposition(disposition) => {
                facts.disposition = Some((at, disposition));
                facts.opt_out = disposition == Disposition::OptOut;
            }
        }
        facts
    }

    /// Returns a synthetic end, for a call that timed out.
    pub(super) fn lost(at: i64) -> Self {
        Self { end: Some(End { lost: true, at, cause: None, by: EndedBy::Unknown }), ..Self::NONE }
    }

    /// Merges the facts of `other` into these.
    #[must_use]
    pub(super) fn merge(mut self, other: &Self) -> Self {
        for (time, theirs) in self.times.iter_mut().zip(other.times) {
            *time = (*time).min(theirs);
        }
        self.end = match (self.end, other.end) {
            (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
            (ours, theirs) => ours.or(theirs),
        };
        self.amd = self.amd.max(other.amd);
        self.disposition = self.disposition.max(other.disposition);
        self.opt_out |= other.opt_out;
        self
    }

    /// Returns the latest phase; none if only a detection or a disposition is known.
    pub(super) fn phase(&self) -> Option<CallPhase> {
        if self.end.is_some() {
            return Some(CallPhase::Ended);
        }
        const PHASES: [CallPhase; 5] =
            [CallPhase::Queued, CallPhase::Dialing, CallPhase::Ringing, CallPhase::Answered, CallPhase::Bridged];
        (0..5).rev().find(|phase| self.times[*phase] != UNKNOWN).map(|phase| PHASES[phase])
    }

    /// Returns when the call was dialed.
    /// If no source reported it, that is the start of the earliest later phase.
    pub(super) fn dialed_at(&self) -> Option<i64> {
        if self.times[DIALING] != UNKNOWN {
            return Some(self.times[DIALING]);
        }
        let seen_end = self.end.filter(|end| !end.lost).map_or(UNKNOWN, |end| end.at);
        let implied = self.times[RINGING].min(self.times[ANSWERED]).min(self.times[BRIDGED]).min(seen_end);
        known(implied)
    }

    /// Returns when the call was dialed, only as reported.
    pub(super) fn dialing_at(&self) -> Option<i64> {
        known(self.times[DIALING])
    }

    pub(super) fn ringing_at(&self) -> Option<i64> {
        known(self.times[RINGING])
    }

    pub(super) fn answered_at(&self) -> Option<i64> {
        known(self.times[ANSWERED])
    }

    pub(super) fn bridged_at(&self) -> Option<i64> {
        known(self.times[BRIDGED])
    }

    /// Whether a person may have answered. Without a detection this is true.
    pub(super) fn may_be_human(&self) -> bool {
        self.amd.is_none_or(Amd::may_be_human)
    }

    /// Returns since when a person has been waiting for an agent, if one is.
    pub(super) fn waiting_since(&self) -> Option<i64> {
        let waits = self.end.is_none() && self.bridged_at().is_none() && self.may_be_human();
        self.answered_at().filter(|_| waits)
    }

    /// Whether the call reached its goal. Only an answered call can.
    pub(super) fn converted(&self) -> bool {
        self.answered_at().is_some() && matches!(self.disposition, Some((_, Disposition::Converted)))
    }

    /// Whether an answered call ended in a request not to be called again.
    pub(super) fn opted_out(&self) -> bool {
        self.answered_at().is_some() && self.opt_out
    }

    /// Returns how long the person waited for an agent or the end.
    ///
    /// None while the wait is open, if no person answered, or if the end is synthetic.
    fn waited_ms(&self) -> Option<i64> {
        let answered = self.answered_at().filter(|_| self.may_be_human())?;
        let until = self.bridged_at().or_else(|| self.end.filter(|end| !end.lost).map(|end| end.at))?;
        Some(until - answered)
    }

    /// Whether a person answered but no agent was there in time.
    /// The call was bridged late, dropped by us, or hung up after the limit.
    pub(super) fn abandoned(&self, settings: &FoldSettings) -> bool {
        let Some(waited_ms) = self.waited_ms() else { return false };
        let dropped = self.bridged_at().is_none() && self.end.is_some_and(|end| end.by == EndedBy::Us);
        dropped || waited_ms > settings.agent_wait_ms
    }

    /// Whether a person hung up within the wait limit.
    pub(super) fn hung_up_early(&self, settings: &FoldSettings) -> bool {
        self.bridged_at().is_none() && self.waited_ms().is_some() && !self.abandoned(settings)
    }

    /// Returns the result of an ended call.
    pub(super) fn result(&self) -> Option<CallResult> {
        let end = self.end?;
        Some(if end.lost {
            CallResult::Lost
        } else if self.answered_at().is_some() {
            CallResult::Answered
        } else {
            CallResult::of_unanswered(end.cause, end.by)
        })
    }

    /// Returns the outcome of an ended call: the first that applies.
    pub(super) fn outcome(&self, settings: &FoldSettings) -> Option<Outcome> {
        let result = self.result()?;
        Some(if self.converted() {
            Outcome::Converted
        } else if self.opted_out() {
            Outcome::OptOut
        } else if self.abandoned(settings) {
            Outcome::Abandoned
        } else if self.answered_at().is_some() {
            if self.may_be_human() { Outcome::AnsweredOther } else { Outcome::Machine }
        } else {
            match result {
                CallResult::Answered => Outcome::AnsweredOther,
                CallResult::Busy => Outcome::Busy,
                CallResult::NoAnswer => Outcome::NoAnswer,
                CallResult::Canceled => Outcome::Canceled,
                CallResult::Failed(_) => Outcome::Failed,
                CallResult::Lost => Outcome::Lost,
            }
        })
    }

    /// Returns the talk time of an answered call with a reported end.
    /// It starts at the bridge, if there was one.
    pub(super) fn talk_ms(&self) -> Option<i64> {
        let end = self.end.filter(|end| !end.lost)?;
        let answered = self.answered_at()?;
        Some((end.at - self.bridged_at().unwrap_or(answered)).max(0))
    }
}

fn known(time: i64) -> Option<i64> {
    (time != UNKNOWN).then_some(time)
}

/// A call that is up, or that ended recently enough to change soon.
#[derive(Debug, Clone)]
pub(super) struct OpenCall {
    pub(super) id: CallId,
    pub(super) facts: Facts,
    /// When the intake last accepted an event of this call.
    pub(super) received_at: i64,
    pub(super) to_masked: Option<Box<str>>,
    pub(super) agent: Option<AgentId>,
}
