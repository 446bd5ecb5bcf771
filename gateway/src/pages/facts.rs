//! A campaign's facts: the abandon rate by definition, settings, and oddities.

use ringside_model::Timestamp;
use ringside_wire::{CampaignJson, OdditiesJson, RatioJson};

use super::format;
use super::kpi::{Severity, abandon_severity};
use super::sample::FEW;

/// An abandon rate under the name of its definition.
#[derive(Debug)]
pub(super) struct Definition {
    /// Which, for the browser.
    pub key: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it says.
    pub note: &'static str,
    /// The rate.
    pub value: String,
    /// `4 of 162`.
    pub parts: String,
    /// `crit`, `warn` or empty.
    pub severity: &'static str,
    /// True where it is of few calls.
    pub few: bool,
}

/// A name and a value.
#[derive(Debug)]
pub(super) struct Fact {
    /// Which, for the browser.
    pub key: &'static str,
    /// What.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

/// The definitions side by side, because a floor is judged by more than one.
pub(super) fn definitions(campaign: &CampaignJson) -> Vec<Definition> {
    let abandon = &campaign.abandon;
    let of = |key, name, note, ratio: RatioJson| Definition {
        key,
        name,
        note,
        value: format::percent(ratio.value),
        parts: format!("{} of {}", format::full(ratio.numerator), format::full(ratio.denominator)),
        severity: match abandon_severity(ratio) {
            Severity::Calm => "",
            Severity::Warning => "warn",
            Severity::Critical => "crit",
        },
        few: ratio.value.is_some() && ratio.denominator < FEW,
    };
    let uk = RatioJson { value: abandon.uk24, numerator: 0, denominator: abandon.uk24_n };
    let mut us = of("us30", "US, 30-day period", "", abandon.us30);
    us.parts = format!("{}, {} more allowed", us.parts, format::full(abandon.us30_headroom));
    us.note = "abandoned ÷ answered by a person, limit 3.0%";
    vec![
        of("live", "Live, 5 minutes", "abandoned ÷ answered by a person", abandon.live),
        of("hour", "Last hour", "abandoned ÷ answered by a person", abandon.hour),
        us,
        of("today", "Today, VICIdial", "drops ÷ answers, since midnight", abandon.today),
        Definition {
            parts: format!("{} reached", format::full(abandon.uk24_n)),
            ..of("uk24", "UK, 24 h", "estimate, with the share of false machine detections", uk)
        },
    ]
}

/// Facts of a campaign.
pub(super) fn facts(campaign: &CampaignJson, now: Timestamp) -> Vec<Fact> {
    let mut facts = vec![
        Fact {
            key: "started",
            name: "Started",
            value: campaign.started_at.as_deref().map_or_else(
                || format::UNKNOWN.into(),
                |at| match Timestamp::parse_rfc3339(at) {
                    Some(start) => format!(
                        "{} UTC, {} ago",
                        &format::clock(at).get(..5).unwrap_or(format::UNKNOWN),
                        format::duration(now.millis() - start.millis())
                    ),
                    None => format::UNKNOWN.into(),
                },
            ),
        },
        Fact { key: "list", name: "List", value: list(campaign) },
        Fact { key: "finishes", name: "Finishes", value: finishes(campaign) },
        Fact { key: "waiting", name: "Waiting for an agent", value: waiting(campaign) },
        Fact { key: "agents", name: "Agents", value: agents(campaign) },
    ];
    let pair = |p50: Option<i64>, p95: Option<i64>| match (p50, p95) {
        (None, None) => format::UNKNOWN.into(),
        (p50, p95) => format!("{} · {}", format::duration(p50), format::duration(p95)),
    };
    let d = &campaign.durations;
    facts.extend([
        Fact { key: "talk", name: "Talk, p50 · p95", value: pair(d.talk_p50_ms, d.talk_p95_ms) },
        Fact { key: "postdial", name: "Dial to ring, p50 · p95", value: pair(d.post_dial_p50_ms, d.post_dial_p95_ms) },
        Fact { key: "ring", name: "Ring, p50", value: format::duration(d.ring_p50_ms) },
        Fact { key: "wait", name: "Wait for an agent, p95", value: format::duration(d.wait_p95_ms) },
    ]);
    facts
}

fn list(campaign: &CampaignJson) -> String {
    let list = campaign.list;
    if list.denominator == 0 {
        return format::UNKNOWN.into();
    }
    format!("{} dialed, {} left", format::percent(list.value), format::count(list.denominator - list.numerator))
}

fn finishes(campaign: &CampaignJson) -> String {
    match campaign.queue_depth {
        Some(depth) if campaign.dialing_rate >= 0.1 => {
            format!("in about {}", format::duration((depth as f64 / campaign.dialing_rate * 1000.0) as i64))
        }
        _ => format::UNKNOWN.into(),
    }
}

fn waiting(campaign: &CampaignJson) -> String {
    match campaign.oldest_wait_ms {
        Some(oldest) if campaign.waiting_for_agent > 0 => {
            format!("{}, longest {}", format::full(campaign.waiting_for_agent), format::duration(oldest))
        }
        _ => format::full(campaign.waiting_for_agent),
    }
}

fn agents(campaign: &CampaignJson) -> String {
    campaign.agents.map_or_else(
        || format::UNKNOWN.into(),
        |agents| {
            format!(
                "{} in call, {} ready, {} wrap, {} paused",
                format::full(agents.incall),
                format::full(agents.ready),
                format::full(agents.wrap),
                format::full(agents.paused)
            )
        },
    )
}

/// What sources did that they should not. All of it was counted and put right.
pub(super) fn oddities(odd: &OdditiesJson) -> Vec<Fact> {
    [
        ("duplicates", "Duplicates", odd.duplicates),
        ("reordered", "Out of order", odd.reordered),
        ("corrected", "Corrected after the end", odd.corrected),
        ("tooOld", "Too old, refused", odd.too_old),
        ("fromFuture", "From the future", odd.from_future),
        ("endsLost", "Ends that never came", odd.ends_lost),
        ("endsFound", "Ends that came late", odd.ends_found),
        ("outdated", "Outdated gauges", odd.outdated),
    ]
    .into_iter()
    .map(|(key, name, count)| Fact { key, name, value: format::full(count) })
    .collect()
}
