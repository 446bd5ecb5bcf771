//! One call as a merge of facts.
//!
//! Each event says one thing about a call. What is known is the merge of all of them, and merging is commutative,
//! associative and idempotent, so duplicates and any order arrive at the same:
//!
//! - a phase began at the smallest time that any fact gave for it;
//! - a detector's later word is the larger [`Amd`];
//! - a disposition is its last writer's, the larger `(at, disposition)`; asking not to be called again sticks;
//! - a real end beats one that we made up; among equals the smaller `(at, cause, by)` stays.
//!
//! Ties are broken by content and never by event ids, so that the same facts heard over another source, under other
//! ids, arrive at the same too.

use ringside_model::{AgentId, Amd, CallFact, CallId, CallPhase, CallResult, Disposition, EndedBy, Outcome};

use super::FoldSettings;

/// A time that is not known. It is the greatest, so that the smaller of two times is always the known one.
pub(super) const UNKNOWN: i64 = i64::MAX;

const QUEUED: usize = 0;
const DIALING: usize = 1;
const RINGING: usize = 2;
const ANSWERED: usize = 3;
const BRIDGED: usize = 4;

/// How a call ended. Of two ends the smaller one holds: seen before lost, then earlier, then by content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct End {
    /// Nobody saw it: we gave up.
    pub(super) lost: bool,
    pub(super) at: i64,
    pub(super) cause: Option<u16>,
    pub(super) by: EndedBy,
}

/// What is known of one call.
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

    /// What a single event says.
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

    /// An end that nobody saw.
    pub(super) fn lost(at: i64) -> Self {
        Self { end: Some(End { lost: true, at, cause: None, by: EndedBy::Unknown }), ..Self::NONE }
    }

    /// Takes over what `other` knows.
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

    /// How far the call has come; nothing where only a detector or a disposition has spoken yet.
    pub(super) fn phase(&self) -> Option<CallPhase> {
        if self.end.is_some() {
            return Some(CallPhase::Ended);
        }
        const PHASES: [CallPhase; 5] =
            [CallPhase::Queued, CallPhase::Dialing, CallPhase::Ringing, CallPhase::Answered, CallPhase::Bridged];
        (0..5).rev().find(|phase| self.times[*phase] != UNKNOWN).map(|phase| PHASES[phase])
    }

    /// When it was dialed: as a source said, or else when the earliest later phase shows that it must have been.
    pub(super) fn dialed_at(&self) -> Option<i64> {
        if self.times[DIALING] != UNKNOWN {
            return Some(self.times[DIALING]);
        }
        let seen_end = self.end.filter(|end| !end.lost).map_or(UNKNOWN, |end| end.at);
        let implied = self.times[RINGING].min(self.times[ANSWERED]).min(self.times[BRIDGED]).min(seen_end);
        known(implied)
    }

    /// When a source said that it was dialed.
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

    /// True where what answered may be a person. Without a detector's word it may.
    pub(super) fn may_be_human(&self) -> bool {
        self.amd.is_none_or(Amd::may_be_human)
    }

    /// Since when a person waits for an agent, if one does.
    pub(super) fn waiting_since(&self) -> Option<i64> {
        let waits = self.end.is_none() && self.bridged_at().is_none() && self.may_be_human();
        self.answered_at().filter(|_| waits)
    }

    /// True where the goal was reached. Nobody can be won over who never picked up.
    pub(super) fn converted(&self) -> bool {
        self.answered_at().is_some() && matches!(self.disposition, Some((_, Disposition::Converted)))
    }

    /// True where a person who was reached asked not to be called again.
    pub(super) fn opted_out(&self) -> bool {
        self.answered_at().is_some() && self.opt_out
    }

    /// How long a person who answered waited for an agent or for the end; nothing while that is open, where no person
    /// answered, or where the end was never seen.
    fn waited_ms(&self) -> Option<i64> {
        let answered = self.answered_at().filter(|_| self.may_be_human())?;
        let until = self.bridged_at().or_else(|| self.end.filter(|end| !end.lost).map(|end| end.at))?;
        Some(until - answered)
    }

    /// A person answered, and we were not there in time: joined late, dropped by us, or gone after too long a wait.
    pub(super) fn abandoned(&self, settings: &FoldSettings) -> bool {
        let Some(waited_ms) = self.waited_ms() else { return false };
        let dropped = self.bridged_at().is_none() && self.end.is_some_and(|end| end.by == EndedBy::Us);
        dropped || waited_ms > settings.agent_wait_ms
    }

    /// A person hung up before they had waited too long.
    pub(super) fn hung_up_early(&self, settings: &FoldSettings) -> bool {
        self.bridged_at().is_none() && self.waited_ms().is_some() && !self.abandoned(settings)
    }

    /// How it counts, once it has ended.
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

    /// Under which tile it is shown, once it has ended: the first that fits.
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

    /// How long they talked, once it has been answered and its end was seen: from the agent on where there was one.
    pub(super) fn talk_ms(&self) -> Option<i64> {
        let end = self.end.filter(|end| !end.lost)?;
        let answered = self.answered_at()?;
        Some((end.at - self.bridged_at().unwrap_or(answered)).max(0))
    }
}

fn known(time: i64) -> Option<i64> {
    (time != UNKNOWN).then_some(time)
}

/// A call that may still change soon: it is up, or it ended a moment ago.
#[derive(Debug, Clone)]
pub(super) struct OpenCall {
    pub(super) id: CallId,
    pub(super) facts: Facts,
    /// When the intake last took an event about it.
    pub(super) received_at: i64,
    pub(super) to_masked: Option<Box<str>>,
    pub(super) agent: Option<AgentId>,
}
