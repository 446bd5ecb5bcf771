//! What a run prints.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::time::Duration;

use super::judge::Verdict;
use super::schedule::{Fault, Planned, Schedule};

/// A frame of state that was made so soon after a kill may still be the killed one's.
const LAST_BREATH_MS: i64 = 50;

/// A fault as it came to be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Happened {
    planned: Planned,
    began_ms: i64,
    ended_ms: i64,
    /// Until every campaign told something new: after the beginning where a collector was concerned, else after the end.
    recovered_ms: Option<i64>,
}

impl Happened {
    /// A fault that has come and gone.
    pub(crate) fn new(planned: &Planned, began_ms: i64, ended_ms: i64) -> Self {
        Self { planned: *planned, began_ms, ended_ms, recovered_ms: None }
    }

    /// Looks up when every campaign had told something new, by the time at which its state was made.
    pub(crate) fn find_recovery(&mut self, states_at: &BTreeMap<String, BTreeSet<i64>>) {
        let since = if self.planned.fault.concerns_a_collector() { self.began_ms } else { self.ended_ms };
        let news = states_at.values().map(|made| made.range(since + LAST_BREATH_MS..).next().map(|at| at - since));
        self.recovered_ms = news.collect::<Option<Vec<_>>>().and_then(|news| news.into_iter().max());
    }
}

/// Prints what is going to happen.
pub(crate) fn print_schedule(schedule: &Schedule) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    let Schedule { seed, topology, collectors, gateways, faults } = schedule;
    writeln!(out, "seed {seed}: {topology} Redis, {collectors} collectors, {gateways} gateways")?;
    for Planned { at_ms, lasts_ms, fault } in faults {
        writeln!(out, "  at {:>5.1} s for {:>4.1} s  {fault}", *at_ms as f64 / 1e3, *lasts_ms as f64 / 1e3)?;
    }
    Ok(out.flush()?)
}

/// Prints what came out.
pub(crate) fn print_verdict(
    schedule: &Schedule,
    verdict: &Verdict,
    happened: &[Happened],
    settled: Option<Duration>,
) -> anyhow::Result<()> {
    let mut out = std::io::stdout();
    writeln!(out, "  every campaign has news again, by the time at which its state was made:")?;
    for fault in happened {
        let lasted_s = (fault.ended_ms - fault.began_ms) as f64 / 1e3;
        let recovered = fault.recovered_ms.map_or_else(|| "–".to_owned(), |ms| format!("{:.2} s", ms as f64 / 1e3));
        let since = if fault.planned.fault.concerns_a_collector() { "its beginning" } else { "its end" };
        writeln!(out, "    {:<32} {lasted_s:>5.1} s   {recovered:>8} after {since}", fault.planned.fault.to_string())?;
    }
    let takeovers = happened.iter().filter(|fault| matches!(fault.planned.fault, Fault::KillCollector(_)));
    let worst = takeovers.filter_map(|fault| fault.recovered_ms).max();
    let rows = [
        ("events acknowledged", verdict.acknowledged.to_string()),
        ("good events refused", verdict.refused.to_string()),
        ("counted (all counters)", verdict.counted.to_string()),
        ("lost", verdict.lost.to_string()),
        ("double", verdict.double.to_string()),
        ("event frames published", verdict.published.to_string()),
        ("facts never published", verdict.untold.to_string()),
        ("facts published twice", verdict.told_twice.to_string()),
        ("event frames received", verdict.received.to_string()),
        ("of these repaired", verdict.repaired.to_string()),
        ("gaps told", verdict.gaps_told.to_string()),
        ("lost silently", verdict.silent.to_string()),
        ("received twice", verdict.twice.to_string()),
        (
            "longest takeover after kill -9",
            worst.map_or_else(|| "–".to_owned(), |ms| format!("{:.2} s", ms as f64 / 1e3)),
        ),
        ("settled after", settled.map_or_else(|| "never".to_owned(), |after| format!("{:.1} s", after.as_secs_f64()))),
    ];
    for (name, figure) in rows {
        writeln!(out, "  {name:<32} {figure:>12}")?;
    }
    for complaint in &verdict.complaints {
        writeln!(out, "  ! {complaint}")?;
    }
    let clean = if verdict.is_clean() && settled.is_some() { "clean" } else { "NOT CLEAN" };
    writeln!(out, "seed {}: {clean}\n", schedule.seed)?;
    Ok(out.flush()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_takeover_lasts_until_the_last_campaign_tells_something_new() {
        let planned = Planned { at_ms: 0, lasts_ms: 500, fault: Fault::KillCollector(0) };
        let mut fault = Happened::new(&planned, 10_000, 10_500);
        let made = |at: &[i64]| at.iter().copied().collect::<BTreeSet<i64>>();
        let mut states_at =
            BTreeMap::from([("a".into(), made(&[9_900, 10_020, 13_000])), ("b".into(), made(&[10_200]))]);
        fault.find_recovery(&states_at);
        assert_eq!(fault.recovered_ms, Some(3_000));
        states_at.insert("c".into(), made(&[9_999]));
        fault.find_recovery(&states_at);
        assert_eq!(fault.recovered_ms, None, "one never did");
    }
}
