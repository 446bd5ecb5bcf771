//! A campaign's status as a word, and its changes as JSON.

use ringside_model::{CampaignStatus, StatusChange};
use serde::{Deserialize, Serialize};

/// Returns the protocol's word for a status.
pub fn status_text(status: CampaignStatus) -> &'static str {
    match status {
        CampaignStatus::Unknown => "unknown",
        CampaignStatus::Draft => "draft",
        CampaignStatus::Running => "running",
        CampaignStatus::Pausing => "pausing",
        CampaignStatus::Paused => "paused",
        CampaignStatus::Draining => "draining",
        CampaignStatus::Completed => "completed",
        CampaignStatus::Stopped => "stopped",
        CampaignStatus::Failed => "failed",
    }
}

/// Parses the protocol's word for a status.
pub fn status_from_text(text: &str) -> Option<CampaignStatus> {
    use CampaignStatus::{Completed, Draft, Draining, Failed, Paused, Pausing, Running, Stopped, Unknown};
    [Unknown, Draft, Running, Pausing, Paused, Draining, Completed, Stopped, Failed]
        .into_iter()
        .find(|status| status_text(*status) == text)
}

/// The body of a `campaign_status_change` frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusChangeBody {
    /// The campaign.
    pub campaign_id: Box<str>,
    /// The status before.
    pub from: Box<str>,
    /// The status after.
    pub to: Box<str>,
    /// The reason, if the source gave one.
    pub reason: Option<Box<str>>,
    /// When it changed.
    pub at: Box<str>,
}

impl From<&StatusChange> for StatusChangeBody {
    fn from(change: &StatusChange) -> Self {
        Self {
            campaign_id: change.campaign.as_str().into(),
            from: status_text(change.from).into(),
            to: status_text(change.to).into(),
            reason: change.reason.clone(),
            at: change.at.to_string().into(),
        }
    }
}
