//! KPI cells: a number, what it was before, and what it is to be held against.
//!
//! `static/js/components/kpi.js` keeps the same cells current with the same rules.

use ringside_wire::{ActiveJson, AggregateJson, CampaignJson, RatioJson, SeriesPointJson, SpanJson};

use super::chip::{Chip, Rise};
use super::format;
use super::sample::FEW;
use super::sparkline::Sparkline;

/// Abandon rates from here on are a warning.
pub(super) const ABANDON_WARNING: f64 = 0.025;
/// Abandon rates above this break the rule that most dialers are under.
pub(super) const ABANDON_LIMIT: f64 = 0.03;

/// One cell.
#[derive(Debug)]
pub(super) struct Kpi {
    /// Which, for the browser.
    pub id: &'static str,
    /// What it is called.
    pub label: &'static str,
    /// The number.
    pub value: String,
    /// Its unit, set smaller.
    pub unit: String,
    /// The exact value and what it means.
    pub title: String,
    /// `is-warn`, `is-crit` or nothing.
    pub severity: &'static str,
    /// Against the earlier period.
    pub chip: Chip,
    /// One plain phrase beside the chip.
    pub context: String,
    /// True where the share is of few calls.
    pub few: bool,
    /// The series' colour class.
    pub color: &'static str,
    /// Its course.
    pub spark: Option<Sparkline>,
}

/// What a campaign and the sum over campaigns have in common.
pub(super) struct Figures<'a> {
    active_calls: i64,
    active: ActiveJson,
    queue_depth: Option<i64>,
    dialing_rate: f64,
    target_rate: Option<f64>,
    max_lines: Option<i64>,
    totals: &'a SpanJson,
    hour: &'a SpanJson,
    hour_before: &'a SpanJson,
    abandon_live: RatioJson,
    minutes: &'a [SeriesPointJson],
}

impl<'a> Figures<'a> {
    /// A campaign's.
    pub(super) fn of_campaign(campaign: &'a CampaignJson, minutes: &'a [SeriesPointJson]) -> Self {
        Self {
            active_calls: campaign.active_calls,
            active: campaign.active,
            queue_depth: campaign.queue_depth,
            dialing_rate: campaign.dialing_rate,
            target_rate: campaign.target_rate,
            max_lines: campaign.max_lines,
            totals: &campaign.totals,
            hour: &campaign.hour,
            hour_before: &campaign.hour_before,
            abandon_live: campaign.abandon.live,
            minutes,
        }
    }

    /// The sum's.
    pub(super) fn of_aggregate(sum: &'a AggregateJson, minutes: &'a [SeriesPointJson]) -> Self {
        Self {
            active_calls: sum.total_active_calls,
            active: sum.active,
            queue_depth: sum.queue_depth,
            dialing_rate: sum.dialing_rate,
            target_rate: sum.target_rate,
            max_lines: sum.max_lines,
            totals: &sum.totals,
            hour: &sum.hour,
            hour_before: &sum.hour_before,
            abandon_live: sum.abandon_live,
            minutes,
        }
    }

    /// The minute an hour ago; nothing while there is less than an hour of history.
    fn hour_ago(&self) -> Option<&SeriesPointJson> {
        self.minutes.first().filter(|_| self.minutes.len() >= 60)
    }

    /// Attempts of the hour before the last one, if it was a whole hour: there were calls before it too.
    fn whole_hour_before(&self) -> Option<i64> {
        let [totals, hour, before] = [self.totals, self.hour, self.hour_before].map(|span| span.counters.attempts);
        (before > 0 && totals > hour + before).then_some(before)
    }

    fn course(&self, value: impl Fn(&SeriesPointJson) -> Option<f64>) -> Option<Sparkline> {
        Sparkline::draw(&self.minutes.iter().map(value).collect::<Vec<_>>())
    }

    /// Calls up now.
    pub(super) fn active(&self) -> Kpi {
        let context = match self.max_lines {
            Some(lines) if lines > 0 => {
                format!("{:.0}% of {} lines", self.active_calls as f64 / lines as f64 * 100.0, format::full(lines))
            }
            _ => format!(
                "{} talking, {} ringing",
                format::count(self.active.bridged),
                format::count(self.active.ringing)
            ),
        };
        Kpi {
            id: "active",
            label: "Active calls",
            value: format::count(self.active_calls),
            unit: String::new(),
            title: format!("{} calls up now: dialing, ringing, answered or joined", format::full(self.active_calls)),
            severity: "",
            chip: Chip::of_counts(Some(self.active_calls), self.hour_ago().and_then(|p| p.active), Rise::Neutral),
            context,
            few: false,
            color: "c-active",
            spark: self.course(|point| point.active.map(|n| n as f64)),
        }
    }

    /// Leads that wait to be dialed.
    pub(super) fn queue(&self) -> Kpi {
        let context = match self.queue_depth {
            None => "no source reports it".into(),
            Some(depth) if self.dialing_rate >= 0.1 => {
                format!("empty in {}", format::duration((depth as f64 / self.dialing_rate * 1000.0) as i64))
            }
            Some(_) => "nothing is being dialed".into(),
        };
        Kpi {
            id: "queue",
            label: "Queue depth",
            value: format::count(self.queue_depth),
            unit: String::new(),
            title: format!("{} leads wait to be dialed", format::full(self.queue_depth)),
            severity: "",
            chip: Chip::of_counts(self.queue_depth, self.hour_ago().and_then(|p| p.queue), Rise::Neutral),
            context,
            few: false,
            color: "c-queue",
            spark: self.course(|point| point.queue.map(|n| n as f64)),
        }
    }

    /// Attempts per second.
    pub(super) fn rate(&self) -> Kpi {
        let text = format::rate(self.dialing_rate);
        Kpi {
            id: "rate",
            label: "Dialing rate",
            value: text.trim_end_matches("/s").into(),
            unit: "/s".into(),
            title: "Attempts per second, over the last 10 s".into(),
            severity: "",
            chip: self.hour_ago().and_then(|p| p.attempts).map_or_else(Chip::unknown, |attempts| {
                Chip::of_values(self.dialing_rate, attempts as f64 / 60.0, Rise::Neutral)
            }),
            context: self
                .target_rate
                .map_or_else(|| "no target set".into(), |target| format!("target {}", format::rate(target))),
            few: false,
            color: "c-rate",
            spark: self.course(|point| point.attempts.map(|n| n as f64 / 60.0)),
        }
    }

    /// Calls dialed in the last hour.
    pub(super) fn attempts(&self) -> Kpi {
        let hour = self.hour.counters.attempts;
        let since_start = self.totals.counters.attempts;
        Kpi {
            id: "attempts",
            label: "Attempts",
            value: format::count(hour),
            unit: String::new(),
            title: format!(
                "{} dialed in the last hour, {} since the start",
                format::full(hour),
                format::full(since_start)
            ),
            severity: "",
            chip: self
                .whole_hour_before()
                .map_or_else(Chip::unknown, |before| Chip::of_counts(Some(hour), Some(before), Rise::Neutral)),
            context: format!("{} since the start", format::count(since_start)),
            few: false,
            color: "c-neutral",
            spark: self.course(|point| point.attempts.map(|n| n as f64)),
        }
    }

    /// Answered of those that got anywhere, the last hour.
    pub(super) fn answer(&self) -> Kpi {
        let answered = self.hour.counters.answered;
        Kpi {
            spark: self.course(|point| share(point.answered, point.attempts)),
            ..ratio_kpi(
                "answer",
                "Answer rate",
                self.hour.ratios.answer_rate,
                self.hour_before.ratios.answer_rate,
                Rise::Good,
                format!("{} answered", format::count(answered)),
                "answered ÷ (answered + busy + no answer + failed), the last hour",
            )
        }
    }

    /// Converted of those answered by a person, the last hour.
    pub(super) fn conversion(&self) -> Kpi {
        ratio_kpi(
            "conversion",
            "Conversion rate",
            self.hour.ratios.conversion_rate,
            self.hour_before.ratios.conversion_rate,
            Rise::Good,
            format!("{} converted", format::count(self.hour.counters.converted)),
            "converted ÷ answered by a person, the last hour",
        )
    }

    /// Abandoned of those answered by a person, the last hour.
    pub(super) fn abandon_hour(&self) -> Kpi {
        self.abandon(
            "abandon-hour",
            "Abandon rate, hour",
            self.hour.ratios.abandon_rate,
            self.hour_before.ratios.abandon_rate,
            "abandoned ÷ answered by a person, the last hour",
        )
    }

    /// The same over the last 5 minutes.
    pub(super) fn abandon_live(&self) -> Kpi {
        self.abandon(
            "abandon",
            "Abandon rate, 5m",
            self.abandon_live,
            self.hour.ratios.abandon_rate,
            "abandoned ÷ answered by a person, the last 5 minutes; the change is against the last hour",
        )
    }

    fn abandon(
        &self,
        id: &'static str,
        label: &'static str,
        now: RatioJson,
        before: RatioJson,
        definition: &str,
    ) -> Kpi {
        let context = now.value.map_or_else(
            || "nobody reached yet".into(),
            |value| format!("{:.0}% of the 3.0% limit", value / ABANDON_LIMIT * 100.0),
        );
        Kpi {
            severity: abandon_severity(now).kpi_class(),
            color: "c-abandon",
            spark: self.course(|point| share(point.abandoned_5m, point.human_5m)),
            ..ratio_kpi(id, label, now, before, Rise::Bad, context, definition)
        }
    }
}

/// How bad an abandon rate is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// Inside its limits, or of too few calls to say.
    Calm,
    /// Close to the limit.
    Warning,
    /// Above it.
    Critical,
}

impl Severity {
    /// The class of a KPI cell.
    pub(super) fn kpi_class(self) -> &'static str {
        match self {
            Self::Calm => "",
            Self::Warning => "is-warn",
            Self::Critical => "is-crit",
        }
    }
}

/// A few unlucky calls are not a trend: below 30 a rate has no severity.
pub(super) fn abandon_severity(rate: RatioJson) -> Severity {
    match rate.value {
        Some(value) if rate.denominator >= FEW && value > ABANDON_LIMIT => Severity::Critical,
        Some(value) if rate.denominator >= FEW && value >= ABANDON_WARNING => Severity::Warning,
        _ => Severity::Calm,
    }
}

/// How many campaigns run.
pub(super) fn campaigns_kpi(sum: &AggregateJson, campaigns: &[CampaignJson]) -> Kpi {
    let with = |status: &str| campaigns.iter().filter(|c| &*c.status == status).count();
    Kpi {
        id: "campaigns",
        label: "Active campaigns",
        value: format::count(sum.active_campaigns),
        unit: format!("of {}", format::count(sum.campaigns)),
        title: "Campaigns that run or drain".into(),
        severity: "",
        chip: Chip { class: "", icon: "", text: String::new(), spoken: "" },
        context: format!("{} running, {} draining", with("running"), with("draining")),
        few: false,
        color: "c-neutral",
        spark: None,
    }
}

fn ratio_kpi(
    id: &'static str,
    label: &'static str,
    now: RatioJson,
    before: RatioJson,
    rise: Rise,
    context: String,
    definition: &str,
) -> Kpi {
    let text = format::percent(now.value);
    let unit = if now.value.is_some() { "%" } else { "" };
    Kpi {
        id,
        label,
        value: text.trim_end_matches('%').into(),
        unit: unit.into(),
        title: format!("{} of {}: {definition}", format::full(now.numerator), format::full(now.denominator)),
        severity: "",
        chip: Chip::of_ratios(now, before, rise),
        context,
        few: now.value.is_some() && now.denominator < FEW,
        color: "c-neutral",
        spark: None,
    }
}

pub(super) fn share(part: Option<i64>, whole: Option<i64>) -> Option<f64> {
    match (part, whole) {
        (Some(part), Some(whole)) if whole > 0 => Some(part as f64 / whole as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_of_few_calls_has_no_severity() {
        let rate = |numerator, denominator| RatioJson {
            value: Some(numerator as f64 / denominator as f64),
            numerator,
            denominator,
        };
        assert_eq!(abandon_severity(rate(2, 10)), Severity::Calm);
        assert_eq!(abandon_severity(rate(1, 40)), Severity::Warning);
        assert_eq!(abandon_severity(rate(3, 100)), Severity::Warning);
        assert_eq!(abandon_severity(rate(4, 100)), Severity::Critical);
        assert_eq!(abandon_severity(RatioJson { value: None, numerator: 0, denominator: 0 }), Severity::Calm);
    }
}
