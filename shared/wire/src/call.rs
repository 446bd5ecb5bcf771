//! Call events in frames.

use ringside_model::{CallChange, CallPhase, CallResult, FailureReason, Outcome};
use serde::{Deserialize, Serialize};

use super::event::amd_text;

/// The effect of one fact on a call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallChangeJson {
    /// The campaign.
    pub campaign_id: Box<str>,
    /// The call within it.
    pub call_id: Box<str>,
    /// When the fact happened.
    pub at: Box<str>,
    /// `queued`, `dialing`, `ringing`, `answered`, `bridged`, `ended`.
    pub phase: Box<str>,
    /// `answered`, `busy`, `no_answer`, `canceled`, `failed` or `lost`, once ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub result: Option<Box<str>>,
    /// The reason for a failure.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Box<str>>,
    /// The outcome tile that counts it, once it has ended.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outcome: Option<Box<str>>,
    /// The verdict of answering-machine detection.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub amd: Option<Box<str>>,
    /// The hangup cause.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub cause: Option<u16>,
    /// The dialed number, masked.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<Box<str>>,
    /// The agent on the call.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub agent: Option<Box<str>>,
    /// Time from dialing to this fact.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub elapsed_ms: Option<i64>,
    /// Talk time.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub talk_ms: Option<i64>,
}

impl From<&CallChange> for CallChangeJson {
    fn from(change: &CallChange) -> Self {
        let reason = match change.result {
            Some(CallResult::Failed(reason)) => Some(reason_text(reason).into()),
            _ => None,
        };
        Self {
            campaign_id: change.campaign.as_str().into(),
            call_id: change.call.as_str().into(),
            at: change.at.to_string().into(),
            phase: phase_text(change.phase).into(),
            result: change.result.map(|result| result_text(result).into()),
            reason,
            outcome: change.outcome.map(|outcome| outcome_text(outcome).into()),
            amd: change.amd.map(|amd| amd_text(amd).into()),
            cause: change.cause,
            to: change.to_masked.clone(),
            agent: change.agent.as_ref().map(|agent| agent.as_str().into()),
            elapsed_ms: change.elapsed_ms,
            talk_ms: change.talk_ms,
        }
    }
}

fn phase_text(phase: CallPhase) -> &'static str {
    match phase {
        CallPhase::Queued => "queued",
        CallPhase::Dialing => "dialing",
        CallPhase::Ringing => "ringing",
        CallPhase::Answered => "answered",
        CallPhase::Bridged => "bridged",
        CallPhase::Ended => "ended",
    }
}

fn result_text(result: CallResult) -> &'static str {
    match result {
        CallResult::Answered => "answered",
        CallResult::Busy => "busy",
        CallResult::NoAnswer => "no_answer",
        CallResult::Canceled => "canceled",
        CallResult::Failed(_) => "failed",
        CallResult::Lost => "lost",
    }
}

fn reason_text(reason: FailureReason) -> &'static str {
    match reason {
        FailureReason::InvalidNumber => "invalid_number",
        FailureReason::Rejected => "rejected",
        FailureReason::Blocked => "blocked",
        FailureReason::Congestion => "congestion",
        FailureReason::Gateway => "gateway",
        FailureReason::Other => "other",
    }
}

fn outcome_text(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Converted => "converted",
        Outcome::OptOut => "opt_out",
        Outcome::Abandoned => "abandoned",
        Outcome::Machine => "machine",
        Outcome::AnsweredOther => "answered_other",
        Outcome::Busy => "busy",
        Outcome::NoAnswer => "no_answer",
        Outcome::Canceled => "canceled",
        Outcome::Failed => "failed",
        Outcome::Lost => "lost",
    }
}

/// The body of a `call_event` frame: a batch, in the order of folding.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CallsBody {
    /// The events.
    pub calls: Vec<CallChangeJson>,
}
