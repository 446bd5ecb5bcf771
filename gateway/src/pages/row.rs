//! The campaign table's rows.

use std::cmp::Reverse;

use ringside_wire::{CampaignJson, RatioJson, SeriesPointJson};

use super::format;
use super::kpi::{Severity, abandon_severity};
use super::sample::FEW;
use super::sparkline::Sparkline;

/// One campaign's row.
#[derive(Debug)]
pub(super) struct Row {
    /// Its id, which is also its code.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its status.
    pub status: Status,
    /// True where it neither runs nor drains.
    pub dim: bool,
    /// Calls up now.
    pub active: String,
    /// Leads waiting.
    pub queue: String,
    /// Attempts per second, without unit.
    pub rate: String,
    /// The target, without unit; empty where there is none.
    pub target: String,
    /// The bar's width of 100, on one scale for all rows.
    pub rate_width: String,
    /// Where the target's tick stands, likewise.
    pub tick: Option<String>,
    /// Answer rate of the last hour.
    pub answer: Share,
    /// Conversion rate of the last hour.
    pub conversion: Share,
    /// Abandon rate of the last 5 minutes.
    pub abandon: Share,
    /// `crit`, `warn` or empty.
    pub abandon_severity: &'static str,
    /// Calls up, last hour.
    pub spark: Option<Sparkline>,
    /// When its last event happened, in a word for the sleeping ones.
    pub name_title: String,
}

/// A percentage with what it is made of.
#[derive(Debug)]
pub(super) struct Share {
    /// `32.6%`.
    pub text: String,
    /// `54 of 166`.
    pub title: String,
    /// True where it is of few calls.
    pub few: bool,
}

impl Share {
    /// Of a ratio.
    pub(super) fn of(ratio: RatioJson) -> Self {
        Self {
            text: format::percent(ratio.value),
            title: format!("{} of {}", format::full(ratio.numerator), format::full(ratio.denominator)),
            few: ratio.value.is_some() && ratio.denominator < FEW,
        }
    }
}

/// A status pill.
#[derive(Debug, Clone)]
pub(super) struct Status {
    /// As the protocol spells it.
    pub key: String,
    /// Its class.
    pub class: &'static str,
    /// Its icon.
    pub icon: &'static str,
    /// Its word.
    pub word: &'static str,
}

impl Status {
    /// The pill of a status.
    pub(super) fn of(status: &str) -> Self {
        let (class, icon, word) = match status {
            "running" => ("st-running", "b-run", "Running"),
            "pausing" => ("st-paused", "b-pause", "Pausing"),
            "paused" => ("st-paused", "b-pause", "Paused"),
            "draining" => ("st-draining", "drain", "Draining"),
            "completed" => ("st-stopped", "check", "Completed"),
            "stopped" => ("st-stopped", "b-stop", "Stopped"),
            "failed" => ("st-critical", "octagon", "Failed"),
            "draft" => ("st-stopped", "note", "Draft"),
            _ => ("st-stopped", "lost", "Unknown"),
        };
        Self { key: status.into(), class, icon, word }
    }
}

/// A status filter above the table.
#[derive(Debug)]
pub(super) struct StatusChip {
    /// The status.
    pub status: Status,
    /// How many campaigns have it.
    pub count: usize,
}

/// Rows, the busiest first, and the filters that have something to filter.
pub(super) fn rows(
    campaigns: &[CampaignJson],
    minutes_of: impl Fn(&str) -> Option<Vec<SeriesPointJson>>,
) -> (Vec<Row>, Vec<StatusChip>) {
    let scale = campaigns.iter().flat_map(|c| [c.dialing_rate, c.target_rate.unwrap_or(0.0)]).fold(0.1, f64::max);
    let mut sorted: Vec<&CampaignJson> = campaigns.iter().collect();
    sorted.sort_by_key(|c| (Reverse(c.active_calls), c.name.clone()));
    let rows = sorted.iter().map(|campaign| row(campaign, scale, minutes_of(&campaign.campaign_id))).collect();
    let chips = ["running", "pausing", "paused", "draining", "completed", "stopped", "failed", "draft", "unknown"]
        .into_iter()
        .map(|key| StatusChip {
            status: Status::of(key),
            count: campaigns.iter().filter(|c| &*c.status == key).count(),
        })
        .filter(|chip| chip.count > 0)
        .collect();
    (rows, chips)
}

fn row(campaign: &CampaignJson, scale: f64, minutes: Option<Vec<SeriesPointJson>>) -> Row {
    let bare = |rate: f64| format::rate(rate).trim_end_matches("/s").to_owned();
    let width = |rate: f64| format!("{:.1}", rate / scale * 100.0);
    Row {
        id: campaign.campaign_id.clone().into(),
        name: campaign.name.clone().into(),
        status: Status::of(&campaign.status),
        dim: !matches!(&*campaign.status, "running" | "draining" | "pausing"),
        active: format::full(campaign.active_calls),
        queue: format::full(campaign.queue_depth),
        rate: bare(campaign.dialing_rate),
        target: campaign.target_rate.map(bare).unwrap_or_default(),
        rate_width: width(campaign.dialing_rate),
        tick: campaign.target_rate.map(width),
        answer: Share::of(campaign.hour.ratios.answer_rate),
        conversion: Share::of(campaign.hour.ratios.conversion_rate),
        abandon: Share::of(campaign.abandon.live),
        abandon_severity: match abandon_severity(campaign.abandon.live) {
            Severity::Calm => "",
            Severity::Warning => "warn",
            Severity::Critical => "crit",
        },
        spark: minutes.and_then(|minutes| {
            Sparkline::draw(&minutes.iter().map(|point| point.active.map(|n| n as f64)).collect::<Vec<_>>())
        }),
        name_title: campaign
            .last_event_at
            .as_deref()
            .map_or_else(|| "no event yet".into(), |at| format!("last event at {} UTC", format::clock(at))),
    }
}
