//! From the configuration to the rules of the fold, alert rules included.

use anyhow::{anyhow, bail};
use ringside_collector::fold::{FoldSettings, Rule, RuleTarget, Statistic, WatchedRatio};
use ringside_model::Comparison;

use crate::config::{Config, RuleConfig, Side};

/// The rules that the configuration asks for, or a sentence that says which key is wrong.
pub(crate) fn fold_settings(config: &Config) -> anyhow::Result<FoldSettings> {
    let time_zone = jiff::tz::TimeZone::get(&config.time_zone).map_err(|_| {
        anyhow!(
            "configuration key \"time_zone\" is \"{}\"; it must be an IANA name such as Europe/London",
            config.time_zone
        )
    })?;
    let mut settings = FoldSettings {
        time_zone,
        dedupe_horizon_ms: config.dedupe_hours as i64 * 3_600_000,
        window_points: config.window_size,
        alert_check_ms: config.alert_check_sec as i64 * 1000,
        ..FoldSettings::default()
    };
    if let Some(rules) = &config.rules {
        settings.rules = rules.iter().map(rule).collect::<Result<_, _>>()?;
    }
    Ok(settings)
}

fn rule(config: &RuleConfig) -> anyhow::Result<Rule> {
    let name = &config.id;
    if config.warning.is_none() && config.critical.is_none() {
        bail!("alert rule \"{name}\" needs \"warning\" or \"critical\", or both");
    }
    let ratio = match config.metric.as_str() {
        "abandon_rate" => Some(WatchedRatio::AbandonLive),
        "abandon_rate_hour" => Some(WatchedRatio::AbandonHour),
        "answer_rate" => Some(WatchedRatio::AnswerHour),
        "failed_rate" => Some(WatchedRatio::FailedHour),
        "service_level" => Some(WatchedRatio::ServiceLevelHour),
        _ => None,
    };
    let comparison = match config.bad.unwrap_or(Side::Above) {
        Side::Above => Comparison::Above,
        Side::Below => Comparison::Below,
    };
    let side = if comparison == Comparison::Above { "above" } else { "below" };
    let target = match ratio {
        Some(ratio) => RuleTarget::CampaignRatio(ratio),
        None => RuleTarget::Metric { name: config.metric.as_str().into(), statistic: Statistic::Last },
    };
    Ok(Rule {
        id: name.as_str().into(),
        title: format!("{} of {{subject}} is {{value}}, {side} {{limit}}", config.metric).into(),
        target,
        comparison,
        warning: config.warning,
        critical: config.critical,
        for_ms: config.for_sec.unwrap_or(10) as i64 * 1000,
        clear_margin: config.clear_margin.unwrap_or(0.0),
        keep_firing_ms: 30_000,
        min_samples: config.min_samples.unwrap_or(if ratio.is_some() { 30 } else { 1 }),
    })
}
