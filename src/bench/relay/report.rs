//! What a run prints, and whether it was clean.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::bail;
use hdrhistogram::Histogram;

use super::client::{Connected, Outcome};
use super::publisher::Posted;
use super::tally::Sums;

/// How connecting went.
pub(super) struct Connects {
    /// Until each was let in, in microseconds.
    pub(super) let_in: Histogram<u64>,
    /// Until each had its room's beginning.
    pub(super) there: Histogram<u64>,
    pub(super) refused: usize,
    /// Why the first one was.
    pub(super) reason: Option<String>,
    /// How long all of it took.
    pub(super) took: Duration,
}

impl Default for Connects {
    fn default() -> Self {
        let histogram = || Histogram::new(3).expect("three digits are allowed");
        Self { let_in: histogram(), there: histogram(), refused: 0, reason: None, took: Duration::ZERO }
    }
}

impl Connects {
    pub(super) fn note(&mut self, connected: Connected) {
        match connected {
            Ok((let_in, there)) => {
                self.let_in += let_in.as_micros() as u64;
                self.there += there.as_micros() as u64;
            }
            Err(reason) => {
                self.refused += 1;
                self.reason.get_or_insert(reason);
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        self.let_in.len() as usize + self.refused
    }
}

/// A run, over.
pub(super) struct Report<'a> {
    pub(super) sums: Sums,
    pub(super) connects: Connects,
    pub(super) posted: &'a Posted,
    pub(super) outcomes: &'a [Outcome],
    pub(super) measured_from_us: u64,
    pub(super) published_until_us: u64,
    /// Processor time of the server while it was measured; none where nobody knows its process.
    pub(super) cpu: Option<Duration>,
    /// What of the server is in memory at the end, with what waits for slow clients.
    pub(super) resident_kib: Option<u64>,
    /// By how much it grew when the clients connected.
    pub(super) grown_kib: Option<u64>,
}

/// A counter that nobody counts any more.
pub(super) fn count(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// A quantile of microseconds, in milliseconds.
fn ms(histogram: &Histogram<u64>, quantile: f64) -> f64 {
    histogram.value_at_quantile(quantile) as f64 / 1_000.0
}

impl Report<'_> {
    /// Clients that were there and keep up, as far as it is up to them.
    fn fast(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.was_there && !outcome.slow)
    }

    /// Clients that were there, and ended before the run.
    fn ended(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().filter(|outcome| outcome.was_there && outcome.ended.is_some())
    }

    fn lost(&self) -> u64 {
        let published = |outcome: &Outcome| count(&self.posted.taken[usize::from(outcome.room)]);
        self.fast().map(|outcome| outcome.tally.lost(published(outcome))).sum()
    }

    fn out_of_order(&self) -> u64 {
        self.outcomes.iter().map(|outcome| outcome.tally.out_of_order).sum()
    }

    /// The table.
    pub(super) fn print(&self) -> std::io::Result<()> {
        let mut out = std::io::stdout();
        let mut row = |what: &str, figure: String| writeln!(out, "{what:<60} {figure:>16}");
        let Self { sums, connects, posted, .. } = self;
        row("measured", "figure".to_owned())?;
        row("connections let in", connects.let_in.len().to_string())?;
        row("connections refused", connects.refused.to_string())?;
        row("connects a second", format!("{:.0}/s", connects.count() as f64 / connects.took.as_secs_f64()))?;
        for (name, quantile) in [("p50", 0.5), ("p99", 0.99)] {
            row(&format!("connect to let in, {name}"), format!("{:.2} ms", ms(&connects.let_in, quantile)))?;
            row(
                &format!("connect to the room's beginning, {name}"),
                format!("{:.2} ms", ms(&connects.there, quantile)),
            )?;
        }
        if let Some(grown_kib) = self.grown_kib {
            let each = grown_kib as f64 / connects.let_in.len().max(1) as f64;
            row("memory of the server per idle connection", format!("{each:.1} KiB"))?;
        }
        let taken: u64 = posted.taken.iter().map(count).sum();
        row("frames posted and taken", taken.to_string())?;
        row("frames refused", count(&posted.refused).to_string())?;
        row("a post was behind its time by, at most", format!("{:.1} ms", count(&posted.late_us) as f64 / 1e3))?;
        let until_us = sums.last_us.max(self.published_until_us);
        let seconds = until_us.saturating_sub(self.measured_from_us) as f64 / 1e6;
        row("deliveries measured", sums.measured.to_string())?;
        row("deliveries a second", format!("{:.0}/s", sums.measured as f64 / seconds))?;
        row("lost", self.lost().to_string())?;
        row("out of order or twice", self.out_of_order().to_string())?;
        row("told to be left out", self.outcomes.iter().map(|outcome| outcome.tally.told).sum::<u64>().to_string())?;
        row("connections that ended early", self.ended().count().to_string())?;
        for (name, quantile) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)] {
            row(&format!("post to frame out, {name}"), format!("{:.2} ms", ms(&sums.latency_us, quantile)))?;
        }
        if let Some(kib) = self.resident_kib {
            row("memory of the server after it", format!("{:.1} MB", kib as f64 / 1_000.0))?;
        }
        if let Some(cpu) = self.cpu {
            let each_us = cpu.as_secs_f64() * 1e6 / sums.measured.max(1) as f64;
            row("server CPU per delivery", format!("{each_us:.2} µs"))?;
            row("server CPU, of one core", format!("{:.1} %", cpu.as_secs_f64() / seconds * 100.0))?;
        }
        Ok(())
    }

    /// An error where anything was lost or came out of order without being told.
    pub(super) fn judge(&self) -> anyhow::Result<()> {
        let refusal = self.posted.refusal.lock().expect("nobody panics with it").clone();
        let reasons = [
            self.connects.reason.clone().map(|reason| format!("the first connection that was refused: {reason}")),
            self.ended().find(|outcome| !outcome.slow).and_then(|outcome| outcome.ended.clone()),
            refusal.map(|text| format!("the first post that was refused: {text}")),
        ];
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        for reason in &reasons {
            writeln!(std::io::stderr(), "{reason}")?;
        }
        let (lost, out_of_order) = (self.lost(), self.out_of_order());
        if lost + out_of_order > 0 {
            bail!("{lost} frames were lost and {out_of_order} came out of order or twice");
        }
        if self.sums.measured == 0 {
            bail!("nothing arrived");
        }
        Ok(())
    }
}
