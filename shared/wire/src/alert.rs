//! Alerts as JSON.

use ringside_model::{Alert, AlertState, CampaignId, Comparison, Timestamp};
use serde::{Deserialize, Serialize};

use super::notification::{severity_from_text, severity_text};

/// One transition of an alert.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(missing_docs, reason = "named after the fields of Alert")]
pub struct AlertJson {
    pub fingerprint: Box<str>,
    pub transition: u32,
    pub rule: Box<str>,
    pub severity: Box<str>,
    /// `firing` or `resolved`.
    pub state: Box<str>,
    pub title: Box<str>,
    pub campaign_id: Option<Box<str>>,
    pub metric: Box<str>,
    pub unit: Box<str>,
    /// `above` or `below`.
    pub comparison: Box<str>,
    pub threshold: f64,
    pub value: f64,
    pub n: Option<i64>,
    pub since: Box<str>,
    pub at: Box<str>,
}

impl From<&Alert> for AlertJson {
    fn from(alert: &Alert) -> Self {
        Self {
            fingerprint: alert.fingerprint.clone(),
            transition: alert.transition,
            rule: alert.rule.clone(),
            severity: severity_text(alert.severity).into(),
            state: match alert.state {
                AlertState::Firing => "firing",
                AlertState::Resolved => "resolved",
            }
            .into(),
            title: alert.title.clone(),
            campaign_id: alert.campaign.as_ref().map(|id| id.as_str().into()),
            metric: alert.metric.clone(),
            unit: alert.unit.clone(),
            comparison: match alert.comparison {
                Comparison::Above => "above",
                Comparison::Below => "below",
            }
            .into(),
            threshold: alert.threshold,
            value: alert.value,
            n: alert.n,
            since: alert.since.to_string().into(),
            at: alert.at.to_string().into(),
        }
    }
}

impl AlertJson {
    /// Converts to the domain type; `None` if a member is invalid.
    pub fn to_model(&self) -> Option<Alert> {
        Some(Alert {
            fingerprint: self.fingerprint.clone(),
            transition: self.transition,
            rule: self.rule.clone(),
            severity: severity_from_text(&self.severity)?,
            state: match &*self.state {
                "firing" => AlertState::Firing,
                "resolved" => AlertState::Resolved,
                _ => return None,
            },
            title: self.title.clone(),
            campaign: self.campaign_id.as_deref().map(CampaignId::parse).transpose().ok()?,
            metric: self.metric.clone(),
            unit: self.unit.clone(),
            comparison: match &*self.comparison {
                "above" => Comparison::Above,
                "below" => Comparison::Below,
                _ => return None,
            },
            threshold: self.threshold,
            value: self.value,
            n: self.n,
            since: Timestamp::parse_rfc3339(&self.since)?,
            at: Timestamp::parse_rfc3339(&self.at)?,
        })
    }
}

/// The body of an `alert` frame.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertsBody {
    /// The transition.
    pub alert: AlertJson,
}

/// The further members of an `initial` frame of the alerts room.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AlertsSnapshot {
    /// All firing alerts, worst first.
    pub open: Vec<AlertJson>,
}
