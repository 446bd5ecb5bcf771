//! The charts of a scope: its campaigns' points, summed second by second.

use std::collections::{BTreeMap, HashMap};

use ringside_model::{CampaignId, SeriesPoint, Timestamp};
use ringside_wire::{SeriesJson, SeriesPointJson};

/// So many points a chart shows.
const SHOWN: i64 = 60;
/// More seconds are held, so that a whole minute can still be made after it ended.
const HELD_SECONDS: usize = 90;
/// A campaign that is further behind the others does not hold them up.
const STRAGGLER_SECS: i64 = 2;

/// Points summed over campaigns, by their second or minute.
#[derive(Debug, Default)]
pub(crate) struct Summed {
    seconds: BTreeMap<i64, SeriesPoint>,
    minutes: BTreeMap<i64, SeriesPoint>,
    newest: HashMap<CampaignId, i64>,
}

impl Summed {
    /// Adds what a campaign's charts have when it is first seen.
    pub(crate) fn begin(&mut self, campaign: &CampaignId, series: &SeriesJson) {
        for point in &series.minutes {
            add(&mut self.minutes, SHOWN as usize, &point.into());
        }
        for point in &series.seconds {
            self.add(campaign, &point.into());
        }
    }

    /// Adds a campaign's newest second; one that was added before changes nothing.
    pub(crate) fn add(&mut self, campaign: &CampaignId, point: &SeriesPoint) {
        let second = point.at.seconds();
        match self.newest.get_mut(campaign) {
            Some(newest) if *newest >= second => return,
            Some(newest) => *newest = second,
            None => {
                self.newest.insert(campaign.clone(), second);
            }
        }
        add(&mut self.seconds, HELD_SECONDS, point);
        if second % 60 == 59 {
            // Minutes after the first look are made from their seconds.
            self.minutes.remove(&(second - 59));
            if let Some(minute) = self.minute(second - 59) {
                add(&mut self.minutes, SHOWN as usize, &minute);
            }
        }
    }

    /// Waits for this campaign no more.
    pub(crate) fn forget(&mut self, campaign: &CampaignId) {
        self.newest.remove(campaign);
    }

    /// The newest second that all campaigns have reached which keep up.
    pub(crate) fn complete(&self) -> Option<i64> {
        let newest = *self.newest.values().max()?;
        self.newest.values().copied().filter(|second| *second >= newest - STRAGGLER_SECS).min()
    }

    /// The sum of a second.
    pub(crate) fn second(&self, second: i64) -> Option<SeriesPointJson> {
        self.seconds.get(&second).map(SeriesPointJson::from)
    }

    /// Both charts; a second that no campaign has is there without values, so that the line breaks.
    pub(crate) fn charts(&self) -> SeriesJson {
        let end = self.complete().unwrap_or(i64::MIN);
        let first = self.seconds.range(end.saturating_sub(SHOWN - 1)..).next().map_or(i64::MAX, |(second, _)| *second);
        let seconds = if first > end { Vec::new() } else { (first..=end).map(|second| self.point(second)).collect() };
        SeriesJson { seconds, minutes: self.minutes.values().map(SeriesPointJson::from).collect() }
    }

    fn point(&self, second: i64) -> SeriesPointJson {
        self.second(second).unwrap_or_else(|| (&nothing(second)).into())
    }

    fn minute(&self, start: i64) -> Option<SeriesPoint> {
        let mut seconds = self.seconds.range(start..start + 60).map(|(_, point)| point);
        let first = seconds.next()?;
        Some(seconds.fold(SeriesPoint { at: Timestamp::from_millis(start * 1000), ..*first }, |minute, point| {
            SeriesPoint {
                at: minute.at,
                active: point.active.or(minute.active),
                queue: point.queue.or(minute.queue),
                attempts: known(minute.attempts, point.attempts),
                answered: known(minute.answered, point.answered),
                abandoned_5m: point.abandoned_5m.or(minute.abandoned_5m),
                human_5m: point.human_5m.or(minute.human_5m),
            }
        }))
    }
}

fn add(sums: &mut BTreeMap<i64, SeriesPoint>, held: usize, point: &SeriesPoint) {
    let second = point.at.seconds();
    let sum = sums.entry(second).or_insert_with(|| nothing(second));
    *sum = SeriesPoint {
        at: sum.at,
        active: known(sum.active, point.active),
        queue: known(sum.queue, point.queue),
        attempts: known(sum.attempts, point.attempts),
        answered: known(sum.answered, point.answered),
        abandoned_5m: known(sum.abandoned_5m, point.abandoned_5m),
        human_5m: known(sum.human_5m, point.human_5m),
    };
    while sums.len() > held {
        sums.pop_first();
    }
}

fn nothing(second: i64) -> SeriesPoint {
    SeriesPoint {
        at: Timestamp::from_millis(second * 1000),
        active: None,
        queue: None,
        attempts: None,
        answered: None,
        abandoned_5m: None,
        human_5m: None,
    }
}

/// Unknown plus known is known.
fn known(left: Option<i64>, right: Option<i64>) -> Option<i64> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left + right),
        (known, None) | (None, known) => known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(second: i64, active: Option<i64>, attempts: Option<i64>) -> SeriesPoint {
        SeriesPoint { active, attempts, ..nothing(second) }
    }

    #[test]
    fn seconds_are_aligned_summed_once_and_gaps_stay_gaps() {
        let (one, two) = (CampaignId::parse("one").unwrap(), CampaignId::parse("two").unwrap());
        let mut summed = Summed::default();
        summed.add(&one, &point(100, Some(3), None));
        summed.add(&one, &point(100, Some(3), None));
        summed.add(&two, &point(100, Some(4), Some(1)));
        summed.add(&one, &point(102, Some(5), None));
        assert_eq!(summed.complete(), Some(100), "the sum of 102 is not complete before two has reached it");
        summed.add(&two, &point(102, None, None));
        let charts = summed.charts();
        let shown: Vec<_> = charts.seconds.iter().map(|p| (p.t, p.active, p.attempts)).collect();
        assert_eq!(shown, [(100, Some(7), Some(1)), (101, None, None), (102, Some(5), None)]);
        summed.add(&one, &point(200, Some(1), None));
        assert_eq!(summed.complete(), Some(200), "a campaign that fell silent holds nobody up");
    }

    #[test]
    fn a_minute_is_made_of_its_seconds() {
        let one = CampaignId::parse("one").unwrap();
        let mut summed = Summed::default();
        for second in 120..=180 {
            summed.add(&one, &point(second, Some(second), Some(1)));
        }
        let minutes = summed.charts().minutes;
        assert_eq!(minutes.len(), 1);
        assert_eq!((minutes[0].t, minutes[0].active, minutes[0].attempts), (120, Some(179), Some(60)));
    }
}
